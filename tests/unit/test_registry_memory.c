/*
 * Registry without memory: each allocation of opening, registering and listing
 * fails in turn. Whatever fails says OUT_OF_MEMORY and leaves nothing behind.
 *
 * The program is linked with --wrap, so that malloc and its kin of our code
 * come here first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "registry.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* The allocation with this number fails, counted down; 0 = none. */
static int failing;

static bool fails_now(void)
{
    return failing > 0 && --failing == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails_now() ? NULL : __real_realloc(memory, size);
}

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
    int number = 1;

    (void)state;
    for (bool failed = true; failed; number++) {
        struct error err = {0};
        struct registry *registry;

        failing = number;
        registry = registry_open(&options, &err);
        failed = failing == 0;
        failing = 0;
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
    int number = 1, failures = 0;

    (void)state;
    for (bool failed = true; failed; number++) {
        struct registry *registry = must_open();
        struct error err = {0};
        bool ok;

        failing = number;
        ok = try_register(registry, &err);
        failed = failing == 0;
        failing = 0;
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
    int failures = 0;

    (void)state;
    assert_true(try_register(registry, &err));
    for (bool failed = true; failed;) {
        struct reg_list list;
        struct arena arena;
        bool ok;

        arena_init(&arena, 0);
        failing = failures + 1;
        ok = registry_list(registry, NULL, &arena, &list, &err);
        failed = failing == 0;
        failing = 0;
        assert_int_equal(ok, !failed);
        if (failed) {
            assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
            failures++;
        }
        arena_release(&arena);
    }
    assert_true(failures >= 1);
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
