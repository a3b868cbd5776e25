/*
 * Model client: calls an endpoint of a served model, over REST or gRPC.
 *
 * Which endpoint is a row of the generated tables; what goes in and comes out
 * is its bytes, JSON over REST and protobuf over gRPC.
 *
 * Threads: the caller serialises per client.
 */
#ifndef CLIENTS_C_MODEL_CLIENT_H
#define CLIENTS_C_MODEL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "contract.h"
#include "error.h"

enum model_door { MODEL_REST, MODEL_GRPC };

struct model_client;

/* Of "host:port", see authority.h; connects with the first call. Errors as
 * http_client_open() and rpc_client_open(). */
struct model_client *model_client_open(enum model_door door,
                                       const char *authority,
                                       struct error *err);

/* Accepts NULL. */
void model_client_close(struct model_client *client);

/* Belongs to the client, until its next call. */
struct model_answer {
    bool ok;            /* HTTP 200, gRPC OK */
    int status;         /* of HTTP or gRPC */
    const void *bytes;  /* REST: the body, of a failure, too; never NULL */
    size_t size;        /* gRPC: 0 unless ok */
    const char *text;   /* gRPC failures: what the server says; or "" */
    const char *reason; /* gRPC failures: name of the catalogue; or "" */
};

/*
 * Calls `op`, whose path binds nothing, and waits; true when the server
 * answered, whatever it said. `body` is not read where the endpoint takes
 * none. ERR_TIMEOUT: no answer in time; ERR_NOT_READY: no connection;
 * ERR_USAGE: the endpoint has no form for this door.
 */
bool model_client_call(struct model_client *client, const struct op_def *op,
                       const struct buf *body, uint32_t timeout_ms,
                       struct model_answer *answer, struct error *err);

#endif
