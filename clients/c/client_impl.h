/*
 * Client: what the files behind specserve.h share.
 *
 * Threads: as said at each member.
 */
#ifndef CLIENTS_C_CLIENT_IMPL_H
#define CLIENTS_C_CLIENT_IMPL_H

#include <pthread.h>

#include "arena.h"
#include "client_tls.h"
#include "group.h"
#include "rpc_client.h"
#include "specserve.h"

struct specserve_service {
    struct specserve_client *client;
    struct group group;
    struct specserve_service *next;
};

struct specserve_client {
    struct specserve_config config;             /* with defaults; immutable */
    struct client_tls tls;                      /* immutable */
    struct specserve_service *fixed, *registry; /* immutable */
    pthread_mutex_t mu;
    struct arena arena;               /* texts; under mu */
    struct specserve_service *models; /* under mu */
    uint64_t tenths;                  /* of retries saved up; under mu */
};

/* An answer with what it keeps. */
struct answer {
    struct specserve_answer seen; /* first: what the caller holds */
    struct arena arena;
    struct rpc_pair *headers;
    size_t header_count, header_capacity;
    const char *message; /* of gRPC's status; never NULL */
    bool failed;         /* memory was out while it was filled */
};

/* Of a retry; what a success earns. */
#define RETRY_TENTHS UINT64_C(10)

/* ---- headers ---- */

/* Headers of a request, each name once; or metadata. */
struct pairs {
    struct arena *arena;
    struct rpc_pair *list;
    size_t count, capacity;
};

/* Adds or replaces; names are compared without case. ERR_USAGE: name or value
 * has characters that end a header; ERR_OUT_OF_MEMORY. */
bool pairs_put(struct pairs *pairs, const char *name, const char *value,
               struct error *err);

/* The same for "Name: value" lines, NULL-ended or NULL. */
bool pairs_put_lines(struct pairs *pairs, const char *const *lines,
                     struct error *err);

/* Names in small letters, as metadata has them. */
void pairs_lower(const struct pairs *pairs);

/* What every request of the client says, whatever the attempt. ERR_USAGE. */
bool client_headers(struct specserve_client *client, const char *operation,
                    const struct endpoint *endpoint,
                    const struct specserve_options *options,
                    struct pairs *pairs, struct error *err);

/* ---- the registry ---- */

/* Asks it for the group's instances, if it is time to. While it is away, the
 * last list is used; false and `err`: there is none. */
bool client_refresh(struct specserve_client *client, struct group *group,
                    uint64_t deadline_ns, struct specserve_error *err);

/* ---- one attempt ---- */

/* How an attempt got no answer. */
enum loss {
    LOSS_NOT_SENT, /* no byte of it went out */
    LOSS_EXPIRED,  /* the deadline passed before it was sent */
    LOSS_CUT,      /* the connection ended before the answer did */
    LOSS_LATE,     /* the time was up */
    LOSS_BROKEN    /* something came that is no answer of the protocol */
};

struct hop {
    const char *verb, *target; /* REST */
    const char *method;        /* gRPC */
    const void *body;
    size_t size;
    const struct pairs *headers;
    uint32_t timeout_ms;
    bool once; /* must not be sent twice, whatever happens */
};

/*
 * Sends and waits; over gRPC if there is a method. The answer, whatever its
 * status, belongs to the caller: specserve_answer_free(). NULL: ERR_NOT_READY
 * or ERR_TIMEOUT with `*loss`; any other code: nothing was sent.
 */
struct answer *hop_send(struct specserve_client *client,
                        struct endpoint *endpoint, const struct hop *hop,
                        enum loss *loss, struct error *err);

/* A gRPC connection of its own, for a stream. */
struct rpc_client *hop_open(struct specserve_client *client,
                            const struct endpoint *endpoint, struct error *err);

/* An answer of gRPC without a body, from what a connection keeps; NULL when
 * memory is out. */
struct answer *hop_ending(const struct rpc_client *rpc,
                          const struct rpc_answer *got);

#endif
