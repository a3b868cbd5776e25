/*
 * Group: endpoints that are as good as each other, who of them is well, and
 * whom to ask next.
 *
 * Of two well ones that are drawn at random the one with fewer calls under way
 * is taken. One that failed rests, longer each time; when its rest is over, a
 * single call tries it again.
 *
 * Threads: any.
 */
#ifndef CLIENTS_C_GROUP_H
#define CLIENTS_C_GROUP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "authority.h"
#include "error.h"

enum { ENDPOINT_URL_SIZE = AUTHORITY_SIZE + 8 };

struct http_client;
struct rpc_client;

/* A connection that nobody uses at the moment; one of the two is set. */
struct idle {
    struct http_client *http;
    struct rpc_client *rpc;
    struct idle *next;
};

void idle_close(struct idle *idle);

/* One address. Numbers belong to its group's lock, `idle` to its own. */
struct endpoint {
    char url[ENDPOINT_URL_SIZE]; /* "grpcs://host:port" */
    char authority[AUTHORITY_SIZE];
    bool grpc, tls, loopback;
    unsigned references;
    unsigned pending, failures;
    uint64_t rests_until_ns;
    pthread_mutex_t mu;
    struct idle *idle;
    size_t idle_count;
};

struct group {
    const char *name;
    bool found; /* by the registry, so the list has to be refreshed */
    uint64_t refresh_ns, refresh_at_ns, asked_at_ns;
    pthread_mutex_t mu;
    struct endpoint **list;
    size_t count;
};

/* `name` must outlive it. */
void group_init(struct group *group, const char *name, bool found,
                uint32_t refresh_ms);
void group_release(struct group *group);

/* An endpoint with one reference. ERR_USAGE: the URL is none of http, https,
 * grpc or grpcs://host:port; ERR_OUT_OF_MEMORY. */
struct endpoint *endpoint_new(const char *url, struct error *err);

/* Gives a reference back, under the group's lock or outside any group. */
void endpoint_put(struct endpoint *endpoint);

/* Takes over the reference. ERR_OUT_OF_MEMORY. */
bool group_add(struct group *group, struct endpoint *endpoint,
               struct error *err);

/* ---- the list ---- */

/* True for one caller at a time: it then asks the registry. */
bool group_wants_refresh(struct group *group);

/* Somebody failed: ask the registry before the next call. */
void group_hurry(struct group *group);

/* The registry's list: takes over `list` (malloc'ed) and its references; what
 * is known of those that stay is kept. */
void group_replace(struct group *group, struct endpoint **list, size_t count);

bool group_is_empty(struct group *group);

/* ---- choosing ---- */

/* Whom a call has asked already; holds a reference to each. */
enum { TRIED_MAX = 16 };

struct tried {
    struct endpoint *list[TRIED_MAX];
    size_t count;
};

/* The one to ask, noted in `tried`, which must have room; counts a call on it,
 * until group_done(). NULL: there is none at all. */
struct endpoint *group_choose(struct group *group, struct tried *tried);

/* Somebody well is left who was not asked yet. */
bool group_has_other(struct group *group, const struct tried *tried);

void group_well(struct group *group, struct endpoint *endpoint);
void group_failed(struct group *group, struct endpoint *endpoint);
void group_done(struct group *group, struct endpoint *endpoint);

/* Gives the references of `tried` back. */
void group_forget(struct group *group, struct tried *tried);

/* A number from 0 to below 1. */
double random_share(void);

#endif
