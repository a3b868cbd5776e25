/*
 * The bare engine, for the ratio in doors.py: how many predictions of one text
 * a second, on `threads` threads, without any server.
 *
 *   bench_predict BUNDLE TEXT SECONDS [THREADS]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "engine.h"
#include "tokenizer.h"

enum { THREADS_MAX = 64, TOKENS_MAX = 512 };

struct job {
    struct eng_model *model;
    const struct eng_tensor *inputs;
    uint64_t until_ns;
    unsigned long runs;
    struct error err;
};

static void *work(void *argument)
{
    struct job *job = argument;
    const struct eng_limits limits = {.deadline_ns = CLOCK_NEVER};
    struct eng_run *run = eng_run_new(job->model, &job->err);
    struct eng_tensor outputs[4];

    while (run && clock_now_ns() < job->until_ns) {
        if (!eng_run_execute(run, job->inputs, outputs, &limits, &job->err))
            break;
        job->runs++;
    }
    eng_run_free(run);
    return NULL;
}

static bool tokenize(const char *bundle, const char *text, int64_t *ids,
                     size_t *count, struct error *err)
{
    struct arena arena;
    char path[4096];
    struct tok_tokenizer *tok;
    bool ok = false;

    arena_init(&arena, 0);
    (void)snprintf(path, sizeof path, "%s/tokenizer.json", bundle);
    tok = tok_open(path, err);
    if (tok) {
        struct tok_encoding out = {
            .scratch = &arena, .ids = ids, .capacity = TOKENS_MAX};

        ok = tok_encode(tok, text, strlen(text), TOK_SPECIALS, &out, err);
        *count = out.count;
    }
    tok_close(tok);
    arena_release(&arena);
    return ok;
}

static int complain(const struct error *err)
{
    (void)fprintf(stderr, "bench_predict: %s\n", err->msg);
    return 1;
}

static unsigned long run_all(struct job *jobs, long threads)
{
    pthread_t handles[THREADS_MAX];
    unsigned long runs = 0;

    for (long i = 0; i < threads; i++)
        if (pthread_create(&handles[i], NULL, work, &jobs[i]) != 0)
            abort();
    for (long i = 0; i < threads; i++) {
        (void)pthread_join(handles[i], NULL);
        runs += jobs[i].runs;
    }
    return runs;
}

int main(int argc, char **argv)
{
    long threads =
        argc > 4 ? strtol(argv[4], NULL, 10) : sysconf(_SC_NPROCESSORS_ONLN);
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 2;
    static int64_t ids[TOKENS_MAX], mask[TOKENS_MAX];
    struct job jobs[THREADS_MAX] = {{0}};
    struct eng_tensor inputs[2];
    struct error err = {0};
    struct eng_model *model;
    size_t count = 0;
    char path[4096];

    if (argc < 3 || threads < 1 || threads > THREADS_MAX)
        return 2;
    (void)snprintf(path, sizeof path, "%s/model.onnx", argv[1]);
    model = eng_model_open(path, NULL, &err);
    if (!model || !tokenize(argv[1], argv[2], ids, &count, &err))
        return complain(&err);
    for (size_t i = 0; i < count; i++)
        mask[i] = 1;
    for (int i = 0; i < 2; i++)
        inputs[i] = (struct eng_tensor){.dtype = ENG_I64,
                                        .rank = 2,
                                        .dims = {1, (int64_t)count},
                                        .data = i ? mask : ids};
    for (long i = 0; i < threads; i++)
        jobs[i] = (struct job){.model = model,
                               .inputs = inputs,
                               .until_ns =
                                   clock_now_ns() + (uint64_t)(seconds * 1e9)};
    (void)printf("%.1f predictions/s on %ld threads\n",
                 (double)run_all(jobs, threads) / seconds, threads);
    for (long i = 0; i < threads; i++)
        if (jobs[i].err.code != ERR_NONE)
            return complain(&jobs[i].err);
    eng_model_put(model);
    return 0;
}
