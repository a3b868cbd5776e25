/*
 * Transport: what REST and gRPC have to do for the registry client.
 *
 * Threads: the caller serialises per transport.
 */
#ifndef CLIENTS_C_TRANSPORT_H
#define CLIENTS_C_TRANSPORT_H

#include "registry_client.h"

struct registry_transport {
    const char *scheme; /* "http://" */

    /* `authority` is "host:port", checked. NULL and `err` on failure. */
    void *(*open)(const char *authority, struct error *err);
    void (*close)(void *state);

    /* As the functions of registry_client.h. */
    bool (*enter)(void *state, const struct registry_announcement *who,
                  uint32_t timeout_ms, struct registry_lease *lease,
                  struct error *err);
    bool (*leave)(void *state, int port, const char *id, uint32_t timeout_ms,
                  struct error *err);
    bool (*beat)(void *state, int port, const char *id, uint32_t timeout_ms,
                 struct error *err);
    bool (*resolve)(void *state, const char *model, uint32_t timeout_ms,
                    struct registry_addresses *found, struct error *err);
};

/* Adds an instance, if it fits. One that cannot be called is passed over: no
 * port, or a host that is neither a name nor a numeric address. */
void registry_addresses_add(struct registry_addresses *found, const char *host,
                            int64_t port);

extern const struct registry_transport registry_over_rest;
extern const struct registry_transport registry_over_grpc;

#endif
