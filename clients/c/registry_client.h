/*
 * Registry client: register, beat, leave and find, over REST or gRPC.
 *
 *   http://host:port   any registry of the Runtime API 1.1 or 1.2
 *   grpc://host:port   specserve.registry.v1.Registry
 *
 * Every call blocks until the answer or its time limit. Failures carry the
 * registry's code; what did not come from the registry is
 *   ERR_REGISTRY_UNAVAILABLE  no connection, no answer in time, or an answer
 *                             that is not one
 *
 * Threads: the caller serialises per client.
 */
#ifndef CLIENTS_C_REGISTRY_CLIENT_H
#define CLIENTS_C_REGISTRY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct registry_client;

/* ERR_USAGE: the URL is not of one of the forms above. ERR_OUT_OF_MEMORY. */
struct registry_client *registry_client_open(const char *url,
                                             struct error *err);

/* Accepts NULL. */
void registry_client_close(struct registry_client *client);

/* What an instance says about itself. */
struct registry_announcement {
    const char *app_name, *app_version, *model_name;
    const char *reason;
    const char *metadata; /* JSON object */
    int64_t process_id;
    int preferred_port; /* 0 = any */
};

enum { REGISTRY_ID_SIZE = 129, REGISTRY_TTL_S = 90 };

struct registry_lease {
    int port;
    char id[REGISTRY_ID_SIZE];
    uint32_t ttl_s; /* 90 where the registry does not say */
    bool is_old;    /* the registry speaks 1.1: it may know no heartbeats */
    char message[200];
};

/* Registers; a 1.1 registry that refuses process_id is asked without it. */
bool registry_client_register(struct registry_client *client,
                              const struct registry_announcement *who,
                              uint32_t timeout_ms, struct registry_lease *lease,
                              struct error *err);

/* ERR_NOT_FOUND: there is no such registration; that is as good. */
bool registry_client_unregister(struct registry_client *client, int port,
                                const char *id, uint32_t timeout_ms,
                                struct error *err);

/* ERR_NOT_FOUND: register again. ERR_METHOD_NOT_ALLOWED: no heartbeats. */
bool registry_client_heartbeat(struct registry_client *client, int port,
                               const char *id, uint32_t timeout_ms,
                               struct error *err);

struct registry_address {
    char host[64]; /* a name or numeric address, IPv6 without brackets */
    int port;
};

enum { REGISTRY_ADDRESSES_MAX = 64 };

struct registry_addresses {
    struct registry_address list[REGISTRY_ADDRESSES_MAX];
    size_t count;
};

/* Finds live instances of the model, as many as fit. ERR_NOT_FOUND: none. */
bool registry_client_resolve(struct registry_client *client, const char *model,
                             uint32_t timeout_ms,
                             struct registry_addresses *found,
                             struct error *err);

#endif
