/*
 * Call: one request, whichever door it came through.
 *
 *   door -> queue -> call_serve(): route, decode, validate, handle, encode
 *
 * REST and gRPC fill the same struct and get the same struct back; the door
 * knows messages, not models. A program opens its doors with a list of
 * generated op_tables and a pointer to its own state, which handlers find in
 * call->app. call_serve() needs no socket: tests feed bytes and read bytes.
 *
 * Threads: a call belongs to one thread at a time (door, then worker, then
 * door); `cancelled` may be set by any thread.
 */
#ifndef DOOR_CALL_H
#define DOOR_CALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "contract.h"
#include "error.h"

enum srv_door { DOOR_REST, DOOR_GRPC };

/* A header or metadata entry of the request. */
struct srv_header {
    const char *name; /* lower case */
    const char *value;
};

enum { CALL_HEADERS_MAX = 2, CALL_FACTS_MAX = 2 };

/* Bytes that a handler answers instead of a message (REST only). */
struct srv_raw {
    const char *content_type; /* static; NULL = the reply message is used */
    const void *bytes;        /* in call->arena or static */
    size_t size;
};

struct srv_call {
    /* filled by the door */
    struct arena arena;
    enum srv_door door;
    uint64_t id; /* for the log line; unique in the process */
    const struct op_def *op;
    void *app;        /* the program's state */
    const void *body; /* request bytes; valid until the call ends */
    size_t body_size;
    const char **binds; /* REST: decoded values of op->binds, NULL = absent */
    const struct srv_header *headers;
    size_t header_count;
    size_t body_max;      /* bytes that a body may have, here and unpacked */
    const char *peer;     /* "127.0.0.1", without the port */
    bool peer_is_local;   /* the peer is a loopback address */
    uint64_t started_ns;  /* clock_now_ns() when the head was complete */
    uint64_t deadline_ns; /* never later than the endpoint's deadline */
    void (*finished)(const struct srv_call *call); /* door_options.finished */
    atomic_bool cancelled; /* stop working: the client is gone, or ... */
    atomic_bool cut;       /* ... the server could not wait for the work */

    /* filled by call_serve() */
    void *request; /* decoded and validated */
    void *reply;
    struct srv_raw raw;
    struct error err;         /* code ERR_NONE: success */
    uint32_t retry_after_s;   /* 0 = no Retry-After */
    struct buf out;           /* encoded answer: JSON or protobuf */
    const char *content_type; /* of out; REST */
    int http_status;          /* by table from err.code */
    int grpc_status;          /* same */
    struct srv_header reply_headers[CALL_HEADERS_MAX]; /* REST */
    size_t reply_header_count;
    const struct srv_header *facts; /* see call_tell(); either door */
    size_t fact_count;
    void (*after)(void *context); /* see call_after() */
    void *after_context;

    /* work that calls share; see below */
    const struct call_work *work; /* NULL = none was left to a batch */
    void *job;
    double work_share;   /* of a batch that is full */
    uint64_t queue_ns;   /* it waited for a worker */
    uint64_t compute_ns; /* the work took, with all that shared it */
    size_t tokens;       /* that it made of the request; 0 = none */
    bool truncated;      /* it was given more than it read */

    /* streaming; see below */
    struct door_stream *stream;
};

/*
 * Serves a call whose `op` is known: decode, validate, handle, encode. On
 * return `out`, `content_type`, `http_status` and `grpc_status` are set; a
 * failure of any step is in `err` and, for REST, encoded in `out`. Checks the
 * deadline before the handler runs. Writes the request's log line (info), see
 * call_set_access_log().
 *
 * A code whose gRPC status is OK declines the request: over gRPC, too, the
 * answer is then the reply message that op->failure fills. What a 500 was about
 * goes to the log; the client gets the catalogue's sentence.
 */
void call_serve(struct srv_call *call);

/* Answers a call with an error instead of serving it (queue full, draining). */
void call_refuse(struct srv_call *call, enum err_code code,
                 uint32_t retry_after_s, const char *message);

/*
 * Whether every call gets a log line (true), or only those that failed or ran
 * on a worker (false, the default): a line costs about as much as a small GET.
 */
void call_set_access_log(bool every);

/* The value of a header (lower-case name), or NULL. */
const char *call_header(const struct srv_call *call, const char *name);

/* The work should stop: cancelled, or past the deadline. */
bool call_should_stop(const struct srv_call *call);

/* Answers with bytes of another type than JSON; see struct srv_raw. */
void call_answer_raw(struct srv_call *call, const char *content_type,
                     const void *bytes, size_t size);

/* Adds a header to the answer (REST); both live as long as the call. At most
 * CALL_HEADERS_MAX, which a codec of ours must not exceed. */
void call_add_header(struct srv_call *call, const char *name,
                     const char *value);

/* Answers with `count` more headers (REST) or trailers (gRPC), whatever becomes
 * of the call; lower-case names. They live as long as the app. At most
 * CALL_FACTS_MAX. */
void call_tell(struct srv_call *call, const struct srv_header *facts,
               size_t count);

/*
 * Calls `after(context)` once the answer is encoded, or when it never will be:
 * a reply may point at memory that something borrowed keeps until then. One per
 * call.
 */
void call_after(struct srv_call *call, void (*after)(void *context),
                void *context);
/* ---- work that calls share ----
 *
 * A handler may leave its work to be done together with that of other calls of
 * its endpoint: it prepares a job, says call_defer() and returns true. Its
 * worker takes more of the calls that wait, until the batch is full; it waits
 * for none. Then run() does the work of all, and finish() makes each reply,
 * as the handler would have. What goes wrong with one job stays with it, until
 * its finish() says so.
 */
struct call_work {
    void (*run)(struct srv_call *const *calls, size_t count);
    bool (*finish)(struct srv_call *call, void *reply, struct error *err);
};

/* `share`: how much of a full batch this job is; 1 or more: it needs no
 * company. `job` must live as long as the call. */
void call_defer(struct srv_call *call, const struct call_work *work, void *job,
                double share);

/*
 * What call_serve() is made of. call_begin() goes as far as the handler; true:
 * the work was left, and call_work() for calls of one endpoint, then call_finish()
 * for each, must follow. false: the answer stands.
 */
bool call_begin(struct srv_call *call);
void call_work(struct srv_call *const *calls, size_t count);
void call_finish(struct srv_call *call);

/* ---- streams (op->stream == OP_SERVER) ----
 *
 * A handler of a stream keeps the stream with call_stream_keep() and returns
 * true without a reply; from then on any thread sends messages with
 * stream_send() until it calls stream_end() or `closed` was called. The call
 * itself is gone after the handler returned.
 */
struct door_stream;

/* Called exactly once for each kept stream, from a door thread and with no lock
 * held, when the call is over: the client has left, a send failed, the door
 * closes, or what stream_end() asked for is done. It is the last use of
 * `context`; after it the stream must only be passed to stream_put(). */
typedef void stream_closed(struct door_stream *stream, void *context);

/* Makes the call a stream; the caller owns one reference (stream_put()).
 * NULL and `err` ERR_INTERNAL if the endpoint is not a server stream. */
struct door_stream *call_stream_keep(struct srv_call *call,
                                     stream_closed *closed, void *context,
                                     struct error *err);

/* Queues one reply message of type op->reply; it is encoded before return.
 * false when the stream is closed or its queue (256 messages or 1 MiB) is full;
 * a full queue also ends the stream with OVERLOADED: the reader is too slow. */
bool stream_send(struct door_stream *stream, const void *message);

/* Ends the stream after what is queued; code ERR_NONE = OK. */
void stream_end(struct door_stream *stream, enum err_code code,
                const char *message);

/* Gives the reference back; accepts NULL. */
void stream_put(struct door_stream *stream);

#endif
