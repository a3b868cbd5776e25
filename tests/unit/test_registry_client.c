/*
 * Registry client against our own registry, in process: REST and gRPC do the
 * same and fail the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "door.h"
#include "log.h"
#include "registry_client.h"
#include "registry_server.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { LIMIT_MS = 5000 };

static struct reg_app app;
static struct door *door;

static bool probe_yes(void *context, int port)
{
    (void)context;
    (void)port;
    return true;
}

static int open_registry(void **state)
{
    static const struct op_table *const tables[] = {&registry_ops, NULL};
    const struct reg_options options = {.probe = probe_yes};
    const struct door_options doors = {.tables = tables, .app = &app};
    struct error err = {0};

    (void)state;
    log_set_level(LOG_ERROR);
    app.registry = registry_open(&options, &err);
    app.watchers =
        app.registry ? reg_watchers_new(app.registry, 10, &err) : NULL;
    door = app.watchers ? door_open(&doors, &err) : NULL;
    return door ? 0 : -1;
}

static int close_registry(void **state)
{
    (void)state;
    door_close(door);
    reg_watchers_free(app.watchers);
    registry_close(app.registry);
    return 0;
}

static struct registry_client *connect_over(const char *scheme)
{
    struct registry_client *client;
    struct error err = {0};
    char url[64];

    (void)snprintf(url, sizeof url, "%s127.0.0.1:%d", scheme, door_port(door));
    client = registry_client_open(url, &err);
    if (!client)
        fail_msg("%s", err.msg);
    return client;
}

static struct registry_announcement announce(const char *model)
{
    return (struct registry_announcement){.app_name = "Test_API",
                                          .app_version = "1.2.0",
                                          .model_name = model,
                                          .reason = "a \"test\"\n",
                                          .metadata = "{\"a\":1}",
                                          .process_id = getpid()};
}

static void test_client_registers_beats_and_leaves(void **state)
{
    struct registry_client *client = connect_over(*state);
    struct registry_announcement who = announce("m");
    struct registry_lease lease, again;
    struct error err = {0};

    who.preferred_port = 6123;
    assert_true(registry_client_register(client, &who, LIMIT_MS, &lease, &err));
    assert_int_equal(lease.port, 6123);
    assert_int_equal(lease.ttl_s, 90);
    assert_false(lease.is_old);
    assert_string_equal(lease.message, "Successfully registered");
    assert_true(registry_client_register(client, &who, LIMIT_MS, &again, &err));
    assert_string_equal(again.id, lease.id);
    assert_true(registry_client_heartbeat(client, lease.port, lease.id,
                                          LIMIT_MS, &err));
    assert_true(registry_client_unregister(client, lease.port, lease.id,
                                           LIMIT_MS, &err));
    assert_int_equal(registry_count(app.registry), 0);
    registry_client_close(client);
}

static void test_client_failures_have_the_registry_s_codes(void **state)
{
    struct registry_client *client = connect_over(*state);
    struct registry_announcement who = announce("m"), wrong = announce("../m");
    struct registry_lease lease;
    struct error err = {0};

    assert_true(registry_client_register(client, &who, LIMIT_MS, &lease, &err));
    assert_false(registry_client_heartbeat(client, 7000, "", LIMIT_MS, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(
        registry_client_heartbeat(client, lease.port, "x", LIMIT_MS, &err));
    assert_int_equal(err.code, ERR_REGISTRATION_MISMATCH);
    assert_false(
        registry_client_unregister(client, lease.port, "x", LIMIT_MS, &err));
    assert_int_equal(err.code, ERR_REGISTRATION_MISMATCH);
    assert_false(
        registry_client_register(client, &wrong, LIMIT_MS, &lease, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_non_null(strstr(err.msg, "model_name"));
    assert_true(registry_client_unregister(client, lease.port, lease.id,
                                           LIMIT_MS, &err));
    registry_client_close(client);
}

static void test_client_finds_the_instances_of_a_model(void **state)
{
    struct registry_client *client = connect_over(*state);
    struct registry_addresses found;
    struct registry_lease lease;
    struct error err = {0};

    assert_false(registry_client_resolve(client, "m", LIMIT_MS, &found, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++) {
        struct registry_announcement who = announce("m");
        char name[16];

        (void)snprintf(name, sizeof name, "app-%d", i);
        who.app_name = name;
        assert_true(
            registry_client_register(client, &who, LIMIT_MS, &lease, &err));
    }
    assert_true(registry_client_resolve(client, "m", LIMIT_MS, &found, &err));
    assert_int_equal(found.count, 3);
    for (int i = 1; i < 3; i++)
        assert_true(found.list[i - 1].port < found.list[i].port);
    assert_string_equal(found.list[0].host, "127.0.0.1");
    registry_client_close(client);
}

static void test_client_without_a_registry_says_unavailable(void **state)
{
    const char *scheme = *state;
    struct registry_client *client;
    struct error err = {0};
    char url[64];

    /* 1 is tcpmux, which nobody runs, and no test may bind */
    (void)snprintf(url, sizeof url, "%s127.0.0.1:1", scheme);
    client = registry_client_open(url, &err);
    assert_non_null(client);
    assert_false(registry_client_heartbeat(client, 5100, "", LIMIT_MS, &err));
    assert_int_equal(err.code, ERR_REGISTRY_UNAVAILABLE);
    registry_client_close(client);
}

static void test_client_refuses_urls_that_are_none(void **state)
{
    static const char *const urls[] = {
        "",
        "127.0.0.1:5000",
        "https://127.0.0.1:5000",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:5000/path",
        "http://:5000",
        "http://a b:5000",
        "grpc://user@127.0.0.1:5000",
        "http://127.0.0.1:5000?x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct error err = {0};

        assert_null(registry_client_open(urls[i], &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
}

int main(void)
{
    static char rest[] = "http://", grpc[] = "grpc://";
    const struct CMUnitTest tests[] = {
#define BOTH(name)                                                             \
    {#name " over REST", name, open_registry, close_registry, rest},           \
        {#name " over gRPC", name, open_registry, close_registry, grpc}
        BOTH(test_client_registers_beats_and_leaves),
        BOTH(test_client_failures_have_the_registry_s_codes),
        BOTH(test_client_finds_the_instances_of_a_model),
        BOTH(test_client_without_a_registry_says_unavailable),
#undef BOTH
        cmocka_unit_test(test_client_refuses_urls_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
