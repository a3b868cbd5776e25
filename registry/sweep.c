/*
 * Sweep: how instances come to life and end, and the thread that notices.
 *
 * The thread sleeps on the pidfds of all local processes and wakes five times
 * a second for leases. Ending happens in memory at once; the store is told
 * afterwards, again and again if it fails, because nobody waits for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "state.h"

enum { TICK_MS = 200, STOPPED_MS = 5000, DEATHS_AT_ONCE = 64 };

/* ---- coming ---- */

struct reg_instance *reg_add_locked(struct registry *registry,
                                    struct reg_record *record, int pidfd)
{
    struct reg_instance *instance = calloc(1, sizeof *instance);

    /* room for its lease now: once it is durable, nothing may fail */
    if (!instance ||
        !reg_leases_reserve(&registry->leases, registry->by_caller.count + 1)) {
        free(instance);
        return NULL;
    }
    instance->record = record;
    instance->pidfd = pidfd;
    registry->by_port[record->port] = instance;
    reg_index_add(&registry->by_caller, &instance->by_caller,
                  reg_caller_hash(registry, record->host, record->pid,
                                  record->start_ticks),
                  instance);
    reg_index_add(&registry->by_model, &instance->by_model,
                  reg_text_hash(registry, record->model_name), instance);
    if (*record->request_id)
        reg_index_add(&registry->by_request, &instance->by_request,
                      reg_text_hash(registry, record->request_id), instance);
    return instance;
}

void reg_go_live_locked(struct registry *registry,
                        struct reg_instance *instance)
{
    const struct reg_record *record = instance->record;
    struct epoll_event event = {.events = EPOLLIN,
                                .data = {.u64 = (uint64_t)record->port}};

    reg_lease_start(&registry->leases, &instance->lease, record->ttl_s,
                    reg_now_ns(registry));
    if (instance->pidfd >= 0)
        (void)epoll_ctl(registry->epoll_fd, EPOLL_CTL_ADD, instance->pidfd,
                        &event);
    instance->last_heartbeat_s = record->registered_s;
    instance->live = true;
    registry->live_count++;
    reg_history_add(&registry->history, REG_EVENT_PUT, instance->record);
}

/* ---- going ---- */

/* Out of every table; the record and the instance stay. */
static void detach_locked(struct registry *registry,
                          struct reg_instance *instance)
{
    registry->by_port[instance->record->port] = NULL;
    reg_index_remove(&registry->by_caller, &instance->by_caller);
    reg_index_remove(&registry->by_model, &instance->by_model);
    reg_index_remove(&registry->by_request, &instance->by_request);
    reg_lease_end(&registry->leases, &instance->lease);
    if (instance->pidfd >= 0)
        (void)close(instance->pidfd); /* leaves the epoll set by itself */
    instance->pidfd = -1;
}

static void free_instance(struct reg_instance *instance)
{
    reg_record_put(instance->record);
    free(instance);
}

void reg_drop_locked(struct registry *registry, struct reg_instance *instance)
{
    reg_ports_give_back(&registry->ports, instance->record->port);
    detach_locked(registry, instance);
    free_instance(instance);
}

/* A live instance becomes history. */
static void end_locked(struct registry *registry, struct reg_instance *instance,
                       const char *event)
{
    const struct reg_record *record = instance->record;

    detach_locked(registry, instance);
    instance->live = false;
    registry->live_count--;
    reg_history_add(&registry->history, REG_EVENT_DELETE, instance->record);
    (void)pthread_cond_broadcast(&registry->changed);
    log_event(LOG_INFO, event, "port=%d app=%s model=%s pid=%" PRId64,
              record->port, record->app_name, record->model_name, record->pid);
}

void reg_leave_locked(struct registry *registry, struct reg_instance *instance)
{
    reg_ports_give_back(&registry->ports, instance->record->port);
    end_locked(registry, instance, "unregistered");
    free_instance(instance);
}

/* A live instance ended without saying so: its port rests. */
static void vanish_locked(struct registry *registry,
                          struct reg_instance *instance, const char *event)
{
    reg_ports_rest(&registry->ports, instance->record->port,
                   reg_now_ns(registry));
    end_locked(registry, instance, event);
    instance->next_ended = registry->ended;
    registry->ended = instance;
}

static struct reg_instance *instance_of(struct reg_lease *lease)
{
    return (
        struct reg_instance *)(void *)((char *)lease -
                                       offsetof(struct reg_instance, lease));
}

/*
 * If the registry itself stood still (a suspended machine, a stopped process),
 * nobody could reach it: as after a restart, every lease gets a full term.
 */
static void forgive_locked(struct registry *registry, uint64_t now_ns)
{
    uint64_t still_ns = now_ns - registry->looked_ns;

    if (registry->has_thread && still_ns > (uint64_t)STOPPED_MS * 1000000) {
        log_event(LOG_WARN, "stood_still", "ms=%" PRIu64, still_ns / 1000000);
        reg_leases_renew_all(&registry->leases, now_ns);
    }
    registry->looked_ns = now_ns;
}

void reg_expire_locked(struct registry *registry)
{
    uint64_t now_ns = reg_now_ns(registry);
    struct reg_lease *due;

    forgive_locked(registry, now_ns);
    while ((due = reg_lease_due(&registry->leases, now_ns)))
        vanish_locked(registry, instance_of(due), "expired");
}

/* The port may have changed hands since the kernel reported it, so the pidfd
 * is asked again. */
static void bury_locked(struct registry *registry, int port)
{
    struct reg_instance *instance = reg_live_at_locked(registry, port);

    if (instance && reg_process_ended(instance->pidfd))
        vanish_locked(registry, instance, "died");
}

/* ---- telling the store ---- */

static struct reg_instance *take_ended(struct registry *registry)
{
    struct reg_instance *list;

    (void)pthread_mutex_lock(&registry->mu);
    list = registry->ended;
    registry->ended = NULL;
    (void)pthread_mutex_unlock(&registry->mu);
    return list;
}

/* Waits for one deletion; one that failed is kept for the next round. */
static bool settle(struct registry *registry, struct reg_instance *instance,
                   struct error *err)
{
    bool ok = reg_commit_wait(&registry->commit, &instance->ticket, err);

    if (ok) {
        free_instance(instance);
        return true;
    }
    (void)pthread_mutex_lock(&registry->mu);
    instance->next_ended = registry->ended;
    registry->ended = instance;
    (void)pthread_mutex_unlock(&registry->mu);
    return false;
}

void reg_flush_ended(struct registry *registry)
{
    struct reg_instance *list = take_ended(registry);
    struct error err = {0};
    bool ok = true;

    if (!list)
        return;
    for (struct reg_instance *at = list; at; at = at->next_ended) {
        at->ticket.change =
            (struct reg_change){.kind = REG_DELETE, .record = at->record};
        reg_commit_submit(&registry->commit, &at->ticket);
    }
    for (struct reg_instance *at = list, *next; at; at = next) {
        next = at->next_ended;
        ok = settle(registry, at, &err) && ok;
    }
    (void)pthread_mutex_lock(&registry->mu);
    if (!ok && !registry->store_is_down)
        log_event(LOG_ERROR, "store_failed", "%s", err.msg);
    registry->store_is_down = !ok;
    (void)pthread_mutex_unlock(&registry->mu);
}

/* ---- the thread ---- */

/* Buries who died; waits up to `timeout_ms` for the first. */
static void bury_the_dead(struct registry *registry, int timeout_ms)
{
    struct epoll_event events[DEATHS_AT_ONCE];
    int count;

    do {
        count =
            epoll_wait(registry->epoll_fd, events, DEATHS_AT_ONCE, timeout_ms);
        (void)pthread_mutex_lock(&registry->mu);
        for (int i = 0; i < count; i++)
            if (events[i].data.u64 > 0)
                bury_locked(registry, (int)events[i].data.u64);
        (void)pthread_mutex_unlock(&registry->mu);
        timeout_ms = 0;
    } while (count == DEATHS_AT_ONCE);
}

static void run_round(struct registry *registry, int timeout_ms)
{
    bury_the_dead(registry, timeout_ms);
    (void)pthread_mutex_lock(&registry->mu);
    reg_expire_locked(registry);
    (void)pthread_mutex_unlock(&registry->mu);
    reg_flush_ended(registry);
}

void registry_tick(struct registry *registry)
{
    run_round(registry, 0);
}

static void *run(void *context)
{
    struct registry *registry = context;
    bool stopping = false;

    while (!stopping) {
        run_round(registry, TICK_MS);
        (void)pthread_mutex_lock(&registry->mu);
        stopping = registry->stopping;
        (void)pthread_mutex_unlock(&registry->mu);
    }
    return NULL;
}

bool registry_start(struct registry *registry, struct error *err)
{
    bool ok;

    (void)pthread_mutex_lock(&registry->mu);
    registry->looked_ns = reg_now_ns(registry);
    ok = pthread_create(&registry->thread, NULL, run, registry) == 0;
    registry->has_thread = ok;
    (void)pthread_mutex_unlock(&registry->mu);
    return ok || fail(err, ERR_INTERNAL, "no thread for the registry");
}
