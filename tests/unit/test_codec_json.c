/*
 * JSON codec: what is taken, what is refused and with which words, and what is
 * written. Random messages are in test_codec_random.c.
 */
#include "codec_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_messages.h"
#include "unit.h"

/* ---- in and out again ---- */

/* Decodes and encodes; the text in `out`, or "CODE sentence". */
static void there_and_back(const struct msg_def *def, const char *text,
                           struct buf *out)
{
    struct arena arena;
    struct error err;
    void *message = NULL;

    arena_init(&arena, 0);
    buf_clear(out);
    if (!json_decode(def, text, strlen(text), &arena, &message, &err) ||
        !json_encode(def, message, out, &err)) {
        buf_clear(out);
        buf_printf(out, "%s %s", err_info(err.code)->name, err.msg);
    }
    arena_release(&arena);
}

static void check_all(const struct msg_def *def, const char *const cases[][2],
                      size_t count)
{
    struct buf out = {0};

    for (size_t i = 0; i < count; i++) {
        there_and_back(def, cases[i][0], &out);
        if (strcmp(out.data, cases[i][1]) != 0)
            fail_msg("%s\n  gave     %s\n  expected %s", cases[i][0], out.data,
                     cases[i][1]);
    }
    buf_release(&out);
}

/* What an empty sample is written as, behind its other fields. */
#define EMPTY_LISTS                                                            \
    "\"numbers\":[],\"floats\":[],\"doubles\":[],\"texts\":[],\"inners\":[],"  \
    "\"values\":{},\"counts\":{}}"
#define NOTHING "\"nothing\":null,"

static void test_every_kind_is_read_and_written(void **state)
{
    static const char *const cases[][2] = {
        {"{}", "{" NOTHING EMPTY_LISTS},
        {" {\"yes\" : true } ", "{\"yes\":true," NOTHING EMPTY_LISTS},
        {"{\"yes\":false,\"i32\":-2147483648,\"u32\":4294967295,"
         "\"i64\":-9223372036854775808,\"u64\":18446744073709551615}",
         "{\"yes\":false,\"i32\":-2147483648,\"u32\":4294967295,"
         "\"i64\":-9223372036854775808,"
         "\"u64\":18446744073709551615," NOTHING EMPTY_LISTS},
        {"{\"i32\":1.0,\"i64\":1e3,\"u32\":-0}",
         "{\"i32\":1,\"u32\":0,\"i64\":1000," NOTHING EMPTY_LISTS},
        {"{\"f32\":0.1,\"f64\":0.1}",
         "{\"f32\":0.1,\"f64\":0.1," NOTHING EMPTY_LISTS},
        {"{\"f32\":3,\"f64\":1e300}",
         "{\"f32\":3.0,\"f64\":1e300," NOTHING EMPTY_LISTS},
        {"{\"text\":\"a\\u00e9\\n\\\"\\u0001\"}",
         "{\"text\":\"a\xc3\xa9\\n\\\"\\u0001\"," NOTHING EMPTY_LISTS},
        {"{\"te\\u0078t\":\"\"}", "{\"text\":\"\"," NOTHING EMPTY_LISTS},
        {"{\"bytes\":\"_-8\"}", "{\"bytes\":\"/+8=\"," NOTHING EMPTY_LISTS},
        {"{\"free\": {\"b\":[1.50, {}], \"a\":null} }",
         "{\"free\":{\"b\":[1.50, {}], \"a\":null}," NOTHING EMPTY_LISTS},
        {"{\"free\":null}", "{\"free\":null," NOTHING EMPTY_LISTS},
        {"{\"when\":\"2026-01-05T13:00:00.5+01:00\"}",
         "{\"when\":\"2026-01-05T12:00:00.500Z\"," NOTHING EMPTY_LISTS},
        {"{\"color\":\"green\"}", "{\"color\":\"green\"," NOTHING EMPTY_LISTS},
        {"{\"inner\":{\"label\":\"A\",\"size\":-3}}",
         "{\"inner\":{\"label\":\"A\",\"size\":-3}," NOTHING EMPTY_LISTS},
        {"{\"nothing\":null}", "{" NOTHING EMPTY_LISTS},
        {"{\"nothing\":\"x\"}", "{\"nothing\":\"x\"," EMPTY_LISTS},
        {"{\"left\":7}", "{" NOTHING "\"left\":7," EMPTY_LISTS},
        {"{\"right\":\"r\"}", "{" NOTHING "\"right\":\"r\"," EMPTY_LISTS},
    };

    (void)state;
    check_all(&sample_def, cases, COUNT_OF(cases));
}

static void test_lists_and_maps_are_read_and_written(void **state)
{
    static const char *const cases[][2] = {
        {"{\"numbers\":[1, -2,3.0]}",
         "{" NOTHING "\"numbers\":[1,-2,3],\"floats\":[],\"doubles\":[],"
         "\"texts\":[],\"inners\":[],\"values\":{},\"counts\":{}}"},
        {"{\"floats\":[1, 0.1,\n-2.5e-3 ],\"doubles\":[0.1]}",
         "{" NOTHING "\"numbers\":[],\"floats\":[1.0,0.1,-0.0025],"
         "\"doubles\":[0.1],\"texts\":[],\"inners\":[],\"values\":{},"
         "\"counts\":{}}"},
        {"{\"texts\":[\"\",\"a\",\"\\t\"],\"inners\":[{\"label\":\"X\"}]}",
         "{" NOTHING "\"numbers\":[],\"floats\":[],\"doubles\":[],"
         "\"texts\":[\"\",\"a\",\"\\t\"],\"inners\":[{\"label\":\"X\"}],"
         "\"values\":{},\"counts\":{}}"},
        {"{\"counts\":{\"b\":2,\"a\":1,\"\":3}}",
         "{" NOTHING "\"numbers\":[],\"floats\":[],\"doubles\":[],"
         "\"texts\":[],\"inners\":[],\"values\":{},"
         "\"counts\":{\"\":3,\"a\":1,\"b\":2}}"},
    };

    (void)state;
    check_all(&sample_def, cases, COUNT_OF(cases));
}

static void test_unions_are_told_by_the_type_of_the_value(void **state)
{
    static const char *const cases[][2] = {
        {"1.5", "1.5"},
        {"-0", "-0.0"},
        {"true", "true"},
        {"\"x\"", "\"x\""},
        {"[]", "[]"},
        {"[1,2.5]", "[1.0,2.5]"},
        {"[\"a\",\"b\"]", "[\"a\",\"b\"]"},
        {"[1,\"a\"]", "[1,\"a\"]"}, /* kept as text */
        {"[\"a\", 1]", "[\"a\", 1]"},
        {"[1, null]", "[1, null]"},
        {"[[1, 2], [3]]", "[[1, 2], [3]]"},
        {"[true]", "[true]"},
        {"{ \"a\": [1] }", "{ \"a\": [1] }"},
        {"null", "null"},
        {"[1e39]", "VALIDATION_ERROR /0: the number is outside the range of a "
                   "float"},
        {"1e999", "VALIDATION_ERROR the message: the number is outside the "
                  "range of a double"},
        {"[1,]", "MALFORMED_JSON expected a value at byte 3"},
        {"[1,\"a\"", "MALFORMED_JSON expected ']' at byte 6"},
        {"{\"a\":1,\"a\":2}", "MALFORMED_JSON duplicate key at byte 7"},
        {"{\"a\":1,\"\\u0061\":2}", "MALFORMED_JSON duplicate key at byte 7"},
        {"[{\"b\":{\"a\":1,\"a\":2}}]",
         "MALFORMED_JSON duplicate key at byte 13"},
        {"nope", "MALFORMED_JSON expected a value at byte 0"},
    };

    (void)state;
    check_all(&any_def, cases, COUNT_OF(cases));
}

static void test_the_list_alternative_is_typed(void **state)
{
    static const struct {
        const char *text;
        enum any_case kind;
    } cases[] = {
        {"1", ANY_NUMBER},       {"false", ANY_FLAG}, {"\"QUJD\"", ANY_TEXT},
        {"[1,2]", ANY_FLOATS},   {"[]", ANY_FLOATS},  {"[\"a\"]", ANY_STRINGS},
        {"[1,\"a\"]", ANY_JSON}, {"{}", ANY_JSON},    {"[[1]]", ANY_JSON}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = cases[i].text;
        struct arena arena;
        struct error err;
        void *message = NULL;

        arena_init(&arena, 0);
        assert_true(
            json_decode(&any_def, text, strlen(text), &arena, &message, &err));
        assert_int_equal(((struct any *)message)->kind, cases[i].kind);
        arena_release(&arena);
    }
}

/* ---- refusals ---- */

static const char *const wrong_values[][2] = {
    {"", "MALFORMED_JSON expected a value at byte 0"},
    {"[]", "VALIDATION_ERROR the message: expected an object, found a "
           "list"},
    {"null", "VALIDATION_ERROR the message: expected an object, found "
             "null"},
    {"{\"yes\":1}",
     "VALIDATION_ERROR /yes: expected a boolean, found a number"},
    {"{\"yes\":\"true\"}",
     "VALIDATION_ERROR /yes: expected a boolean, found a string"},
    {"{\"yes\":null}", "VALIDATION_ERROR /yes: must not be null"},
    {"{\"numbers\":null}",
     "VALIDATION_ERROR /numbers: expected a list, found null"},
    {"{\"numbers\":[1,null]}",
     "VALIDATION_ERROR /numbers/1: expected an integer, found null"},
    {"{\"i32\":1.5}",
     "VALIDATION_ERROR /i32: expected an integer, found a fraction"},
    {"{\"i32\":2147483648}", "VALIDATION_ERROR /i32: the number is outside "
                             "-2147483648 to 2147483647"},
    {"{\"u32\":-1}",
     "VALIDATION_ERROR /u32: the number is outside 0 to 4294967295"},
    {"{\"i64\":9223372036854775808}",
     "VALIDATION_ERROR /i64: the number is outside -9223372036854775808 "
     "to 9223372036854775807"},
    {"{\"u64\":1e20}", "VALIDATION_ERROR /u64: the number is outside 0 to "
                       "18446744073709551615"},
    {"{\"i64\":\"5\"}",
     "VALIDATION_ERROR /i64: expected an integer, found a string"},
    {"{\"f32\":1e39}", "VALIDATION_ERROR /f32: the number is outside the "
                       "range of a float"},
    {"{\"f64\":1e999}", "VALIDATION_ERROR /f64: the number is outside the "
                        "range of a double"},
    {"{\"f64\":NaN}", "MALFORMED_JSON expected a value at byte 7"},
    {"{\"f64\":Infinity}", "MALFORMED_JSON expected a value at byte 7"},
    {"{\"f64\":01}", "MALFORMED_JSON expected '}' at byte 8"},
    {"{\"f64\":1.}", "MALFORMED_JSON expected a digit at byte 9"},
    {"{\"floats\":[1,2.]}", "MALFORMED_JSON expected a digit at byte 15"},
    {"{\"floats\":[1,\"x\"]}",
     "VALIDATION_ERROR /floats/1: expected a number, found a string"},
    {"{\"floats\":[1 2]}", "MALFORMED_JSON expected ']' at byte 13"},
    {"{\"floats\":[1", "MALFORMED_JSON expected ']' at byte 12"},
    {"{\"text\":5}",
     "VALIDATION_ERROR /text: expected a string, found a number"},
    {"{\"bytes\":\"a\"}", "VALIDATION_ERROR /bytes: expected base64"},
    {"{\"when\":\"yesterday\"}",
     "VALIDATION_ERROR /when: expected a time as in RFC 3339"},
    {"{\"color\":\"blue\"}",
     "VALIDATION_ERROR /color: expected one of the listed values"},
    {"{\"color\":1}",
     "VALIDATION_ERROR /color: expected a string, found a number"},
    {"{\"inner\":{\"size\":{}}}",
     "VALIDATION_ERROR /inner/size: expected an integer, found an object"},
    {"{\"inners\":[{},{\"inner\":[]}]}",
     "VALIDATION_ERROR /inners/1/inner: expected an object, found a list"},
    {"{\"values\":{\"a/b~c\":[1e39]}}",
     "VALIDATION_ERROR /values/a~1b~0c/0: the number is outside the range "
     "of a float"},
    {"{\"txt\":1}", "VALIDATION_ERROR /txt: unknown field, did you mean "
                    "'text'?"},
    {"{\"bogus_name\":1}", "VALIDATION_ERROR /bogus_name: unknown field"},
    {"{\"inner\":{\"labels\":1}}", "VALIDATION_ERROR /inner/labels: unknown "
                                   "field, did you mean 'label'?"},
    {"{\"left\":1,\"right\":\"r\"}", "VALIDATION_ERROR /right: only one "
                                     "field of its group may be given"},
    {"{\"yes\":true,\"yes\":true}", "MALFORMED_JSON duplicate key at byte 12"},
    {"{\"nothing\":null,\"nothing\":null}",
     "MALFORMED_JSON duplicate key at byte 16"},
    {"{\"counts\":{\"a\":1,\"b\":2,\"a\":3}}",
     "MALFORMED_JSON duplicate key 'a' before byte 29"},
    {"{\"free\":{\"a\":1,\"a\":1}}", "MALFORMED_JSON duplicate key at byte 15"},
    {"{\"yes\":true,}", "MALFORMED_JSON expected a string at byte 12"},
    {"{\"yes\":true} x", "MALFORMED_JSON text after the value at byte 13"},
    {"\xef\xbb\xbf{}", "MALFORMED_JSON expected a value at byte 0"},
    {"{\"text\":\"\\ud800\"}", "MALFORMED_JSON lone surrogate at byte 15"},
    {"{\"text\":\"\xff\"}", "MALFORMED_JSON invalid UTF-8 at byte 9"},
    {"{\"te\\u0000xt\":1}", "MALFORMED_JSON NUL in a string at byte 10"},
};

static void test_wrong_values_are_refused_by_name_and_limit(void **state)
{
    (void)state;
    check_all(&sample_def, wrong_values, COUNT_OF(wrong_values));
}

static void test_open_messages_skip_unknown_keys(void **state)
{
    static const char *const cases[][2] = {
        {"{\"text\":\"t\",\"values\":{},\"more\":{\"a\":[1,{}]},\"n\":null}",
         "{\"text\":\"t\",\"values\":{}}"},
        {"{\"text\":\"t\",\"values\":{},\"more\":1,\"more\":2}",
         "MALFORMED_JSON duplicate key at byte 33"},
        {"{\"text\":\"t\",\"values\":{},\"more\":{\"a\":1,\"a\":2}}",
         "MALFORMED_JSON duplicate key at byte 38"},
        {"{\"text\":\"t\",\"values\":{},\"more\":[1,]}",
         "MALFORMED_JSON expected a value at byte 34"},
        {"{\"text\":\"t\"}", "VALIDATION_ERROR /values: is required"},
    };

    (void)state;
    check_all(&open_sample_def, cases, COUNT_OF(cases));
}

/* `depth` nested values around a null. */
static char *nested(char opening, char closing, int depth)
{
    char *text = malloc((size_t)depth * 8 + 8), *out = text;

    assert_non_null(text);
    for (int i = 0; i < depth; i++) {
        *out++ = opening;
        if (opening == '{')
            out += sprintf(out, "\"a\":");
    }
    out += sprintf(out, "null");
    memset(out, closing, (size_t)depth);
    out[depth] = '\0';
    return text;
}

static void check_nested(const struct msg_def *def, char opening, char closing,
                         int depth, const char *expected)
{
    char *text = nested(opening, closing, depth);
    struct buf out = {0};

    there_and_back(def, text, &out);
    if (expected)
        assert_string_equal(out.data, expected);
    else
        assert_string_equal(out.data, text);
    buf_release(&out);
    free(text);
}

static void test_depth_ends_at_32(void **state)
{
    (void)state;
    check_nested(&any_def, '[', ']', 32, NULL);
    check_nested(&any_def, '{', '}', 32, NULL);
    check_nested(&any_def, '[', ']', 33,
                 "MALFORMED_JSON nested too deep at byte 32");
    check_nested(&any_def, '{', '}', 33,
                 "MALFORMED_JSON nested too deep at byte 160");
    check_nested(&any_def, '[', ']', 250000,
                 "MALFORMED_JSON nested too deep at byte 32");
}

static void test_messages_in_messages_end_at_32(void **state)
{
    struct buf text = {0}, out = {0};

    (void)state;
    for (int i = 0; i < 33; i++)
        buf_string(&text, "{\"label\":\"A\",\"inner\":");
    there_and_back(&inner_def, text.data, &out);
    assert_string_equal(out.data, "MALFORMED_JSON nested too deep at byte 672");
    buf_release(&text);
    buf_release(&out);
}

static void test_one_million_values_are_the_limit(void **state)
{
    static const char *const openings[] = {"[", "{\"floats\":[", "[\"\",",
                                           "{\"a\":["};
    const struct msg_def *const defs[] = {&any_def, &sample_def, &any_def,
                                          &any_def};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(openings); i++) {
        struct buf text = {0}, out = {0};

        buf_string(&text, openings[i]);
        for (int n = 0; n < JSON_ELEMENTS_MAX + 1; n++)
            buf_string(&text, "0,");
        text.data[text.size - 1] = ']';
        if (openings[i][0] == '{')
            buf_char(&text, '}');
        there_and_back(defs[i], text.data, &out);
        assert_memory_equal(out.data, "MALFORMED_JSON too many values", 30);
        buf_release(&text);
        buf_release(&out);
    }
}

/* ---- from URLs ---- */

static void test_url_values_become_fields(void **state)
{
    static const struct {
        const char *field, *text, *expected;
    } cases[] = {
        {"i64", "5100", "{\"i64\":5100," NOTHING EMPTY_LISTS},
        {"i64", "-1", "{\"i64\":-1," NOTHING EMPTY_LISTS},
        {"i64", "abc", "/i64: not a value of its type"},
        {"i64", "", "/i64: not a value of its type"},
        {"i64", "5 ", "/i64: text after the value"},
        {"i64", " 5", "/i64: begins with a space"},
        {"i64", "5x", "/i64: text after the value"},
        {"i64", "\"5\"", "/i64: expected an integer, found a string"},
        {"i32", "99999999999",
         "/i32: the number is outside -2147483648 to "
         "2147483647"},
        {"yes", "true", "{\"yes\":true," NOTHING EMPTY_LISTS},
        {"yes", "1", "/yes: expected a boolean, found a number"},
        {"text", "a\"b\\ ", "{\"text\":\"a\\\"b\\\\ \"," NOTHING EMPTY_LISTS},
        {"text", "", "{\"text\":\"\"," NOTHING EMPTY_LISTS},
        {"color", "red", "{\"color\":\"red\"," NOTHING EMPTY_LISTS},
        {"color", "blue", "/color: expected one of the listed values"},
        {"f64", "1e3", "{\"f64\":1000.0," NOTHING EMPTY_LISTS},
        {"inner", "x", "field 'inner' cannot come from a URL"},
        {"numbers", "1", "field 'numbers' cannot come from a URL"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct msg_field *field = sample_def.fields;
        struct buf out = {0};
        struct arena arena;
        struct error err;
        void *message;

        arena_init(&arena, 0);
        message = msg_new(&sample_def, &arena);
        while (strcmp(field->json, cases[i].field) != 0)
            field++;
        if (json_bind(field, cases[i].text, &arena, message, &err))
            assert_true(json_encode(&sample_def, message, &out, &err));
        else
            buf_string(&out, err.msg);
        assert_string_equal(out.data, cases[i].expected);
        buf_release(&out);
        arena_release(&arena);
    }
}

static void test_a_field_of_the_body_is_not_bound_again(void **state)
{
    static const char text[] = "{\"yes\":true,\"i32\":1}";
    struct arena arena;
    struct error err;
    void *message;

    (void)state;
    arena_init(&arena, 0);
    message = msg_new(&sample_def, &arena);
    assert_true(json_decode_into(&sample_def, text, sizeof text - 1, &arena,
                                 message, &err));
    assert_true(json_bind(&sample_def.fields[2], "5", &arena, message, &err));
    assert_false(json_bind(&sample_def.fields[1], "5", &arena, message, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_string_equal(err.msg, "/i32: belongs in the URL, not in the body");
    arena_release(&arena);
}

/* ---- out ---- */

static enum err_code encode_code(const struct sample *sample, char *msg)
{
    struct buf out = {0};
    struct error err;
    bool ok;

    error_clear(&err);
    ok = json_encode(&sample_def, sample, &out, &err);
    assert_int_equal(ok, err.code == ERR_NONE);
    (void)snprintf(msg, 240, "%s", err.msg);
    buf_release(&out);
    return err.code;
}

static void test_numbers_that_are_not_finite_are_never_written(void **state)
{
    float floats[] = {1, NAN};
    double doubles[] = {-(double)INFINITY};
    struct sample f32 = {.has_f32 = 1, .f32 = INFINITY};
    struct sample f64 = {.has_f64 = 1, .f64 = (double)NAN};
    struct sample list = {.n_floats = 2, .floats = floats};
    struct sample wide = {.n_doubles = 1, .doubles = doubles};
    char msg[240];

    (void)state;
    assert_int_equal(encode_code(&f32, msg), ERR_OUTPUT_INVALID);
    assert_string_equal(msg, "/f32 is not a finite number");
    assert_int_equal(encode_code(&f64, msg), ERR_OUTPUT_INVALID);
    assert_int_equal(encode_code(&list, msg), ERR_OUTPUT_INVALID);
    assert_string_equal(msg, "/floats/1 is not a finite number");
    assert_int_equal(encode_code(&wide, msg), ERR_OUTPUT_INVALID);
}

static void test_broken_replies_are_our_fault(void **state)
{
    struct inner no_label = {.size = 1};
    struct msg_time far = {.seconds = INT64_MAX};
    char *texts[] = {NULL};
    struct sample cases[] = {
        {.inner = &no_label},
        {.has_color = 1, .color = 9},
        {.when = &far},
        {.n_texts = 1, .texts = texts},
    };
    static const char *const sentences[] = {
        "reply: /inner/label is required and not set",
        "reply: /color has no name for its number",
        "reply: /when is not a time",
        "reply: /texts/0 is NULL",
    };
    char msg[240];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(encode_code(&cases[i], msg), ERR_INTERNAL);
        assert_string_equal(msg, sentences[i]);
    }
}

/* ---- memory ---- */

/* Decodes in an arena that has `left` bytes and no more. */
static bool decode_within(const char *text, size_t left, struct error *err)
{
    struct arena arena;
    void *message = NULL;
    bool ok;

    arena_init(&arena, 4096 + 64);
    assert_non_null(arena_alloc(&arena, 4096 - 16 - left));
    arena.limit_bytes = arena.total_bytes;
    ok = json_decode(&sample_def, text, strlen(text), &arena, &message, err);
    arena_release(&arena);
    return ok;
}

static void test_every_allocation_may_fail(void **state)
{
    static const char text[] =
        "{\"text\":\"a\\n\",\"bytes\":\"QUJD\",\"free\":{\"a\":[1]},"
        "\"when\":\"2026-01-05T12:00:00Z\",\"color\":\"red\","
        "\"inner\":{\"label\":\"A\",\"inner\":{\"label\":\"B\"}},"
        "\"numbers\":[1,2],\"floats\":[1],\"doubles\":[1],\"texts\":[\"one\"],"
        "\"values\":{\"b\":[1],\"a\":[\"s\"],\"c\":{\"d\":1}},"
        "\"counts\":{\"a\":1,\"b\":2}}";
    size_t failures = 0;
    struct error err;

    (void)state;
    for (size_t left = 0; left <= 4096 - 32; left += 16) {
        error_clear(&err);
        if (decode_within(text, left, &err)) {
            assert_true(failures > 50);
            return;
        }
        assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
        failures++;
    }
    fail_msg("the text never fitted: %s", err.msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_read_and_written),
        cmocka_unit_test(test_lists_and_maps_are_read_and_written),
        cmocka_unit_test(test_unions_are_told_by_the_type_of_the_value),
        cmocka_unit_test(test_the_list_alternative_is_typed),
        cmocka_unit_test(test_wrong_values_are_refused_by_name_and_limit),
        cmocka_unit_test(test_open_messages_skip_unknown_keys),
        cmocka_unit_test(test_depth_ends_at_32),
        cmocka_unit_test(test_messages_in_messages_end_at_32),
        cmocka_unit_test(test_one_million_values_are_the_limit),
        cmocka_unit_test(test_url_values_become_fields),
        cmocka_unit_test(test_a_field_of_the_body_is_not_bound_again),
        cmocka_unit_test(test_numbers_that_are_not_finite_are_never_written),
        cmocka_unit_test(test_broken_replies_are_our_fault),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
