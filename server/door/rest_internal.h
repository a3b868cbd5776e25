/*
 * What the files of the REST door share; included by rest*.c only.
 *
 *   rest.c       the library's callbacks: open, receive, hand over, answer
 *   rest_turn.c  who calls the library, and when
 *
 * The library is driven from outside: nothing of it runs unless somebody takes
 * a turn with `mu` held. So what is said to belong "to the turn" has one user
 * at a time, on whichever thread.
 */
#ifndef DOOR_REST_INTERNAL_H
#define DOOR_REST_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>

#include "http_head.h"
#include "rest.h"
#include "rest_rules.h"

struct rest_request {
    struct srv_call call; /* first: the queue gives it back */
    struct rest *rest;
    struct conn *conn;
    struct MHD_Connection *connection;
    char *target; /* as it stood in the request line; in the arena */
    struct route_match match;
    struct buf body;
    bool opened; /* the first callback was there: the head is complete */
    bool served; /* the call holds the answer */
    bool lost;   /* memory ran out while the body came */
    struct srv_header headers[HTTP_FIELDS_MAX];
    struct rest_request *next; /* in free_requests or brought */
};

struct rest {
    struct rest_options options;
    struct rest_rules rules;
    struct MHD_Daemon *daemon;
    struct rest_request *free_requests; /* the turn's */
    atomic_int busy;                    /* requests between open and answer */
    atomic_bool leaving;
    bool adopted; /* the turn's: the library has the connection of rest_add() */

    pthread_mutex_t mu;                     /* held by whoever takes a turn */
    _Atomic(struct rest_request *) brought; /* served by workers */
    atomic_bool watching;                   /* the thread waits for sockets */
    atomic_uint_fast64_t gather_until_ns;   /* answers may wait so long */
    atomic_bool ended;
    atomic_uint worker_turns;
    unsigned seen_turns; /* the thread's: worker_turns at its last look */
    int wake_fd;         /* eventfd: makes the thread look again */
    int library_fd;      /* the library's epoll */
    pthread_t thread;
    bool started;
};

/* Starts the HTTP thread on the daemon. ERR_INTERNAL. */
bool rest_turn_start(struct rest *rest, struct error *err);

/* Ends it; the last turn takes what workers have brought. */
void rest_turn_stop(struct rest *rest);

/* Gives `mu` back without a turn. */
void rest_turn_leave(struct rest *rest);

/*
 * A worker brings a call it has served: the answer goes out, and what has come
 * meanwhile comes in, on this thread unless another one is at it.
 */
void rest_bring(struct srv_call *call);

#endif
