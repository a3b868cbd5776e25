/*
 * A program behind a gRPC door, for tests: the real queue and call_serve(), a
 * few endpoints that do what a test tells them, and a client in front.
 *
 *   Echo Large            answer the request; Large takes up to 1 MiB
 *   Decline               NOT_READY, come back in 7 s
 *   Work Brief            on the worker: until released or told to stop; the
 *                         endpoint's deadline of Brief is 50 ms
 *   Follow FollowQueued   keep a stream, see probe->stream
 *   Talk TalkQueued       many requests, each echoed
 *
 * Threads: the atomics any; the rest the test's.
 */
#ifndef TEST_GRPC_PROBE_H
#define TEST_GRPC_PROBE_H

#include <stdatomic.h>

#include "grpc_client.h"
#include "queue.h"

enum { PROBE_BODY_LIMIT = 1000, PROBE_PATIENCE_MS = 20000 };

struct probe {
    struct queue *queue;
    struct grpc_door *door;
    struct client client;
    atomic_uint_fast64_t next_id;
    atomic_bool release;         /* Work and Brief may end */
    atomic_int started, stopped; /* of Work and Brief */
    atomic_int finished;         /* calls that door_options.finished was told */
    atomic_int closed;           /* streams that told their end */
    atomic_int read;             /* messages that a client has read */
    _Atomic(struct door_stream *) stream; /* the last one that was kept */
    atomic_int greeting; /* messages that a stream sends from its handler */
};

/* For cmocka: *state becomes a struct probe with an open door and client. */
int probe_set_up(void **state);

/* The same, but who says nothing for 300 ms is cut. */
int probe_set_up_impatient(void **state);

/* The same, but who does not read for 300 ms is cut. */
int probe_set_up_stalling(void **state);
int probe_tear_down(void **state);

void probe_pause(void);

/* Waits until *count is at least `wanted`. */
void probe_wait(atomic_int *count, int wanted);

/* A request with this text in input_type; the caller releases it. */
struct buf probe_request(const char *text);

/* Calls with `request`, which it releases; `reply` may be NULL. */
grpc_status_code probe_call(struct probe *probe, const char *method,
                            struct buf request, struct buf *reply);

#endif
