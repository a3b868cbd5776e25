/*
 * Register: how an instance comes and goes by its own will.
 *
 *   check the fields, identify the process     no lock
 *   find what the caller already has, or take
 *   a port and add a pending instance          lock
 *   write the record                           no lock; shared with others
 *   make it live, tell watchers, answer        lock
 *
 * A crash between write and answer leaves a durable registration that nobody
 * was told about: the caller asks again and is found by its process or request
 * id.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "secret.h"
#include "state.h"

static const char *host_of(const struct reg_request *request)
{
    return request->host_is_local ? "127.0.0.1" : request->host;
}

/* ---- what the caller already has ---- */

/* The record is of the same app and model, on the same host and process. */
static bool is_same(const struct reg_record *record,
                    const struct reg_request *request,
                    const struct reg_process *process)
{
    return record->pid == process->pid &&
           record->start_ticks == process->start_ticks &&
           strcmp(record->host, host_of(request)) == 0 &&
           strcmp(record->app_name, request->app_name) == 0 &&
           strcmp(record->model_name, request->model_name) == 0;
}

static struct reg_instance *
find_by_request_locked(const struct registry *registry, const char *request_id)
{
    uint64_t hash = reg_text_hash(registry, request_id);

    for (struct reg_link *at = reg_index_first(&registry->by_request, hash); at;
         at = reg_index_next(at)) {
        struct reg_instance *instance = at->owner;

        if (strcmp(instance->record->request_id, request_id) == 0)
            return instance;
    }
    return NULL;
}

/* Without a pid, two instances cannot be told apart: each request is new. */
static struct reg_instance *
find_by_process_locked(const struct registry *registry,
                       const struct reg_request *request,
                       const struct reg_process *process)
{
    uint64_t hash = reg_caller_hash(registry, host_of(request), process->pid,
                                    process->start_ticks);

    if (process->pid == 0)
        return NULL;
    for (struct reg_link *at = reg_index_first(&registry->by_caller, hash); at;
         at = reg_index_next(at)) {
        struct reg_instance *instance = at->owner;

        if (is_same(instance->record, request, process))
            return instance;
    }
    return NULL;
}

/* A registration of this request id ended not long ago. */
static bool request_ended_locked(const struct registry *registry,
                                 const char *request_id)
{
    const struct reg_history *history = &registry->history;

    for (uint64_t at = history->last; at >= history->first; at--) {
        const struct reg_event *event = reg_history_at(history, at);

        if (event->kind == REG_EVENT_DELETE &&
            strcmp(event->record->request_id, request_id) == 0)
            return true;
    }
    return false;
}

/*
 * Looks for the registration that the caller has. `*found` is NULL if there is
 * none; fails if the request id cannot be used.
 */
static bool find_existing_locked(const struct registry *registry,
                                 const struct reg_request *request,
                                 const struct reg_process *process,
                                 struct reg_instance **found, struct error *err)
{
    const char *request_id = request->request_id;

    *found = NULL;
    if (request_id && *request_id) {
        *found = find_by_request_locked(registry, request_id);
        if (*found && !is_same((*found)->record, request, process))
            return fail(err, ERR_ALREADY_EXISTS,
                        "request_id was used for another registration");
        if (!*found && request_ended_locked(registry, request_id))
            return fail(err, ERR_REGISTRATION_GONE,
                        "the registration of this request_id has ended");
    }
    if (!*found)
        *found = find_by_process_locked(registry, request, process);
    return true;
}

/* ---- a new instance ---- */

static bool check_quota_locked(const struct registry *registry,
                               const struct reg_request *request,
                               const struct reg_process *process,
                               struct error *err)
{
    uint64_t hash = reg_caller_hash(registry, host_of(request), process->pid,
                                    process->start_ticks);
    uint32_t count = 0;

    for (struct reg_link *at = reg_index_first(&registry->by_caller, hash); at;
         at = reg_index_next(at))
        count++;
    if (count >= registry->options.quota)
        return fail(err, ERR_QUOTA_EXCEEDED,
                    "this caller has %u registrations, the limit is %u", count,
                    registry->options.quota);
    return true;
}

/* Takes the preferred port, or says in `why` why not. */
static bool take_preferred_locked(struct registry *registry,
                                  const struct reg_request *request,
                                  const struct reg_process *process,
                                  char why[REG_MESSAGE_SIZE])
{
    int port = request->preferred_port;
    uint64_t owner =
        reg_owner_hash(registry, request->app_name, request->model_name);
    const struct reg_instance *holder = registry->by_port[port];
    const char *reason = NULL;
    enum reg_port_state state =
        reg_ports_state(&registry->ports, port, owner, reg_now_ns(registry));

    if (port < REG_PORT_LOWEST)
        reason = "is privileged";
    else if (port == registry->ports.reserved)
        reason = "is reserved for the registry";
    else if (state == REG_PORT_RESTING)
        reason = "was left by another service a moment ago";
    else if (state == REG_PORT_TAKEN)
        reason = "is taken by ";
    /* a server that comes back while it runs holds the port itself */
    else if (!registry->ports.probe(registry->ports.context, port) &&
             !(process->start_ticks && reg_process_listens(process->pid, port)))
        reason = "is in use by a program that is not registered";
    if (!reason) {
        reg_ports_hold(&registry->ports, port, owner);
        return true;
    }
    (void)snprintf(why, REG_MESSAGE_SIZE, "; preferred port %d %s%s", port,
                   reason, holder ? holder->record->app_name : "");
    return false;
}

/* "brain_reg_<unix>_<seq4>_<16 hex>"; the random part proves ownership. */
static bool make_id_locked(struct registry *registry, char id[REG_ID_SIZE],
                           struct error *err)
{
    uint64_t secret;

    if (getrandom(&secret, sizeof secret, 0) != sizeof secret)
        return fail(err, ERR_INTERNAL, "the system has no random numbers");
    registry->id_sequence = registry->id_sequence % 9999 + 1;
    (void)snprintf(id, REG_ID_SIZE, "brain_reg_%" PRId64 "_%04u_%016" PRIx64,
                   clock_wall_s(), registry->id_sequence, secret);
    return true;
}

/* The record of a new registration; NULL and `err` on failure. */
static struct reg_record *make_record_locked(struct registry *registry,
                                             const struct reg_request *request,
                                             const struct reg_process *process,
                                             int port, struct error *err)
{
    char id[REG_ID_SIZE];
    struct reg_record draft = {
        .port = port,
        .ttl_s = request->ttl_s ? request->ttl_s : registry->options.ttl_s,
        .epoch = registry->last_epoch + 1,
        .pid = process->pid,
        .start_ticks = process->start_ticks,
        .registered_s = clock_wall_s(),
        .id = id,
        .boot_id = process->start_ticks ? registry->boot_id : "",
        .host = host_of(request),
        .app_name = request->app_name,
        .app_version = request->app_version,
        .model_name = request->model_name,
        .reason = request->reason,
        .metadata = request->metadata ? request->metadata : "{}",
        .request_id = request->request_id,
    };
    struct reg_record *record;

    if (!make_id_locked(registry, id, err))
        return NULL;
    record = reg_record_new(&draft);
    if (!record) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a registration");
        return NULL;
    }
    registry->last_epoch++;
    return record;
}

/* Takes a port and adds a pending instance; `*pidfd` is taken over. */
static struct reg_instance *add_new_locked(struct registry *registry,
                                           const struct reg_request *request,
                                           struct reg_process *process,
                                           char why[REG_MESSAGE_SIZE],
                                           struct error *err)
{
    uint64_t owner =
        reg_owner_hash(registry, request->app_name, request->model_name);
    int port = request->preferred_port;
    struct reg_instance *instance = NULL;
    struct reg_record *record;

    why[0] = '\0';
    if (!check_quota_locked(registry, request, process, err))
        return NULL;
    if (port == 0 || !take_preferred_locked(registry, request, process, why))
        port = reg_ports_take_any(&registry->ports, owner, reg_now_ns(registry),
                                  err);
    if (port == 0)
        return NULL;
    record = make_record_locked(registry, request, process, port, err);
    if (record)
        instance = reg_add_locked(registry, record, process->fd);
    if (instance) {
        process->fd = -1;
        return instance;
    }
    if (record)
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a registration");
    reg_record_put(record);
    reg_ports_give_back(&registry->ports, port);
    return NULL;
}

/* ---- answering ---- */

static void answer_locked(const struct reg_instance *instance,
                          const char *message, const char *why,
                          struct reg_answer *answer)
{
    const struct reg_record *record = instance->record;

    *answer = (struct reg_answer){.port = record->port,
                                  .epoch = record->epoch,
                                  .expires_s = clock_wall_s() + record->ttl_s,
                                  .ttl_s = record->ttl_s};
    (void)snprintf(answer->id, sizeof answer->id, "%s", record->id);
    (void)snprintf(answer->message, sizeof answer->message, "%s%s", message,
                   why);
}

/* Writes the pending instance and makes it live, or takes it back. The lock is
 * free while the disk works. */
static bool settle_locked(struct registry *registry,
                          struct reg_instance *instance, struct error *err)
{
    struct reg_ticket ticket = {
        .change = {.kind = REG_PUT, .record = instance->record}};
    bool ok;

    (void)pthread_mutex_unlock(&registry->mu);
    reg_commit_submit(&registry->commit, &ticket);
    ok = reg_commit_wait(&registry->commit, &ticket, err);
    (void)pthread_mutex_lock(&registry->mu);
    if (ok)
        reg_go_live_locked(registry, instance);
    else
        reg_drop_locked(registry, instance);
    (void)pthread_cond_broadcast(&registry->changed);
    return ok;
}

/* Finds the caller's registration once it is settled; `*found` may be NULL. */
static bool await_existing_locked(struct registry *registry,
                                  const struct reg_request *request,
                                  const struct reg_process *process,
                                  struct reg_instance **found,
                                  struct error *err)
{
    for (;;) {
        reg_expire_locked(registry);
        if (!find_existing_locked(registry, request, process, found, err))
            return false;
        if (!*found || (*found)->live)
            return true;
        (void)pthread_cond_wait(&registry->changed, &registry->mu);
    }
}

static bool register_locked(struct registry *registry,
                            const struct reg_request *request,
                            struct reg_process *process,
                            struct reg_answer *answer, struct error *err)
{
    char why[REG_MESSAGE_SIZE];
    struct reg_instance *instance;

    if (!await_existing_locked(registry, request, process, &instance, err))
        return false;
    if (instance) {
        reg_lease_renew(&registry->leases, &instance->lease,
                        reg_now_ns(registry));
        instance->last_heartbeat_s = clock_wall_s();
        answer_locked(instance, "Already registered", "", answer);
        return true;
    }
    instance = add_new_locked(registry, request, process, why, err);
    if (!instance || !settle_locked(registry, instance, err))
        return false;
    answer_locked(instance, "Successfully registered", why, answer);
    return true;
}

bool registry_register(struct registry *registry,
                       const struct reg_request *request,
                       struct reg_answer *answer, struct error *err)
{
    struct reg_process process;
    bool ok;

    if (!reg_check_request(request, err) ||
        !reg_identify(registry, request, &process, err))
        return false;
    (void)pthread_mutex_lock(&registry->mu);
    ok = register_locked(registry, request, &process, answer, err);
    (void)pthread_mutex_unlock(&registry->mu);
    reg_process_close(&process);
    if (!ok)
        return false;
    if (reg_is_before_1_2(request->app_version))
        log_event(LOG_WARN, "old_client", "port=%d app_version=%s",
                  answer->port, request->app_version);
    log_event(LOG_INFO, "registered",
              "port=%d app=%s model=%s pid=%" PRId64 " host=%s epoch=%" PRIu64
              " message=\"%s\"",
              answer->port, request->app_name, request->model_name, process.pid,
              host_of(request), answer->epoch, answer->message);
    return true;
}

/* ---- leaving ---- */

/* The port's last owner, whose registration has ended, has this id. */
static bool was_owner_locked(const struct registry *registry, int port,
                             const char *id)
{
    const struct reg_history *history = &registry->history;

    for (uint64_t at = history->last; at >= history->first; at--) {
        const struct reg_event *event = reg_history_at(history, at);

        if (event->kind == REG_EVENT_DELETE && event->record->port == port &&
            secret_same(id, event->record->id))
            return true;
    }
    return false;
}

/* Finds whom `id` may end. `*record` stays NULL when its owner did it before;
 * otherwise it is a reference. */
static bool find_leaving_locked(struct registry *registry, int port,
                                const char *id, struct reg_record **record,
                                struct error *err)
{
    struct reg_instance *instance;

    reg_expire_locked(registry);
    instance = reg_live_at_locked(registry, port);
    if (!instance) {
        if (was_owner_locked(registry, port, id))
            return true;
        return fail(err, ERR_NOT_FOUND, "nobody is registered on port %d",
                    port);
    }
    if (!secret_same(id, instance->record->id))
        return fail(err, ERR_REGISTRATION_MISMATCH,
                    "registration_id is not the one of port %d", port);
    *record = reg_record_get(instance->record);
    return true;
}

bool registry_unregister(struct registry *registry, int port, const char *id,
                         char message[REG_MESSAGE_SIZE], struct error *err)
{
    struct reg_ticket ticket = {.change = {.kind = REG_DELETE}};
    struct reg_record *record = NULL;
    struct reg_instance *instance;
    bool ok;

    (void)pthread_mutex_lock(&registry->mu);
    ok = find_leaving_locked(registry, port, id, &record, err);
    (void)pthread_mutex_unlock(&registry->mu);
    if (!ok)
        return false;
    (void)snprintf(message, REG_MESSAGE_SIZE, "Unregistered from port %d",
                   port);
    if (!record)
        return true;
    ticket.change.record = record;
    reg_commit_submit(&registry->commit, &ticket);
    ok = reg_commit_wait(&registry->commit, &ticket, err);
    (void)pthread_mutex_lock(&registry->mu);
    /* it may have ended by itself meanwhile, or by the same call twice */
    instance = reg_live_at_locked(registry, port);
    if (ok && instance && instance->record == record)
        reg_leave_locked(registry, instance);
    (void)pthread_mutex_unlock(&registry->mu);
    reg_record_put(record);
    return ok;
}
