/*
 * RPC parts: what unary calls and streams over gRPC Core have in common.
 * Private to rpc_client.c and rpc_stream.c.
 *
 * Threads: the caller serialises.
 */
#ifndef CLIENTS_C_RPC_PARTS_H
#define CLIENTS_C_RPC_PARTS_H

#include <grpc/grpc.h>

#include "buf.h"
#include "rpc_client.h"

struct rpc_client {
    grpc_channel *channel;
    grpc_completion_queue *queue; /* of unary calls */
    struct buf message, text, reason;
    struct buf headers; /* "name\0value\0" pairs of the last answer */
    enum rpc_loss loss;
};

/* What comes back with and after the messages. */
struct rpc_ending {
    grpc_metadata_array first, last;
    grpc_status_code status;
    grpc_slice text;
};

void rpc_ending_init(struct rpc_ending *ending);
void rpc_ending_release(struct rpc_ending *ending);

/* The operations that ask for it. */
grpc_op rpc_op_first(struct rpc_ending *ending);
grpc_op rpc_op_status(struct rpc_ending *ending);

/* Keeps text, headers and the reason; see rpc_client_call() for what is an
 * answer, and for the errors when it is none. */
bool rpc_keep_ending(struct rpc_client *client, const struct rpc_ending *ending,
                     struct error *err);

/* A call of the request's method; `queue` gets what happens to it. */
grpc_call *rpc_call_new(struct rpc_client *client, grpc_completion_queue *queue,
                        const struct rpc_request *request);

/* The request's metadata, `count` entries; NULL when memory is out.
 * rpc_metadata_free() afterwards. */
grpc_metadata *rpc_metadata_new(const struct rpc_request *request);
void rpc_metadata_free(grpc_metadata *metadata, size_t count);

grpc_byte_buffer *rpc_message_new(const struct rpc_request *request);

/* Says why a batch was not taken: ERR_USAGE if it is for the metadata, or
 * ERR_NOT_READY. Always false. */
bool rpc_not_started(grpc_call_error wrong, struct error *err);

/* Appends the bytes of a message, which may be NULL. */
void rpc_message_copy(struct buf *out, grpc_byte_buffer *message);

#endif
