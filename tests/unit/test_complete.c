/*
 * What clients use of the codecs: answers that are newer than the tables,
 * requests that say no more than they must, and what must be there.
 */
#include "complete.h"

#include <stdlib.h>
#include <string.h>

#include "codec_json.h"
#include "codec_messages.h"
#include "unit.h"

/* Reads the answer; whether all is there, and its text again or the error. */
static void read_answer(const struct msg_def *def, const char *text,
                        struct buf *out)
{
    struct error err = {0};
    struct arena arena;
    void *message = NULL;

    arena_init(&arena, 0);
    buf_clear(out);
    if (!json_decode_reply(def, text, strlen(text), &arena, &message, &err) ||
        !msg_complete(def, message, &arena, &err) ||
        !json_encode_request(def, message, NULL, 0, out, &err)) {
        buf_clear(out);
        buf_printf(out, "%s %s", err_info(err.code)->name, err.msg);
    }
    arena_release(&arena);
}

static void check_answers(const struct msg_def *def,
                          const char *const cases[][2], size_t count)
{
    struct buf out = {0};

    for (size_t i = 0; i < count; i++) {
        read_answer(def, cases[i][0], &out);
        assert_string_equal(out.data, cases[i][1]);
    }
    buf_release(&out);
}

static void test_an_answer_may_be_newer(void **state)
{
    static const char *const cases[][2] = {
        {"{\"later\":{\"a\":[1,null]},\"i32\":1}", "{\"i32\":1,"
                                                   "\"nothing\":null}"},
        {"{\"i32\":null,\"texts\":null,\"values\":null}", "{\"nothing\":null}"},
        {"{\"inner\":{\"label\":\"x\",\"later\":1}}",
         "{\"inner\":{\"label\":\"x\"},\"nothing\":null}"},
        {"{\"color\":\"no such\"}",
         "INTERNAL reply: /color has no name for its number"}};

    (void)state;
    check_answers(&sample_def, cases, sizeof cases / sizeof *cases);
}

static void test_an_answer_is_still_of_its_types(void **state)
{
    static const char *const cases[][2] = {
        {"{\"i32\":1.5}", "VALIDATION_ERROR"},
        {"{\"i32\":\"1\"}", "VALIDATION_ERROR"},
        {"{\"color\":1}", "VALIDATION_ERROR"},
        {"[]", "VALIDATION_ERROR"},
        {"{\"i32\":1,\"i32\":2}", "MALFORMED_JSON"},
        {"{\"later\":{\"a\":1,\"a\":2}}", "MALFORMED_JSON"},
        {"{", "MALFORMED_JSON"},
        {"", "MALFORMED_JSON"}};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_answer(&sample_def, cases[i][0], &out);
        if (strncmp(out.data, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s gave %s", cases[i][0], out.data);
    }
    buf_release(&out);
}

static void test_what_is_missing_is_named(void **state)
{
    static const char *const inner[][2] = {
        {"{\"inner\":{}}", "VALIDATION_ERROR /inner/label: is required"},
        {"{\"inner\":{\"label\":\"x\",\"inner\":{\"label\":null}}}",
         "VALIDATION_ERROR /inner/inner/label: is required"},
        {"{\"inners\":[{\"label\":\"x\"},{}]}",
         "VALIDATION_ERROR /inners/1/label: is required"}};
    static const char *const open[][2] = {
        {"{\"values\":{}}", "VALIDATION_ERROR /text: is required"},
        {"{\"text\":\"x\"}", "VALIDATION_ERROR /values: is required"},
        {"{\"text\":\"x\",\"values\":{}}", "{\"text\":\"x\",\"values\":{}}"}};

    (void)state;
    check_answers(&sample_def, inner, sizeof inner / sizeof *inner);
    check_answers(&open_sample_def, open, sizeof open / sizeof *open);
}

/* What a caller built by hand: pointers that were never set. */
static void test_structs_built_by_hand_are_checked(void **state)
{
    struct any value = {.kind = ANY_JSON, .json = (char[]){"{\"a\": }"}};
    struct any_entry entry = {.key = (char[]){"k"}, .value = &value};
    struct any_entry *entries[] = {&entry};
    struct open_sample message = {
        .text = (char[]){"x"}, .n_values = 1, .values = entries};
    struct error err;
    struct arena arena;

    (void)state;
    arena_init(&arena, 0);
    assert_false(msg_complete(&open_sample_def, &message, &arena, &err));
    assert_string_equal(err.msg, "/values/k: is not JSON");
    value.json = (char[]){"{\"a\":1}"};
    assert_true(msg_complete(&open_sample_def, &message, &arena, &err));
    value.kind = ANY_NONE;
    assert_false(msg_complete(&open_sample_def, &message, &arena, &err));
    assert_string_equal(err.msg, "/values/k: has no value");
    entry.value = NULL;
    assert_false(msg_complete(&open_sample_def, &message, &arena, &err));
    assert_string_equal(err.msg, "/values/k: has no value");
    arena_release(&arena);
}

static void test_fields_of_the_url_are_not_in_the_body(void **state)
{
    static const struct op_bind binds[] = {{"label", OP_FROM_PATH, 0}};
    struct inner deep = {.label = (char[]){"deep"}};
    struct inner message = {
        .label = (char[]){"x"}, .has_size = 1, .size = 7, .inner = &deep};
    struct buf out = {0};
    struct error err;

    (void)state;
    assert_true(
        json_encode_request(&inner_def, &message, binds, 1, &out, &err));
    assert_string_equal(out.data,
                        "{\"size\":7,\"inner\":{\"label\":\"deep\"}}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_may_be_newer),
        cmocka_unit_test(test_an_answer_is_still_of_its_types),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_structs_built_by_hand_are_checked),
        cmocka_unit_test(test_fields_of_the_url_are_not_in_the_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
