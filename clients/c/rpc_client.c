/*
 * RPC client: one channel, one completion queue that is plucked, one call at a
 * time; see rpc_client.h.
 */
#include "rpc_client.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdlib.h>

/* A server that comes back is found within this time. */
enum { BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000 };

struct rpc_client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    struct buf message, text, reason; /* of the last answer */
};

void rpc_client_close(struct rpc_client *client)
{
    if (!client)
        return;
    if (client->channel)
        grpc_channel_destroy(client->channel);
    if (client->queue) {
        grpc_completion_queue_shutdown(client->queue);
        grpc_completion_queue_destroy(client->queue);
    }
    buf_release(&client->message);
    buf_release(&client->text);
    buf_release(&client->reason);
    free(client);
    grpc_shutdown();
}

/* gRPC Core takes the key as char *, but only reads it. */
static grpc_arg integer_arg(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER,
                      .key = (char *)(uintptr_t)key,
                      .value = {.integer = value}};
}

static grpc_channel *open_channel(const char *authority, size_t answer_max)
{
    grpc_arg args[] = {
        integer_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)answer_max),
        integer_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        integer_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        integer_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MOST_MS)};
    const grpc_channel_args list = {.num_args = sizeof args / sizeof *args,
                                    .args = args};
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(authority, plain, &list);

    grpc_channel_credentials_release(plain);
    return channel;
}

struct rpc_client *rpc_client_open(const char *authority, size_t answer_max,
                                   struct error *err)
{
    struct rpc_client *client = calloc(1, sizeof *client);

    if (!client) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a gRPC client");
        return NULL;
    }
    grpc_init();
    client->channel = open_channel(authority, answer_max);
    client->queue = grpc_completion_queue_create_for_pluck(NULL);
    if (client->channel && client->queue)
        return client;
    (void)fail(err, ERR_INTERNAL, "gRPC makes no channel");
    rpc_client_close(client);
    return NULL;
}

/* ---- one call ---- */

/* What comes back; released by ending_release(). */
struct ending {
    grpc_metadata_array first, last;
    grpc_byte_buffer *message;
    grpc_status_code status;
    grpc_slice text;
};

static void ending_init(struct ending *ending)
{
    *ending = (struct ending){.status = GRPC_STATUS_INTERNAL,
                              .text = grpc_empty_slice()};
    grpc_metadata_array_init(&ending->first);
    grpc_metadata_array_init(&ending->last);
}

static void ending_release(struct ending *ending)
{
    grpc_metadata_array_destroy(&ending->first);
    grpc_metadata_array_destroy(&ending->last);
    if (ending->message)
        grpc_byte_buffer_destroy(ending->message);
    grpc_slice_unref(ending->text);
}

/* Runs all six steps of a unary call as one batch. */
static bool run_batch(struct rpc_client *client, grpc_call *call,
                      grpc_byte_buffer *request, struct ending *ending)
{
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_MESSAGE},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
    };
    grpc_event event;

    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &ending->first;
    ops[4].data.recv_message.recv_message = &ending->message;
    ops[5].data.recv_status_on_client.trailing_metadata = &ending->last;
    ops[5].data.recv_status_on_client.status = &ending->status;
    ops[5].data.recv_status_on_client.status_details = &ending->text;
    if (grpc_call_start_batch(call, ops, 6, call, NULL) != GRPC_CALL_OK)
        return false;
    /* the deadline of the call ends it, so this returns */
    event = grpc_completion_queue_pluck(
        client->queue, call, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    return event.success != 0;
}

static void copy_slice(struct buf *out, grpc_slice slice)
{
    buf_append(out, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
}

static void copy_message(struct buf *out, grpc_byte_buffer *message)
{
    grpc_byte_buffer_reader reader;
    grpc_slice slice;

    if (!message || !grpc_byte_buffer_reader_init(&reader, message))
        return;
    while (grpc_byte_buffer_reader_next(&reader, &slice)) {
        copy_slice(out, slice);
        grpc_slice_unref(slice);
    }
    grpc_byte_buffer_reader_destroy(&reader);
}

static void copy_reason(struct buf *out, const grpc_metadata_array *trailers)
{
    for (size_t i = 0; i < trailers->count; i++)
        if (grpc_slice_str_cmp(trailers->metadata[i].key, "x-error-code") == 0)
            copy_slice(out, trailers->metadata[i].value);
}

/* gRPC Core uses these for its own failures, too; then nobody has answered. */
static bool is_answer(const struct rpc_client *client, grpc_status_code status)
{
    return client->reason.size > 0 || (status != GRPC_STATUS_UNAVAILABLE &&
                                       status != GRPC_STATUS_DEADLINE_EXCEEDED);
}

/* Keeps what came back; ends in false when it was not from a server. */
static bool keep(struct rpc_client *client, const struct ending *ending,
                 struct rpc_answer *answer, struct error *err)
{
    buf_clear(&client->message);
    buf_clear(&client->text);
    buf_clear(&client->reason);
    if (ending->status == GRPC_STATUS_OK)
        copy_message(&client->message, ending->message);
    copy_slice(&client->text, ending->text);
    copy_reason(&client->reason, &ending->last);
    if (!buf_ok(&client->message) || !buf_ok(&client->text) ||
        !buf_ok(&client->reason))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the answer");
    if (!is_answer(client, ending->status))
        return fail(err,
                    ending->status == GRPC_STATUS_UNAVAILABLE ? ERR_NOT_READY
                                                              : ERR_TIMEOUT,
                    "%s", client->text.data ? client->text.data : "");
    *answer = (struct rpc_answer){
        .status = (int)ending->status,
        .bytes = client->message.data ? client->message.data : "",
        .size = client->message.size,
        .text = client->text.data ? client->text.data : "",
        .reason = client->reason.data ? client->reason.data : "",
    };
    return true;
}

bool rpc_client_call(struct rpc_client *client,
                     const struct rpc_request *request,
                     struct rpc_answer *answer, struct error *err)
{
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(request->timeout_ms, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(
        client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue,
        grpc_slice_from_static_string(request->method), NULL, deadline, NULL);
    grpc_slice slice = grpc_slice_from_copied_buffer(
        request->size ? request->bytes : "", request->size);
    grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(&slice, 1);
    struct ending ending;
    bool ok;

    grpc_slice_unref(slice);
    ending_init(&ending);
    if (run_batch(client, call, bytes, &ending))
        ok = keep(client, &ending, answer, err);
    else
        ok = fail(err, ERR_NOT_READY, "the call did not start");
    ending_release(&ending);
    grpc_byte_buffer_destroy(bytes);
    grpc_call_unref(call);
    return ok;
}
