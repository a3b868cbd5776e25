/*
 * Answers of foreign registries: read what is known, whatever stands around.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "rest_answer.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* An answer with this text and an arena; both to be released. */
struct bench {
    struct buf answer;
    struct arena arena;
};

static struct bench *with(struct bench *bench, const char *text)
{
    buf_clear(&bench->answer);
    buf_string(&bench->answer, text);
    return bench;
}

static int set_up(void **state)
{
    static struct bench bench;

    bench = (struct bench){0};
    arena_init(&bench.arena, 0);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    buf_release(&bench->answer);
    arena_release(&bench->arena);
    return 0;
}

static void test_rest_answer_takes_what_it_knows(void **state)
{
    struct bench *bench = with(
        *state, "{\"x\":[{\"assigned_port\":1}],\"ttl_s\":30,\"success\":true,"
                "\"message\":\"a\\u00e9\\n\",\"assigned_port\":5101,"
                "\"registration_id\":\"id\",\"expires_at\":null,\"y\":{}}");
    struct rest_fields fields = {0};
    struct error err = {0};

    assert_true(rest_read_fields(&bench->answer, &bench->arena, &fields, &err));
    assert_int_equal(fields.assigned_port, 5101);
    assert_int_equal(fields.ttl_s, 30);
    assert_true(fields.has_success && fields.success);
    assert_string_equal(fields.message, "a\xc3\xa9\n");
    assert_string_equal(fields.registration_id, "id");
    assert_null(fields.expires_at);
    assert_null(fields.error);
}

static void test_rest_answer_of_other_types_counts_as_absent(void **state)
{
    struct bench *bench =
        with(*state, "{\"assigned_port\":\"5101\",\"registration_id\":7,"
                     "\"message\":[1],\"success\":\"true\",\"ttl_s\":{}}");
    struct rest_fields fields = {0};
    struct error err = {0};

    assert_true(rest_read_fields(&bench->answer, &bench->arena, &fields, &err));
    assert_int_equal(fields.assigned_port, 0);
    assert_int_equal(fields.ttl_s, 0);
    assert_null(fields.registration_id);
    assert_null(fields.message);
    assert_false(fields.success);
}

static void test_rest_answer_that_is_no_object_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "null",
                                        "[]",
                                        "\"x\"",
                                        "{",
                                        "{\"a\":1,}",
                                        "{\"a\":1} {}",
                                        "{a:1}",
                                        "<html>",
                                        "{\"a\":",
                                        "{\"message\":\"",
                                        "{}{}"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct bench *bench = with(*state, texts[i]);
        struct registry_addresses found;
        struct rest_fields fields = {0};
        struct error err = {0};

        assert_false(
            rest_read_fields(&bench->answer, &bench->arena, &fields, &err));
        assert_int_equal(err.code, ERR_MALFORMED_JSON);
        assert_false(
            rest_read_instances(&bench->answer, &bench->arena, &found, &err));
    }
}

static void test_rest_answer_lists_as_many_instances_as_fit(void **state)
{
    struct bench *bench = with(*state, "{\"instances\":[");
    struct registry_addresses found;
    struct error err = {0};

    for (int i = 0; i < REGISTRY_ADDRESSES_MAX + 10; i++)
        buf_printf(&bench->answer, "%s{\"port\":%d,\"host\":\"h%d\",\"x\":[]}",
                   i ? "," : "", 5100 + i, i);
    buf_string(&bench->answer, "],\"revision\":1}");
    assert_true(
        rest_read_instances(&bench->answer, &bench->arena, &found, &err));
    assert_int_equal(found.count, REGISTRY_ADDRESSES_MAX);
    assert_int_equal(found.list[1].port, 5101);
    assert_string_equal(found.list[1].host, "h1");
    (void)with(bench, "{\"instances\":[]}");
    assert_true(
        rest_read_instances(&bench->answer, &bench->arena, &found, &err));
    assert_int_equal(found.count, 0);
}

static void test_rest_answer_passes_over_what_is_no_address(void **state)
{
    struct bench *bench = with(
        *state, "{\"instances\":[{\"port\":0},{\"port\":65536},{\"port\":-1},"
                "{\"host\":\"h\"},{\"port\":5100,\"host\":\"\"},"
                "{\"port\":5100,\"host\":\"h/x\"},"
                "{\"port\":5100,\"host\":\"user@h\"},");
    struct registry_addresses found;
    struct error err = {0};

    buf_printf(&bench->answer,
               "{\"port\":5100,\"host\":\"%064d\"},"
               "{\"port\":5101,\"host\":\"%063d\"},"
               "{\"port\":5102,\"host\":\"fe80::1\"},{\"port\":5103}]}",
               1, 1);
    assert_true(
        rest_read_instances(&bench->answer, &bench->arena, &found, &err));
    assert_int_equal(found.count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(found.list[i].port, 5101 + i);
    assert_string_equal(found.list[1].host, "fe80::1");
    assert_string_equal(found.list[2].host, "127.0.0.1");
}

#define ANSWER_TEST(name)                                                      \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ANSWER_TEST(test_rest_answer_takes_what_it_knows),
        ANSWER_TEST(test_rest_answer_of_other_types_counts_as_absent),
        ANSWER_TEST(test_rest_answer_that_is_no_object_is_refused),
        ANSWER_TEST(test_rest_answer_lists_as_many_instances_as_fit),
        ANSWER_TEST(test_rest_answer_passes_over_what_is_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
