/*
 * One request, one answer, through the gRPC door: what a client sees, and what
 * a handler is told.
 */
#include <string.h>

#include "grpc_probe.h"
#include "unit.h"
#include "wire_put.h"

/* ---- one request, one answer ---- */

static void test_grpc_door_answers_inline(void **state)
{
    struct probe *probe = *state;
    struct buf reply = {0};

    assert_int_equal(
        probe_call(probe, "/test.Probe/Echo", probe_request("hello"), &reply),
        GRPC_STATUS_OK);
    assert_int_equal(reply.size, 7);
    assert_memory_equal(reply.data, "\x0a\x05hello", 7);
    assert_int_equal(atomic_load(&probe->finished), 1);
    buf_release(&reply);
}

static void test_grpc_door_answers_an_empty_message(void **state)
{
    struct probe *probe = *state;
    struct buf reply = {0};

    assert_int_equal(
        probe_call(probe, "/test.Probe/Echo", (struct buf){0}, &reply),
        GRPC_STATUS_OK);
    assert_int_equal(reply.size, 0);
    buf_release(&reply);
}

static void test_grpc_door_answers_from_a_worker(void **state)
{
    struct probe *probe = *state;
    struct buf reply = {0};

    atomic_store(&probe->release, true);
    for (int i = 0; i < 100; i++)
        assert_int_equal(
            probe_call(probe, "/test.Probe/Work", probe_request("hi"), &reply),
            GRPC_STATUS_OK);
    assert_memory_equal(reply.data, "\x0a\x02hi", 4);
    while (grpc_door_busy(probe->door)) /* the last answer is on its way */
        probe_pause();
    buf_release(&reply);
}

/* A message that came in many slices is put together. */
static void test_grpc_door_takes_a_message_of_many_packets(void **state)
{
    struct probe *probe = *state;
    struct buf text = {0}, request = {0}, reply = {0};

    for (int i = 0; i < 900000; i++)
        buf_char(&text, (char)('a' + i % 26));
    put_buf(&request, 1, &text);
    assert_int_equal(
        client_unary(&probe->client, "/test.Probe/Large", &request, &reply),
        GRPC_STATUS_OK);
    assert_int_equal(reply.size, request.size);
    assert_memory_equal(reply.data, request.data, reply.size);
    buf_release(&request);
    buf_release(&reply);
}

static void test_grpc_door_knows_no_other_method(void **state)
{
    struct probe *probe = *state;

    assert_int_equal(
        probe_call(probe, "/test.Probe/Nothing", probe_request("x"), NULL),
        GRPC_STATUS_UNIMPLEMENTED);
    assert_int_equal(probe_call(probe, "/", (struct buf){0}, NULL),
                     GRPC_STATUS_UNIMPLEMENTED);
}

static void test_grpc_door_refuses_what_is_no_message(void **state)
{
    struct probe *probe = *state;
    struct buf request = {0};

    buf_string(&request, "hello, world");
    assert_int_equal(probe_call(probe, "/test.Probe/Echo", request, NULL),
                     GRPC_STATUS_INVALID_ARGUMENT);
}

/* The first limit is the endpoint's, the second gRPC Core's for the door. */
static void test_grpc_door_refuses_large_messages(void **state)
{
    struct probe *probe = *state;
    static const size_t sizes[] = {PROBE_BODY_LIMIT + 1, (1 << 20) + 1};

    for (size_t i = 0; i < 2; i++) {
        struct buf request = {0};

        put_tag(&request, 1, PUT_BYTES);
        put_varint(&request, sizes[i]);
        for (size_t byte = 0; byte < sizes[i]; byte++)
            buf_char(&request, 'x');
        assert_int_equal(probe_call(probe, "/test.Probe/Echo", request, NULL),
                         GRPC_STATUS_RESOURCE_EXHAUSTED);
    }
}

static void test_grpc_door_refuses_a_call_without_a_message(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

    client_start(&probe->client, &call, "/test.Probe/Echo", PROBE_PATIENCE_MS);
    assert_int_equal(grpc_call_start_batch(call.core, &op, 1, &op, NULL),
                     GRPC_CALL_OK);
    assert_int_equal(client_finish(&call), GRPC_STATUS_INVALID_ARGUMENT);
    (void)grpc_completion_queue_pluck(
        probe->client.queue, &op, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    client_free(&call);
}

/* google.rpc.Status{14, message, Any{ErrorInfo{"NOT_READY", "test.Probe"}}} */
static const char declined_status[] =
    "\x08\x0e\x12\x14warming up, d\xc3\xa9sol\xc3\xa9\x1a\x43"
    "\x0a\x28type.googleapis.com/google.rpc.ErrorInfo"
    "\x12\x17\x0a\x09NOT_READY\x12\x0atest.Probe";

static void test_grpc_door_says_why_and_when_to_come_back(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    const grpc_slice *details;

    client_start(&probe->client, &call, "/test.Probe/Decline",
                 PROBE_PATIENCE_MS);
    assert_true(client_send(&call, "", 0, true));
    assert_int_equal(client_finish(&call), GRPC_STATUS_UNAVAILABLE);
    assert_int_equal(
        grpc_slice_str_cmp(call.text, "warming up, d\xc3\xa9sol\xc3\xa9"), 0);
    assert_int_equal(
        grpc_slice_str_cmp(*client_trailer(&call, "x-error-code"), "NOT_READY"),
        0);
    assert_int_equal(
        grpc_slice_str_cmp(*client_trailer(&call, "grpc-retry-pushback-ms"),
                           "7000"),
        0);
    details = client_trailer(&call, "grpc-status-details-bin");
    assert_non_null(details);
    assert_int_equal(GRPC_SLICE_LENGTH(*details), sizeof declined_status - 1);
    assert_memory_equal(GRPC_SLICE_START_PTR(*details), declined_status,
                        sizeof declined_status - 1);
    client_free(&call);
}

/* ---- deadlines and cancel ---- */

static void test_grpc_door_tells_the_handler_of_a_cancel(void **state)
{
    struct probe *probe = *state;
    struct client_call call;

    client_start(&probe->client, &call, "/test.Probe/Work", PROBE_PATIENCE_MS);
    assert_true(client_send(&call, "", 0, true));
    probe_wait(&probe->started, 1);
    client_cancel(&call);
    probe_wait(&probe->stopped, 1);
    assert_int_equal(client_finish(&call), GRPC_STATUS_CANCELLED);
    client_free(&call);
}

static void test_grpc_door_stops_at_the_endpoints_deadline(void **state)
{
    struct probe *probe = *state;

    assert_int_equal(
        probe_call(probe, "/test.Probe/Brief", probe_request("x"), NULL),
        GRPC_STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(atomic_load(&probe->stopped), 1);
}

static void test_grpc_door_stops_at_the_clients_deadline(void **state)
{
    struct probe *probe = *state;
    struct client_call call;

    client_start(&probe->client, &call, "/test.Probe/Work", 50);
    assert_true(client_send(&call, "", 0, true));
    assert_int_equal(client_finish(&call), GRPC_STATUS_DEADLINE_EXCEEDED);
    probe_wait(&probe->stopped, 1);
    client_free(&call);
}

/* One call works; the second waits behind it until its time is over, and is
 * told so although no worker came free. */
static void test_grpc_door_does_not_start_what_waited_too_long(void **state)
{
    struct probe *probe = *state;
    struct client_call first;

    client_start(&probe->client, &first, "/test.Probe/Work", PROBE_PATIENCE_MS);
    assert_true(client_send(&first, "", 0, true));
    probe_wait(&probe->started, 1);
    assert_int_equal(
        probe_call(probe, "/test.Probe/Brief", probe_request("late"), NULL),
        GRPC_STATUS_DEADLINE_EXCEEDED);
    atomic_store(&probe->release, true);
    assert_int_equal(client_finish(&first), GRPC_STATUS_OK);
    assert_int_equal(atomic_load(&probe->started), 1);
    client_free(&first);
}

static void test_grpc_door_refuses_when_the_queue_is_full(void **state)
{
    struct probe *probe = *state;
    struct client_call calls[3];

    for (int i = 0; i < 3; i++) { /* one runs, two wait */
        client_start(&probe->client, &calls[i], "/test.Probe/Work",
                     PROBE_PATIENCE_MS);
        assert_true(client_send(&calls[i], "", 0, true));
        if (i == 0)
            probe_wait(&probe->started, 1);
    }
    while (grpc_door_busy(probe->door) < 3)
        probe_pause();
    assert_int_equal(
        probe_call(probe, "/test.Probe/Work", probe_request("more"), NULL),
        GRPC_STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(
        probe_call(probe, "/test.Probe/Echo", probe_request("still"), NULL),
        GRPC_STATUS_OK);
    atomic_store(&probe->release, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_finish(&calls[i]), GRPC_STATUS_OK);
        client_free(&calls[i]);
    }
}

#define PROBE_TEST(test)                                                       \
    cmocka_unit_test_setup_teardown(test, probe_set_up, probe_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBE_TEST(test_grpc_door_answers_inline),
        PROBE_TEST(test_grpc_door_answers_an_empty_message),
        PROBE_TEST(test_grpc_door_answers_from_a_worker),
        PROBE_TEST(test_grpc_door_takes_a_message_of_many_packets),
        PROBE_TEST(test_grpc_door_knows_no_other_method),
        PROBE_TEST(test_grpc_door_refuses_what_is_no_message),
        PROBE_TEST(test_grpc_door_refuses_large_messages),
        PROBE_TEST(test_grpc_door_refuses_a_call_without_a_message),
        PROBE_TEST(test_grpc_door_says_why_and_when_to_come_back),
        PROBE_TEST(test_grpc_door_tells_the_handler_of_a_cancel),
        PROBE_TEST(test_grpc_door_stops_at_the_endpoints_deadline),
        PROBE_TEST(test_grpc_door_stops_at_the_clients_deadline),
        PROBE_TEST(test_grpc_door_does_not_start_what_waited_too_long),
        PROBE_TEST(test_grpc_door_refuses_when_the_queue_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
