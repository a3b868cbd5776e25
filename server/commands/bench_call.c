/*
 * Bench call: how fast a served model answers. Each caller has its own
 * connection and sends the same request again as soon as it has the answer;
 * what is measured is what a C client sees, from message to JSON.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "commands.h"
#include "request.h"
#include "runtime_server.h"

enum { TIMEOUT_MS = 30000 };

struct caller {
    const struct bench_options *options;
    struct target *target;
    void *message; /* the request, in `arena` */
    struct arena arena;
    struct buf answer;
    struct bench_times times;
    struct error err;
    pthread_t thread;
    bool started, ok;
};

static bool call_once(void *context, struct error *err)
{
    struct caller *caller = context;
    json_t *root;
    bool success;

    if (!target_call(caller->target, request_op(&runtime_predict_response_def),
                     caller->message, &caller->answer, err))
        return false;
    root = request_parse(caller->answer.data, caller->answer.size, err);
    success = json_is_true(json_object_get(root, "success"));
    if (root && !success)
        (void)fail(err, ERR_BAD_REQUEST, "the answer is no prediction: %.160s",
                   caller->answer.data);
    json_decref(root);
    return success;
}

static void *call_for_a_while(void *context)
{
    struct caller *caller = context;

    caller->ok = bench_measure(call_once, caller, caller->options->seconds,
                               &caller->times, &caller->err);
    return NULL;
}

static bool open_caller(struct caller *caller,
                        const struct bench_options *options, struct error *err)
{
    const struct target_options target = {.name = options->target,
                                          .registry = options->registry,
                                          .door = options->grpc ? MODEL_GRPC
                                                                : MODEL_REST,
                                          .timeout_ms = TIMEOUT_MS};
    const struct request_source source = {.data = options->request};

    caller->options = options;
    arena_init(&caller->arena, 0);
    caller->target = target_open(&target, err);
    return caller->target &&
           request_make(caller->target, &source, &caller->arena,
                        &caller->message, err);
}

static void close_caller(struct caller *caller)
{
    target_close(caller->target);
    bench_times_release(&caller->times);
    buf_release(&caller->answer);
    arena_release(&caller->arena);
}

/* All callers at once; the first failure of any. */
static bool run_callers(struct caller *callers, int count, struct error *err)
{
    bool ok = true;

    for (int i = 0; i < count; i++)
        callers[i].started = pthread_create(&callers[i].thread, NULL,
                                            call_for_a_while, &callers[i]) == 0;
    for (int i = 0; i < count; i++) {
        if (callers[i].started)
            (void)pthread_join(callers[i].thread, NULL);
        else
            (void)fail(&callers[i].err, ERR_OUT_OF_MEMORY,
                       "cannot start a thread");
        if (ok && !callers[i].ok) {
            *err = callers[i].err;
            ok = false;
        }
    }
    return ok;
}

static void show(const struct bench_options *options, const char *address,
                 const struct bench_times *times)
{
    const char *door = options->grpc ? "grpc" : "rest";

    if (options->json)
        printf("{\"threads\":%d,\"runs\":%zu,\"median_ms\":%.6f,\"p95_ms\":"
               "%.6f,\"p99_ms\":%.6f,\"throughput_per_s\":%.3f,\"address\":"
               "\"%s\",\"door\":\"%s\"}\n",
               options->threads, times->count, bench_ms(times, 50),
               bench_ms(times, 95), bench_ms(times, 99),
               bench_per_second(times), address, door);
    else
        printf("target      %s over %s\n"
               "call        %.4f ms median, %.4f p95, %.4f p99\n"
               "throughput  %.1f calls/s\n"
               "measured    %zu calls of %d caller%s\n",
               address, door, bench_ms(times, 50), bench_ms(times, 95),
               bench_ms(times, 99), bench_per_second(times), times->count,
               options->threads, options->threads > 1 ? "s" : "");
}

static bool measure(const struct bench_options *options, struct caller *callers,
                    struct error *err)
{
    struct bench_times all = {0};
    bool ok = true;

    for (int i = 0; ok && i < options->threads; i++)
        ok = open_caller(&callers[i], options, err);
    ok = ok && run_callers(callers, options->threads, err);
    for (int i = 0; ok && i < options->threads; i++)
        ok = bench_times_add(&all, &callers[i].times, err);
    if (ok)
        show(options, target_address(callers[0].target), &all);
    bench_times_release(&all);
    return ok;
}

int bench_call(const struct bench_options *options)
{
    struct caller *callers = calloc((size_t)options->threads, sizeof *callers);
    struct error err = {0};
    bool ok = callers && measure(options, callers, &err);

    if (!ok)
        (void)fprintf(stderr, "specserve bench: %s: %s\n", options->target,
                      callers ? err.msg : "no memory");
    for (int i = 0; callers && i < options->threads; i++)
        close_caller(&callers[i]);
    free(callers);
    if (ok)
        return EXIT_OK;
    return err.code == ERR_BAD_REQUEST ? EXIT_WRONG : EXIT_USAGE;
}
