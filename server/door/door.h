/*
 * Door: one listening port that speaks REST and gRPC.
 *
 *   struct door_options options = {.host = "127.0.0.1", .port = 5100, ...};
 *   struct door *door = door_open(&options, &err);
 *   ...
 *   door_drain(door, 5000);
 *   door_close(door);
 *
 * Threads: open, drain and close by one thread; the rest any.
 */
#ifndef DOOR_DOOR_H
#define DOOR_DOOR_H

#include "call.h"

/* Another path under which a GET endpoint answers: probes of other systems. */
struct door_alias {
    const char *path, *target; /* "/ready", "/health" */
};

/* Every number is a limit that bad input meets; 0 takes the default. */
struct door_options {
    const char *host; /* numeric address; default "127.0.0.1" */
    int port;         /* 0 = any free one, see door_port() */
    const struct op_table *const *tables; /* NULL-ended */
    const struct door_alias *aliases; /* ended by a NULL path; NULL = none */
    const struct proto_file *const *protos; /* NULL-ended; for reflection */
    void *app;
    /* Told of every call of these tables once its answer stands (call->err,
     * http_status, out), before the answer is sent; any door thread or worker.
     * NULL = nobody asks. call_serve() and call_refuse() call it. */
    void (*finished)(const struct srv_call *call);
    /* NULL-ended, without ports: what Host may name besides loopback names and
     * `host`; "*" is every host. Pages of these hosts may also call (Origin);
     * "*" does not open that. */
    const char *const *allowed_hosts;
    int workers;                /* threads that run OP_QUEUE handlers; 2 */
    int queue_length;           /* calls waiting for a worker; 64; -1: none */
    int grpc_threads;           /* 1 */
    int max_connections;        /* 10000 */
    int max_connections_per_ip; /* 256 (IPv6: per /64); loopback: no limit */
    size_t max_body;            /* bytes; 1 MiB */
    uint32_t deadline_ms; /* default of endpoints without their own; 30000 */
    uint32_t header_timeout_ms; /* first byte of a head to its last; 10000 */
    uint32_t idle_timeout_ms;   /* between requests; 300000 */
    uint32_t stall_ms;          /* gRPC: of a peer that does not read; 30000 */
};

struct door;

/*
 * Binds, listens and starts the threads, which inherit the signal mask. Raises
 * the soft limit of descriptors if max_connections needs it. What `options`
 * points to must outlive the door. ERR_ADDRESS_IN_USE: the port is taken (it
 * is bound without SO_REUSEPORT); ERR_DOCUMENT_INVALID: an alias is not one,
 * see route_table_alias(); ERR_USAGE: `host` is no numeric address;
 * ERR_INTERNAL: a library refused, or the tables contradict each other;
 * ERR_OUT_OF_MEMORY.
 */
struct door *door_open(const struct door_options *options, struct error *err);

/* The bound port. */
int door_port(const struct door *door);

/* OP_QUEUE calls that wait and that run now. */
void door_load(const struct door *door, int *waiting, int *running);

/* What grpc.health.v1 answers for "" and every service of the tables; starts
 * as not serving. Watchers are told. */
void door_set_serving(struct door *door, bool serving);

/*
 * Refuses new work (503 / UNAVAILABLE with Retry-After), waits until running
 * calls are answered or `grace_ms` has passed, then cancels what is left.
 * OP_INLINE endpoints still answer while draining, so /health can say so.
 */
void door_drain(struct door *door, uint32_t grace_ms);

/* Closes everything; accepts NULL and a door that was never drained. */
void door_close(struct door *door);

#endif
