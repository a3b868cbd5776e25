/*
 * The guard in front of the HTTP library: what passes, what is refused, and
 * that the answer does not depend on how the bytes were cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_guard.h"
#include "unit.h"

static size_t large_for_big(void *context, const char *verb, size_t verb_size,
                            const char *target, size_t target_size,
                            const void **endpoint)
{
    (void)context, (void)verb, (void)verb_size, (void)endpoint;
    return target_size == 4 && memcmp(target, "/big", 4) == 0 ? 1000 : 10;
}

static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]", NULL};
static const char *const origins[] = {"pages.example", NULL};

static const struct http_rules rules = {.hosts = hosts,
                                        .origins = origins,
                                        .small_body = 10,
                                        .body_limit = large_for_big};

/* What a caller of the guard keeps: passed bytes, and those held back. */
struct flow {
    struct http_guard guard;
    char *passed, *held;
    size_t passed_size, held_size;
};

static void flow_start(struct flow *flow, size_t most)
{
    http_guard_init(&flow->guard, &rules);
    flow->passed = malloc(most + 1);
    flow->held = malloc(most + 1);
    assert_non_null(flow->passed);
    assert_non_null(flow->held);
    flow->passed_size = flow->held_size = 0;
}

static void flow_end(struct flow *flow)
{
    free(flow->passed);
    free(flow->held);
}

static void flow_push(struct flow *flow, const char *bytes, size_t size)
{
    size_t passed;

    memcpy(flow->held + flow->held_size, bytes, size);
    flow->held_size += size;
    passed = http_guard_pass(&flow->guard, flow->held, flow->held_size);
    assert_true(passed <= flow->held_size);
    memcpy(flow->passed + flow->passed_size, flow->held, passed);
    flow->passed_size += passed;
    memmove(flow->held, flow->held + passed, flow->held_size - passed);
    flow->held_size -= passed;
}

/* Pushes the text in pieces of `step` bytes until it is refused. */
static void flow_text(struct flow *flow, const char *text, size_t size,
                      size_t step)
{
    flow_start(flow, size);
    for (size_t at = 0; at < size && flow->guard.code == ERR_NONE; at += step)
        flow_push(flow, text + at, size - at < step ? size - at : step);
}

#define GET     "GET / HTTP/1.1\r\nHost: localhost\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: localhost\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct guard_case {
    const char *text;
    enum err_code code; /* ERR_NONE: all of it passes */
    uint32_t requests;  /* heads that pass */
};

static const struct guard_case cases[] = {
    {GET "\r\n", ERR_NONE, 1},
    {GET "\r\n" GET "\r\n", ERR_NONE, 2},
    {"\r\n" GET "\r\n", ERR_NONE, 1},
    {"GET / HTTP/1.0\r\n\r\n", ERR_NONE, 1},
    {"GET http://LOCALHOST:1/x HTTP/1.1\r\nHost: localhost\r\n\r\n", ERR_NONE,
     1},
    {"OPTIONS * HTTP/1.1\r\nHost: [::1]:5100\r\n\r\n", ERR_NONE, 1},
    {GET "Origin: http://localhost\r\n\r\n", ERR_NONE, 1},
    {GET "Origin: https://pages.example:8443\r\n\r\n", ERR_NONE, 1},
    {POST "Content-Length: 3\r\n\r\nabc" GET "\r\n", ERR_NONE, 2},
    {POST "content-length:\t3 \r\n\r\nabc", ERR_NONE, 1},
    {CHUNKED "3\r\nabc\r\n0;a=b\r\nX: y\r\n\r\n" GET "\r\n", ERR_NONE, 2},
    {CHUNKED "A\r\n0123456789\r\n0\r\n\r\n", ERR_NONE, 1},
    {"POST /big HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
     ERR_NONE, 1},
    {POST "Content-Encoding: identity\r\nContent-Length: 0\r\n\r\n", ERR_NONE,
     1},

    {"GET / HTTP/1.1\r\n\r\n", ERR_BAD_REQUEST, 0},
    {GET "Host: localhost\r\n\r\n", ERR_BAD_REQUEST, 0},
    {"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", ERR_BAD_REQUEST, 0},
    {"GET / HTTP/1.1\nHost: localhost\n\n", ERR_BAD_REQUEST, 0},
    {GET "X: a\rb\r\n\r\n", ERR_BAD_REQUEST, 0},
    {GET " folded\r\n\r\n", ERR_BAD_REQUEST, 0},
    {GET "\r\n\r\n\r\n" GET "\r\n", ERR_BAD_REQUEST, 1},
    {"GET /\r\n", ERR_BAD_REQUEST, 0},
    {"GET  / HTTP/1.1\r\n", ERR_BAD_REQUEST, 0},
    {"GET / HTTP/1.1 \r\n", ERR_BAD_REQUEST, 0},
    {"GET nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", ERR_BAD_REQUEST, 0},
    {"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", ERR_BAD_REQUEST, 0},
    {"GET /\x80 HTTP/1.1\r\n", ERR_BAD_REQUEST, 0},
    {"GET / HTTP/2.0\r\n", ERR_VERSION_NOT_SUPPORTED, 0},
    {"TRACE / HTTP/1.1\r\n", ERR_NOT_IMPLEMENTED, 0},
    {"CONNECT a:1 HTTP/1.1\r\n", ERR_NOT_IMPLEMENTED, 0},
    {"get / HTTP/1.1\r\n", ERR_NOT_IMPLEMENTED, 0},
    {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", ERR_MISDIRECTED_REQUEST,
     0},
    {"GET / HTTP/1.1\r\nHost: localhost:123456\r\n\r\n",
     ERR_MISDIRECTED_REQUEST, 0},
    {"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
     ERR_MISDIRECTED_REQUEST, 0},
    {GET "Origin: http://localhost:99\r\n\r\n", ERR_FORBIDDEN_ORIGIN, 0},
    {GET "Origin: http://localhost/\r\n\r\n", ERR_FORBIDDEN_ORIGIN, 0},
    {GET "Origin: null\r\n\r\n", ERR_FORBIDDEN_ORIGIN, 0},
    {POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", ERR_BAD_REQUEST, 0},
    {POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     ERR_BAD_REQUEST, 0},
    {POST "Content-Length: 18446744073709551616\r\n\r\n", ERR_PAYLOAD_TOO_LARGE,
     0},
    {POST "Content-Length: 11\r\n\r\n", ERR_PAYLOAD_TOO_LARGE, 0},
    {"POST /big HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n",
     ERR_PAYLOAD_TOO_LARGE, 0},
    {POST "Transfer-Encoding: gzip\r\n\r\n", ERR_NOT_IMPLEMENTED, 0},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_BAD_REQUEST,
     0},
    {POST "Content-Encoding: gzip\r\n\r\n", ERR_UNSUPPORTED_MEDIA_TYPE, 0},
    {GET "\r\n" POST "Content-Length: +1\r\n\r\n", ERR_BAD_REQUEST, 1},
};

static void assert_case(const struct guard_case *wanted, size_t step)
{
    size_t size = strlen(wanted->text);
    struct flow flow;

    flow_text(&flow, wanted->text, size, step);
    if (flow.guard.code != wanted->code ||
        flow.guard.requests != wanted->requests)
        fail_msg("in steps of %zu, %s after %u requests (%s): %s", step,
                 err_info(flow.guard.code)->name, flow.guard.requests,
                 flow.guard.reason ? flow.guard.reason : "-", wanted->text);
    if (wanted->code == ERR_NONE) {
        assert_int_equal(flow.passed_size, size);
        assert_memory_equal(flow.passed, wanted->text, size);
    } else {
        assert_non_null(flow.guard.reason);
    }
    flow_end(&flow);
}

static void test_guard_judges_the_same_however_bytes_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t step = 1; step < 40; step += 3)
            assert_case(&cases[i], step);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_case(&cases[i], SIZE_MAX / 2);
}

/* Refused inside a body: only what a cut let pass before differs. */
static void test_guard_refuses_bad_chunks(void **state)
{
    static const char *const bodies[] = {"00000000000000001\r\na\r\n",
                                         "-1\r\n",
                                         "0x1\r\na\r\n",
                                         "1\r\na0\r\n\r\n",
                                         "1\na\r\n",
                                         "1\r\na\n",
                                         "\r\n",
                                         " 1\r\n",
                                         "1;\x01\r\n",
                                         "0\r\n: y\r\n",
                                         "0\r\nX\r\n",
                                         "0\r\nX: \x01\r\n",
                                         "0\r\nX: y\n\r\n",
                                         "0\r\n\rX\r\n",
                                         "g\r\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        for (size_t step = 1; step < 200; step += 7) {
            char text[256] = CHUNKED;
            struct flow flow;

            strcat(text, bodies[i]);
            flow_text(&flow, text, strlen(text), step);
            if (flow.guard.code != ERR_BAD_REQUEST)
                fail_msg("%s for '%s'", err_info(flow.guard.code)->name,
                         bodies[i]);
            assert_int_equal(flow.guard.begun, flow.guard.requests == 1);
            flow_end(&flow);
        }
}

static void test_guard_counts_the_bytes_of_chunks(void **state)
{
    static const char text[] = CHUNKED "6\r\nabcdef\r\n5\r\n";
    struct flow flow;

    (void)state;
    flow_text(&flow, text, sizeof text - 1, SIZE_MAX / 2);
    assert_int_equal(flow.guard.code, ERR_PAYLOAD_TOO_LARGE);
    assert_int_equal(flow.passed_size, 0);
    flow_end(&flow);
}

static void test_guard_limits_chunks_and_extensions(void **state)
{
    static const char head[] = "POST /big HTTP/1.1\r\nHost: localhost\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n1;";
    char extension[HTTP_CHUNK_EXTRA_MAX + 1];
    struct flow flow;

    (void)state;
    memset(extension, 'x', sizeof extension);
    flow_start(&flow, sizeof head + sizeof extension);
    flow_push(&flow, head, sizeof head - 1);
    flow_push(&flow, extension, sizeof extension - 1);
    assert_int_equal(flow.guard.code, ERR_NONE);
    flow_push(&flow, extension, 1);
    assert_int_equal(flow.guard.code, ERR_BAD_REQUEST);
    flow_end(&flow);
}

static void test_guard_passes_what_comes_before_a_bad_request(void **state)
{
    static const char good[] = GET "\r\n" GET "\r\n";
    static const char text[] =
        GET "\r\n" GET "\r\n" POST "Transfer-Encoding: chunked\r\n\r\nxyz";
    struct flow flow;

    (void)state;
    flow_text(&flow, text, sizeof text - 1, SIZE_MAX / 2);
    assert_int_equal(flow.guard.code, ERR_BAD_REQUEST);
    assert_int_equal(flow.passed_size, sizeof good - 1);
    assert_int_equal(flow.guard.requests, 2);
    assert_false(flow.guard.begun);
    assert_int_equal(http_guard_pass(&flow.guard, text, sizeof text - 1), 0);
    flow_end(&flow);
}

static void test_guard_holds_a_head_until_it_is_complete(void **state)
{
    struct flow flow;

    (void)state;
    flow_text(&flow, GET, sizeof GET - 1, SIZE_MAX / 2);
    assert_int_equal(flow.guard.code, ERR_NONE);
    assert_int_equal(flow.passed_size, 0);
    assert_false(http_guard_in_body(&flow.guard));
    flow_end(&flow);
}

/* A head of `fields` header fields of `size` bytes each, CRLF included. */
static enum err_code code_of_large(size_t target, size_t fields, size_t size)
{
    size_t room = target + fields * size + 100;
    size_t at;
    char *text = malloc(room);
    struct flow flow;
    enum err_code code;

    assert_non_null(text);
    memcpy(text, "GET /", 5);
    memset(text + 5, 'a', target - 1);
    at = 4 + target;
    at += (size_t)sprintf(text + at, " HTTP/1.1\r\nHost: [::1]\r\n");
    for (size_t i = 0; i < fields; i++, at += size) {
        memcpy(text + at, "X:", 2);
        memset(text + at + 2, 'a', size - 4);
        memcpy(text + at + size - 2, "\r\n", 2);
    }
    memcpy(text + at, "\r\n", 2);
    flow_text(&flow, text, at + 2, 1000);
    code = flow.guard.code;
    assert_true(flow.held_size <= HTTP_HEAD_MAX + 1000);
    flow_end(&flow);
    free(text);
    return code;
}

static void test_guard_limits_the_size_of_heads(void **state)
{
    (void)state;
    assert_int_equal(code_of_large(HTTP_TARGET_MAX, 99, 165), ERR_NONE);
    assert_int_equal(code_of_large(HTTP_TARGET_MAX + 1, 0, 0),
                     ERR_URI_TOO_LONG);
    assert_int_equal(code_of_large(9000, 0, 0), ERR_URI_TOO_LONG);
    assert_int_equal(code_of_large(1, 100, 10), ERR_HEADERS_TOO_LARGE);
    assert_int_equal(code_of_large(1, 1, 16384 - 15), ERR_NONE);
    assert_int_equal(code_of_large(1, 1, 16384), ERR_HEADERS_TOO_LARGE);
    assert_int_equal(code_of_large(1, 1, 40000), ERR_HEADERS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard_judges_the_same_however_bytes_are_cut),
        cmocka_unit_test(test_guard_refuses_bad_chunks),
        cmocka_unit_test(test_guard_counts_the_bytes_of_chunks),
        cmocka_unit_test(test_guard_limits_chunks_and_extensions),
        cmocka_unit_test(test_guard_passes_what_comes_before_a_bad_request),
        cmocka_unit_test(test_guard_holds_a_head_until_it_is_complete),
        cmocka_unit_test(test_guard_limits_the_size_of_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
