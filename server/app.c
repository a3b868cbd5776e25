/*
 * App: see app.h.
 */
#include "app.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "accuracy.h"
#include "clock.h"
#include "log.h"
#include "oip_server.h"
#include "protos.h"
#include "runtime_server.h"
#include "text_server.h"

/* Services that any model has. */
static const struct op_table *const common_tables[] = {&runtime_ops, &text_ops,
                                                       &oip_ops};

/* How often a thread that waits for a worker looks whether its caller left. */
static const uint64_t look_ns = 20000000;

/* ---- all of the process ---- */

bool apps_add(struct srv_apps *apps, struct srv_app *app)
{
    size_t count = atomic_load(&apps->count);

    if (count == APPS_MAX)
        return false;
    apps->items[count] = app;
    atomic_store(&apps->count, count + 1);
    app->peers = apps;
    return true;
}

size_t apps_list(const struct srv_apps *apps, struct srv_app *items[APPS_MAX])
{
    size_t count = atomic_load(&apps->count);

    memcpy(items, apps->items, count * sizeof(struct srv_app *));
    return count;
}

/* ---- one ---- */

/* All findings, for whoever starts the program. */
static void print_report(const struct doc_report *report)
{
    struct buf text = {0};

    doc_report_print(report, &text);
    if (text.size)
        (void)!write(STDERR_FILENO, text.data, text.size);
    buf_release(&text);
}

static struct srv_bundle *open_bundle(const char *path, struct error *err)
{
    struct arena arena;
    struct doc_report report;
    struct srv_bundle *bundle;

    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    bundle = bundle_open(path, &report);
    print_report(&report);
    if (!bundle)
        fail(err, ERR_DOCUMENT_INVALID, "the bundle has %zu fault%s",
             report.faults, report.faults == 1 ? "" : "s");
    arena_release(&arena);
    return bundle;
}

static enum bundle_shutdown shutdown_mode(const struct srv_config *config,
                                          const struct srv_bundle *bundle,
                                          struct error *err)
{
    static const char *const names[] = {"disabled", "loopback", "token"};

    if (*config->shutdown == '\0')
        return bundle->api.shutdown;
    for (int i = 0; i < 3; i++)
        if (strcmp(config->shutdown, names[i]) == 0)
            return (enum bundle_shutdown)i;
    fail(err, ERR_USAGE, "--shutdown takes disabled, loopback or token");
    return SHUTDOWN_OFF;
}

/* maxConcurrency binds always, cpuCores where --threads says nothing. */
static int count_workers(const struct srv_config *config,
                         const struct bundle_serving *serving, int workers)
{
    if (config->threads == 0 && serving->cpu_cores > 0 &&
        serving->cpu_cores < workers)
        workers = (int)serving->cpu_cores;
    if (serving->max_concurrency > 0 && serving->max_concurrency < workers)
        workers = (int)serving->max_concurrency;
    return workers;
}

/* One core allowed: a prediction may not use more, either. */
static bool may_share_work(const struct srv_config *config,
                           const struct bundle_serving *serving)
{
    return config->threads != 0 || serving->cpu_cores <= 0 ||
           serving->cpu_cores >= 2;
}

/* Those of any model, and the model's own. */
static bool list_services(struct srv_app *app, struct error *err)
{
    struct arena *arena = &app->bundle->arena;
    size_t tables = sizeof common_tables / sizeof *common_tables, protos = 0;

    if (!typed_open(&app->typed, app->bundle, err))
        return false;
    while (proto_files[protos])
        protos++;
    app->tables = arena_zalloc(arena, tables + 2, sizeof *app->tables);
    app->protos = arena_zalloc(arena, protos + 2, sizeof *app->protos);
    if (!app->tables || !app->protos)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the services");
    memcpy(app->tables, common_tables, sizeof common_tables);
    memcpy(app->protos, proto_files, protos * sizeof *app->protos);
    app->tables[tables] = &app->typed.table;
    app->protos[protos] = &app->typed.file;
    return true;
}

static void init_workers(struct srv_app *app)
{
    pthread_condattr_t clock;

    (void)pthread_mutex_init(&app->workers_mu, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&app->worker_put, &clock);
    (void)pthread_condattr_destroy(&clock);
}

struct srv_app *app_open(const struct srv_config *config, const char *path,
                         int workers, struct eng_team *team, int stop_fd,
                         struct error *err)
{
    struct srv_app *app = calloc(1, sizeof *app);

    if (!app) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the service");
        return NULL;
    }
    init_workers(app);
    app->config = config;
    app->stop_fd = stop_fd;
    app->state = APP_STARTING;
    error_clear(err);
    app->bundle = open_bundle(path, err);
    if (!app->bundle || !digests_open(&app->digests, app->bundle->dir, err))
        goto failed;
    app->worker_count = count_workers(config, &app->bundle->serving, workers);
    app->team = may_share_work(config, &app->bundle->serving) ? team : NULL;
    app->shutdown = shutdown_mode(config, app->bundle, err);
    if (err->code != ERR_NONE || !list_services(app, err) ||
        !metrics_init(&app->metrics, app->tables, err))
        goto failed;
    return app;
failed:
    app_close(app);
    return NULL;
}

static void free_workers(struct srv_app *app)
{
    for (int i = 0; i < app->idle_count; i++)
        pipeline_worker_free(app->workers[i]);
    free(app->workers);
}

void app_close(struct srv_app *app)
{
    if (!app)
        return;
    free_workers(app);
    digests_close(&app->digests);
    pipeline_close(app->pipeline);
    eng_model_put(app->model);
    metrics_release(&app->metrics);
    bundle_close(app->bundle);
    (void)pthread_cond_destroy(&app->worker_put);
    (void)pthread_mutex_destroy(&app->workers_mu);
    free(app);
}

static bool check_model(struct srv_app *app, struct error *err)
{
    struct arena arena;
    struct doc_report report;
    bool ok;

    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    ok = bundle_check_model(app->bundle, app->model, &report);
    print_report(&report);
    if (!ok)
        fail(err, ERR_DOCUMENT_INVALID,
             "the model file and signature.tensors differ");
    arena_release(&arena);
    return ok;
}

static void tell_batching(const struct srv_app *app)
{
    const char *reason, *how = pipeline_batching(app->pipeline, &reason);

    if (*reason)
        log_event(LOG_INFO, "batching", "model=%s texts=%s reason=\"%s\"",
                  app->bundle->name, how, reason);
    else
        log_event(LOG_INFO, "batching", "model=%s texts=%s", app->bundle->name,
                  how);
}

static bool open_pipeline(struct srv_app *app, struct error *err)
{
    app->pipeline = pipeline_open(app->bundle, app->model, err);
    if (!app->pipeline || !pipeline_try_batches(app->pipeline, err))
        return false;
    tell_batching(app);
    app->workers = calloc((size_t)app->worker_count, sizeof *app->workers);
    if (!app->workers)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the workers");
    while (app->idle_count < app->worker_count) {
        struct pipeline_worker *worker =
            pipeline_worker_new(app->pipeline, err);

        if (!worker)
            return false;
        app->workers[app->idle_count++] = worker;
    }
    return true;
}

/* Runs every test example once; the first one that differs blocks. */
static void run_examples(struct srv_app *app)
{
    const struct eng_limits limits = {.deadline_ns = CLOCK_NEVER};
    const struct srv_bundle *bundle = app->bundle;
    struct pipeline_worker *worker = app_worker_get(app);
    int expected = APP_STARTING, next = APP_READY;
    struct error err;

    for (size_t i = 0; i < bundle->example_count && next == APP_READY; i++)
        if (!pipeline_example_check(worker, &bundle->examples[i], &limits,
                                    &err)) {
            (void)memcpy(app->blocked_by, err.msg, sizeof app->blocked_by);
            log_event(LOG_ERROR, "blocked", "model=%s reason=\"%s\"",
                      bundle->name, err.msg);
            next = APP_BLOCKED;
        }
    app_worker_put(app, worker);
    /* a stop that came meanwhile keeps its state */
    (void)atomic_compare_exchange_strong(&app->state, &expected, next);
}

bool app_load(struct srv_app *app, struct error *err)
{
    const struct eng_options options = {
        .team = app->team, .precision = accuracy_precision(app->bundle)};
    uint64_t started_ns = clock_now_ns();

    if (!digests_start(&app->digests, err))
        return false;
    app->model = eng_model_open(app->bundle->model_path, &options, err);
    if (!app->model || !check_model(app, err) || !open_pipeline(app, err) ||
        !digests_wait(&app->digests, err))
        return false;
    /* The workers are idle still. */
    if (!accuracy_check(app->bundle, app->model, app->workers[0], err))
        return false;
    run_examples(app);
    log_event(LOG_INFO, "ready", "model=%s state=%s examples=%zu load_ms=%.1f",
              app->bundle->name, app_state_name(app),
              app->bundle->example_count,
              (double)(clock_now_ns() - started_ns) / 1e6);
    return true;
}

void app_drain(struct srv_app *app)
{
    if (app->state == APP_DRAINING)
        return;
    app->drained_ns = app->state == APP_READY ? clock_now_ns() : 0;
    app->state = APP_DRAINING;
}

const char *app_state_name(const struct srv_app *app)
{
    static const char *const names[] = {
        [APP_STARTING] = "starting",
        [APP_READY] = "ok",
        [APP_BLOCKED] = "blocked",
        [APP_DRAINING] = "draining",
    };

    return names[app->state];
}

bool app_is_ready(const struct srv_app *app, struct error *err)
{
    int state = app->state;

    if (state == APP_READY)
        return true;
    if (state == APP_BLOCKED)
        return fail(err, ERR_NOT_READY, "a test example failed: %.200s",
                    app->blocked_by);
    return fail(err, ERR_NOT_READY, "the service is %s",
                state == APP_STARTING ? "starting" : "draining");
}

void app_tell(const struct srv_app *app, struct srv_call *call)
{
    if (app->digests.known)
        call_tell(call, app->digests.told, CALL_FACTS_MAX);
}

bool app_takes(const struct srv_app *app, const struct srv_call *call,
               struct error *err)
{
    if (app->state == APP_READY)
        return true;
    if (app->state == APP_DRAINING && call->started_ns < app->drained_ns)
        return true;
    return app_is_ready(app, err);
}

struct pipeline_worker *app_worker_get(struct srv_app *app)
{
    struct pipeline_worker *worker = NULL;

    (void)pthread_mutex_lock(&app->workers_mu);
    if (app->idle_count > 0)
        worker = app->workers[--app->idle_count];
    (void)pthread_mutex_unlock(&app->workers_mu);
    return worker;
}

void app_worker_put(struct srv_app *app, struct pipeline_worker *worker)
{
    (void)pthread_mutex_lock(&app->workers_mu);
    app->workers[app->idle_count++] = worker;
    if (app->waiting_count)
        (void)pthread_cond_signal(&app->worker_put);
    (void)pthread_mutex_unlock(&app->workers_mu);
}

/* Until a worker was put, `until_ns`, or a look is due. */
static void wait_locked(struct srv_app *app, uint64_t until_ns)
{
    uint64_t at_ns = clock_now_ns() + look_ns;
    struct timespec at;

    if (until_ns < at_ns)
        at_ns = until_ns;
    at.tv_sec = (time_t)(at_ns / 1000000000);
    at.tv_nsec = (long)(at_ns % 1000000000);
    app->waiting_count++;
    (void)pthread_cond_timedwait(&app->worker_put, &app->workers_mu, &at);
    app->waiting_count--;
}

struct pipeline_worker *app_worker_wait(struct srv_app *app,
                                        uint64_t deadline_ns,
                                        const atomic_bool *cancelled,
                                        struct error *err)
{
    struct pipeline_worker *worker = NULL;

    error_clear(err);
    (void)pthread_mutex_lock(&app->workers_mu);
    while (!worker && err->code == ERR_NONE) {
        if (app->idle_count > 0)
            worker = app->workers[--app->idle_count];
        else if (atomic_load(cancelled))
            (void)fail(err, ERR_CANCELLED, "the caller is gone");
        else if (clock_now_ns() >= deadline_ns)
            (void)fail(err, ERR_TIMEOUT, "the deadline passed before the work");
        else
            wait_locked(app, deadline_ns);
    }
    (void)pthread_mutex_unlock(&app->workers_mu);
    return worker;
}

void app_count(const struct srv_call *call)
{
    struct srv_app *app = call->app;

    metrics_record(&app->metrics, call->op, (int)call->door, call->err.code,
                   clock_now_ns() - call->started_ns);
    if (call->op && call->op->run == OP_QUEUE)
        metrics_record_queue(&app->metrics, call->queue_ns);
}

void app_stop(struct srv_app *app)
{
    const uint64_t one = 1;

    (void)!write(app->stop_fd, &one, sizeof one);
}
