/*
 * Registry: who serves what, on which port, and who is alive.
 *
 *   struct reg_options options = {.store = "sqlite:/var/lib/x/registry.db"};
 *   struct registry *registry = registry_open(&options, &err);
 *   registry_start(registry, &err);
 *   ...
 *   registry_close(registry);
 *
 * What a caller may rely on:
 *   - A registration that was answered is durable and seen by every later read
 *     until it is unregistered, its lease ends or its process dies.
 *   - The same process asking again for the same app and model, or the same
 *     request id again, gets the same registration.
 *   - One owner per port. Epochs rise with every registration and are never
 *     reused, over restarts too. A registration that ended stays ended.
 *   - A lease ends `ttl_s` after the last heartbeat, never before, and at most
 *     a second later. After a restart every lease gets one full term.
 *   - Events carry revisions without gaps; when history is gone, it says so.
 *
 * A process of this host is known by pid and start time and watched through a
 * pidfd. The caller of a registration counts as that process; without one that
 * can be checked (another host, old client), the host counts as the caller.
 *
 * Threads: any, after registry_open() has returned and until registry_close().
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "history.h"
#include "record.h"

/* Nanoseconds of a clock that never goes back. */
typedef uint64_t reg_clock(void *context);

/* Zero takes the default. */
struct reg_options {
    const char *store;         /* "memory" (default) or "sqlite:PATH" */
    int first_port, last_port; /* 5100, 5999 */
    int own_port;              /* never given away; 0 = none */
    uint32_t ttl_s;            /* 90; 3 to 300 */
    uint32_t quota;            /* registrations per caller; 64 */
    size_t history;            /* events kept for watchers; 4096 */
    bool any_user;             /* processes of other users may register */

    /* for tests */
    reg_clock *clock; /* NULL = CLOCK_BOOTTIME */
    void *clock_context;
    bool (*probe)(void *context, int port); /* NULL = bind it */
    void *probe_context;
};

struct registry;

/*
 * Opens the store and takes up what is in it; processes of this host that are
 * gone are forgotten, the others get a full lease.
 *   ERR_USAGE              an option is out of range
 *   ERR_STORE_UNAVAILABLE  another registry has the store, or it fails
 *   ERR_FILE_INVALID       the store is damaged or of a newer version
 */
struct registry *registry_open(const struct reg_options *options,
                               struct error *err);

/* Starts the thread that ends leases and notices deaths; once. ERR_INTERNAL. */
bool registry_start(struct registry *registry, struct error *err);

/* One round of that thread, without waiting; for tests. */
void registry_tick(struct registry *registry);

/* Stops the thread and closes the store. Accepts NULL. */
void registry_close(struct registry *registry);

/* ---- what instances do ---- */

struct reg_request {
    const char *host;   /* the caller's address; any name of this host ... */
    bool host_is_local; /* ... when this is true */
    const char *app_name, *app_version, *model_name;
    const char *reason;     /* NULL = "" */
    const char *metadata;   /* JSON object; NULL = {} */
    const char *request_id; /* NULL or "" = none */
    bool has_pid;
    int64_t pid;
    int preferred_port; /* 0 = any */
    uint32_t ttl_s;     /* 0 = the registry's default */
};

enum { REG_ID_SIZE = 64, REG_MESSAGE_SIZE = 200 };

struct reg_answer {
    int port;
    char id[REG_ID_SIZE];
    uint64_t epoch;
    int64_t expires_s; /* wall clock */
    uint32_t ttl_s;
    char message[REG_MESSAGE_SIZE];
};

/*
 * Registers an instance, or finds the registration that its caller has.
 *   ERR_VALIDATION_ERROR   a field is missing or out of range; the process is
 *                          not running
 *   ERR_PERMISSION_DENIED  the process belongs to another user
 *   ERR_ALREADY_EXISTS     the request id was used for something else
 *   ERR_REGISTRATION_GONE  the request id's registration has ended
 *   ERR_QUOTA_EXCEEDED     the caller has as many as it may
 *   ERR_NO_PORT_AVAILABLE  every port of the range is taken
 *   ERR_STORE_UNAVAILABLE  it could not be made durable: not registered
 *   ERR_OUT_OF_MEMORY, ERR_OVERLOADED
 */
bool registry_register(struct registry *registry,
                       const struct reg_request *request,
                       struct reg_answer *answer, struct error *err);

/*
 * Ends a registration; its owner may do so twice.
 *   ERR_NOT_FOUND              nobody is registered on the port
 *   ERR_REGISTRATION_MISMATCH  `id` is not the one of the port
 *   ERR_STORE_UNAVAILABLE      it could not be made durable: still registered
 */
bool registry_unregister(struct registry *registry, int port, const char *id,
                         char message[REG_MESSAGE_SIZE], struct error *err);

struct reg_beat {
    int64_t last_heartbeat_s, expires_s; /* wall clock */
    uint32_t ttl_s;
};

/*
 * Renews a lease. `id` NULL or "" and `epoch` 0 are not checked.
 *   ERR_NOT_FOUND              nobody is registered on the port
 *   ERR_REGISTRATION_GONE      the registration of this epoch has ended
 *   ERR_REGISTRATION_MISMATCH  id or epoch are not those of the port
 */
bool registry_heartbeat(struct registry *registry, int port, const char *id,
                        uint64_t epoch, struct reg_beat *beat,
                        struct error *err);

/* ---- what clients ask ---- */

struct reg_row {
    const struct reg_record *record; /* a copy in the arena */
    int64_t last_heartbeat_s, expires_s;
};

struct reg_list {
    struct reg_row *rows; /* sorted by port */
    size_t count;
    uint64_t revision; /* what this list shows */
};

/* Every live instance, or those of one model (NULL = all). ERR_OUT_OF_MEMORY:
 * the arena is used up. */
bool registry_list(struct registry *registry, const char *model,
                   struct arena *arena, struct reg_list *list,
                   struct error *err);

/* How many instances are live. */
size_t registry_count(struct registry *registry);

/* Some of the events after a revision. */
enum { REG_FEED_MAX = 64 };

struct reg_feed {
    struct reg_event events[REG_FEED_MAX]; /* in order; with references */
    size_t count;
    bool lost;         /* events are missing: list again, go on after ... */
    uint64_t revision; /* ... this, the newest revision */
};

/* Fills `feed`; release it. */
void registry_read(struct registry *registry, uint64_t after,
                   struct reg_feed *feed);
void reg_feed_release(struct reg_feed *feed);

/* Waits up to `timeout_ms` until the newest revision is not `seen`. */
void registry_wait(struct registry *registry, uint64_t seen,
                   uint32_t timeout_ms);

#endif
