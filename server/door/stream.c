/*
 * A stream of answers to one request.
 *
 * Senders encode outside the lock and queue finished slices; one write is in
 * flight at a time. While more wait, a write is sent with a hint that gRPC Core
 * may hold it back, so many small messages share a packet. The reader's pace is
 * the limit: 256 messages or 1 MiB wait, then the stream is cut, because a
 * reader that is too slow has to start over anyway.
 *
 * The end of the call comes back as one event, whatever its cause; it alone
 * calls `closed`.
 */
#include <stdlib.h>

#include "codec_proto.h"
#include "grpc_internal.h"

enum { STREAM_MESSAGES = 256, STREAM_BYTES = 1 << 20 };

struct door_stream {
    struct grpc_rpc *rpc; /* alive while `over` is false */
    const struct msg_def *reply;
    stream_closed *closed;
    void *context;
    atomic_int refs; /* of the RPC and of the handler's side */
    struct grpc_tag sent;

    pthread_mutex_t mu;
    grpc_byte_buffer *waiting[STREAM_MESSAGES]; /* under mu: a ring */
    size_t first, count, bytes;                 /* under mu: of the ring */
    bool sending;  /* under mu: a write is in flight */
    bool detached; /* under mu: the handler has returned */
    bool ended;    /* under mu: nothing may be added */
    bool ending;   /* under mu: the status is on its way */
    bool over;     /* under mu: the call has ended, rpc is not to be touched */
    struct error end; /* under mu: how to end */
};

static void drop_waiting_locked(struct door_stream *stream)
{
    while (stream->count) {
        grpc_byte_buffer_destroy(stream->waiting[stream->first]);
        stream->first = (stream->first + 1) % STREAM_MESSAGES;
        stream->count--;
    }
    stream->bytes = 0;
}

void stream_put(struct door_stream *stream)
{
    if (!stream || atomic_fetch_sub(&stream->refs, 1) != 1)
        return;
    drop_waiting_locked(stream); /* nobody else is left */
    pthread_mutex_destroy(&stream->mu);
    free(stream);
}

/* ---- writing ---- */

static void send_next_locked(struct door_stream *stream)
{
    struct grpc_rpc *rpc = stream->rpc;
    grpc_byte_buffer *message = stream->waiting[stream->first];
    size_t size = grpc_byte_buffer_length(message);
    bool first = !rpc->head_sent;
    grpc_op ops[2];
    size_t count = rpc_add_head(rpc, ops, 0);

    stream->first = (stream->first + 1) % STREAM_MESSAGES;
    stream->count--;
    stream->bytes -= size;
    ops[count] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
    /* A held-back write with the head in its batch would never complete. */
    if (stream->count && !first)
        ops[count].flags = GRPC_WRITE_BUFFER_HINT;
    ops[count++].data.send_message.send_message = message;
    atomic_store(&rpc->give_up_ns, rpc_write_limit_ns(rpc, size));
    rpc_start(rpc, ops, count, &stream->sent);
    grpc_byte_buffer_destroy(message);
}

/* Ends the RPC with stream->end; nobody else uses its call any more. */
static void finish_locked(struct door_stream *stream)
{
    struct srv_call *call = &stream->rpc->call;

    call->err = stream->end;
    if (call->err.code != ERR_NONE)
        call->grpc_status = err_info(call->err.code)->grpc;
    rpc_finish(stream->rpc, &stream->sent);
}

/* Tells the client that the stream stands, although there is nothing to say. */
static void send_head_locked(struct door_stream *stream)
{
    struct grpc_rpc *rpc = stream->rpc;
    grpc_op op;

    atomic_store(&rpc->give_up_ns, rpc_write_limit_ns(rpc, 0));
    rpc_start(rpc, &op, rpc_add_head(rpc, &op, 0), &stream->sent);
}

/* Starts the next write, or the end, if there is one to start. */
static void advance_locked(struct door_stream *stream)
{
    if (stream->sending || stream->ending || stream->over)
        return;
    if (stream->count) {
        stream->sending = true;
        send_next_locked(stream);
    } else if (stream->ended && stream->detached) {
        stream->sending = true;
        stream->ending = true;
        finish_locked(stream);
    } else if (stream->detached && !stream->rpc->head_sent) {
        stream->sending = true;
        send_head_locked(stream);
    }
}

static void sent(struct grpc_tag *tag, bool ok)
{
    struct door_stream *stream = tag->owner;
    struct grpc_rpc *rpc = stream->rpc;

    pthread_mutex_lock(&stream->mu);
    atomic_store(&rpc->give_up_ns, 0);
    stream->sending = false;
    if (ok) {
        advance_locked(stream);
    } else { /* the client is gone, `closed` follows */
        stream->ended = true;
        stream->ending = true;
        drop_waiting_locked(stream);
    }
    pthread_mutex_unlock(&stream->mu);
    rpc_put(rpc);
}

/* ---- the handler's side ---- */

struct door_stream *call_stream_keep(struct srv_call *call,
                                     stream_closed *closed, void *context,
                                     struct error *err)
{
    struct door_stream *stream;

    if (call->door != DOOR_GRPC || call->op->stream != OP_SERVER ||
        call->stream) {
        fail(err, ERR_INTERNAL, "this call cannot become a stream");
        return NULL;
    }
    stream = calloc(1, sizeof *stream);
    if (!stream) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory left for a stream");
        return NULL;
    }
    stream->rpc = (struct grpc_rpc *)call;
    stream->rpc->watched = true; /* by stream_detach(), not by an ending */
    stream->reply = call->op->reply;
    stream->closed = closed;
    stream->context = context;
    stream->sent = (struct grpc_tag){.done = sent, .owner = stream};
    atomic_init(&stream->refs, 2);
    pthread_mutex_init(&stream->mu, NULL);
    call->stream = stream;
    return stream;
}

/* Cuts the call; unlike an orderly end it does not wait for the reader. */
static void cut_locked(struct door_stream *stream)
{
    const struct err_info *info = err_info(ERR_OVERLOADED);

    stream->ended = true;
    stream->ending = true;
    drop_waiting_locked(stream);
    grpc_call_cancel_with_status(stream->rpc->core,
                                 (grpc_status_code)info->grpc,
                                 "the stream is read too slowly", NULL);
}

/* Takes the message in any case. */
static bool push_locked(struct door_stream *stream, grpc_byte_buffer *message)
{
    size_t size = grpc_byte_buffer_length(message);
    bool open = !stream->ended;
    size_t slot = (stream->first + stream->count) % STREAM_MESSAGES;

    if (open && stream->count < STREAM_MESSAGES &&
        (!stream->count || stream->bytes + size <= STREAM_BYTES)) {
        stream->waiting[slot] = message;
        stream->count++;
        stream->bytes += size;
        advance_locked(stream);
        return true;
    }
    if (open)
        cut_locked(stream);
    grpc_byte_buffer_destroy(message);
    return false;
}

bool stream_send(struct door_stream *stream, const void *message)
{
    struct buf out = {0};
    struct error err;
    bool sent_it;

    if (!proto_encode(stream->reply, message, &out, &err)) {
        buf_release(&out);
        stream_end(stream, err.code, err.msg);
        return false;
    }
    pthread_mutex_lock(&stream->mu);
    sent_it = push_locked(stream, rpc_take_bytes(&out));
    pthread_mutex_unlock(&stream->mu);
    return sent_it;
}

void stream_end(struct door_stream *stream, enum err_code code,
                const char *message)
{
    pthread_mutex_lock(&stream->mu);
    if (!stream->ended) {
        stream->ended = true;
        if (code != ERR_NONE)
            fail(&stream->end, code, "%s", message ? message : "");
        advance_locked(stream);
    }
    pthread_mutex_unlock(&stream->mu);
}

/* ---- the call's side ---- */

static void stream_over(struct grpc_tag *tag, bool ok)
{
    struct grpc_rpc *rpc = tag->owner;
    struct door_stream *stream = rpc->call.stream;

    (void)ok;
    pthread_mutex_lock(&stream->mu);
    stream->ended = true;
    stream->over = true;
    drop_waiting_locked(stream);
    pthread_mutex_unlock(&stream->mu);
    if (stream->closed)
        stream->closed(stream, stream->context);
    rpc_put(rpc);
}

void stream_detach(struct grpc_rpc *rpc)
{
    struct door_stream *stream = rpc->call.stream;

    if (rpc->call.err.code != ERR_NONE)
        stream_end(stream, rpc->call.err.code, rpc->call.err.msg);
    rpc_forget_message(rpc);
    rpc->closed = (struct grpc_tag){.done = stream_over, .owner = rpc};
    rpc_watch(rpc);
    pthread_mutex_lock(&stream->mu);
    stream->detached = true;
    if (!stream->sending) /* the handler's limit is not the stream's */
        atomic_store(&rpc->give_up_ns, 0);
    advance_locked(stream);
    pthread_mutex_unlock(&stream->mu);
    rpc_put(rpc);
}
