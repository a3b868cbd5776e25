/*
 * What the files of the gRPC door share; included by grpc*.c and stream.c only.
 *
 *   grpc.c       the server, its threads, the regular look at stalled calls
 *   grpc_rpc.c   one RPC: memory, metadata in, status and error details out
 *   grpc_call.c  receive, hand over, answer: one request, or one at a time
 *   grpc_ending.c  status and error details of a call that ends
 *   stream.c     one request, many answers (OP_SERVER)
 *
 * Everything asynchronous is a batch with a tag: gRPC Core gives the tag back
 * on a polling thread, which calls tag->done. An RPC lives as long as one of
 * its batches, a worker or the polling thread holds a reference.
 *
 * Threads: any, unless a function says otherwise; an RPC is moved by one thread
 * at a time (polling thread, worker, polling thread).
 */
#ifndef DOOR_GRPC_INTERNAL_H
#define DOOR_GRPC_INTERNAL_H

#include <grpc/grpc.h>
#include <netinet/in.h>
#include <pthread.h>

#include "grpc.h"
#include "health.h"
#include "reflection.h"

/* A batch that gRPC Core works on. `ok` is false when it could not be done:
 * the call was cancelled, or the door is closing. */
struct grpc_tag {
    void (*done)(struct grpc_tag *tag, bool ok);
    void *owner;
    atomic_uint rounds; /* see grpc_tag_leave() */
};

/*
 * gRPC Core orders what was written before a batch was started before what is
 * done when its tag comes back. These two say the same in C11, so that tools
 * which cannot look inside the library (the thread sanitizer) know it too.
 */
static inline void grpc_tag_leave(struct grpc_tag *tag)
{
    atomic_fetch_add_explicit(&tag->rounds, 1, memory_order_release);
}

static inline void grpc_tag_return(struct grpc_tag *tag)
{
    (void)atomic_load_explicit(&tag->rounds, memory_order_acquire);
}

/* One method of the tables, or (op NULL) all that are not in them. */
struct grpc_method {
    struct grpc_door *door;
    const struct op_def *op;
    void *app;
    void (*finished)(const struct srv_call *call); /* see door.h */
    void *handle;                                  /* gRPC Core's name for it */
};

struct grpc_rpc {
    struct srv_call call; /* first: workers and handlers see only this */
    struct grpc_door *door;
    const struct grpc_method *method;
    grpc_call *core;
    grpc_call_details details; /* of an unknown method */
    grpc_metadata_array metadata;
    gpr_timespec deadline;
    grpc_byte_buffer *payload; /* the request as it came */
    grpc_slice joined;         /* the same in one piece, if it came in many */
    char peer[INET6_ADDRSTRLEN];
    struct grpc_tag accepted, moved, closed;
    int core_cancelled; /* gRPC Core writes it before `closed` comes back */
    bool watched;       /* `closed` is under way or has come back */
    bool head_sent;     /* initial metadata went out */
    bool busy;          /* counted in door->busy */
    grpc_answer *then;  /* what a worker does with the served call */
    atomic_int refs;
    atomic_uint_fast64_t give_up_ns; /* when to cancel; 0 = never */
    struct grpc_rpc *older, *newer;  /* in door->live */
};

struct grpc_door {
    grpc_server *server;
    grpc_completion_queue *queue;
    struct grpc_method *methods;
    size_t method_count; /* without the row for unknown ones at the end */
    pthread_t *threads;
    size_t thread_count;
    grpc_hand_over *hand_over;
    bool (*calls_wait)(void *context);
    bool (*nap)(void *context);
    void *context;
    atomic_uint worker_turns; /* see grpc_take_turn() */
    atomic_uint_fast64_t *next_id;
    size_t max_body;     /* of endpoints without their own */
    size_t largest_body; /* of any */
    uint32_t deadline_ms, idle_timeout_ms, stall_ms;
    atomic_uint_fast64_t sweep_ns; /* when to look for stalled calls next */
    const char **services;         /* of the tables and our own */
    size_t service_count;
    struct health health;
    struct reflection reflection;

    pthread_mutex_t mu;
    pthread_cond_t settled;          /* busy or live became none; monotonic */
    struct grpc_rpc *live;           /* under mu: accepted and not yet freed */
    size_t busy;                     /* under mu: calls without their answer */
    char (*peers)[INET6_ADDRSTRLEN]; /* under mu: address by descriptor */
    size_t peer_count;               /* under mu: length of peers */
    bool shut;                       /* under mu: takes no socket any more */
};

/* ---- grpc.c ---- */

/*
 * For a worker that has answered a call, of which it holds the RPC: does what
 * has come meanwhile if calls wait. The polling threads then nap, and no thread
 * is woken for a socket.
 */
void grpc_take_turn(struct grpc_door *door);

/* ---- grpc_rpc.c ---- */

/* An RPC that waits to be accepted, with one reference. Never NULL: like gRPC
 * Core itself it aborts when memory is out. */
struct grpc_rpc *rpc_new(const struct grpc_method *method);

void rpc_get(struct grpc_rpc *rpc);
void rpc_put(struct grpc_rpc *rpc);

/* gRPC Core has filled `core`: the RPC is listed, its peer is known. */
void rpc_open(struct grpc_rpc *rpc);

/* The answer is out; once per RPC that is `busy`. */
void rpc_settle(struct grpc_rpc *rpc);

/* Starts a batch and takes a reference for it; tag->done has to put it. */
void rpc_start(struct grpc_rpc *rpc, const grpc_op *ops, size_t count,
               struct grpc_tag *tag);

/* Starts to watch for the end of the call in a batch of its own, so that a
 * client that leaves sets call.cancelled at once. */
void rpc_watch(struct grpc_rpc *rpc);

/*
 * Fills rpc->call from the metadata and rpc->payload. false: the message is
 * missing or too large and the call is refused, ready to be answered.
 */
bool rpc_receive(struct grpc_rpc *rpc);

/* Frees the message, what was decoded from it and what was answered. */
void rpc_forget_message(struct grpc_rpc *rpc);

/* The bytes of `out`, which is empty afterwards; nothing is copied. */
grpc_byte_buffer *rpc_take_bytes(struct buf *out);

/* Adds SEND_INITIAL_METADATA to the batch unless it went out before. */
size_t rpc_add_head(struct grpc_rpc *rpc, grpc_op *ops, size_t count);

/* Ends the RPC with call.err and, if that is none and there is one, with the
 * message in call.out; `tag` comes back when it is on its way. */
void rpc_finish(struct grpc_rpc *rpc, struct grpc_tag *tag);

/* When a write of `size` bytes that starts now counts as stalled. */
uint64_t rpc_write_limit_ns(const struct grpc_rpc *rpc, size_t size);

/* ---- grpc_ending.c ---- */

/* Status, message and trailing metadata. */
struct grpc_ending {
    grpc_metadata trailers[8 + CALL_FACTS_MAX];
    size_t count;
    grpc_slice message;
    grpc_status_code status;
};

/* The ending that call->err asks for; released after its batch was started. */
void grpc_ending_init(struct grpc_ending *ending, const struct srv_call *call);
void grpc_ending_release(struct grpc_ending *ending);

/* The operation that sends it; borrows the ending. */
grpc_op grpc_ending_op(struct grpc_ending *ending);

/* ---- grpc_call.c ---- */

/* Asks gRPC Core for the next call of the method. */
void grpc_method_listen(const struct grpc_method *method);

/* ---- stream.c ---- */

/* The handler has kept the stream and returned: lets the rest of the call go
 * and tells `closed` when it ends. Takes the caller's reference. */
void stream_detach(struct grpc_rpc *rpc);

#endif
