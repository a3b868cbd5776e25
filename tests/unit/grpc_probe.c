/*
 * The endpoints of the probe and its life.
 */
#include "grpc_probe.h"

#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "runtime_msg.h"
#include "unit.h"
#include "wire_put.h"

static bool echo(struct srv_call *call, const void *request, void *reply,
                 struct error *err)
{
    const struct runtime_predict_request *in = request;
    struct runtime_predict_request *out = reply;

    (void)err;
    assert_int_equal(call->door, DOOR_GRPC);
    assert_string_equal(call->peer, "127.0.0.1");
    assert_true(call->peer_is_local);
    out->input_type = in->input_type;
    out->n_data = in->n_data;
    out->data = in->data;
    return true;
}

static bool decline(struct srv_call *call, const void *request, void *reply,
                    struct error *err)
{
    (void)request;
    (void)reply;
    call->retry_after_s = 7;
    return fail(err, ERR_NOT_READY, "warming up, d\xc3\xa9sol\xc3\xa9");
}

/* Works until it is released or told to stop. */
static bool work(struct srv_call *call, const void *request, void *reply,
                 struct error *err)
{
    struct probe *probe = call->app;

    atomic_fetch_add(&probe->started, 1);
    while (!atomic_load(&probe->release) && !call_should_stop(call))
        probe_pause();
    if (call_should_stop(call)) {
        atomic_fetch_add(&probe->stopped, 1);
        return fail(err, ERR_TIMEOUT, "stopped");
    }
    return echo(call, request, reply, err);
}

static void closed(struct door_stream *stream, void *context)
{
    struct probe *probe = context;

    stream_put(stream);
    atomic_fetch_add(&probe->closed, 1);
}

static bool follow(struct srv_call *call, const void *request, void *reply,
                   struct error *err)
{
    struct probe *probe = call->app;
    struct door_stream *stream = call_stream_keep(call, closed, probe, err);
    struct runtime_predict_request message = {.input_type = (char[]){"hello"}};

    (void)request;
    (void)reply;
    if (!stream)
        return false;
    for (int i = 0; i < atomic_load(&probe->greeting); i++)
        assert_true(stream_send(stream, &message));
    atomic_store(&probe->stream, stream);
    return true;
}

static void finished(const struct srv_call *call)
{
    struct probe *probe = call->app;

    atomic_fetch_add(&probe->finished, 1);
}

/* PredictRequest without the rules of its schema. */
static const struct msg_def probe_def = {
    .name = "test.Probe",
    .descriptor = &runtime__predict_request__descriptor,
    .size = sizeof(struct runtime_predict_request),
};

#define PROBE_OP(name, handler, ...)                                           \
    {                                                                          \
        .id = "probe." name, .method = "/test.Probe/" name,                    \
        .request = &probe_def, .reply = &probe_def, .handle = (handler),       \
        __VA_ARGS__                                                            \
    }

static const struct op_def probe_ops[] = {
    PROBE_OP("Echo", echo, .run = OP_INLINE),
    PROBE_OP("Large", echo, .run = OP_INLINE, .max_body = 1 << 20),
    PROBE_OP("Decline", decline, .run = OP_INLINE),
    PROBE_OP("Work", work, .run = OP_QUEUE),
    PROBE_OP("Brief", work, .run = OP_QUEUE, .deadline_ms = 50),
    PROBE_OP("Follow", follow, .run = OP_INLINE, .stream = OP_SERVER),
    PROBE_OP("FollowQueued", follow, .run = OP_QUEUE, .stream = OP_SERVER),
    PROBE_OP("Talk", echo, .run = OP_INLINE, .stream = OP_EACH),
    PROBE_OP("TalkQueued", echo, .run = OP_QUEUE, .stream = OP_EACH),
};

static const struct op_table probe_table = {
    .service = "test.Probe",
    .ops = probe_ops,
    .count = sizeof probe_ops / sizeof *probe_ops,
};

static const struct op_table *const tables[] = {&probe_table, NULL};

static bool push(void *context, struct srv_call *call, grpc_answer *answer)
{
    return queue_push(context, call, answer);
}

static int set_up(void **state, uint32_t idle_timeout_ms, uint32_t stall_ms)
{
    struct probe *probe = calloc(1, sizeof *probe);
    struct door_options options = {.tables = tables,
                                   .app = probe,
                                   .finished = finished,
                                   .max_body = PROBE_BODY_LIMIT,
                                   .idle_timeout_ms = idle_timeout_ms,
                                   .stall_ms = stall_ms,
                                   .grpc_threads = 2};
    struct error err;

    assert_non_null(probe);
    log_set_level(LOG_ERROR);
    probe->queue = queue_new(1, 2, &err);
    assert_non_null(probe->queue);
    probe->door =
        grpc_door_open(&(struct grpc_door_options){.door = &options,
                                                   .hand_over = push,
                                                   .context = probe->queue,
                                                   .next_id = &probe->next_id},
                       &err);
    assert_non_null(probe->door);
    client_open(&probe->client, probe->door);
    *state = probe;
    return 0;
}

int probe_set_up(void **state)
{
    return set_up(state, 0, 0);
}

int probe_set_up_impatient(void **state)
{
    return set_up(state, 300, 0);
}

int probe_set_up_stalling(void **state)
{
    return set_up(state, 0, 300);
}

int probe_tear_down(void **state)
{
    struct probe *probe = *state;

    client_close(&probe->client);
    grpc_door_close(probe->door);
    queue_free(probe->queue);
    free(probe);
    return 0;
}

void probe_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void probe_wait(atomic_int *count, int wanted)
{
    uint64_t until = clock_now_ns() + PROBE_PATIENCE_MS * 1000000ULL;

    while (atomic_load(count) < wanted) {
        assert_true(clock_now_ns() < until);
        probe_pause();
    }
}

struct buf probe_request(const char *text)
{
    struct buf request = {0};

    put_text(&request, 1, text);
    return request;
}

grpc_status_code probe_call(struct probe *probe, const char *method,
                            struct buf request, struct buf *reply)
{
    grpc_status_code status =
        client_unary(&probe->client, method, &request, reply);

    buf_release(&request);
    return status;
}
