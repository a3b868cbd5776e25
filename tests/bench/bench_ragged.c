/*
 * Texts of 8 to 256 tokens through an encoder, in process: one by one, padded
 * to the longest of a batch, and without padding. Real tokens a second.
 *
 *   bench_ragged MODEL SECONDS [THREADS [TOKENS_OF_A_BATCH [PRECISION [MODE]]]]
 *
 * MODEL is an ONNX file or a Hugging Face folder, PRECISION fp32 (the default) or
 * int8, MODE one of alone, padded, ragged; all of them without it. Every thread runs batches of its own, as the server's workers do.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "engine.h"

enum {
    THREADS_MAX = 64,
    INPUTS_MAX = 4,
    OUTPUTS_MAX = 8,
    SHORTEST = 8,
    LONGEST = 256,
    SEQUENCES_MAX = 512,
    VOCABULARY = 1000
};

enum mode { ALONE, PADDED, RAGGED, MODES };

static const char *const mode_names[MODES] = {"alone", "padded", "ragged"};

struct job {
    struct eng_model *model;
    int64_t budget;
    uint64_t until_ns;
    double tokens;
    enum mode mode;
    uint32_t seed;
    struct error err;
    struct eng_run *run;
    int64_t *data[INPUTS_MAX];
};

static uint32_t next_random(struct job *job)
{
    job->seed = job->seed * 1664525U + 1013904223U;
    return job->seed >> 8;
}

/* Lengths of a batch: as many as fit the budget, at least one. */
static size_t draw(struct job *job, int64_t *lengths, int64_t *total)
{
    size_t count = 0;

    for (*total = 0; count < SEQUENCES_MAX;) {
        int64_t length = SHORTEST + next_random(job) % (LONGEST - SHORTEST + 1);

        if (count > 0 && (*total + length > job->budget || job->mode == ALONE))
            break;
        lengths[count++] = length;
        *total += length;
    }
    return count;
}

static void fill(struct job *job, size_t input, int64_t count)
{
    const char *name = eng_model_input(job->model, input)->name;

    for (int64_t i = 0; i < count; i++)
        job->data[input][i] = strstr(name, "mask")   ? 1
                              : strstr(name, "type") ? 0
                                                     : 1 + i % VOCABULARY;
}

static bool run_ragged(struct job *job, const int64_t *lengths, size_t count,
                       struct eng_tensor *outputs)
{
    const void *inputs[INPUTS_MAX];

    for (size_t i = 0; i < eng_model_input_count(job->model); i++)
        inputs[i] = job->data[i];
    return eng_run_ragged(job->run,
                          &(struct eng_ragged_batch){lengths, count, inputs},
                          outputs, NULL, &job->err);
}

static bool run_padded(struct job *job, const int64_t *lengths, size_t count,
                       struct eng_tensor *outputs)
{
    struct eng_tensor inputs[INPUTS_MAX];
    int64_t longest = 0;

    for (size_t i = 0; i < count; i++)
        longest = lengths[i] > longest ? lengths[i] : longest;
    for (size_t i = 0; i < eng_model_input_count(job->model); i++)
        inputs[i] = (struct eng_tensor){.dtype = ENG_I64,
                                        .rank = 2,
                                        .dims = {(int64_t)count, longest},
                                        .data = job->data[i]};
    return eng_run_execute(job->run, inputs, outputs, NULL, &job->err);
}

static bool run_batches(struct job *job)
{
    struct eng_tensor outputs[OUTPUTS_MAX];
    int64_t lengths[SEQUENCES_MAX], total;

    while (clock_now_ns() < job->until_ns) {
        size_t count = draw(job, lengths, &total);

        if (!(job->mode == RAGGED ? run_ragged : run_padded)(job, lengths,
                                                             count, outputs))
            return false;
        job->tokens += (double)total;
    }
    return true;
}

static void *work(void *argument)
{
    struct job *job = argument;
    size_t room = (size_t)SEQUENCES_MAX * LONGEST;
    size_t inputs = eng_model_input_count(job->model);
    bool ok = true;

    job->run = eng_run_new(job->model, &job->err);
    for (size_t i = 0; ok && i < inputs; i++) {
        job->data[i] = calloc(room, sizeof *job->data[i]);
        ok = job->data[i] != NULL;
        if (ok)
            fill(job, i, (int64_t)room);
    }
    if (!job->run || !ok || !run_batches(job))
        job->tokens = -1;
    for (size_t i = 0; i < inputs; i++)
        free(job->data[i]);
    eng_run_free(job->run);
    return NULL;
}

/* Tokens a second of all threads; -1: one failed. */
static double measure(const struct job *like, double seconds, int threads)
{
    struct job jobs[THREADS_MAX];
    pthread_t handles[THREADS_MAX];
    uint64_t start_ns = clock_now_ns();
    double tokens = 0;
    bool ok = true;

    for (int i = 0; i < threads; i++) {
        jobs[i] = *like;
        jobs[i].seed = 1 + (uint32_t)i;
        jobs[i].until_ns = start_ns + (uint64_t)(seconds * 1e9);
        if (pthread_create(&handles[i], NULL, work, &jobs[i]) != 0)
            abort();
    }
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(handles[i], NULL);
        if (jobs[i].tokens < 0)
            (void)fprintf(stderr, "bench_ragged: %s\n", jobs[i].err.msg);
        ok = ok && jobs[i].tokens >= 0;
        tokens += jobs[i].tokens;
    }
    return ok ? tokens / ((double)(clock_now_ns() - start_ns) / 1e9) : -1;
}

static bool run_mode(struct job *job, enum mode mode, double seconds,
                     int threads)
{
    double rate, wall_s, processor_s;
    uint64_t start_ns;
    clock_t start;

    job->mode = mode;
    (void)measure(job, 0.3, threads); /* plans are made */
    start = clock();
    start_ns = clock_now_ns();
    rate = measure(job, seconds, threads);
    wall_s = (double)(clock_now_ns() - start_ns) / 1e9;
    processor_s = (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("%-7s %.0f tokens/s, %.0f a second of a processor\n",
           mode_names[mode], rate, rate * wall_s / processor_s);
    return rate >= 0;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct eng_options options = {0};
    struct job job = {.budget = argc > 4 ? strtol(argv[4], NULL, 10) : 512};
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
    int status = 0;

    if (argc < 3 ||
        (argc > 5 && !eng_precision_by_name(argv[5], &options.precision)) ||
        threads < 1 || threads > THREADS_MAX || job.budget < 1 ||
        job.budget > (int64_t)SEQUENCES_MAX * SHORTEST) {
        (void)fputs("usage: bench_ragged MODEL SECONDS [THREADS [TOKENS "
                    "[PRECISION [MODE]]]]\n",
                    stderr);
        return 2;
    }
    job.model = eng_model_open(argv[1], &options, &err);
    if (!job.model) {
        (void)fprintf(stderr, "bench_ragged: %s\n", err.msg);
        return 1;
    }
    for (int mode = ALONE; mode < MODES && !status; mode++) {
        if (argc < 7 || strcmp(argv[6], mode_names[mode]) == 0)
            status = !run_mode(&job, (enum mode)mode, strtod(argv[2], NULL),
                               threads);
    }
    eng_model_put(job.model);
    return status;
}
