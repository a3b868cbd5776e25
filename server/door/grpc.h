/*
 * gRPC door: sockets that speak HTTP/2 become calls, through gRPC Core.
 *
 *   open      grpc_door_open(): one gRPC Core server without any listener
 *   receive   the gate gives it accepted sockets; every method of the tables
 *             is registered, so a call arrives with its message
 *   hand over OP_INLINE is served on the polling thread, OP_QUEUE goes to a
 *             worker through `hand_over`
 *   answer    message and status, or status and error details, in one batch
 *
 * Beside the program's tables it always serves grpc.health.v1 and
 * grpc.reflection v1 and v1alpha. gRPC Core never owns a listening socket: it
 * would share the port silently (SO_REUSEPORT) and stop for good when file
 * descriptors run out.
 *
 * Threads: open, drain and close by one thread; the rest any.
 */
#ifndef DOOR_GRPC_H
#define DOOR_GRPC_H

#include "door.h"

/* Sends what call_serve() or call_refuse() left in the call; once per call. */
typedef void grpc_answer(struct srv_call *call);

/*
 * Gives an OP_QUEUE call to a worker. true: some worker will run call_serve()
 * (or call_refuse()) on it and then `answer`, exactly once. false: the queue
 * is full or draining; call_refuse() was called and the caller answers.
 */
typedef bool grpc_hand_over(void *context, struct srv_call *call,
                            grpc_answer *answer);

struct grpc_door_options {
    const struct door_options *door; /* borrowed while open() runs; what it
                                        points to must outlive the door */
    grpc_hand_over *hand_over;
    /* Calls wait for a worker: one that comes to answer looks after the
     * sockets, too. NULL: never. */
    bool (*calls_wait)(void *context);
    /* Sleeps a moment if calls wait; see queue_nap(). NULL as well. */
    bool (*nap)(void *context);
    void *context;                 /* of these */
    atomic_uint_fast64_t *next_id; /* numbers of calls, shared by both doors */
};

struct grpc_door;

/* Starts the server and its polling threads. ERR_INTERNAL: gRPC refused;
 * ERR_OUT_OF_MEMORY. */
struct grpc_door *grpc_door_open(const struct grpc_door_options *options,
                                 struct error *err);

/*
 * Takes an accepted, connected socket of which no byte has been read; the door
 * owns and closes it from now on, also on failure. `peer` is the address
 * without the port. false when the door is shut.
 */
bool grpc_door_add_fd(struct grpc_door *door, int fd, const char *peer);

/* Calls that wait for their answer; streams are not counted. */
size_t grpc_door_busy(const struct grpc_door *door);

/* What Health answers; watchers are told. Starts as not serving. */
void grpc_door_set_serving(struct grpc_door *door, bool serving);

/*
 * Tells Health watchers NOT_SERVING, waits until grpc_door_busy() is 0 or
 * `grace_ms` has passed, then sends GOAWAY, cancels the streams and calls that
 * are left and takes no socket any more. OP_QUEUE calls that come meanwhile
 * are refused by `hand_over`; OP_INLINE ones are answered.
 */
void grpc_door_drain(struct grpc_door *door, uint32_t grace_ms);

/*
 * Cancels what is left, waits for it and frees everything. Every call that
 * was handed over must be able to finish: close the door before the workers
 * are stopped. Accepts NULL.
 */
void grpc_door_close(struct grpc_door *door);

#endif
