/*
 * Call: requests as bytes through call_serve(), over both doors, without a
 * socket.
 */
#include "call_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "registry_msg.h"
#include "runtime_msg.h"
#include "unit.h"
#include "utf8.h"

static const char good_body[] =
    "{\"input_type\":\"text\",\"data\":{\"b\":[1,0.1],\"a\":\"x\",\"c\":true,"
    "\"d\":[\"s\"],\"e\":{\"f\":1},\"g\":2.5}}";

static void test_both_doors_give_the_same_answer(void **state)
{
    struct script script = {0};
    struct srv_call rest, grpc;
    struct buf text = {0};

    (void)state;
    serve_rest(&rest, &echo_op, &script, good_body);
    serve_grpc(&grpc, &echo_op, &script, good_body);
    assert_string_equal(rest.err.msg, "");
    assert_int_equal(rest.http_status, 200);
    assert_string_equal(rest.content_type, "application/json");
    assert_int_equal(grpc.grpc_status, 0);
    wire_to_json(&grpc, &text);
    assert_string_equal(rest.out.data, text.data);
    assert_string_equal(
        rest.out.data,
        "{\"success\":true,\"model_name\":\"text\",\"results\":{\"a\":\"x\","
        "\"b\":[1.0,0.1],\"c\":true,\"d\":[\"s\"],\"e\":{\"f\":1},\"g\":2.5},"
        "\"computation_time_ms\":1.5,\"error_message\":null,\"warnings\":[]}");
    buf_release(&text);
    call_close(&rest);
    call_close(&grpc);
}

static void test_bad_bodies_are_refused_before_the_handler(void **state)
{
    static const struct {
        const char *body, *answer;
    } cases[] = {
        {"", "{\"success\":false,\"error\":\"expected a value at byte 0\","
             "\"error_code\":\"MALFORMED_JSON\"}"},
        {"{\"input_type\":",
         "{\"success\":false,\"error\":\"expected a value at byte 14\","
         "\"error_code\":\"MALFORMED_JSON\"}"},
        {"{\"data\":{}}",
         "{\"success\":false,\"error\":\"/input_type: is required\","
         "\"error_code\":\"VALIDATION_ERROR\",\"details\":[{\"pointer\":"
         "\"/input_type\",\"rule\":\"is required\"}]}"},
        {"{\"input_type\":\"text\"}",
         "{\"success\":false,\"error\":\"/data: is required\","
         "\"error_code\":\"VALIDATION_ERROR\",\"details\":[{\"pointer\":"
         "\"/data\",\"rule\":\"is required\"}]}"},
        {"{\"input_type\":5,\"data\":{}}",
         "{\"success\":false,\"error\":\"/input_type: expected a string, found "
         "a number\",\"error_code\":\"VALIDATION_ERROR\",\"details\":[{"
         "\"pointer\":\"/input_type\",\"rule\":\"expected a string, found a "
         "number\"}]}"},
    };
    struct script script = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct srv_call call;

        serve_rest(&call, &bare_echo_op, &script, cases[i].body);
        assert_int_equal(call.http_status, 400);
        assert_int_equal(call.grpc_status, 3);
        assert_string_equal(call.content_type, "application/json");
        assert_string_equal(call.out.data, cases[i].answer);
        call_close(&call);
    }
    assert_int_equal(script.handled, 0);
}

static void test_own_failures_use_the_reply_message(void **state)
{
    struct script script = {0};
    struct srv_call call;

    (void)state;
    serve_rest(&call, &echo_op, &script, "{");
    assert_int_equal(call.http_status, 400);
    assert_string_equal(
        call.out.data,
        "{\"success\":false,\"model_name\":\"echo\",\"results\":{},"
        "\"computation_time_ms\":0.0,\"error_message\":\"expected a string at "
        "byte 1\",\"error\":\"expected a string at byte 1\",\"error_code\":"
        "\"MALFORMED_JSON\",\"warnings\":[]}");
    call_close(&call);
}

static void test_every_code_has_its_statuses(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR - 1);
    for (int code = 1; code < ERR_CODE_COUNT; code++) {
        struct script script = {.code = (enum err_code)code, .text = "t"};
        const struct err_info *info = err_info(script.code);
        struct srv_call call;

        serve_rest(&call, &bare_echo_op, &script, good_body);
        assert_int_equal(call.http_status, info->http);
        assert_int_equal(call.retry_after_s > 0, info->retry == RETRY_LATER);
        assert_non_null(strstr(call.out.data, info->name));
        call_close(&call);
        serve_grpc(&call, &bare_echo_op, &script, good_body);
        assert_int_equal(call.grpc_status, info->grpc ? info->grpc : 3);
        assert_int_equal(call.out.size, 0);
        call_close(&call);
    }
    log_set_level(LOG_ERROR);
}

static void test_a_declined_request_is_an_answer_on_both_doors(void **state)
{
    struct script script = {.code = ERR_INVALID_INPUT, .text = "not SMILES"};
    struct srv_call rest, grpc;
    struct buf text = {0};

    (void)state;
    serve_rest(&rest, &echo_op, &script, good_body);
    serve_grpc(&grpc, &echo_op, &script, good_body);
    assert_int_equal(rest.http_status, 200);
    assert_int_equal(grpc.grpc_status, 0);
    wire_to_json(&grpc, &text);
    assert_string_equal(rest.out.data, text.data);
    assert_non_null(strstr(text.data, "\"error_code\":\"INVALID_INPUT\""));
    assert_non_null(strstr(text.data, "\"error_message\":\"not SMILES\""));
    buf_release(&text);
    call_close(&rest);
    call_close(&grpc);
}

static void test_internal_texts_stay_inside(void **state)
{
    static const enum err_code codes[] = {ERR_INTERNAL, ERR_MODEL_INVALID,
                                          ERR_FILE_MISSING};
    struct srv_call call;

    (void)state;
    log_set_level(LOG_ERROR - 1);
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct script script = {.code = codes[i], .text = "in /etc/secret"};

        serve_rest(&call, &echo_op, &script, good_body);
        assert_int_equal(call.http_status, 500);
        assert_null(strstr(call.out.data, "secret"));
        assert_non_null(strstr(call.out.data, err_info(codes[i])->doc));
        assert_string_equal(call.err.msg, err_info(codes[i])->doc);
        call_close(&call);
        serve_grpc(&call, &echo_op, &script, good_body);
        assert_string_equal(call.err.msg, err_info(codes[i])->doc);
        call_close(&call);
    }
    log_set_level(LOG_ERROR);
}

static void test_answers_that_are_not_finite_become_failures(void **state)
{
    struct script script = {.not_finite = true};
    struct srv_call call;

    (void)state;
    serve_rest(&call, &echo_op, &script, good_body);
    assert_int_equal(call.err.code, ERR_OUTPUT_INVALID);
    assert_int_equal(call.http_status, 500);
    assert_non_null(strstr(call.out.data,
                           "\"error\":\"/computation_time_ms is not a finite"));
    call_close(&call);
}

static void test_broken_handlers_are_an_internal_error(void **state)
{
    static const struct op_def *const ops[] = {&echo_op, &stop_op, &raw_op};
    static const char *const bodies[] = {good_body, "{}", ""};
    struct script script = {.silent = true};

    (void)state;
    log_set_level(LOG_ERROR - 1);
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        struct srv_call call;

        serve_rest(&call, ops[i], &script, bodies[i]);
        assert_int_equal(call.err.code, ERR_INTERNAL);
        assert_int_equal(call.http_status, 500);
        assert_non_null(strstr(call.out.data, "\"error_code\":\"INTERNAL\""));
        call_close(&call);
    }
    log_set_level(LOG_ERROR);
}

static void test_late_or_cancelled_calls_never_reach_the_handler(void **state)
{
    struct script script = {0};
    struct srv_call call;

    (void)state;
    call_open(&call, DOOR_REST, &echo_op, &script);
    call.body = good_body;
    call.body_size = strlen(good_body);
    call.deadline_ns = clock_now_ns() - 1;
    assert_true(call_should_stop(&call));
    call_serve(&call);
    assert_int_equal(call.http_status, 504);
    assert_int_equal(call.grpc_status, 4);
    call.deadline_ns = clock_now_ns() + 60000000000U;
    assert_false(call_should_stop(&call));
    atomic_store(&call.cancelled, true);
    assert_true(call_should_stop(&call));
    call_serve(&call);
    assert_int_equal(call.err.code, ERR_CANCELLED);
    assert_int_equal(call.grpc_status, 1);
    assert_int_equal(script.handled, 0);
    atomic_store(&call.cancelled, false);
    call_serve(&call); /* the same call again: nothing is left over */
    assert_int_equal(call.http_status, 200);
    assert_int_equal(script.handled, 1);
    call_close(&call);
}

static void test_fields_come_from_url_and_body(void **state)
{
    static const struct {
        const char *port, *id, *body, *answer; /* in the JSON answer */
    } cases[] = {
        {"5100", "r1", "{\"epoch\":3}", "\"port\":5100,\"message\":\"r1 3\""},
        {"5100", NULL, "", "\"port\":5100,\"message\":\"- -1\""},
        {"5100", NULL, "{}", "\"port\":5100,\"message\":\"- -1\""},
        {"5100", NULL, "{\"epoch\":null,\"extra\":[1]}",
         "\"message\":\"- -1\""},
        {"70000", NULL, "", "/port: 70000 is above 65535"},
        {"abc", NULL, "", "/port: not a value of its type"},
        {NULL, NULL, "", "/port: is required"},
        {"5100", NULL, "{\"port\":1}",
         "/port: belongs in the URL, not in the body"},
        {"5100", NULL, "[]", "expected an object, found a list"},
    };
    struct script script = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *binds[] = {cases[i].port, cases[i].id};
        struct srv_call call;

        call_open(&call, DOOR_REST, &beat_op, &script);
        call.binds = binds;
        call.body = cases[i].body;
        call.body_size = strlen(cases[i].body);
        call_serve(&call);
        if (!strstr(call.out.data, cases[i].answer))
            fail_msg("%s lacks %s", call.out.data, cases[i].answer);
        call_close(&call);
    }
}

static void test_an_empty_body_is_an_empty_message(void **state)
{
    struct script script = {0};
    struct srv_call call;

    (void)state;
    serve_rest(&call, &stop_op, &script, "");
    assert_string_equal(call.out.data,
                        "{\"success\":true,\"message\":\"bye\"}");
    call_close(&call);
}

static void test_raw_answers_are_sent_as_they_are(void **state)
{
    struct script script = {0};
    struct srv_call call;

    (void)state;
    serve_rest(&call, &raw_op, &script, "ignored");
    assert_int_equal(call.http_status, 200);
    assert_string_equal(call.content_type, "text/plain");
    assert_int_equal(call.out.size, 3);
    assert_memory_equal(call.out.data, "a\0b", 3);
    call_close(&call);
}

static void test_refusals_need_no_endpoint(void **state)
{
    struct srv_call call;

    (void)state;
    call_open(&call, DOOR_REST, NULL, NULL);
    call_refuse(&call, ERR_NOT_FOUND, 0, "there is no such path");
    assert_int_equal(call.http_status, 404);
    assert_int_equal(call.retry_after_s, 0);
    assert_string_equal(call.out.data,
                        "{\"success\":false,\"error\":\"there is no such "
                        "path\",\"error_code\":\"NOT_FOUND\"}");
    call_refuse(&call, ERR_OVERLOADED, 5, "the queue is full");
    assert_int_equal(call.http_status, 503);
    assert_int_equal(call.retry_after_s, 5);
    call_refuse(&call, ERR_NOT_READY, 0, "draining");
    assert_int_equal(call.retry_after_s, 1);
    call_close(&call);
    call_open(&call, DOOR_GRPC, &echo_op, NULL);
    call_refuse(&call, ERR_OVERLOADED, 0, "the queue is full");
    assert_int_equal(call.grpc_status, 8);
    assert_int_equal(call.out.size, 0);
    call_close(&call);
}

static void test_texts_that_were_cut_stay_utf8(void **state)
{
    char text[600];
    struct srv_call call;

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        struct script script = {.code = ERR_VALIDATION_ERROR, .text = text};

        for (size_t i = 0; i + 3 < sizeof text - shift; i += 3)
            memcpy(text + shift + i, "\xe2\x82\xac", 4);
        memset(text, 'x', shift);
        serve_rest(&call, &bare_echo_op, &script, good_body);
        assert_true(utf8_valid(call.err.msg, strlen(call.err.msg)));
        assert_true(utf8_valid(call.out.data, call.out.size));
        call_close(&call);
    }
}

static void test_headers_are_found_by_name(void **state)
{
    static const struct srv_header headers[] = {{"accept", "text/plain"},
                                                {"x-request-id", "7"}};
    struct srv_call call;

    (void)state;
    call_open(&call, DOOR_REST, NULL, NULL);
    call.headers = headers;
    call.header_count = 2;
    assert_string_equal(call_header(&call, "x-request-id"), "7");
    assert_null(call_header(&call, "host"));
    call_close(&call);
}

/* ---- memory ---- */

/* Serves with `left` bytes of arena; returns the call's code. */
static enum err_code serve_within(enum srv_door door, const void *body,
                                  size_t body_size, size_t left)
{
    struct script script = {0};
    struct srv_call call;
    enum err_code code;

    call_open(&call, door, &echo_op, &script);
    arena_init(&call.arena, 4096 + 64);
    assert_non_null(arena_alloc(&call.arena, 4096 - 16 - left));
    call.arena.limit_bytes = call.arena.total_bytes;
    call.body = body;
    call.body_size = body_size;
    call_serve(&call);
    code = call.err.code;
    if (door == DOOR_REST)
        assert_memory_equal(call.out.data, "{\"success\":", 11);
    call_close(&call);
    return code;
}

static void check_memory(enum srv_door door, const void *body, size_t body_size)
{
    size_t failures = 0;

    for (size_t left = 0; left <= 4096 - 32; left += 16) {
        enum err_code code = serve_within(door, body, body_size, left);

        if (code == ERR_NONE) {
            assert_true(failures > 10);
            return;
        }
        assert_int_equal(code, ERR_OUT_OF_MEMORY);
        failures++;
    }
    fail_msg("the call never fitted");
}

static void test_every_allocation_of_a_call_may_fail(void **state)
{
    struct script script = {0};
    struct srv_call call;

    (void)state;
    check_memory(DOOR_REST, good_body, strlen(good_body));
    serve_grpc(&call, &echo_op, &script, good_body);
    check_memory(DOOR_GRPC, call.body, call.body_size);
    call_close(&call);
}

/* ---- the log ---- */

/* Lines that `serve` writes to stderr. */
static size_t count_lines(const struct op_def *op, const char *body,
                          char text[4096])
{
    struct script script = {0};
    struct srv_call call;
    int saved = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    size_t size, lines = 0;

    assert_non_null(file);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    serve_rest(&call, op, &script, body);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    call_close(&call);
    rewind(file);
    size = fread(text, 1, 4095, file);
    text[size] = '\0';
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    (void)fclose(file);
    (void)close(saved);
    return lines;
}

static void test_the_log_has_one_line_per_call_that_matters(void **state)
{
    char text[4096];

    (void)state;
    log_set_level(LOG_INFO);
    assert_int_equal(count_lines(&stop_op, "", text), 0);
    assert_int_equal(count_lines(&stop_op, "{", text), 1);
    assert_non_null(strstr(text, " info call id=7 door=rest method=test.stop "
                                 "status=400 code=MALFORMED_JSON ms="));
    assert_int_equal(count_lines(&echo_op, good_body, text), 1);
    assert_non_null(strstr(text, "method=test.echo status=200 code=OK ms="));
    assert_null(strstr(text, "input_type")); /* never a body */
    call_set_access_log(true);
    assert_int_equal(count_lines(&stop_op, "", text), 1);
    call_set_access_log(false);
    log_set_level(LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_doors_give_the_same_answer),
        cmocka_unit_test(test_bad_bodies_are_refused_before_the_handler),
        cmocka_unit_test(test_own_failures_use_the_reply_message),
        cmocka_unit_test(test_every_code_has_its_statuses),
        cmocka_unit_test(test_a_declined_request_is_an_answer_on_both_doors),
        cmocka_unit_test(test_internal_texts_stay_inside),
        cmocka_unit_test(test_answers_that_are_not_finite_become_failures),
        cmocka_unit_test(test_broken_handlers_are_an_internal_error),
        cmocka_unit_test(test_late_or_cancelled_calls_never_reach_the_handler),
        cmocka_unit_test(test_fields_come_from_url_and_body),
        cmocka_unit_test(test_an_empty_body_is_an_empty_message),
        cmocka_unit_test(test_raw_answers_are_sent_as_they_are),
        cmocka_unit_test(test_refusals_need_no_endpoint),
        cmocka_unit_test(test_texts_that_were_cut_stay_utf8),
        cmocka_unit_test(test_headers_are_found_by_name),
        cmocka_unit_test(test_every_allocation_of_a_call_may_fail),
        cmocka_unit_test(test_the_log_has_one_line_per_call_that_matters),
    };

    log_set_level(LOG_ERROR); /* the tests' own lines are enough */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
