/*
 * Registry bench: see registry_bench.h.
 */
#include "registry_bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

static uint64_t read_clock(void *context)
{
    return atomic_load((const atomic_uint_fast64_t *)context);
}

static bool probe_yes(void *context, int port)
{
    (void)context;
    return port != STRANGERS_PORT;
}

void bench_open(struct bench *bench)
{
    struct error err = {0};

    bench->registry = registry_open(&bench->options, &err);
    if (!bench->registry)
        fail_msg("%s", err.msg);
}

void bench_restart(struct bench *bench)
{
    registry_close(bench->registry);
    bench_open(bench);
}

int bench_set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    log_set_level(LOG_ERROR);
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/regXXXXXX");
    if (!mkdtemp(bench->folder))
        return -1;
    (void)snprintf(bench->store, sizeof bench->store, "sqlite:%s/registry.db",
                   bench->folder);
    bench->now_ns = 1000 * SECOND_NS;
    bench->options = (struct reg_options){.store = bench->store,
                                          .own_port = 5000,
                                          .clock = read_clock,
                                          .clock_context = &bench->now_ns,
                                          .probe = probe_yes};
    bench_open(bench);
    *state = bench;
    return 0;
}

int bench_tear_down(void **state)
{
    static const char *const names[] = {"registry.db", "registry.db-wal"};
    struct bench *bench = *state;

    registry_close(bench->registry);
    for (size_t i = 0; i < 2; i++) {
        char path[96];

        (void)snprintf(path, sizeof path, "%s/%s", bench->folder, names[i]);
        (void)remove(path);
    }
    (void)rmdir(bench->folder);
    free(bench);
    return 0;
}

struct reg_request ask(const char *model)
{
    return (struct reg_request){.host = "127.0.0.1",
                                .host_is_local = true,
                                .app_name = "Test_API",
                                .app_version = "1.2.0",
                                .model_name = model,
                                .has_pid = true,
                                .pid = getpid()};
}

struct reg_answer must_register(struct bench *bench,
                                const struct reg_request *request)
{
    struct reg_answer answer = {0};
    struct error err = {0};

    if (!registry_register(bench->registry, request, &answer, &err))
        fail_msg("%s", err.msg);
    return answer;
}

void expect_port(struct bench *bench, const char *model, int preferred,
                 int port, const char *why)
{
    struct reg_request request = ask(model);
    struct reg_answer answer;

    request.preferred_port = preferred;
    answer = must_register(bench, &request);
    assert_int_equal(answer.port, port);
    if (!strstr(answer.message, why))
        fail_msg("'%s' does not say '%s'", answer.message, why);
}

enum err_code refused(struct bench *bench, const struct reg_request *request)
{
    struct reg_answer answer;
    struct error err = {0};

    if (registry_register(bench->registry, request, &answer, &err))
        return ERR_NONE;
    return err.code;
}

enum err_code beat(struct bench *bench, int port, const char *id,
                   uint64_t epoch)
{
    struct reg_beat result;
    struct error err = {0};

    if (registry_heartbeat(bench->registry, port, id, epoch, &result, &err))
        return ERR_NONE;
    return err.code;
}

enum err_code leave(struct bench *bench, int port, const char *id)
{
    char message[REG_MESSAGE_SIZE];
    struct error err = {0};

    if (registry_unregister(bench->registry, port, id, message, &err))
        return ERR_NONE;
    return err.code;
}

pid_t start_child(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    return pid;
}

void end_child(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}
