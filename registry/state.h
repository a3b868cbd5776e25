/*
 * State: the inside of the registry, shared by registry.c, request.c,
 * register.c, read.c and sweep.c; nobody else includes it.
 *
 * An instance is pending from the moment its port is taken until its record
 * is durable; pending instances hold their place but no reader sees them.
 *
 * Threads: everything is under registry->mu unless the field says otherwise;
 * functions that end in _locked expect it.
 */
#ifndef REGISTRY_STATE_H
#define REGISTRY_STATE_H

#include <pthread.h>

#include "commit.h"
#include "index.h"
#include "lease.h"
#include "ports.h"
#include "process.h"
#include "registry.h"
#include "store.h"

struct reg_instance {
    struct reg_record *record;
    bool live;              /* false: pending */
    struct reg_lease lease; /* runs while live */
    int64_t last_heartbeat_s;
    int pidfd; /* -1 = its process cannot be watched */
    struct reg_link by_caller, by_request, by_model;
    struct reg_instance *next_ended;
    struct reg_ticket ticket; /* of its deletion, when it ended by itself */
};

struct registry {
    /* set at opening, then constant */
    struct reg_options options;
    char boot_id[REG_BOOT_ID_SIZE];
    uint64_t hash_seed;
    struct reg_store store; /* used by commit after opening */
    struct reg_commit commit;
    int epoll_fd; /* watches pidfds; data = port */
    int wake_fd;  /* ends the thread's wait; data = 0 */
    pthread_t thread;

    pthread_mutex_t mu;
    pthread_cond_t changed; /* an event, or a pending instance settled */
    bool has_thread;
    bool stopping;
    uint64_t looked_ns; /* when leases were last looked at */
    struct reg_instance **by_port;
    size_t live_count;
    struct reg_index by_caller, by_request, by_model;
    struct reg_ports ports;
    struct reg_leases leases;
    struct reg_history history;
    uint64_t last_epoch;
    unsigned id_sequence;
    struct reg_instance *ended; /* gone, but not yet from the store */
    bool store_is_down;         /* said so in the log */
};

uint64_t reg_now_ns(const struct registry *registry);

/* Hashes for the indexes. A caller is a process of this host; without one that
 * can be checked (start_ticks 0) it is the host. */
uint64_t reg_caller_hash(const struct registry *registry, const char *host,
                         int64_t pid, uint64_t start_ticks);
uint64_t reg_text_hash(const struct registry *registry, const char *text);

/* Who owns a port, for ports.h: app and model. */
uint64_t reg_owner_hash(const struct registry *registry, const char *app_name,
                        const char *model_name);

/* Fields of a request are as registry.h wants them; ERR_VALIDATION_ERROR. */
bool reg_check_request(const struct reg_request *request, struct error *err);

/* The version of a client is known to be older than 1.2. */
bool reg_is_before_1_2(const char *version);

/*
 * Finds the process that the request names, if it is one of this host; the
 * caller closes it. ERR_VALIDATION_ERROR, ERR_PERMISSION_DENIED,
 * ERR_OVERLOADED as registry_register().
 */
bool reg_identify(const struct registry *registry,
                  const struct reg_request *request,
                  struct reg_process *process, struct error *err);

/* Adds a pending instance for the record (takes its reference) and the pidfd.
 * Its port must be held. NULL: out of memory, nothing is taken. */
struct reg_instance *reg_add_locked(struct registry *registry,
                                    struct reg_record *record, int pidfd);

/* The pending instance becomes live: lease, death watch. */
void reg_go_live_locked(struct registry *registry,
                        struct reg_instance *instance);

/* Takes a pending instance back and frees it, its port and its record. */
void reg_drop_locked(struct registry *registry, struct reg_instance *instance);

/* Ends a live instance that asked for it. `instance` is freed. */
void reg_leave_locked(struct registry *registry, struct reg_instance *instance);

/* Ends every live instance whose lease is over. */
void reg_expire_locked(struct registry *registry);

/* Deletes from the store who ended by itself; takes no lock while it waits. */
void reg_flush_ended(struct registry *registry);

/* The live instance on this port, or NULL. */
struct reg_instance *reg_live_at_locked(struct registry *registry, int port);

#endif
