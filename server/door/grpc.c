/*
 * The gRPC server: one completion queue, one or two threads, no listener.
 *
 * Every method is registered with its name and one call of it is always asked
 * for; a call that no registration fits goes to a generic request, which
 * answers UNIMPLEMENTED at once (without one it would hang until the client's
 * deadline). The polling threads also look once a second for calls whose peer
 * has stopped reading or sending.
 */
#include "grpc.h"

#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "grpc_feed.h"
#include "grpc_internal.h"
#include "health_server.h"
#include "log.h"
#include "reflection_v1_server.h"
#include "reflection_v1alpha_server.h"
#include "sync.h"

enum {
    DEFAULT_BODY = 1 << 20,
    DEFAULT_DEADLINE_MS = 30000,
    DEFAULT_IDLE_MS = 300000,
    DEFAULT_STALL_MS = 30000, /* a write may take this long */
    STREAMS_PER_CONNECTION = 100,
    METADATA_BYTES = 8192,
    CONNECTION_AGE_MS = 3600000, /* then GOAWAY, so that clients spread anew */
    CONNECTION_GRACE_MS = 300000,
    KEEPALIVE_MS = 60000, /* notices a peer that vanished without a word */
    KEEPALIVE_TIMEOUT_MS = 20000,
    PING_INTERVAL_MS = 10000, /* the client's; the library's default of 5 min
                                 cuts connections of ordinary clients */
    SWEEP_MS = 1000,
    EVENTS_PER_TURN = 32
};

static const uint64_t sweep_period_ns = SWEEP_MS * 1000000ULL;

/* ---- polling ---- */

/* Cancels the calls whose time is over: the peer does not read or send, or no
 * worker came free before the endpoint's deadline. */
static void sweep(struct grpc_door *door, uint64_t now_ns)
{
    const struct err_info *info = err_info(ERR_TIMEOUT);

    pthread_mutex_lock(&door->mu);
    for (struct grpc_rpc *rpc = door->live; rpc; rpc = rpc->older) {
        uint64_t limit_ns = atomic_load(&rpc->give_up_ns);

        if (limit_ns && now_ns > limit_ns)
            grpc_call_cancel_with_status(rpc->core,
                                         (grpc_status_code)info->grpc,
                                         "the call took too long", NULL);
    }
    pthread_mutex_unlock(&door->mu);
}

static void sweep_if_due(struct grpc_door *door)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t due_ns = atomic_load(&door->sweep_ns);

    if (now_ns >= due_ns &&
        atomic_compare_exchange_strong(&door->sweep_ns, &due_ns,
                                       now_ns + sweep_period_ns))
        sweep(door, now_ns);
}

static gpr_timespec next_wake(void)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis(SWEEP_MS, GPR_TIMESPAN));
}

/* False when there is nothing to do. */
static bool do_event(const grpc_event *event)
{
    struct grpc_tag *tag = event->tag;

    if (event->type != GRPC_OP_COMPLETE)
        return false;
    grpc_tag_return(tag);
    grpc_feed_seen();
    tag->done(tag, event->success);
    return true;
}

void grpc_take_turn(struct grpc_door *door)
{
    const gpr_timespec now = gpr_time_0(GPR_CLOCK_MONOTONIC);

    if (!door->calls_wait || !door->calls_wait(door->context))
        return;
    for (int i = 0; i < EVENTS_PER_TURN; i++) {
        grpc_event event = grpc_completion_queue_next(door->queue, now, NULL);

        if (!do_event(&event))
            break;
    }
    atomic_fetch_add_explicit(&door->worker_turns, 1, memory_order_relaxed);
}

/* Sleeps a moment if workers have taken turns since the last time. */
static void nap(struct grpc_door *door, unsigned *seen)
{
    unsigned turns =
        atomic_load_explicit(&door->worker_turns, memory_order_relaxed);

    if (turns == *seen)
        return;
    *seen = turns;
    (void)door->nap(door->context);
}

static void *poll_calls(void *context)
{
    struct grpc_door *door = context;
    gpr_timespec wake = next_wake();
    unsigned seen = 0;

    for (;;) {
        grpc_event event = grpc_completion_queue_next(door->queue, wake, NULL);

        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (!do_event(&event))
            wake = next_wake();
        nap(door, &seen);
        sweep_if_due(door);
    }
}

/* ---- opening: the methods ---- */

/* Methods that a table offers over gRPC. */
static size_t count_methods(const struct op_table *table)
{
    size_t count = 0;

    for (size_t i = 0; i < table->count; i++)
        count += table->ops[i].method != NULL;
    return count;
}

/* Lists the methods of a table; `as` holds what they have in common. */
static void add_table(struct grpc_door *door, const struct op_table *table,
                      struct grpc_method as)
{
    if (!count_methods(table))
        return;
    door->services[door->service_count++] = table->service;
    for (size_t i = 0; i < table->count; i++) {
        as.op = &table->ops[i];
        if (!as.op->method)
            continue;
        door->methods[door->method_count++] = as;
        if (as.op->max_body > door->largest_body)
            door->largest_body = as.op->max_body;
    }
}

/* Lists the methods of health, reflection and the program; the row behind the
 * last stands for all that are unknown. */
static bool add_tables(struct grpc_door *door,
                       const struct door_options *options, struct error *err)
{
    const struct op_table *const *tables = options->tables;
    struct grpc_method as = {.door = door};
    size_t services = 3, methods = 1 + count_methods(&health_ops) +
                                   count_methods(&reflection_v1_ops) +
                                   count_methods(&reflection_v1alpha_ops);

    for (size_t i = 0; tables && tables[i]; i++, services++)
        methods += count_methods(tables[i]);
    door->methods = calloc(methods, sizeof *door->methods);
    door->services = calloc(services, sizeof *door->services);
    if (!door->methods || !door->services)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the gRPC door");
    door->largest_body = door->max_body;
    as.app = &door->health;
    add_table(door, &health_ops, as);
    as.app = &door->reflection;
    add_table(door, &reflection_v1_ops, as);
    add_table(door, &reflection_v1alpha_ops, as);
    as.app = options->app;
    as.finished = options->finished;
    for (size_t i = 0; tables && tables[i]; i++)
        add_table(door, tables[i], as);
    door->methods[door->method_count] = (struct grpc_method){.door = door};
    health_init(&door->health, door->services, door->service_count);
    door->reflection = (struct reflection){.services = door->services,
                                           .service_count = door->service_count,
                                           .protos = options->protos};
    return true;
}

static bool register_methods(struct grpc_door *door, struct error *err)
{
    for (struct grpc_method *method = door->methods; method->op; method++) {
        method->handle = grpc_server_register_method(
            door->server, method->op->method, NULL,
            method->op->stream == OP_EACH
                ? GRPC_SRM_PAYLOAD_NONE
                : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER,
            0);
        if (!method->handle)
            return fail(err, ERR_INTERNAL, "gRPC refused the method %s",
                        method->op->method);
    }
    return true;
}

/* ---- opening: the server ---- */

/*
 * gRPC Core's lines are about what peers send, with bytes of theirs in them:
 * they go through our log, which escapes them, and only when debugging. What it
 * says before it aborts is for everybody.
 */
static void log_line(gpr_log_func_args *line)
{
    bool fatal = strstr(line->message, "assertion failed") != NULL;

    log_event(fatal ? LOG_ERROR : LOG_DEBUG, "grpc", "file=%s:%d text=%s",
              line->file, line->line, line->message);
}

static grpc_arg number(const char *key, int value)
{
    /* gRPC Core copies the key; its type only lacks the const */
    return (grpc_arg){.type = GRPC_ARG_INTEGER,
                      .key = (char *)(uintptr_t)key,
                      .value.integer = value};
}

static grpc_server *create_server(const struct grpc_door *door)
{
    size_t body = door->largest_body < INT_MAX ? door->largest_body : INT_MAX;
    grpc_arg list[] = {
        number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)body),
        number(GRPC_ARG_MAX_CONCURRENT_STREAMS, STREAMS_PER_CONNECTION),
        number(GRPC_ARG_MAX_METADATA_SIZE, METADATA_BYTES),
        /* identity only: a compressed message is refused unread, because
           gRPC would inflate it before it looks at the size limit */
        number(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
        number(GRPC_ARG_MAX_CONNECTION_IDLE_MS, (int)door->idle_timeout_ms),
        number(GRPC_ARG_MAX_CONNECTION_AGE_MS, CONNECTION_AGE_MS),
        number(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, CONNECTION_GRACE_MS),
        number(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
        number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS),
        number(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
               PING_INTERVAL_MS),
        number(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        number(GRPC_ARG_ENABLE_CHANNELZ, 0),
    };
    grpc_channel_args args = {.num_args = sizeof list / sizeof *list,
                              .args = list};

    return grpc_server_create(&args, NULL);
}

static bool start_threads(struct grpc_door *door, int wanted, struct error *err)
{
    size_t count = wanted > 0 ? (size_t)wanted : 1;

    door->threads = calloc(count, sizeof *door->threads);
    if (!door->threads)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the gRPC door");
    while (door->thread_count < count) {
        if (pthread_create(&door->threads[door->thread_count], NULL, poll_calls,
                           door))
            return fail(err, ERR_INTERNAL, "cannot start a thread for gRPC");
        door->thread_count++;
    }
    return true;
}

static void init_locks(struct grpc_door *door)
{
    pthread_mutex_init(&door->mu, NULL);
    sync_cond_init(&door->settled);
}

static struct grpc_door *door_new(const struct grpc_door_options *options)
{
    const struct door_options *limits = options->door;
    struct grpc_door *door = calloc(1, sizeof *door);

    if (!door)
        return NULL;
    gpr_set_log_function(log_line);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    grpc_init();
    init_locks(door);
    door->hand_over = options->hand_over;
    door->calls_wait = options->calls_wait;
    door->nap = options->nap;
    door->context = options->context;
    door->next_id = options->next_id;
    door->max_body = limits->max_body ? limits->max_body : DEFAULT_BODY;
    door->deadline_ms =
        limits->deadline_ms ? limits->deadline_ms : DEFAULT_DEADLINE_MS;
    door->idle_timeout_ms =
        limits->idle_timeout_ms ? limits->idle_timeout_ms : DEFAULT_IDLE_MS;
    door->stall_ms = limits->stall_ms ? limits->stall_ms : DEFAULT_STALL_MS;
    atomic_init(&door->sweep_ns, clock_now_ns() + sweep_period_ns);
    return door;
}

static bool start(struct grpc_door *door, const struct door_options *options,
                  struct error *err)
{
    if (!add_tables(door, options, err))
        return false;
    door->server = create_server(door);
    door->queue = grpc_completion_queue_create_for_next(NULL);
    if (!door->server || !door->queue)
        return fail(err, ERR_INTERNAL, "gRPC refused to make a server");
    grpc_server_register_completion_queue(door->server, door->queue, NULL);
    if (!register_methods(door, err))
        return false;
    grpc_server_start(door->server);
    for (size_t i = 0; i <= door->method_count; i++)
        grpc_method_listen(&door->methods[i]);
    return start_threads(door, options->grpc_threads, err);
}

struct grpc_door *grpc_door_open(const struct grpc_door_options *options,
                                 struct error *err)
{
    struct grpc_door *door = door_new(options);

    if (!door) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the gRPC door");
        return NULL;
    }
    if (start(door, options->door, err))
        return door;
    grpc_door_close(door);
    return NULL;
}

/* ---- while it is open ---- */

static bool note_peer_locked(struct grpc_door *door, size_t fd,
                             const char *peer)
{
    if (fd >= door->peer_count) {
        size_t count = fd * 2 < 64 ? 64 : fd * 2;
        void *peers = realloc(door->peers, count * sizeof *door->peers);

        if (!peers)
            return false;
        door->peers = peers;
        door->peer_count = count;
    }
    (void)snprintf(door->peers[fd], sizeof *door->peers, "%s", peer);
    return true;
}

bool grpc_door_add_fd(struct grpc_door *door, int fd, const char *peer)
{
    const struct h2_rules rules = {.max_message = door->largest_body,
                                   .max_streams = STREAMS_PER_CONNECTION};
    grpc_server_credentials *plain;
    struct error err = {0};
    bool open;

    pthread_mutex_lock(&door->mu);
    open = !door->shut && note_peer_locked(door, (size_t)fd, peer) &&
           grpc_feed_open(fd, peer, &rules, &err);
    /* Under the lock, so that no socket slips in behind a shutdown. */
    if (open) {
        plain = grpc_insecure_server_credentials_create();
        grpc_server_add_channel_from_fd(door->server, fd, plain);
        grpc_server_credentials_release(plain);
    }
    pthread_mutex_unlock(&door->mu);
    if (!open)
        (void)close(fd);
    return open;
}

size_t grpc_door_busy(const struct grpc_door *door)
{
    /* the lock is not part of what a reader sees */
    pthread_mutex_t *mu = (pthread_mutex_t *)(uintptr_t)&door->mu;
    size_t busy;

    pthread_mutex_lock(mu);
    busy = door->busy;
    pthread_mutex_unlock(mu);
    return busy;
}

void grpc_door_set_serving(struct grpc_door *door, bool serving)
{
    health_set(&door->health, serving);
}

/* ---- closing ---- */

static void wait_for_answers(struct grpc_door *door, uint32_t grace_ms)
{
    struct timespec until = sync_after_ms(grace_ms);

    pthread_mutex_lock(&door->mu);
    while (door->busy &&
           pthread_cond_timedwait(&door->settled, &door->mu, &until) == 0)
        ;
    pthread_mutex_unlock(&door->mu);
}

/* GOAWAY, cancel what is left, wait until the last call has come back. */
static void shut(struct grpc_door *door)
{
    grpc_completion_queue *queue;
    bool was_shut;

    pthread_mutex_lock(&door->mu);
    was_shut = door->shut;
    door->shut = true;
    pthread_mutex_unlock(&door->mu);
    if (was_shut || !door->thread_count)
        return;
    queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_server_shutdown_and_notify(door->server, queue, door);
    grpc_server_cancel_all_calls(door->server);
    grpc_completion_queue_pluck(queue, door,
                                gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

void grpc_door_drain(struct grpc_door *door, uint32_t grace_ms)
{
    health_set(&door->health, false);
    wait_for_answers(door, grace_ms);
    shut(door);
}

/* Workers may still hold calls, which are cancelled by now. gRPC Core does not
 * wait for them, and aborts if they use a queue that was shut down. */
static void wait_for_calls(struct grpc_door *door)
{
    pthread_mutex_lock(&door->mu);
    while (door->live)
        pthread_cond_wait(&door->settled, &door->mu);
    pthread_mutex_unlock(&door->mu);
}

static void stop_threads(struct grpc_door *door)
{
    if (door->queue)
        grpc_completion_queue_shutdown(door->queue);
    for (size_t i = 0; i < door->thread_count; i++)
        pthread_join(door->threads[i], NULL);
    free(door->threads);
}

void grpc_door_close(struct grpc_door *door)
{
    if (!door)
        return;
    shut(door);
    wait_for_calls(door);
    stop_threads(door);
    if (door->server)
        grpc_server_destroy(door->server);
    if (door->queue)
        grpc_completion_queue_destroy(door->queue);
    if (door->services)
        health_release(&door->health);
    grpc_shutdown_blocking();
    pthread_cond_destroy(&door->settled);
    pthread_mutex_destroy(&door->mu);
    free(door->peers);
    free(door->methods);
    free(door->services);
    free(door);
}
