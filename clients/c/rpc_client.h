/*
 * RPC client: one unary gRPC call at a time to one server, or streams of it;
 * with its parts the only one of the client that sees gRPC Core.
 *
 * Knows bytes and statuses, no messages.
 *
 * Threads: the caller serialises per client.
 */
#ifndef CLIENTS_C_RPC_CLIENT_H
#define CLIENTS_C_RPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "client_tls.h"
#include "error.h"

struct rpc_client;

struct rpc_settings {
    const struct client_tls *tls; /* NULL: in the clear */
    const char *agent;            /* first word of User-Agent; NULL = none */
};

/*
 * Of "host:port", see authority.h; longer answers than `answer_max` bytes are
 * not taken; `settings` may be NULL. Connects with the first call.
 * ERR_OUT_OF_MEMORY; ERR_FILE_MISSING, ERR_FILE_INVALID: a file of `tls`;
 * ERR_INTERNAL: the library makes no channel.
 */
struct rpc_client *rpc_client_open(const char *authority, size_t answer_max,
                                   const struct rpc_settings *settings,
                                   struct error *err);

/* Accepts NULL. */
void rpc_client_close(struct rpc_client *client);

struct rpc_pair {
    const char *name, *value; /* the name in lower case */
};

struct rpc_request {
    const char *method; /* "/pkg.Service/Method"; static */
    const void *bytes;
    size_t size;
    uint32_t timeout_ms; /* 0: no deadline; for streams */
    const struct rpc_pair *metadata;
    size_t metadata_count;
};

/* Belongs to the client, until its next call. */
struct rpc_answer {
    int status;         /* 0 = OK */
    const void *bytes;  /* the message; never NULL */
    size_t size;        /* 0 unless OK */
    const char *text;   /* the status's sentence */
    const char *reason; /* name of our catalogue (x-error-code), or "" */
};

/*
 * Calls and waits; true when a server answered, whatever its status.
 * ERR_TIMEOUT: no answer in time; ERR_NOT_READY: no connection, or it broke;
 * ERR_OUT_OF_MEMORY.
 */
bool rpc_client_call(struct rpc_client *client,
                     const struct rpc_request *request,
                     struct rpc_answer *answer, struct error *err);

/* How the last call that got no answer was lost. */
enum rpc_loss {
    RPC_NOT_SENT, /* no connection */
    RPC_CUT,      /* the connection ended before the answer did */
    RPC_LATE      /* the time was up */
};

enum rpc_loss rpc_client_loss(const struct rpc_client *client);

/* Shows headers and trailers of the last answer; not the binary ones. */
typedef void rpc_header_taker(void *context, const char *name,
                              const char *value);
void rpc_client_each_header(const struct rpc_client *client,
                            rpc_header_taker *take, void *context);

/* ---- streams of messages from the server ---- */

struct rpc_stream;

/* Sends the request and waits for nothing. The client must outlive the
 * stream. ERR_OUT_OF_MEMORY, ERR_NOT_READY. */
struct rpc_stream *rpc_stream_open(struct rpc_client *client,
                                   const struct rpc_request *request,
                                   struct error *err);

/* Cancels what goes on; accepts NULL. */
void rpc_stream_close(struct rpc_stream *stream);

/* Waits for a message, valid until the next one. false: there is no more. */
bool rpc_stream_next(struct rpc_stream *stream, const void **bytes,
                     size_t *size);

/* Ends it, from any thread: rpc_stream_next() returns. */
void rpc_stream_cancel(struct rpc_stream *stream);

/* After the last message: how it ended, as rpc_client_call(). */
bool rpc_stream_status(struct rpc_stream *stream, struct rpc_answer *answer,
                       struct error *err);

#endif
