/*
 * Presence: tells the registry that we exist, so that others find us.
 *
 *   presence_new()              what to announce, and how strictly
 *   presence_acquire(&port)     before binding: the registry assigns the port
 *     bind it; while it is taken: presence_port_taken(&port), bind that
 *   presence_start(port)        we listen: heartbeats from a thread of its own
 *   ...
 *   presence_leave()            stop beating, give the port back
 *   presence_free()
 *
 * A registry that is away never stops a request: heartbeats fail, are retried,
 * and the server registers again by itself, asking for the port it has.
 *
 * Works with any registry of the Runtime API 1.1 or 1.2 over REST, and with
 * ours over gRPC; the URL's scheme chooses.
 *
 * Threads: the caller serialises, except presence_is_registered().
 */
#ifndef SERVER_PRESENCE_H
#define SERVER_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

enum presence_mode {
    PRESENCE_PREFERRED, /* without a registry: serve, keep trying */
    PRESENCE_REQUIRED,  /* without a registry: do not serve (exit code 3) */
    PRESENCE_OFF        /* there is no registry */
};

struct presence_options {
    enum presence_mode mode;
    const char *url;         /* "http://host:port" or "grpc://host:port" */
    const char *app_name;    /* "PolyNC_API" */
    const char *app_version; /* of the Runtime API: "1.2.0" */
    const char *model_name;
    const char *reason;   /* NULL = "Starting model instance" */
    const char *metadata; /* JSON object; NULL = {} */
    int preferred_port;   /* 0 = any */
};

struct presence;

/* The mode of this name ("required", "preferred", "off"); false if none. */
bool presence_mode_by_name(const char *name, enum presence_mode *mode);

/*
 * Copies the options and opens the client; does not talk to the registry yet.
 *   ERR_USAGE          the URL is not one
 *   ERR_OUT_OF_MEMORY
 * Returns NULL then.
 */
struct presence *presence_new(const struct presence_options *options,
                              struct error *err);

/*
 * The port to bind first: what the registry assigned or, without one, the
 * preferred port or 5100.
 *   ERR_REGISTRY_UNAVAILABLE  mode required, and the registry does not answer
 *                             or does not take us; the sentence says which
 */
bool presence_acquire(struct presence *presence, int *port, struct error *err);

/*
 * The last port was taken by somebody else: gives it back to the registry and
 * asks for another one, up to five times; without a registry, tries the next
 * port from 5100 up. In mode off a preferred port is never left.
 *   ERR_ADDRESS_IN_USE        there is no other port
 *   ERR_REGISTRY_UNAVAILABLE  as presence_acquire()
 */
bool presence_port_taken(struct presence *presence, int *port,
                         struct error *err);

/* We listen on `port`. Starts the heartbeats; in mode off does nothing.
 * ERR_INTERNAL: no thread. */
bool presence_start(struct presence *presence, int port, struct error *err);

/* The registry knows us, as far as we know. */
bool presence_is_registered(struct presence *presence);

/*
 * Stops the heartbeats if they were started and unregisters, which takes at
 * most two seconds. A registry that is gone is one informational line.
 */
void presence_leave(struct presence *presence);

/* Accepts NULL; leaves first if nobody did. */
void presence_free(struct presence *presence);

#endif
