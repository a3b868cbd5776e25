/*
 * REST door: sockets that speak HTTP/1 become calls, through libmicrohttpd.
 *
 *   open      a head has come: a request object with its arena
 *   receive   the body, bounded by the guard in front (feed.h)
 *   hand over route; OP_INLINE is served at once, OP_QUEUE goes to a worker
 *             while the connection is suspended
 *   answer    status, headers and bytes of the call
 *
 * Threads: open, add, drain and close by one thread at a time; the rest any.
 */
#ifndef DOOR_REST_H
#define DOOR_REST_H

#include "conn.h"
#include "door.h"
#include "queue.h"
#include "route.h"

struct rest_options {
    const struct door_options *door; /* complete; borrowed for good */
    const struct route_table *routes;
    struct queue *queue;
    atomic_uint_fast64_t *next_id; /* numbers of calls, shared by both doors */
};

struct rest;

/* Starts the HTTP thread. ERR_INTERNAL: the library refused;
 * ERR_OUT_OF_MEMORY. */
struct rest *rest_open(const struct rest_options *options, struct error *err);

/* Takes a connection of which no byte was read, and its socket. */
void rest_add(struct rest *rest, struct conn *conn);

/* From now on every answer is the last of its connection. */
void rest_leave(struct rest *rest);

/* Waits until every request that has come is answered, at most `ms`. */
void rest_settle(struct rest *rest, uint32_t ms);

/*
 * Closes every connection and frees. No call may be with the queue any more.
 * Accepts NULL.
 */
void rest_close(struct rest *rest);

#endif
