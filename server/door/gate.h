/*
 * Gate: the listening socket, and who gets each connection.
 *
 *   accept -> caps -> look at the first bytes without taking them
 *       "PRI * HTTP/2.0" ... the whole preface  -> give_grpc()
 *       a TLS handshake                         -> closed
 *       anything else                           -> give_http()
 *
 * Neither library listens itself: gRPC Core shares the port silently and
 * stops accepting for good when descriptors run out, and one port cannot have
 * two listeners. The gate also finds the connections whose peer left or is too
 * slow (conn.h).
 *
 * Threads: open, stop and close by one; callbacks run on the gate's thread.
 */
#ifndef DOOR_GATE_H
#define DOOR_GATE_H

#include "conn.h"

struct gate_options {
    const char *host; /* numeric address */
    int port;         /* 0 = any free one */
    struct conn_limits limits;
    /* Takes an HTTP connection; the receiver owns conn and its socket. */
    void (*give_http)(void *context, struct conn *conn);
    /* Takes a gRPC socket. */
    void (*give_grpc)(void *context, int fd, const char *peer);
    void *context;
};

struct gate;

/*
 * Binds, listens and starts the thread. The port is never shared:
 * ERR_ADDRESS_IN_USE when it is taken. ERR_USAGE: `host` is no numeric
 * address; ERR_INTERNAL, ERR_OUT_OF_MEMORY.
 */
struct gate *gate_open(const struct gate_options *options, struct error *err);

int gate_port(const struct gate *gate);

/* Stops listening and ends the thread: no callback runs afterwards. */
void gate_stop(struct gate *gate);

/* Frees; HTTP connections must have ended. Accepts NULL. */
void gate_close(struct gate *gate);

#endif
