/*
 * Calls with many messages, and the services every door has.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "grpc_probe.h"
#include "health_msg.h"
#include "runtime_msg.h"
#include "unit.h"
#include "wire_put.h"

static struct door_stream *wait_for_stream(struct probe *probe)
{
    uint64_t until = clock_now_ns() + PROBE_PATIENCE_MS * 1000000ULL;

    while (!atomic_load(&probe->stream)) {
        assert_true(clock_now_ns() < until);
        probe_pause();
    }
    return atomic_load(&probe->stream);
}

static void follow(struct probe *probe, struct client_call *call,
                   const char *method)
{
    client_start(&probe->client, call, method, PROBE_PATIENCE_MS);
    assert_true(client_send(call, "", 0, true));
}

static bool send_text(struct door_stream *stream, char *text)
{
    struct runtime_predict_request message = {.input_type = text};

    return stream_send(stream, &message);
}

/* ---- one request, many answers ---- */

enum { NUMBERS = 2000, BURST = 200 };

static void check_numbers(struct probe *probe, struct client_call *call)
{
    struct buf reply = {0};

    for (int i = 0; i < NUMBERS; i++) {
        char text[32];

        (void)snprintf(text, sizeof text, "%c%cn%d", 0x0a,
                       (char)snprintf(NULL, 0, "n%d", i), i);
        assert_true(client_read(call, &reply));
        assert_string_equal(reply.data, text);
        atomic_fetch_add(&probe->read, 1);
    }
    assert_false(client_read(call, &reply));
    buf_release(&reply);
}

/* Sends in bursts below the queue's length and waits for the reader. */
static void *send_numbers(void *context)
{
    struct probe *probe = context;
    struct door_stream *stream = wait_for_stream(probe);

    for (int i = 0; i < NUMBERS; i++) {
        char text[32];

        if (i % BURST == 0)
            probe_wait(&probe->read, i);
        (void)snprintf(text, sizeof text, "n%d", i);
        assert_true(send_text(stream, text));
    }
    stream_end(stream, ERR_NONE, NULL);
    return NULL;
}

static void follow_numbers(struct probe *probe, const char *method)
{
    struct client_call call;
    pthread_t sender;

    assert_int_equal(pthread_create(&sender, NULL, send_numbers, probe), 0);
    follow(probe, &call, method);
    check_numbers(probe, &call);
    assert_int_equal(client_finish(&call), GRPC_STATUS_OK);
    pthread_join(sender, NULL);
    probe_wait(&probe->closed, 1);
    client_free(&call);
}

static void test_grpc_stream_keeps_the_order(void **state)
{
    follow_numbers(*state, "/test.Probe/Follow");
}

static void test_grpc_stream_of_a_worker_keeps_the_order(void **state)
{
    follow_numbers(*state, "/test.Probe/FollowQueued");
}

static void test_grpc_stream_sends_before_its_handler_returns(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    struct buf reply = {0};

    atomic_store(&probe->greeting, 3);
    follow(probe, &call, "/test.Probe/Follow");
    for (int i = 0; i < 3; i++)
        assert_true(client_read(&call, &reply));
    assert_memory_equal(reply.data, "\x0a\x05hello", 7);
    stream_end(wait_for_stream(probe), ERR_NOT_READY, "shutting down");
    assert_false(client_read(&call, &reply));
    assert_int_equal(client_finish(&call), GRPC_STATUS_UNAVAILABLE);
    assert_int_equal(grpc_slice_str_cmp(call.text, "shutting down"), 0);
    assert_int_equal(
        grpc_slice_str_cmp(*client_trailer(&call, "x-error-code"), "NOT_READY"),
        0);
    probe_wait(&probe->closed, 1);
    client_free(&call);
    buf_release(&reply);
}

/* A client that waits for the head learns that the stream stands. */
static void test_grpc_stream_opens_before_its_first_message(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    struct buf reply = {0};

    follow(probe, &call, "/test.Probe/Follow");
    client_wait_for_head(&call);
    assert_true(send_text(wait_for_stream(probe), (char[]){"now"}));
    assert_true(client_read(&call, &reply));
    assert_memory_equal(reply.data, "\x0a\x03now", 5);
    stream_end(wait_for_stream(probe), ERR_NONE, NULL);
    assert_int_equal(client_finish(&call), GRPC_STATUS_OK);
    client_free(&call);
    buf_release(&reply);
}

static void test_grpc_stream_tells_when_the_client_left(void **state)
{
    struct probe *probe = *state;
    struct client_call call;

    follow(probe, &call, "/test.Probe/Follow");
    (void)wait_for_stream(probe);
    assert_int_equal(atomic_load(&probe->closed), 0);
    client_cancel(&call);
    probe_wait(&probe->closed, 1);
    assert_int_equal(client_finish(&call), GRPC_STATUS_CANCELLED);
    client_free(&call);
}

static void check_cut(struct probe *probe, struct client_call *call)
{
    probe_wait(&probe->closed, 1);
    assert_int_equal(client_finish(call), GRPC_STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(
        grpc_slice_str_cmp(call->text, "the stream is read too slowly"), 0);
}

/* Large messages fill the connection's window, then the queue. */
static void test_grpc_stream_cuts_a_reader_that_is_too_slow(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    struct door_stream *stream;
    char *text = calloc(1, 65536);
    int sent = 0;

    assert_non_null(text);
    memset(text, 'x', 65535);
    follow(probe, &call, "/test.Probe/Follow");
    stream = wait_for_stream(probe);
    while (send_text(stream, text)) {
        assert_true(++sent < 10000);
        probe_pause();
    }
    assert_true(sent > 1);
    check_cut(probe, &call);
    client_free(&call);
    free(text);
}

static void test_grpc_stream_queues_at_most_256_messages(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    struct door_stream *stream;
    char text[4096];
    int sent = 0;

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    follow(probe, &call, "/test.Probe/Follow");
    stream = wait_for_stream(probe);
    while (send_text(stream, text))
        assert_true(++sent < 1000000);
    assert_true(sent >= 256);
    check_cut(probe, &call);
    client_free(&call);
}

/* ---- many requests, one answer each ---- */

static void talk(struct probe *probe, const char *method)
{
    struct client_call call;
    struct buf reply = {0};

    client_start(&probe->client, &call, method, PROBE_PATIENCE_MS);
    for (int i = 0; i < 50; i++) {
        struct buf request = probe_request(i % 2 ? "odd" : "even");

        assert_true(client_send(&call, request.data, request.size, i == 49));
        assert_true(client_read(&call, &reply));
        assert_int_equal(reply.size, request.size);
        assert_memory_equal(reply.data, request.data, reply.size);
        buf_release(&request);
    }
    assert_false(client_read(&call, &reply));
    assert_int_equal(client_finish(&call), GRPC_STATUS_OK);
    assert_int_equal(atomic_load(&probe->finished), 50);
    client_free(&call);
    buf_release(&reply);
}

static void test_grpc_each_answers_one_by_one(void **state)
{
    talk(*state, "/test.Probe/Talk");
}

static void test_grpc_each_answers_from_a_worker(void **state)
{
    talk(*state, "/test.Probe/TalkQueued");
}

static void test_grpc_each_ends_at_the_first_failure(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    struct buf reply = {0};

    client_start(&probe->client, &call, "/test.Probe/Talk", PROBE_PATIENCE_MS);
    assert_true(client_send(&call, "\x0a\x02ok", 4, false));
    assert_true(client_read(&call, &reply));
    assert_true(client_send(&call, "\x0a\x02\xff\xff", 4, false));
    assert_false(client_read(&call, &reply));
    assert_int_equal(client_finish(&call), GRPC_STATUS_INVALID_ARGUMENT);
    client_free(&call);
    buf_release(&reply);
}

static void test_grpc_each_cuts_a_client_that_says_nothing(void **state)
{
    struct probe *probe = *state;
    struct client_call call;
    struct buf reply = {0};

    client_start(&probe->client, &call, "/test.Probe/Talk", PROBE_PATIENCE_MS);
    assert_true(client_send(&call, "\x0a\x02hi", 4, false));
    assert_true(client_read(&call, &reply));
    assert_int_equal(client_finish(&call), GRPC_STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(grpc_slice_str_cmp(call.text, "the call took too long"),
                     0);
    client_free(&call);
    buf_release(&reply);
}

/* As many requests as it likes, and no answer is read: the client's gRPC takes
 * 4 MiB in without being asked, no more than one may be in ours. */
static void test_grpc_each_cuts_a_reader_that_stops(void **state)
{
    enum { SIZE = 900, BUFFERED_MAX = 5 << 20, ROUNDS = 100000 };
    struct probe *probe = *state;
    struct client_call call;
    struct buf request;
    char text[SIZE] = "";
    int sent = 0;

    memset(text, 'x', SIZE - 1);
    request = probe_request(text);
    client_start(&probe->client, &call, "/test.Probe/Talk", PROBE_PATIENCE_MS);
    while (sent < ROUNDS &&
           client_send(&call, request.data, request.size, false))
        sent++;
    assert_true(sent < ROUNDS);
    assert_int_equal(client_finish(&call), GRPC_STATUS_DEADLINE_EXCEEDED);
    assert_in_range(atomic_load(&probe->finished), 1, BUFFERED_MAX / SIZE);
    client_free(&call);
    buf_release(&request);
}

/* ---- health ---- */

/* HealthCheckResponse.status of what is read next. */
static int read_status(struct client_call *call)
{
    struct buf reply = {0};
    int status = 0;

    assert_true(client_read(call, &reply));
    if (reply.size == 2 && reply.data[0] == 0x08)
        status = reply.data[1];
    buf_release(&reply);
    return status;
}

static void test_grpc_health_follows_the_door(void **state)
{
    enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };
    struct probe *probe = *state;
    struct client_call known, unknown;

    client_start(&probe->client, &known, "/grpc.health.v1.Health/Watch",
                 PROBE_PATIENCE_MS);
    assert_true(client_send(&known, "\x0a\x0atest.Probe", 12, true));
    assert_int_equal(read_status(&known), NOT_SERVING);
    grpc_door_set_serving(probe->door, true);
    assert_int_equal(read_status(&known), SERVING);
    client_start(&probe->client, &unknown, "/grpc.health.v1.Health/Watch",
                 PROBE_PATIENCE_MS);
    assert_true(client_send(&unknown, "\x0a\x04none", 6, true));
    assert_int_equal(read_status(&unknown), SERVICE_UNKNOWN);
    grpc_door_drain(probe->door, 0);
    assert_int_equal(read_status(&known), NOT_SERVING);
    (void)client_finish(&known);
    (void)client_finish(&unknown);
    client_free(&known);
    client_free(&unknown);
}

static void test_grpc_health_does_not_know_other_services(void **state)
{
    struct probe *probe = *state;
    struct buf request = {0};

    put_text(&request, 1, "none");
    assert_int_equal(
        probe_call(probe, "/grpc.health.v1.Health/Check", request, NULL),
        GRPC_STATUS_NOT_FOUND);
}

/* ---- the end ---- */

static void test_grpc_door_drains_what_runs(void **state)
{
    struct probe *probe = *state;
    struct client_call work, stream;

    client_start(&probe->client, &work, "/test.Probe/Work", PROBE_PATIENCE_MS);
    assert_true(client_send(&work, "", 0, true));
    follow(probe, &stream, "/test.Probe/Follow");
    (void)wait_for_stream(probe);
    probe_wait(&probe->started, 1);
    assert_int_equal(grpc_door_busy(probe->door), 1);
    atomic_store(&probe->release, true);
    grpc_door_drain(probe->door, PROBE_PATIENCE_MS);
    assert_int_equal(client_finish(&work), GRPC_STATUS_OK);
    assert_int_not_equal(client_finish(&stream), GRPC_STATUS_OK);
    assert_int_equal(atomic_load(&probe->closed), 1);
    assert_int_equal(atomic_load(&probe->stopped), 0);
    client_free(&work);
    client_free(&stream);
}

static void test_grpc_door_cancels_what_outlives_the_grace(void **state)
{
    struct probe *probe = *state;
    struct client_call work;

    client_start(&probe->client, &work, "/test.Probe/Work", PROBE_PATIENCE_MS);
    assert_true(client_send(&work, "", 0, true));
    probe_wait(&probe->started, 1);
    grpc_door_drain(probe->door, 20);
    assert_int_not_equal(client_finish(&work), GRPC_STATUS_OK);
    probe_wait(&probe->stopped, 1);
    client_free(&work);
}

static void test_grpc_door_takes_no_socket_once_it_is_shut(void **state)
{
    struct probe *probe = *state;
    int ends[2];
    char byte;

    grpc_door_drain(probe->door, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
                     0);
    assert_false(grpc_door_add_fd(probe->door, ends[0], "127.0.0.1"));
    assert_int_equal(read(ends[1], &byte, 1), 0); /* it was closed */
    (void)close(ends[1]);
}

#define PROBE_TEST(test)                                                       \
    cmocka_unit_test_setup_teardown(test, probe_set_up, probe_tear_down)

#define STALLING_TEST(test)                                                    \
    cmocka_unit_test_setup_teardown(test, probe_set_up_stalling,               \
                                    probe_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBE_TEST(test_grpc_stream_keeps_the_order),
        PROBE_TEST(test_grpc_stream_of_a_worker_keeps_the_order),
        PROBE_TEST(test_grpc_stream_sends_before_its_handler_returns),
        PROBE_TEST(test_grpc_stream_opens_before_its_first_message),
        PROBE_TEST(test_grpc_stream_tells_when_the_client_left),
        PROBE_TEST(test_grpc_stream_cuts_a_reader_that_is_too_slow),
        PROBE_TEST(test_grpc_stream_queues_at_most_256_messages),
        PROBE_TEST(test_grpc_each_answers_one_by_one),
        PROBE_TEST(test_grpc_each_answers_from_a_worker),
        PROBE_TEST(test_grpc_each_ends_at_the_first_failure),
        cmocka_unit_test_setup_teardown(
            test_grpc_each_cuts_a_client_that_says_nothing,
            probe_set_up_impatient, probe_tear_down),
        STALLING_TEST(test_grpc_each_cuts_a_reader_that_stops),
        PROBE_TEST(test_grpc_health_follows_the_door),
        PROBE_TEST(test_grpc_health_does_not_know_other_services),
        PROBE_TEST(test_grpc_door_drains_what_runs),
        PROBE_TEST(test_grpc_door_cancels_what_outlives_the_grace),
        PROBE_TEST(test_grpc_door_takes_no_socket_once_it_is_shut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
