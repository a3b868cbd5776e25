/*
 * Registry: opening, closing, heartbeats; see registry.h.
 *
 * One mutex guards everything in memory. It is never held while the disk
 * works: writers make their change pending, let go, wait for the commit and
 * come back (register.c).
 */
#include "registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "secret.h"
#include "state.h"
#include "sync.h"

enum { QUOTA_DEFAULT = 64, HISTORY_DEFAULT = 4096 };

uint64_t reg_now_ns(const struct registry *registry)
{
    return registry->options.clock
               ? registry->options.clock(registry->options.clock_context)
               : clock_now_ns();
}

uint64_t reg_text_hash(const struct registry *registry, const char *text)
{
    return reg_hash_text(registry->hash_seed, text);
}

uint64_t reg_caller_hash(const struct registry *registry, const char *host,
                         int64_t pid, uint64_t start_ticks)
{
    return reg_hash_number(reg_text_hash(registry, host),
                           start_ticks ? (uint64_t)pid : 0);
}

uint64_t reg_owner_hash(const struct registry *registry, const char *app_name,
                        const char *model_name)
{
    /* 0 means nobody */
    return reg_hash_text(reg_text_hash(registry, app_name), model_name) | 1;
}

/* ---- opening ---- */

/* Fills in the defaults. */
static bool take_options(struct registry *registry,
                         const struct reg_options *options, struct error *err)
{
    struct reg_options *own = &registry->options;

    *own = *options;
    if (!own->store)
        own->store = "memory";
    if (own->first_port == 0)
        own->first_port = REG_PORT_FIRST;
    if (own->last_port == 0)
        own->last_port = REG_PORT_LAST;
    if (own->ttl_s == 0)
        own->ttl_s = REG_TTL_DEFAULT_S;
    if (own->quota == 0)
        own->quota = QUOTA_DEFAULT;
    if (own->history == 0)
        own->history = HISTORY_DEFAULT;
    if (own->ttl_s < REG_TTL_MIN_S || own->ttl_s > REG_TTL_MAX_S)
        return fail(err, ERR_USAGE, "ttl %u is not in %d-%d seconds",
                    own->ttl_s, REG_TTL_MIN_S, REG_TTL_MAX_S);
    registry->ports = (struct reg_ports){.first = own->first_port,
                                         .last = own->last_port,
                                         .reserved = own->own_port,
                                         .probe = own->probe,
                                         .context = own->probe_context};
    return reg_ports_init(&registry->ports, err);
}

static bool make_tables(struct registry *registry, struct error *err)
{
    registry->by_port = calloc(REG_PORT_HIGHEST + 1, sizeof *registry->by_port);
    if (!registry->by_port || !reg_index_init(&registry->by_caller) ||
        !reg_index_init(&registry->by_request) ||
        !reg_index_init(&registry->by_model))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the registry");
    if (getrandom(&registry->hash_seed, sizeof registry->hash_seed, 0) !=
        sizeof registry->hash_seed)
        return fail(err, ERR_INTERNAL, "the system has no random numbers");
    return true;
}

static bool make_descriptors(struct registry *registry, struct error *err)
{
    struct epoll_event wake = {.events = EPOLLIN, .data = {.u64 = 0}};

    registry->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    registry->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (registry->epoll_fd < 0 || registry->wake_fd < 0 ||
        epoll_ctl(registry->epoll_fd, EPOLL_CTL_ADD, registry->wake_fd,
                  &wake) != 0)
        return fail(err, ERR_INTERNAL, "no file descriptors: %s",
                    strerror(errno));
    return true;
}

static void init_locks(struct registry *registry)
{
    (void)pthread_mutex_init(&registry->mu, NULL);
    sync_cond_init(&registry->changed);
    reg_commit_init(&registry->commit, &registry->store);
}

/* Whether the recorded process still runs; `*pidfd` then watches it. */
static bool still_runs(const struct registry *registry,
                       const struct reg_record *record, int *pidfd)
{
    struct reg_process process = {.fd = -1};
    struct error why = {0};

    *pidfd = -1;
    if (record->start_ticks == 0) /* not of this host: the lease decides */
        return true;
    if (strcmp(record->boot_id, registry->boot_id) != 0)
        return false;
    if (!reg_process_open(record->pid, &process, &why))
        return why.code == ERR_OVERLOADED;
    if (process.start_ticks != record->start_ticks) {
        reg_process_close(&process);
        return false;
    }
    *pidfd = process.fd;
    return true;
}

/* Takes up one record of the store. */
static bool take_up(void *context, struct reg_record *record, struct error *err)
{
    struct registry *registry = context;
    bool is_port =
        record->port >= REG_PORT_LOWEST && record->port <= REG_PORT_HIGHEST;
    struct reg_instance *instance;
    bool alive;
    int pidfd;

    if (!is_port || registry->by_port[record->port])
        return fail(err, ERR_FILE_INVALID, "the store has port %d",
                    record->port);
    alive = still_runs(registry, record, &pidfd);
    reg_ports_hold(
        &registry->ports, record->port,
        reg_owner_hash(registry, record->app_name, record->model_name));
    instance = reg_add_locked(registry, reg_record_get(record), pidfd);
    if (!instance) {
        reg_record_put(record);
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a registration");
    }
    if (record->epoch > registry->last_epoch)
        registry->last_epoch = record->epoch;
    if (alive)
        reg_go_live_locked(registry, instance);
    return true;
}

/* What did not become live while loading belongs to processes that are gone. */
static void forget_the_dead(struct registry *registry)
{
    for (int port = REG_PORT_LOWEST; port <= REG_PORT_HIGHEST; port++) {
        struct reg_instance *instance = registry->by_port[port];
        struct reg_ticket ticket = {.change = {.kind = REG_DELETE}};
        struct error err = {0};

        if (!instance || instance->live)
            continue;
        ticket.change.record = instance->record;
        reg_commit_submit(&registry->commit, &ticket);
        if (!reg_commit_wait(&registry->commit, &ticket, &err))
            log_event(LOG_WARN, "store_failed", "%s", err.msg);
        log_event(LOG_INFO, "forgotten", "port=%d app=%s pid=%lld", port,
                  instance->record->app_name, (long long)instance->record->pid);
        reg_drop_locked(registry, instance);
    }
}

static bool load(struct registry *registry, struct error *err)
{
    if (!reg_boot_id(registry->boot_id, err) ||
        !reg_store_open(&registry->store, registry->options.store, err))
        return false;
    registry->last_epoch = registry->store.base;
    if (!reg_history_init(&registry->history, registry->options.history,
                          registry->store.base))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the history");
    if (!registry->store.ops->load(registry->store.state, take_up, registry,
                                   err))
        return false;
    forget_the_dead(registry);
    return true;
}

struct registry *registry_open(const struct reg_options *options,
                               struct error *err)
{
    struct registry *registry = calloc(1, sizeof *registry);

    if (!registry) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the registry");
        return NULL;
    }
    registry->epoll_fd = registry->wake_fd = -1;
    init_locks(registry);
    if (!take_options(registry, options, err) || !make_tables(registry, err) ||
        !make_descriptors(registry, err) || !load(registry, err)) {
        registry_close(registry);
        return NULL;
    }
    return registry;
}

static void free_tables(struct registry *registry)
{
    for (int port = 0; registry->by_port && port <= REG_PORT_HIGHEST; port++) {
        struct reg_instance *instance = registry->by_port[port];

        if (!instance)
            continue;
        if (instance->pidfd >= 0)
            (void)close(instance->pidfd);
        reg_record_put(instance->record);
        free(instance);
    }
    free(registry->by_port);
    reg_index_release(&registry->by_caller);
    reg_index_release(&registry->by_request);
    reg_index_release(&registry->by_model);
    reg_ports_release(&registry->ports);
    reg_leases_release(&registry->leases);
    reg_history_release(&registry->history);
}

void registry_close(struct registry *registry)
{
    if (!registry)
        return;
    if (registry->has_thread) {
        (void)pthread_mutex_lock(&registry->mu);
        registry->stopping = true;
        (void)pthread_mutex_unlock(&registry->mu);
        (void)eventfd_write(registry->wake_fd, 1);
        (void)pthread_join(registry->thread, NULL);
    }
    reg_flush_ended(registry);
    for (struct reg_instance *at = registry->ended, *next; at; at = next) {
        next = at->next_ended;
        reg_record_put(at->record);
        free(at);
    }
    free_tables(registry);
    if (registry->epoll_fd >= 0)
        (void)close(registry->epoll_fd);
    if (registry->wake_fd >= 0)
        (void)close(registry->wake_fd);
    reg_store_close(&registry->store);
    reg_commit_release(&registry->commit);
    (void)pthread_cond_destroy(&registry->changed);
    (void)pthread_mutex_destroy(&registry->mu);
    free(registry);
}

/* ---- heartbeats ---- */

/* Whether this beat may renew `instance` (NULL: nobody is on the port). */
static bool check_beat(const struct reg_instance *instance, int port,
                       const char *id, uint64_t epoch, struct error *err)
{
    if (epoch > 0 && (!instance || epoch < instance->record->epoch))
        return fail(err, ERR_REGISTRATION_GONE,
                    "the registration of port %d with epoch %llu has ended",
                    port, (unsigned long long)epoch);
    if (!instance)
        return fail(err, ERR_NOT_FOUND, "nobody is registered on port %d",
                    port);
    if (epoch > instance->record->epoch)
        return fail(err, ERR_REGISTRATION_MISMATCH,
                    "epoch %llu is not the one of port %d",
                    (unsigned long long)epoch, port);
    if (id && *id && !secret_same(id, instance->record->id))
        return fail(err, ERR_REGISTRATION_MISMATCH,
                    "registration_id is not the one of port %d", port);
    return true;
}

bool registry_heartbeat(struct registry *registry, int port, const char *id,
                        uint64_t epoch, struct reg_beat *beat,
                        struct error *err)
{
    struct reg_instance *instance;
    bool ok;

    (void)pthread_mutex_lock(&registry->mu);
    reg_expire_locked(registry);
    instance = reg_live_at_locked(registry, port);
    ok = check_beat(instance, port, id, epoch, err);
    if (ok) {
        reg_lease_renew(&registry->leases, &instance->lease,
                        reg_now_ns(registry));
        instance->last_heartbeat_s = clock_wall_s();
        *beat = (struct reg_beat){
            .last_heartbeat_s = instance->last_heartbeat_s,
            .expires_s = instance->last_heartbeat_s + instance->lease.ttl_s,
            .ttl_s = instance->lease.ttl_s};
    }
    (void)pthread_mutex_unlock(&registry->mu);
    if (ok)
        log_event(LOG_DEBUG, "heartbeat", "port=%d", port);
    return ok;
}
