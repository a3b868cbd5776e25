/*
 * specserve-registry: opens the store, opens the door, waits for a signal.
 */
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>

#include "app.h"
#include "config.h"
#include "door.h"
#include "protos.h"
#include "registry_server.h"

enum {
    WORKERS = 16, /* they wait for the disk together */
    QUEUE = 1024,
    WATCHERS = 1000,
    DRAIN_MS = 5000
};

/* Threads started later inherit the mask; run() takes the signals. */
static void prepare_process(sigset_t *signals)
{
    struct rlimit files;

    (void)mallopt(M_ARENA_MAX, 2);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    /* one pidfd per instance, one socket per client */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Opens all, runs until a signal, closes all. */
static bool run(const struct reg_config *config, const sigset_t *signals,
                struct error *err)
{
    const struct reg_options options = {.store = config->store,
                                        .first_port = config->first_port,
                                        .last_port = config->last_port,
                                        .own_port = config->port,
                                        .ttl_s = config->ttl_s,
                                        .any_user = config->any_user};
    const struct op_table *const tables[] = {&registry_ops, NULL};
    struct reg_app app = {.registry = registry_open(&options, err)};
    const struct door_options doors = {.host = config->host,
                                       .port = config->port,
                                       .tables = tables,
                                       .protos = proto_files,
                                       .app = &app,
                                       .workers = WORKERS,
                                       .queue_length = QUEUE};
    struct door *door = NULL;
    int number = 0;
    bool ok;

    if (app.registry)
        app.watchers = reg_watchers_new(app.registry, WATCHERS, err);
    if (app.watchers)
        door = door_open(&doors, err);
    ok = door && registry_start(app.registry, err);
    if (ok) {
        log_event(LOG_INFO, "listening", "host=%s port=%d instances=%zu",
                  config->host, door_port(door), registry_count(app.registry));
        door_set_serving(door, true);
        (void)sigwait(signals, &number);
        log_event(LOG_INFO, "stopping", "signal=%d", number);
        reg_watchers_stop(app.watchers);
        door_drain(door, DRAIN_MS);
    }
    door_close(door);
    reg_watchers_free(app.watchers);
    registry_close(app.registry);
    return ok;
}

int main(int argc, char **argv)
{
    struct reg_config config;
    struct error err = {0};
    sigset_t signals;
    bool ok = reg_config_load(&config, argc, argv, &err);

    if (ok && config.help) {
        reg_config_help(stdout);
    } else if (ok) {
        log_set_level(config.log_level);
        prepare_process(&signals);
        ok = run(&config, &signals, &err);
    }
    if (ok)
        return EXIT_OK;
    (void)fprintf(stderr, "specserve-registry: %s\n", err.msg);
    return err.code == ERR_PERMISSION_DENIED ? EXIT_SECURITY : EXIT_USAGE;
}
