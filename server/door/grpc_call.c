/*
 * Receive, hand over, answer.
 *
 * A call arrives with its message (gRPC Core reads it before it tells us), is
 * served here or by a worker, and its answer goes out in one batch. Where the
 * handler runs on this thread, that batch also waits for the end of the call,
 * which saves an event; a call that waits for a worker is watched from the
 * start, so that a client that leaves is noticed while it waits.
 *
 * An OP_EACH call repeats that: the next message is read when the answer to the
 * one before is on its way, so there is never more than one of them in memory,
 * and a peer that does not read is told apart from one that says nothing.
 */
#include <stdlib.h>

#include "clock.h"
#include "grpc_internal.h"

/* A handler that meets the deadline itself has this long to say so. */
static const uint64_t answer_ns = 200000000;

/* ---- one request, one answer ---- */

static void answered(struct grpc_tag *tag, bool ok)
{
    struct grpc_rpc *rpc = tag->owner;

    (void)ok; /* false: the client is gone, nobody misses the answer */
    atomic_store(&rpc->give_up_ns, 0);
    rpc_settle(rpc);
    rpc_put(rpc);
}

/* Runs on the thread that served the call; takes that thread's reference. */
static void answer(struct srv_call *call)
{
    struct grpc_rpc *rpc = (struct grpc_rpc *)call;

    if (call->stream) {
        stream_detach(rpc);
        return;
    }
    rpc->moved = (struct grpc_tag){.done = answered, .owner = rpc};
    rpc_finish(rpc, &rpc->moved);
    rpc_put(rpc);
}

/* On the worker; the RPC keeps the door open while it takes a turn. */
static void worked(struct srv_call *call)
{
    struct grpc_rpc *rpc = (struct grpc_rpc *)call;

    rpc_get(rpc);
    rpc->then(call);
    grpc_take_turn(rpc->door);
    rpc_put(rpc);
}

static void serve(struct grpc_rpc *rpc, grpc_answer *then)
{
    struct grpc_door *door = rpc->door;
    struct srv_call *call = &rpc->call;

    if (!rpc_receive(rpc)) {
        then(call);
    } else if (call->op->run == OP_INLINE) {
        call_serve(call);
        then(call);
    } else {
        /* A stream is watched once its handler has returned, see stream.c. */
        if (call->op->stream != OP_SERVER && !rpc->watched)
            rpc_watch(rpc);
        atomic_store(&rpc->give_up_ns, call->deadline_ns + answer_ns);
        rpc->then = then;
        if (!door->hand_over(door->context, call, worked))
            then(call);
    }
}

/* ---- many requests, one answer each ---- */

static void end_each(struct grpc_rpc *rpc)
{
    rpc->moved.done = answered;
    rpc_finish(rpc, &rpc->moved);
    rpc_put(rpc);
}

static void moved_each(struct grpc_tag *tag, bool ok);

/* Reads the next request. */
static void read_each(struct grpc_rpc *rpc)
{
    grpc_op ops[2];
    size_t count = rpc_add_head(rpc, ops, 0);

    ops[count] = (grpc_op){.op = GRPC_OP_RECV_MESSAGE};
    ops[count++].data.recv_message.recv_message = &rpc->payload;
    atomic_store(&rpc->give_up_ns, clock_now_ns() + rpc->door->idle_timeout_ms *
                                                        (uint64_t)1000000);
    rpc->moved = (struct grpc_tag){.done = moved_each, .owner = rpc};
    rpc_start(rpc, ops, count, &rpc->moved);
    rpc_put(rpc);
}

/* The answer is on its way; its reference goes on to the next request. */
static void sent_each(struct grpc_tag *tag, bool ok)
{
    struct grpc_rpc *rpc = tag->owner;

    if (ok)
        read_each(rpc);
    else /* the client is gone */
        end_each(rpc);
}

static void send_each(struct grpc_rpc *rpc, grpc_byte_buffer *message)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

    op.data.send_message.send_message = message;
    atomic_store(&rpc->give_up_ns,
                 rpc_write_limit_ns(rpc, grpc_byte_buffer_length(message)));
    rpc->moved = (struct grpc_tag){.done = sent_each, .owner = rpc};
    rpc_start(rpc, &op, 1, &rpc->moved);
    rpc_put(rpc);
}

/* As answer(), for one request of many. */
static void answer_each(struct srv_call *call)
{
    struct grpc_rpc *rpc = (struct grpc_rpc *)call;
    grpc_byte_buffer *message;

    if (call->grpc_status) {
        end_each(rpc);
        return;
    }
    message = rpc_take_bytes(&call->out);
    rpc_forget_message(rpc);
    send_each(rpc, message);
    grpc_byte_buffer_destroy(message);
}

/* The batch of read_each() is done; its reference goes on to the answer. */
static void moved_each(struct grpc_tag *tag, bool ok)
{
    struct grpc_rpc *rpc = tag->owner;

    atomic_store(&rpc->give_up_ns, 0);
    if (ok && rpc->payload)
        serve(rpc, answer_each);
    else /* the client has said all it had to say, or is gone */
        end_each(rpc);
}

/* ---- a call arrives ---- */

/* Nobody knows the method: the only call without an endpoint. */
static void refuse_unknown(struct grpc_rpc *rpc)
{
    fail(&rpc->call.err, ERR_NOT_IMPLEMENTED,
         "the server does not know this method");
    rpc->call.grpc_status = err_info(ERR_NOT_IMPLEMENTED)->grpc;
    answer(&rpc->call);
}

static void accepted(struct grpc_tag *tag, bool ok)
{
    struct grpc_rpc *rpc = tag->owner;
    const struct op_def *op = rpc->method->op;

    if (!ok) { /* the door is closing */
        rpc_put(rpc);
        return;
    }
    grpc_method_listen(rpc->method);
    rpc_open(rpc);
    if (!op) {
        refuse_unknown(rpc);
    } else if (op->stream == OP_EACH) {
        rpc_watch(rpc);
        read_each(rpc);
    } else {
        serve(rpc, answer);
    }
}

void grpc_method_listen(const struct grpc_method *method)
{
    struct grpc_door *door = method->door;
    struct grpc_rpc *rpc = rpc_new(method);
    grpc_byte_buffer **payload = &rpc->payload;
    grpc_call_error error;

    rpc->accepted = (struct grpc_tag){.done = accepted, .owner = rpc};
    grpc_tag_leave(&rpc->accepted);
    if (method->op) {
        if (method->op->stream == OP_EACH)
            payload = NULL;
        error = grpc_server_request_registered_call(
            door->server, method->handle, &rpc->core, &rpc->deadline,
            &rpc->metadata, payload, door->queue, door->queue, &rpc->accepted);
    } else {
        error = grpc_server_request_call(
            door->server, &rpc->core, &rpc->details, &rpc->metadata,
            door->queue, door->queue, &rpc->accepted);
    }
    if (error != GRPC_CALL_OK)
        abort(); /* a request we put together wrongly */
}
