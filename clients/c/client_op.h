/*
 * Client op: what generated calls are made of. Private to the client; programs
 * see specserve.h and the *_api.h that specgen writes.
 *
 * Threads: rows are immutable; calls may be made by any thread.
 */
#ifndef CLIENTS_C_CLIENT_OP_H
#define CLIENTS_C_CLIENT_OP_H

#include "contract.h"
#include "specserve.h"

/* One endpoint, as the contract has it. */
struct client_op {
    const char *id;     /* "runtime.predict" */
    const char *verb;   /* NULL: no REST form */
    const char *path;   /* "/heartbeat/{port}" */
    const char *method; /* "/pkg.Service/Method"; NULL: no gRPC form */
    const struct msg_def *request; /* NULL: the body is bytes */
    const struct msg_def *reply;   /* NULL: the answer is bytes */
    const struct op_bind *binds;
    size_t bind_count;
    bool has_body, stream;
    enum op_safety safety;
    uint32_t deadline_ms; /* 0 = the client's */
};

/* All endpoints of one API; see api/api_tables.h. */
struct client_ops {
    const struct client_op *list;
    size_t count;
};

/* A call: what generated functions are given. */
struct client_ask {
    struct specserve_service *service;
    const struct client_op *op;
    const void *request;                     /* NULL = an empty one */
    const struct specserve_options *options; /* NULL = none */
};

/*
 * All attempts of a call. `*answer` is set whenever somebody answered, of a
 * failure, too, and NULL otherwise; `*reply` lives in it and is set on success
 * unless the endpoint answers bytes.
 */
bool client_call(const struct client_ask *ask, const void **reply,
                 struct specserve_answer **answer, struct specserve_error *err);

/* A stream over gRPC; NULL and `err`. One attempt. */
struct specserve_stream *client_stream_open(const struct client_ask *ask,
                                            struct specserve_error *err);

/* The next message, valid until the one after it. false: the end; err->code is
 * SPECSERVE_OK when the server ended it or it was cancelled. */
bool client_stream_next(struct specserve_stream *stream, const void **message,
                        struct specserve_error *err);

#endif
