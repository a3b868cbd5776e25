/*
 * What the HTTP guard learns from the options and the endpoints.
 */
#include <stdio.h>
#include <string.h>

#include "rest_rules.h"
#include "runtime_msg.h"
#include "unit.h"

static bool never(struct srv_call *call, const void *request, void *reply,
                  struct error *err)
{
    (void)call, (void)request, (void)reply;
    return fail(err, ERR_INTERNAL, "not called");
}

static const struct op_def ops[] = {{.id = "a",
                                     .verb = "POST",
                                     .path = "/small",
                                     .request = &runtime_health_request_def,
                                     .reply = &runtime_health_response_def,
                                     .max_body = 10,
                                     .handle = never},
                                    {.id = "b",
                                     .verb = "POST",
                                     .path = "/large",
                                     .request = &runtime_health_request_def,
                                     .reply = &runtime_health_response_def,
                                     .max_body = 5000,
                                     .handle = never},
                                    {.id = "c",
                                     .verb = "POST",
                                     .path = "/usual",
                                     .request = &runtime_health_request_def,
                                     .reply = &runtime_health_response_def,
                                     .handle = never}};
static const struct op_table table = {
    .service = "test.Test", .ops = ops, .count = COUNT_OF(ops)};
static const struct op_table *const tables[] = {&table, NULL};

static const char *const some[] = {"models.example", NULL};
static const char *const every[] = {"*", NULL};

/* The verdict on a request with this first line and header lines. */
static enum err_code verdict(const char *bound, const char *const *allowed,
                             const char *line, const char *fields)
{
    struct door_options options = {.host = bound,
                                   .tables = tables,
                                   .allowed_hosts = allowed,
                                   .max_body = 100};
    struct error err = {0};
    struct route_table *routes = route_table_new(tables, &err);
    struct http_head head = {0};
    struct rest_rules rules;
    char text[512];
    int size =
        snprintf(text, sizeof text, "%s HTTP/1.1\r\n%s\r\n", line, fields);

    assert_non_null(routes);
    assert_true(rest_rules_init(&rules, &options, routes, &err));
    (void)http_head_scan(&head, &rules.http, text, (size_t)size);
    rest_rules_release(&rules);
    route_table_free(routes);
    return head.code;
}

static void test_rules_name_the_hosts(void **state)
{
    static const struct {
        const char *bound, *fields;
        enum err_code code;
    } cases[] = {
        {"10.1.2.3", "Host: 10.1.2.3:5100\r\n", ERR_NONE},
        {"10.1.2.3", "Host: localhost\r\n", ERR_NONE},
        {"10.1.2.3", "Host: models.example\r\n", ERR_NONE},
        {"10.1.2.3", "Host: 10.1.2.4\r\n", ERR_MISDIRECTED_REQUEST},
        {"fe80::1", "Host: [fe80::1]:5100\r\n", ERR_NONE},
        {"0.0.0.0", "Host: 0.0.0.0\r\n", ERR_MISDIRECTED_REQUEST},
        {"::", "Host: [::]\r\n", ERR_MISDIRECTED_REQUEST},
        {"::", "Host: [::1]\r\n", ERR_NONE},
        {"127.0.0.1", "Host: localhost\r\nOrigin: https://models.example\r\n",
         ERR_NONE},
        {"127.0.0.1", "Host: localhost\r\nOrigin: http://127.0.0.1\r\n",
         ERR_FORBIDDEN_ORIGIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(
            verdict(cases[i].bound, some, "POST /small", cases[i].fields),
            cases[i].code);
}

static void test_rules_open_to_every_host_stay_closed_to_origins(void **state)
{
    (void)state;
    assert_int_equal(
        verdict("0.0.0.0", every, "POST /small", "Host: any.example\r\n"),
        ERR_NONE);
    assert_int_equal(verdict("0.0.0.0", every, "POST /small",
                             "Host: any.example\r\n"
                             "Origin: http://evil.example\r\n"),
                     ERR_FORBIDDEN_ORIGIN);
}

static void test_rules_know_the_body_of_each_endpoint(void **state)
{
    static const struct {
        const char *line;
        int length;
        enum err_code code;
    } cases[] = {{"POST /small", 10, ERR_NONE},
                 {"POST /small", 11, ERR_PAYLOAD_TOO_LARGE},
                 {"POST /large", 5000, ERR_NONE},
                 {"POST http://localhost/large", 5000, ERR_NONE},
                 {"POST /large", 5001, ERR_PAYLOAD_TOO_LARGE},
                 {"POST /usual", 100, ERR_NONE},
                 {"POST /usual", 101, ERR_PAYLOAD_TOO_LARGE},
                 {"POST /nowhere", 100, ERR_NONE},
                 {"POST /nowhere", 101, ERR_PAYLOAD_TOO_LARGE},
                 {"GET /large", 101, ERR_PAYLOAD_TOO_LARGE}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char fields[80];

        (void)snprintf(fields, sizeof fields,
                       "Host: localhost\r\nContent-Length: %d\r\n",
                       cases[i].length);
        assert_int_equal(verdict("127.0.0.1", some, cases[i].line, fields),
                         cases[i].code);
    }
}

static void test_rules_cut_the_target_to_its_path(void **state)
{
    (void)state;
    assert_string_equal(rest_origin_form("/a?b=://"), "/a?b=://");
    assert_string_equal(rest_origin_form("http://h:1/a?b"), "/a?b");
    assert_string_equal(rest_origin_form("http://h"), "/");
    assert_string_equal(rest_origin_form("*"), "*");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_name_the_hosts),
        cmocka_unit_test(test_rules_open_to_every_host_stay_closed_to_origins),
        cmocka_unit_test(test_rules_know_the_body_of_each_endpoint),
        cmocka_unit_test(test_rules_cut_the_target_to_its_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
