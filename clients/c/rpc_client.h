/*
 * RPC client: one unary gRPC call at a time to one server; the only file of
 * the client that sees gRPC Core.
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
#include "error.h"

struct rpc_client;

/* Of "host:port", see authority.h; longer answers than `answer_max` bytes are
 * not taken. Connects with the first call. ERR_OUT_OF_MEMORY; ERR_INTERNAL:
 * the library makes no channel. */
struct rpc_client *rpc_client_open(const char *authority, size_t answer_max,
                                   struct error *err);

/* Accepts NULL. */
void rpc_client_close(struct rpc_client *client);

struct rpc_request {
    const char *method; /* "/pkg.Service/Method"; static */
    const void *bytes;
    size_t size;
    uint32_t timeout_ms;
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

#endif
