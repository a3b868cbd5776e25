/*
 * Route: which endpoint, which binds, and the order of the refusals.
 */
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const struct op_bind port_binds[] = {
    {"port", OP_FROM_PATH, 0}, {"registration_id", OP_FROM_QUERY, 1}};
static const struct op_bind name_binds[] = {{"name", OP_FROM_PATH, 0}};
static const struct op_bind list_binds[] = {{"after", OP_FROM_QUERY, 0},
                                            {"limit", OP_FROM_QUERY, 1}};

static const struct op_def ops[] = {
    {.id = "health", .verb = "GET", .path = "/health", .method = "/t.S/Health"},
    {.id = "predict",
     .verb = "POST",
     .path = "/predict",
     .method = "/t.S/Predict"},
    {.id = "list",
     .verb = "GET",
     .path = "/models",
     .binds = list_binds,
     .bind_count = 2,
     .method = "/t.S/List"},
    {.id = "add", .verb = "POST", .path = "/models"},
    {.id = "root", .verb = "GET", .path = "/"},
    {.id = "unregister",
     .verb = "DELETE",
     .path = "/unregister/{port}",
     .binds = port_binds,
     .bind_count = 2,
     .method = "/t.S/Unregister"},
    {.id = "model",
     .verb = "GET",
     .path = "/models/{name}",
     .binds = name_binds,
     .bind_count = 1},
    {.id = "put",
     .verb = "PUT",
     .path = "/models/{name}",
     .binds = name_binds,
     .bind_count = 1},
    {.id = "ready",
     .verb = "GET",
     .path = "/models/{name}/ready",
     .binds = name_binds,
     .bind_count = 1},
    {.id = "stats", .verb = "GET", .path = "/models/stats"},
    {.id = "rpc", .method = "/t.S/Only"},
};
static const struct op_table table_of_ops = {"t.S", ops, COUNT_OF(ops)};
static const struct op_table *const tables[] = {&table_of_ops, NULL};

static struct route_table *make(void)
{
    struct error err;
    struct route_table *table = route_table_new(tables, &err);

    assert_non_null(table);
    return table;
}

/* "id bind|bind" or "CODE sentence [allow]". */
static void look_up(const struct route_table *table, const char *verb,
                    const char *target, char *out, size_t room)
{
    struct route_match match;
    struct arena arena;
    struct error err;
    size_t used;

    arena_init(&arena, 0);
    if (!route_rest(table, verb, target, &arena, &match, &err)) {
        (void)snprintf(out, room, "%s %s%s%s", err_info(err.code)->name,
                       err.msg, match.allow ? " | " : "",
                       match.allow ? match.allow : "");
    } else {
        used = (size_t)snprintf(out, room, "%s%s", match.op->id,
                                match.head ? " head" : "");
        for (size_t i = 0; i < match.op->bind_count; i++)
            used += (size_t)snprintf(out + used, room - used, "|%s",
                                     match.binds[i] ? match.binds[i] : "-");
    }
    arena_release(&arena);
}

static void test_targets_lead_to_their_endpoint(void **state)
{
    static const char *const cases[][3] = {
        {"GET", "/health", "health"},
        {"HEAD", "/health", "health head"},
        {"GET", "/he%61lth", "health"},
        {"GET", "/health?", "health"},
        {"GET", "/", "root"},
        {"POST", "/predict", "predict"},
        {"GET", "/models", "list|-|-"},
        {"GET", "/models?limit=5", "list|-|5"},
        {"GET", "/models?limit=5&after=a%20b+c%2Bd", "list|a b c+d|5"},
        {"GET", "/models?after", "list||-"},
        {"GET", "/models?after=", "list||-"},
        {"GET", "/models?&after=x=y&&", "list|x=y|-"},
        {"GET", "/models?after=a%2Fb%0Ac", "list|a/b\nc|-"},
        {"POST", "/models", "add"},
        {"GET", "/models/stats", "stats"},
        {"GET", "/models/x", "model|x"},
        {"GET", "/models/a%20b%C3%A9", "model|a b\xc3\xa9"},
        {"GET", "/models/a+b", "model|a+b"},
        {"GET", "/models/...", "model|..."},
        {"PUT", "/models/stats", "put|stats"},
        {"GET", "/models/x/ready", "ready|x"},
        {"DELETE", "/unregister/5100?registration_id=r_1",
         "unregister|5100|r_1"},
        {"DELETE", "/unregister/5100", "unregister|5100|-"},
    };
    struct route_table *table = make();
    char out[400];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        look_up(table, cases[i][0], cases[i][1], out, sizeof out);
        assert_string_equal(out, cases[i][2]);
    }
    route_table_free(table);
}

static const char *const refused_targets[][3] = {
    {"GET", "/nope", "NOT_FOUND there is no such path"},
    {"BREW", "/nope", "NOT_FOUND there is no such path"},
    {"GET", "/Health", "NOT_FOUND there is no such path"},
    {"GET", "/health/", "NOT_FOUND there is no such path"},
    {"GET", "/health/x", "NOT_FOUND there is no such path"},
    {"GET", "/models/", "NOT_FOUND there is no such path"},
    {"GET", "/models/x/ready/y", "NOT_FOUND there is no such path"},
    {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r",
     "NOT_FOUND there is no such path"},
    {"POST", "/health",
     "METHOD_NOT_ALLOWED the path does not take POST, only GET, HEAD | "
     "GET, HEAD"},
    {"DELETE", "/models",
     "METHOD_NOT_ALLOWED the path does not take DELETE, only GET, HEAD, "
     "POST | GET, HEAD, POST"},
    {"HEAD", "/predict",
     "METHOD_NOT_ALLOWED the path does not take HEAD, only POST | POST"},
    {"get", "/health",
     "METHOD_NOT_ALLOWED the path does not take get, only GET, HEAD | "
     "GET, HEAD"},
    {"DELETE", "/models/stats",
     "METHOD_NOT_ALLOWED the path does not take DELETE, only GET, HEAD, "
     "PUT | GET, HEAD, PUT"},
    {"GET", "", "BAD_REQUEST the request target does not begin with '/'"},
    {"GET", "health", "BAD_REQUEST the request target does not begin with '/'"},
    {"GET", "http://x/health",
     "BAD_REQUEST the request target does not begin with '/'"},
    {"GET", "?a=b", "BAD_REQUEST the request target does not begin with '/'"},
    {"GET", "/health#x", "BAD_REQUEST the request target has a fragment"},
    {"GET", "//health", "BAD_REQUEST the path has an empty segment"},
    {"GET", "/models//x", "BAD_REQUEST the path has an empty segment"},
    {"GET", "/../health",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/.",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/%2e%2e",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/%2e%2e%2fx",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/a%2Fb",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/a\\b",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/a%5cb",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/a%0Ab",
     "BAD_REQUEST the path has a segment that is not allowed"},
    {"GET", "/models/%00", "BAD_REQUEST the URL has a NUL in it"},
    {"GET", "/models/%zz", "BAD_REQUEST the URL has a bad escape"},
    {"GET", "/models/%4", "BAD_REQUEST the URL has a bad escape"},
    {"GET", "/models/%", "BAD_REQUEST the URL has a bad escape"},
    {"GET", "/models/%+1", "BAD_REQUEST the URL has a bad escape"},
    {"GET", "/models/%c0%af", "BAD_REQUEST the URL is not UTF-8"},
    {"GET", "/models/\xff", "BAD_REQUEST the URL is not UTF-8"},
    {"GET", "/models?limit=%ff", "BAD_REQUEST the URL is not UTF-8"},
    {"GET", "/models?limit=%0", "BAD_REQUEST the URL has a bad escape"},
    {"GET", "/models?limit=%00", "BAD_REQUEST the URL has a NUL in it"},
    {"GET", "/models?what=1", "VALIDATION_ERROR unknown query key 'what'"},
    {"GET", "/health?x", "VALIDATION_ERROR unknown query key 'x'"},
    {"GET", "/models?limit=1&limit=1",
     "VALIDATION_ERROR query key 'limit' is there twice"},
    {"GET", "/models?limit=1&l%69mit=2",
     "VALIDATION_ERROR query key 'limit' is there twice"},
    {"DELETE", "/unregister/1?port=2",
     "VALIDATION_ERROR unknown query key 'port'"},
};

static void test_targets_are_refused_for_the_first_fault(void **state)
{
    struct route_table *table = make();
    char out[400];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused_targets); i++) {
        look_up(table, refused_targets[i][0], refused_targets[i][1], out,
                sizeof out);
        assert_string_equal(out, refused_targets[i][2]);
    }
    route_table_free(table);
}

static void test_long_targets_are_refused(void **state)
{
    struct route_table *table = make();
    char target[ROUTE_TARGET_MAX + 2], out[400];

    (void)state;
    memset(target, 'x', sizeof target);
    target[0] = '/';
    target[ROUTE_TARGET_MAX] = '\0';
    look_up(table, "GET", target, out, sizeof out);
    assert_string_equal(out, "NOT_FOUND there is no such path");
    target[ROUTE_TARGET_MAX] = 'x';
    target[ROUTE_TARGET_MAX + 1] = '\0';
    look_up(table, "GET", target, out, sizeof out);
    assert_string_equal(out, "URI_TOO_LONG the URL has more than 4096 bytes");
    route_table_free(table);
}

static void test_grpc_methods_are_found_by_full_name(void **state)
{
    struct route_table *table = make();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ops); i++)
        if (ops[i].method)
            assert_ptr_equal(route_grpc(table, ops[i].method), &ops[i]);
    assert_null(route_grpc(table, "/t.S/Nope"));
    assert_null(route_grpc(table, "t.S/Health"));
    assert_null(route_grpc(table, ""));
    route_table_free(table);
}

static void refuse_table(const struct op_def *list, size_t count,
                         const char *expected)
{
    const struct op_table one = {"t.T", list, count};
    const struct op_table *const both[] = {&table_of_ops, &one, NULL};
    struct error err;

    assert_null(route_table_new(both, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_string_equal(err.msg, expected);
}

static void test_broken_tables_stop_the_start(void **state)
{
    static const struct op_def same_path[] = {
        {.id = "h2", .verb = "GET", .path = "/health"}};
    static const struct op_def same_shape[] = {{.id = "p2",
                                                .verb = "PUT",
                                                .path = "/models/{name}",
                                                .binds = name_binds,
                                                .bind_count = 1}};
    static const struct op_def same_method[] = {
        {.id = "m2", .method = "/t.S/Predict"}};
    static const struct op_def no_slash[] = {
        {.id = "s2", .verb = "GET", .path = "health"}};
    static const struct op_def no_bind[] = {
        {.id = "b2", .verb = "GET", .path = "/x/{y}"}};
    static const struct op_def empty[] = {
        {.id = "e2", .verb = "GET", .path = "/x//y"}};

    (void)state;
    refuse_table(same_path, 1, "endpoint 'h2' is there twice");
    refuse_table(same_shape, 1, "endpoint 'p2' is there twice");
    refuse_table(same_method, 1, "endpoint 'm2' is there twice");
    refuse_table(no_slash, 1, "endpoint 's2' has no path");
    refuse_table(no_bind, 1, "path '/x/{y}' binds a field it does not have");
    refuse_table(empty, 1, "path '/x//y' is not a template");
    route_table_free(NULL);
}

static void expect_alias(struct route_table *table, const char *path,
                         const char *target, const char *expected)
{
    struct error err = {0};
    bool ok = route_table_alias(table, path, target, &err);

    assert_string_equal(ok ? "" : err.msg, expected);
    if (!ok)
        assert_int_equal(err.code, strcmp(target, "/nope") == 0
                                       ? ERR_INTERNAL
                                       : ERR_DOCUMENT_INVALID);
}

static void test_an_alias_is_answered_like_its_target(void **state)
{
    struct route_table *table = make();
    char out[400];

    (void)state;
    expect_alias(table, "/ready", "/health", "");
    expect_alias(table, "/probe/live", "/health", "");
    expect_alias(table, "/ready", "/health", ""); /* again */
    expect_alias(table, "/health", "/health", "");
    look_up(table, "GET", "/ready", out, sizeof out);
    assert_string_equal(out, "health");
    look_up(table, "HEAD", "/probe/live", out, sizeof out);
    assert_string_equal(out, "health head");
    look_up(table, "GET", "/health", out, sizeof out);
    assert_string_equal(out, "health");
    look_up(table, "POST", "/ready", out, sizeof out);
    assert_string_equal(out, "METHOD_NOT_ALLOWED the path does not take POST, "
                             "only GET, HEAD | GET, HEAD");
    look_up(table, "GET", "/ready/x", out, sizeof out);
    assert_string_equal(out, "NOT_FOUND there is no such path");
    route_table_free(table);
}

static void test_an_alias_shadows_nothing(void **state)
{
    static const char *const bad[] = {"",        "ready",  "/a//b",
                                      "/a/../b", "/a%2fb", "/a?x",
                                      "/a#x",    "/a\\b",  "/a%20b"};
    struct route_table *table = make();
    char expected[200];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(expected, sizeof expected,
                       "'%s' is not a path that can be served", bad[i]);
        expect_alias(table, bad[i], "/health", expected);
    }
    expect_alias(table, "/predict", "/health",
                 "'/predict' cannot stand for '/health': it is an endpoint "
                 "itself");
    expect_alias(table, "/models/a", "/health",
                 "'/models/a' cannot stand for '/health': it is an endpoint "
                 "itself");
    expect_alias(table, "/ready", "/nope", "no endpoint takes GET /nope");
    route_table_free(table);
}

static void test_an_empty_list_finds_nothing(void **state)
{
    const struct op_table *const none[] = {NULL};
    struct error err;
    struct route_table *table = route_table_new(none, &err);
    char out[400];

    (void)state;
    assert_non_null(table);
    look_up(table, "GET", "/", out, sizeof out);
    assert_string_equal(out, "NOT_FOUND there is no such path");
    assert_null(route_grpc(table, "/t.S/Health"));
    route_table_free(table);
}

static void test_no_memory_is_an_answer(void **state)
{
    struct route_table *table = make();
    struct route_match match;
    struct arena arena;
    struct error err;

    (void)state;
    for (size_t left = 0; left < 200; left += 16) {
        bool ok;

        arena_init(&arena, 4096 + 64);
        assert_non_null(arena_alloc(&arena, 4096 - left));
        arena.limit_bytes = arena.total_bytes;
        error_clear(&err);
        ok = route_rest(table, "DELETE", "/unregister/1?registration_id=r",
                        &arena, &match, &err);
        assert_int_equal(err.code, ok ? ERR_NONE : ERR_OUT_OF_MEMORY);
        assert_true(ok || left < 150);
        arena_release(&arena);
    }
    route_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_lead_to_their_endpoint),
        cmocka_unit_test(test_targets_are_refused_for_the_first_fault),
        cmocka_unit_test(test_long_targets_are_refused),
        cmocka_unit_test(test_grpc_methods_are_found_by_full_name),
        cmocka_unit_test(test_broken_tables_stop_the_start),
        cmocka_unit_test(test_an_alias_is_answered_like_its_target),
        cmocka_unit_test(test_an_alias_shadows_nothing),
        cmocka_unit_test(test_an_empty_list_finds_nothing),
        cmocka_unit_test(test_no_memory_is_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
