/*
 * specserve serve BUNDLE...: serves bundles until told to stop.
 *
 *   settings -> services open -> models load -> wait for a signal or /shutdown
 *            -> services close
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "address.h"
#include "commands.h"
#include "log.h"
#include "service.h"

enum { BUNDLES_MAX = APPS_MAX };

static int exit_code_of(const struct error *err)
{
    if (err->code == ERR_REGISTRY_UNAVAILABLE)
        return EXIT_REGISTRY_ABSENT;
    if (err->code == ERR_DOCUMENT_INVALID || err->code == ERR_FILE_INVALID ||
        err->code == ERR_MODEL_INVALID || err->code == ERR_MODEL_UNSUPPORTED)
        return EXIT_WRONG;
    return EXIT_USAGE;
}

/* `path`: the bundle it is about; NULL = the command line. */
static int complain(const char *path, const struct error *err)
{
    (void)fprintf(stderr, "specserve serve: %s%s%s\n", path ? path : "",
                  path ? ": " : "", err->msg);
    return exit_code_of(err);
}

static bool check_settings(const struct srv_config *config, struct error *err)
{
    enum log_level level = LOG_INFO;

    if (config->operand_count < 1 || config->operand_count > BUNDLES_MAX)
        return fail(err, ERR_USAGE, "wants 1 to %d bundles", BUNDLES_MAX);
    if (*config->log_level && !log_level_by_name(config->log_level, &level))
        return fail(err, ERR_USAGE,
                    "--log-level takes error, warn, info or debug");
    log_set_level(level);
    log_set_json(config->log_json);
    return true;
}

/* Signals come through a descriptor: no handler runs anywhere. Threads that
 * are started later inherit the mask. */
static int open_signals(void)
{
    sigset_t stop;

    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTERM);
    (void)sigaddset(&stop, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &stop, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &stop, SFD_CLOEXEC);
}

static bool is_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, 0) > 0;
}

static void wait_for_stop(int signal_fd, int stop_fd)
{
    struct pollfd waits[] = {{.fd = signal_fd, .events = POLLIN},
                             {.fd = stop_fd, .events = POLLIN}};

    while (poll(waits, 2, -1) < 0)
        ;
    log_event(LOG_INFO, "stopping", "by=%s",
              waits[0].revents ? "signal" : "shutdown");
}

/* The threads of the process that predict. */
static int thread_budget(const struct srv_config *config)
{
    return config->threads ? (int)config->threads
                           : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Bundles share the budget, each gets at least one worker. */
static int workers_each(const struct srv_config *config)
{
    int each = thread_budget(config) / config->operand_count;

    return each < 1 ? 1 : each;
}

/* `*at` is the bundle that an error is about. */
static bool start_all(const struct service_options *shared,
                      struct service *services, int *at, struct error *err)
{
    const struct srv_config *config = shared->config;
    struct service_options options = *shared;

    for (*at = 0; *at < config->operand_count; ++*at) {
        options.path = config->operands[*at];
        options.index = *at;
        if (!service_open(&services[*at], &options, err))
            return false;
    }
    return true;
}

/* A stop that comes while models load is obeyed between two of them. */
static bool load_all(const struct srv_config *config, struct service *services,
                     int signal_fd, int *at, struct error *err)
{
    for (*at = 0; *at < config->operand_count; ++*at)
        if (!is_readable(signal_fd) && !service_load(&services[*at], err))
            return false;
    return true;
}

/* All stop before the first one drains, so that they drain side by side. */
static void close_all(struct service *services, int count)
{
    for (int i = 0; i < count; i++)
        service_stop(&services[i]);
    for (int i = count - 1; i >= 0; i--)
        service_drain(&services[i]);
    for (int i = count - 1; i >= 0; i--)
        service_close(&services[i]);
}

static int serve(const struct srv_config *config, int signal_fd, int stop_fd)
{
    struct service services[BUNDLES_MAX] = {{0}};
    struct srv_apps apps = {0};
    struct service_options options = {.config = config,
                                      .workers = workers_each(config),
                                      .stop_fd = stop_fd,
                                      .apps = &apps};
    struct error err = {0};
    int code = EXIT_OK, at = 0;

    options.team = eng_team_new(thread_budget(config), &err);
    if (!options.team)
        return complain(NULL, &err);
    if (start_all(&options, services, &at, &err) &&
        load_all(config, services, signal_fd, &at, &err))
        wait_for_stop(signal_fd, stop_fd);
    else
        code = complain(config->operands[at], &err);
    close_all(services, config->operand_count);
    eng_team_free(options.team);
    return code;
}

int command_serve(int argc, char **argv)
{
    struct srv_config config;
    struct error err = {0};
    struct arena arena;
    int signal_fd, stop_fd, code;

    if (argc == 1 && strcmp(argv[0], "--help") == 0) {
        (void)puts("usage: specserve serve BUNDLE... [OPTIONS]\n");
        config_help(stdout);
        return EXIT_OK;
    }
    arena_init(&arena, 0);
    if (!config_load(&config, argc, argv, &arena, &err) ||
        !check_settings(&config, &err)) {
        code = complain(NULL, &err);
    } else if (!address_is_loopback(config.host) && !config.insecure_bind) {
        (void)fprintf(stderr,
                      "specserve serve: '%s' is not a loopback address; there "
                      "is no encryption and no token yet, so it wants "
                      "--insecure-bind\n",
                      config.host);
        code = EXIT_SECURITY;
    } else {
        signal_fd = open_signals();
        stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        code = serve(&config, signal_fd, stop_fd);
        (void)close(stop_fd);
        (void)close(signal_fd);
    }
    arena_release(&arena);
    return code;
}
