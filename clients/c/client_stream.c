/*
 * Client stream: messages from a server over gRPC; see client_op.h.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "client_op.h"
#include "clock.h"
#include "codec_proto.h"
#include "complete.h"
#include "failure.h"
#include "msg.h"

enum { FIND_MS = 5000 };

struct specserve_stream {
    const struct client_op *op;
    struct endpoint *endpoint; /* held by `tried` */
    struct group *group;
    struct tried tried;
    struct rpc_client *rpc;
    struct rpc_stream *messages;
    struct arena arena; /* of the message in hand */
    atomic_bool cancelled;
    bool ended;
};

void specserve_stream_free(struct specserve_stream *stream)
{
    if (!stream)
        return;
    rpc_stream_close(stream->messages);
    rpc_client_close(stream->rpc);
    if (stream->group)
        group_forget(stream->group, &stream->tried);
    arena_release(&stream->arena);
    free(stream);
}

void specserve_stream_cancel(struct specserve_stream *stream)
{
    atomic_store(&stream->cancelled, true);
    rpc_stream_cancel(stream->messages);
}

/* Sends the request to the endpoint that was chosen. */
static bool start(struct specserve_stream *stream, const struct client_ask *ask,
                  struct error *err)
{
    static const struct specserve_options none = {0};
    const struct specserve_options *options =
        ask->options ? ask->options : &none;
    struct specserve_client *client = ask->service->client;
    struct pairs pairs = {.arena = &stream->arena};
    struct rpc_request request = {.method = ask->op->method,
                                  .timeout_ms = options->timeout_ms};
    const void *message = ask->request;
    struct buf body = {0};

    if (!message)
        message = msg_new(ask->op->request, &stream->arena);
    if (!message)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a request");
    if (msg_complete(ask->op->request, message, &stream->arena, err) &&
        proto_encode(ask->op->request, message, &body, err) &&
        client_headers(client, ask->op->id, stream->endpoint, options, &pairs,
                       err))
        stream->rpc = hop_open(client, stream->endpoint, err);
    if (stream->rpc) {
        pairs_lower(&pairs);
        request.bytes = body.data;
        request.size = body.size;
        request.metadata = pairs.list;
        request.metadata_count = pairs.count;
        stream->messages = rpc_stream_open(stream->rpc, &request, err);
    }
    buf_release(&body);
    return stream->messages != NULL;
}

struct specserve_stream *client_stream_open(const struct client_ask *ask,
                                            struct specserve_error *err)
{
    struct specserve_stream *stream = calloc(1, sizeof *stream);
    struct group *group = &ask->service->group;
    struct error why = {0};

    failure_clear(err);
    if (!stream) {
        (void)failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                          "no memory for a stream");
        return NULL;
    }
    arena_init(&stream->arena, 0);
    stream->op = ask->op;
    stream->group = group;
    if (client_refresh(ask->service->client, group,
                       clock_now_ns() + FIND_MS * UINT64_C(1000000), err)) {
        stream->endpoint = group_choose(group, &stream->tried);
        if (stream->endpoint)
            group_done(group, stream->endpoint); /* it is no call under way */
        else
            (void)failure_say(err, SPECSERVE_UNAVAILABLE,
                              "nobody is known to serve '%.100s'", group->name);
    }
    if (stream->endpoint && start(stream, ask, &why)) {
        failure_clear(err);
        return stream;
    }
    if (stream->endpoint)
        (void)failure_of_error(err, &why);
    specserve_stream_free(stream);
    return NULL;
}

/* How the stream ended; false, with err->code SPECSERVE_OK if well. */
static bool end(struct specserve_stream *stream, struct specserve_error *err)
{
    static const enum loss losses[] = {[RPC_NOT_SENT] = LOSS_NOT_SENT,
                                       [RPC_CUT] = LOSS_CUT,
                                       [RPC_LATE] = LOSS_LATE};
    struct rpc_answer got = {0};
    struct answer *answer;
    struct error why = {0};

    stream->ended = true;
    if (atomic_load(&stream->cancelled))
        return false;
    if (!rpc_stream_status(stream->messages, &got, &why)) {
        group_hurry(stream->group);
        return failure_of_loss(err, losses[rpc_client_loss(stream->rpc)],
                               stream->endpoint->url, &why);
    }
    if (got.status == 0)
        return false;
    answer = hop_ending(stream->rpc, &got);
    if (answer)
        (void)failure_of_answer(err, answer);
    else
        (void)failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                          "no memory for the answer");
    specserve_answer_free(answer ? &answer->seen : NULL);
    return false;
}

bool client_stream_next(struct specserve_stream *stream, const void **message,
                        struct specserve_error *err)
{
    const void *bytes = NULL;
    struct error why = {0};
    void *made = NULL;
    size_t size = 0;

    failure_clear(err);
    if (stream->ended)
        return false;
    if (!rpc_stream_next(stream->messages, &bytes, &size))
        return end(stream, err);
    arena_reset(&stream->arena);
    if (!proto_decode(stream->op->reply, bytes, size, &stream->arena, &made,
                      &why) ||
        !msg_complete(stream->op->reply, made, &stream->arena, &why))
        return failure_say(err, SPECSERVE_BAD_ANSWER, "%s: %s", stream->op->id,
                           why.msg);
    *message = made;
    return true;
}
