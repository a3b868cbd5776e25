/*
 * Conn: the connections of one gate, and the limits they live within.
 *
 * A table of fixed size: total and per-address caps cost no allocation, a
 * slow or silent peer is found by a sweep over the table, and an event of the
 * kernel finds its connection by index and generation, so that a late event
 * cannot hit the connection that took the place.
 *
 * Who owns the socket: the gate while it looks at the first bytes, then the
 * HTTP library; of gRPC's sockets the table holds a duplicate, by which it
 * learns of the end.
 *
 * Threads: take, sweep, gone by the gate's thread; release by any; the HTTP
 * part by whoever has the REST door's turn; see the fields.
 */
#ifndef DOOR_CONN_H
#define DOOR_CONN_H

#include <netinet/in.h>
#include <stdatomic.h>

#include "http_guard.h"

/* What a connection waits for; the sweep knows how long it may. */
enum conn_phase {
    CONN_SNIFF,  /* its first bytes; header timeout, at most 5 s */
    CONN_IDLE,   /* the next request; idle timeout */
    CONN_HEAD,   /* the rest of a head; header timeout, answered 408 */
    CONN_BODY,   /* the rest of a body; header timeout + 1 KiB/s; 408 */
    CONN_WORK,   /* us */
    CONN_SEND,   /* the peer to read the answer; 30 s + 1 KiB/s */
    CONN_LINGER, /* the peer to read a refusal and close; 2 s */
    CONN_GRPC    /* gRPC Core has its own limits */
};

union conn_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct conn_table;
struct conn_host;

struct conn {
    /* fixed while the connection lives */
    struct conn_table *table;
    int fd;
    uint64_t key; /* index and generation, for epoll */
    union conn_address address;
    char peer[INET6_ADDRSTRLEN];
    bool peer_is_local;

    /* any thread */
    _Atomic enum conn_phase phase;
    _Atomic uint32_t since_ms;    /* the table's clock; begin of the phase */
    _Atomic uint64_t moved_bytes; /* BODY: received; SEND: to be sent */
    atomic_bool gone;             /* the peer will send no more */
    atomic_bool expired;          /* a 408 is due */

    /* whoever has the REST door's turn */
    struct http_guard guard;
    char *held; /* bytes the guard has not passed, or nobody has taken */
    size_t held_size, held_passed;
    uint32_t answered; /* requests; the guard counts those that passed */
    bool refused;      /* the refusal was sent: read and drop */
    bool resumed;      /* its answer comes first, see feed_resumed() */
    size_t dropped_bytes;

    /* under the table's lock */
    bool taken;
    struct conn_host *host; /* counts connections of one address; or NULL */
    atomic_bool *cancel;    /* set when the peer leaves; NULL = none */
    struct conn *next_free;
};

struct conn_limits {
    int total, per_ip; /* per_ip 0: 256, and none for loopback */
    uint32_t header_timeout_ms, idle_timeout_ms;
};

/* ERR_OUT_OF_MEMORY. */
struct conn_table *conn_table_new(const struct conn_limits *limits,
                                  struct error *err);

/* No connection may be left; accepts NULL. */
void conn_table_free(struct conn_table *table);

/* A new connection in phase SNIFF, or NULL when a cap is reached. */
struct conn *conn_take(struct conn_table *table, int fd,
                       const union conn_address *address);

/* Ends the bookkeeping, before the socket is closed. Accepts NULL. */
void conn_release(struct conn *conn);

/* The connection of an epoll key, or NULL when it has ended. */
struct conn *conn_find(struct conn_table *table, uint64_t key);

/* Calls `act` for every connection in this phase. */
void conn_each(struct conn_table *table, enum conn_phase phase,
               void (*act)(struct conn *conn, void *context), void *context);

size_t conn_count(struct conn_table *table);

/* A phase begins. */
void conn_enter(struct conn *conn, enum conn_phase phase, uint64_t moved_bytes);

/* The peer has ended its side (epoll said so): cancels what is watched and
 * makes the HTTP library notice. */
void conn_gone(struct conn_table *table, uint64_t key);

/* `*cancel` becomes true when the peer leaves, or now if it has left; until
 * the next call. NULL ends the watch. */
void conn_watch(struct conn *conn, atomic_bool *cancel);

/* Sets the table's clock. */
void conn_tick(struct conn_table *table);

/* Shuts down every connection that has waited too long. */
void conn_sweep(struct conn_table *table);

#endif
