/*
 * Validate: every rule, through JSON so that cases are readable, and what only
 * a message from the wire can hold, built by hand.
 */
#include "validate.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_json.h"
#include "codec_messages.h"
#include "pattern.h"
#include "unit.h"

/* Decodes and validates; NULL or "CODE sentence" (static). */
static const char *check(const struct msg_def *def, const char *text)
{
    static char sentence[300];
    struct arena arena;
    struct error err;
    void *message = NULL;
    bool ok;

    arena_init(&arena, 0);
    error_clear(&err);
    if (!json_decode(def, text, strlen(text), &arena, &message, &err))
        fail_msg("%s: %s", text, err.msg);
    ok = validate_message(def, message, &arena, &err);
    (void)snprintf(sentence, sizeof sentence, "%s %s", err_info(err.code)->name,
                   err.msg);
    arena_release(&arena);
    return ok ? NULL : sentence;
}

static const char *const rule_cases[][2] = {
    {"{}", NULL},
    {"{\"inner\":{\"label\":\"A\"}}", NULL},
    {"{\"inner\":{}}", "/inner/label: is required"},
    {"{\"inner\":{\"label\":\"\"}}",
     "/inner/label: 0 bytes, at least 1 are needed"},
    {"{\"inner\":{\"label\":\"ABCDEFGHIJK\"}}",
     "/inner/label: 11 bytes, at most 10 are allowed"},
    {"{\"inner\":{\"label\":\"a\"}}", "/inner/label: does not match ^[A-Z]"},
    {"{\"inner\":{\"label\":\"A\",\"size\":5}}", NULL},
    {"{\"inner\":{\"label\":\"A\",\"size\":6}}", "/inner/size: 6 is above 5"},
    {"{\"inner\":{\"label\":\"A\",\"size\":-6}}",
     "/inner/size: -6 is below -5"},
    {"{\"inner\":{\"label\":\"A\",\"inner\":{\"label\":\"b\"}}}",
     "/inner/inner/label: does not match ^[A-Z]"},
    {"{\"inners\":[{\"label\":\"A\"},{}]}", "/inners/1/label: is required"},
    {"{\"numbers\":[1,2,3,4]}", NULL},
    {"{\"numbers\":[1,2,3,4,5]}",
     "/numbers: 5 elements, at most 4 are allowed"},
    {"{\"numbers\":[1,101]}", "/numbers/1: 101 is above 100"},
    {"{\"texts\":[\"one\",\"two\"]}", NULL},
    {"{\"texts\":[\"one\",\"four\"]}",
     "/texts/1: is not one of the listed values"},
    {"{\"bytes\":\"QUJDREVGR0hJSktMTU5PUFFS\"}",
     "/bytes: 18 bytes, at most 16 are allowed"},
    {"{\"values\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6}}",
     "/values: 6 keys, at most 5 are allowed"},
    {"{\"counts\":{\"abc\":1000}}", NULL},
    {"{\"counts\":{\"abc\":1001}}", "/counts/abc: 1001 is above 1000"},
    {"{\"counts\":{\"ABC\":1}}", "/counts/ABC: does not match ^[a-z]+$"},
    {"{\"counts\":{\"abc\\n\":1}}", "/counts/abc\n: does not match ^[a-z]+$"},
    {"{\"counts\":{\"abcdefghi\":1}}",
     "/counts/abcdefghi: 9 bytes, at most 8 are allowed"},
    {"{\"left\":1}", NULL},
    {"{\"floats\":[1,2],\"doubles\":[3],\"free\":{},\"color\":\"red\"}", NULL},
};

static void test_rules_hold_with_name_and_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rule_cases); i++) {
        const char *fault = check(&sample_def, rule_cases[i][0]);
        char expected[300];

        if (!rule_cases[i][1]) {
            if (fault)
                fail_msg("%s: %s", rule_cases[i][0], fault);
            continue;
        }
        (void)snprintf(expected, sizeof expected, "VALIDATION_ERROR %s",
                       rule_cases[i][1]);
        assert_non_null(fault);
        assert_string_equal(fault, expected);
    }
}

/* ---- what JSON cannot say, but the wire can ---- */

static void check_message(const struct sample *sample, const char *expected)
{
    struct arena arena;
    struct error err;

    arena_init(&arena, 0);
    assert_false(validate_message(&sample_def, sample, &arena, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_string_equal(err.msg, expected);
    arena_release(&arena);
}

static void test_messages_from_the_wire_meet_the_same_rules(void **state)
{
    float floats[] = {1, 2, -INFINITY};
    double doubles[] = {(double)NAN};
    struct float_list list = {.n_items = 3, .items = floats};
    struct any nothing = {.kind = ANY_NONE};
    struct any infinite = {.kind = ANY_FLOATS, .floats = &list};
    struct any json = {.kind = ANY_JSON};
    struct any_entry entry = {0};
    struct any_entry *entries[] = {&entry};
    struct inner *inners[] = {NULL};
    struct msg_time far = {.nanos = 1000000000};
    struct sample f64 = {.has_f64 = 1, .f64 = (double)INFINITY};
    struct sample color = {.has_color = 1, .color = 0};
    struct sample floats_of = {.n_floats = 3, .floats = floats};
    struct sample doubles_of = {.n_doubles = 1, .doubles = doubles};
    struct sample inners_of = {.n_inners = 1, .inners = inners};
    struct sample when = {.when = &far};
    struct sample values = {.n_values = 1, .values = entries};
    char broken[] = "{\"a\":1,\"a\":2}", key[] = "k";
    struct sample freely = {.free = broken};

    (void)state;
    check_message(&f64, "/f64: is not a finite number");
    check_message(&color, "/color: is not one of the listed values");
    check_message(&floats_of, "/floats/2: is not a finite number");
    check_message(&doubles_of, "/doubles/0: is not a finite number");
    check_message(&inners_of, "/inners/0: is not set");
    check_message(&when, "/when: is outside the years 1 to 9999");
    check_message(&freely, "/free: is not JSON that may be kept");
    check_message(&values, "/values/: has no value");
    entry.key = key;
    entry.value = &nothing;
    check_message(&values, "/values/k: has no value");
    entry.value = &infinite;
    check_message(&values, "/values/k/2: is not a finite number");
    entry.value = &json;
    json.json = broken;
    check_message(&values, "/values/k: is not JSON that may be kept");
}

static void test_a_message_that_contains_itself_ends(void **state)
{
    char label[] = "A";
    struct inner loop = {.label = label};
    struct sample sample = {.inner = &loop};
    struct arena arena;
    struct error err;

    (void)state;
    loop.inner = &loop;
    arena_init(&arena, 0);
    assert_false(validate_message(&sample_def, &sample, &arena, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_non_null(strstr(err.msg, "is nested too deep"));
    arena_release(&arena);
}

/* ---- patterns ---- */

static void test_patterns_of_all_requests_are_prepared(void **state)
{
    static const struct msg_rule broken_rule = {.pattern = "["};
    static const struct msg_field fields[] = {
        {.json = "x", .number = 1, .kind = MSG_STR, .rule = &broken_rule}};
    static const struct msg_def broken_def = {
        .name = "test.Broken", .size = 64, .fields = fields, .field_count = 1};
    static const struct op_def good[] = {
        {.id = "test.good", .request = &sample_def}};
    static const struct op_def bad[] = {
        {.id = "test.bad", .request = &broken_def}};
    static const struct op_table good_table = {"test.Good", good, 1};
    static const struct op_table bad_table = {"test.Bad", bad, 1};
    const struct op_table *const fine[] = {&good_table, NULL};
    const struct op_table *const broken[] = {&good_table, &bad_table, NULL};
    struct error err;

    (void)state;
    assert_true(validate_prepare(fine, &err));
    assert_true(validate_prepare(fine, &err)); /* again is fine */
    assert_false(validate_prepare(broken, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_string_equal(err.msg, "pattern '[' is broken at byte 1");
}

static void test_hard_matches_are_refused_in_time(void **state)
{
    static const char pattern[] = "^(a+)+$";
    char text[64];
    bool matches = false;
    struct error err;

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 2] = 'b';
    text[sizeof text - 1] = '\0';
    assert_true(pattern_match(pattern, "aaa", 3, &matches, &err));
    assert_true(matches);
    assert_false(pattern_match(pattern, text, sizeof text - 1, &matches, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
}

static void test_patterns_know_utf8_and_only_the_very_end(void **state)
{
    bool matches = false;
    struct error err;

    (void)state;
    assert_true(pattern_match("^.$", "\xc3\xa9", 2, &matches, &err));
    assert_true(matches);
    assert_true(pattern_match("^a$", "a\n", 2, &matches, &err));
    assert_false(matches);
}

static void *match_often(void *argument)
{
    static const char pattern[] = "^[a-z]{1,5}$";
    size_t *wrong = argument;

    for (int i = 0; i < 2000; i++) {
        bool matches = i % 2 != 0;
        struct error err;

        if (!pattern_match(pattern, i % 2 ? "ABC" : "abc", 3, &matches, &err) ||
            matches != (i % 2 == 0))
            (*wrong)++;
    }
    return NULL;
}

static void test_threads_share_compiled_patterns(void **state)
{
    pthread_t threads[4];
    size_t wrong[4] = {0};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, match_often, &wrong[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_hold_with_name_and_limit),
        cmocka_unit_test(test_messages_from_the_wire_meet_the_same_rules),
        cmocka_unit_test(test_a_message_that_contains_itself_ends),
        cmocka_unit_test(test_patterns_of_all_requests_are_prepared),
        cmocka_unit_test(test_hard_matches_are_refused_in_time),
        cmocka_unit_test(test_patterns_know_utf8_and_only_the_very_end),
        cmocka_unit_test(test_threads_share_compiled_patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
