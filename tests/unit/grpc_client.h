/*
 * A blocking gRPC client for tests, on one end of a socket pair.
 *
 * Threads: one per client.
 */
#ifndef TEST_GRPC_CLIENT_H
#define TEST_GRPC_CLIENT_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "grpc.h"

struct client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
};

struct client_call {
    struct client *client;
    grpc_call *core;
    grpc_metadata_array head, trailers;
    bool has_head;
    grpc_status_code status;
    grpc_slice text;
};

/* Connects to the door as the peer 127.0.0.1. */
void client_open(struct client *client, struct grpc_door *door);
void client_close(struct client *client);

/* Starts a call; it ends by itself after `timeout_ms`. */
void client_start(struct client *client, struct client_call *call,
                  const char *method, int timeout_ms);

/* Sends a message; `last` closes the sending side. false: the call is over. */
bool client_send(struct client_call *call, const void *bytes, size_t size,
                 bool last);

/* The next message, emptying `out` first; false at the end. */
bool client_read(struct client_call *call, struct buf *out);

/* Waits until the server has answered anything, be it an end. */
void client_wait_for_head(struct client_call *call);

void client_cancel(struct client_call *call);

/* Reads what is left and waits for the end; the status. call->trailers are
 * valid until client_free(). */
grpc_status_code client_finish(struct client_call *call);

/* The value of a trailer, or NULL; valid until client_free(). */
const grpc_slice *client_trailer(const struct client_call *call,
                                 const char *key);
void client_free(struct client_call *call);

/* All of the above for one message in and one out (`out` may be NULL). */
grpc_status_code client_unary(struct client *client, const char *method,
                              const struct buf *request, struct buf *out);

#endif
