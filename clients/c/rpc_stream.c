/*
 * RPC stream: one request, then messages until the server ends; see
 * rpc_client.h.
 *
 * The status is asked for at once, under a tag of its own, and only waited for
 * when the messages have ended.
 */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <stdlib.h>

#include "rpc_parts.h"

struct rpc_stream {
    struct rpc_client *client;
    grpc_completion_queue *queue;
    grpc_call *call;
    struct rpc_ending ending;
    struct buf message;
    grpc_metadata
        *metadata; /* what was sent, for as long as gRPC may read it */
    size_t metadata_count;
    grpc_byte_buffer *request;
    bool asked, sent;    /* the two batches of start() are under way */
    bool headers, ended; /* ... and are over */
};

/* Tags are addresses of members: they only have to differ. */

static bool wait_for(struct rpc_stream *stream, void *tag)
{
    return grpc_completion_queue_pluck(
               stream->queue, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL)
               .success != 0;
}

void rpc_stream_close(struct rpc_stream *stream)
{
    if (!stream)
        return;
    if (stream->call) {
        (void)grpc_call_cancel(stream->call, NULL);
        if (stream->sent && !stream->headers)
            (void)wait_for(stream, stream);
        if (stream->asked && !stream->ended)
            (void)wait_for(stream, &stream->ending);
        grpc_call_unref(stream->call);
    }
    if (stream->queue) {
        grpc_completion_queue_shutdown(stream->queue);
        grpc_completion_queue_destroy(stream->queue);
    }
    rpc_ending_release(&stream->ending);
    if (stream->request)
        grpc_byte_buffer_destroy(stream->request);
    rpc_metadata_free(stream->metadata, stream->metadata_count);
    buf_release(&stream->message);
    free(stream);
}

/* Sends the request, and asks for headers and status; waits for neither, so
 * that a server that says nothing can be cancelled. */
static bool start(struct rpc_stream *stream, struct error *err)
{
    grpc_op ending = rpc_op_status(&stream->ending);
    grpc_op ops[4] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        rpc_op_first(&stream->ending),
    };
    grpc_call_error wrong;

    ops[0].data.send_initial_metadata.metadata = stream->metadata;
    ops[0].data.send_initial_metadata.count = stream->metadata_count;
    ops[1].data.send_message.send_message = stream->request;
    wrong =
        grpc_call_start_batch(stream->call, &ending, 1, &stream->ending, NULL);
    stream->asked = wrong == GRPC_CALL_OK;
    if (stream->asked)
        wrong = grpc_call_start_batch(stream->call, ops, 4, stream, NULL);
    stream->sent = wrong == GRPC_CALL_OK;
    return stream->sent || rpc_not_started(wrong, err);
}

struct rpc_stream *rpc_stream_open(struct rpc_client *client,
                                   const struct rpc_request *request,
                                   struct error *err)
{
    struct rpc_stream *stream = calloc(1, sizeof *stream);

    if (!stream) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a stream");
        return NULL;
    }
    rpc_ending_init(&stream->ending);
    stream->client = client;
    stream->metadata = rpc_metadata_new(request);
    stream->metadata_count = request->metadata_count;
    stream->request = rpc_message_new(request);
    stream->queue = grpc_completion_queue_create_for_pluck(NULL);
    stream->call = rpc_call_new(client, stream->queue, request);
    if (!stream->metadata)
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a stream");
    else if (start(stream, err))
        return stream;
    rpc_stream_close(stream);
    return NULL;
}

bool rpc_stream_next(struct rpc_stream *stream, const void **bytes,
                     size_t *size)
{
    grpc_byte_buffer *message = NULL;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    if (stream->ended)
        return false;
    if (!stream->headers)
        (void)wait_for(stream, stream); /* a failure is told by the status */
    stream->headers = true;
    op.data.recv_message.recv_message = &message;
    buf_clear(&stream->message);
    if (grpc_call_start_batch(stream->call, &op, 1, &stream->message, NULL) ==
        GRPC_CALL_OK)
        (void)wait_for(stream, &stream->message);
    if (!message) {
        (void)wait_for(stream, &stream->ending);
        stream->ended = true;
        return false;
    }
    rpc_message_copy(&stream->message, message);
    grpc_byte_buffer_destroy(message);
    *bytes = stream->message.data ? stream->message.data : "";
    *size = stream->message.size;
    return true;
}

void rpc_stream_cancel(struct rpc_stream *stream)
{
    (void)grpc_call_cancel(stream->call, NULL);
}

bool rpc_stream_status(struct rpc_stream *stream, struct rpc_answer *answer,
                       struct error *err)
{
    struct rpc_client *client = stream->client;

    if (!rpc_keep_ending(client, &stream->ending, err))
        return false;
    *answer = (struct rpc_answer){
        .status = (int)stream->ending.status,
        .bytes = "",
        .text = client->text.data ? client->text.data : "",
        .reason = client->reason.data ? client->reason.data : "",
    };
    return true;
}
