/*
 * Registry without memory: each allocation of opening, registering and listing
 * fails in turn. Whatever fails says OUT_OF_MEMORY and leaves nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "registry.h"
#include "scarce.h"

#include <cmocka.h> /* last: its fail() is a macro */

static bool probe_yes(void *context, int port)
{
    (void)context;
    (void)port;
    return true;
}

static const struct reg_options options = {.probe = probe_yes};

static struct registry *must_open(void)
{
    struct error err = {0};
    struct registry *registry = registry_open(&options, &err);

    assert_non_null(registry);
    return registry;
}

static bool try_register(struct registry *registry, struct error *err)
{
    const struct reg_request request = {.host = "127.0.0.1",
                                        .host_is_local = true,
                                        .app_name = "Test_API",
                                        .app_version = "1.2.0",
                                        .model_name = "m",
                                        .metadata = "{\"a\\n\":\"b\\n\"}",
                                        .request_id = "r",
                                        .has_pid = true,
                                        .pid = getpid()};
    struct reg_answer answer;

    return registry_register(registry, &request, &answer, err);
}

static void test_memory_opening_fails_cleanly(void **state)
{
    size_t number = 1;

    (void)state;
    for (bool failed = true; failed; number++) {
        struct error err = {0};
        struct registry *registry;

        scarce_begin(number);
        registry = registry_open(&options, &err);
        failed = scarce_end() >= number;
        if (failed) {
            assert_null(registry);
            assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
        }
        registry_close(registry);
    }
    assert_true(number > 5);
}

static void test_memory_registering_fails_cleanly(void **state)
{
    size_t number = 1, failures = 0;

    (void)state;
    for (bool failed = true; failed; number++) {
        struct registry *registry = must_open();
        struct error err = {0};
        bool ok;

        scarce_begin(number);
        ok = try_register(registry, &err);
        failed = scarce_end() >= number;
        if (!ok) {
            failures++;
            assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
            assert_int_equal(registry_count(registry), 0);
            assert_true(try_register(registry, &err));
        }
        assert_int_equal(registry_count(registry), 1);
        registry_close(registry);
    }
    assert_true(failures >= 4); /* scan, record, instance, lease */
}

static void test_memory_listing_fails_cleanly(void **state)
{
    struct registry *registry = must_open();
    struct error err = {0};
    size_t number = 1;

    (void)state;
    assert_true(try_register(registry, &err));
    for (bool failed = true; failed;) {
        struct reg_list list;
        struct arena arena;
        bool ok;

        arena_init(&arena, 0);
        scarce_begin(number);
        ok = registry_list(registry, NULL, &arena, &list, &err);
        failed = scarce_end() >= number;
        assert_int_equal(ok, !failed);
        if (failed) {
            assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
            number++;
        }
        arena_release(&arena);
    }
    assert_true(number > 1);
    registry_close(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_opening_fails_cleanly),
        cmocka_unit_test(test_memory_registering_fails_cleanly),
        cmocka_unit_test(test_memory_listing_fails_cleanly),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
