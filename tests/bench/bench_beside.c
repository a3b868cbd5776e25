/*
 * bench_beside: do two callers of one model get twice as much done as one?
 *
 *   bench_beside MODEL.onnx [BATCHxLENGTH [ROUNDS [SECONDS]]]   1x128 7 0.5
 *
 * The model's inputs are [batch, length]. Each round counts the runs of one
 * thread on core 0, of one on core 1, and of both at once; the line says runs
 * per second (medians) and both / half of (0 + 1), so that cores of unequal
 * speed do not count as a loss. Wanted: 1.8.
 *
 * Exit code: 0, 1 the model cannot run, 2 usage.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "engine.h"

enum {
    INPUTS_MAX = 8,
    CORES = 2,
    ROUNDS_MAX = 100,
    BATCH_MAX = 64,
    LENGTH_MAX = 512,
    ELEMENTS_MAX = BATCH_MAX * LENGTH_MAX
};

struct plan {
    int64_t batch, length;
    int rounds;
    double seconds;
};

struct caller {
    struct eng_run *run;
    struct eng_tensor inputs[INPUTS_MAX];
    int core;
    uint64_t end_ns;
    double per_second; /* 0 = failed */
    struct error err;
};

static void fill_inputs(const struct eng_model *model, struct caller *caller,
                        int64_t batch, int64_t length)
{
    static int64_t ones[ELEMENTS_MAX];
    static float halves[ELEMENTS_MAX];

    for (size_t i = 0; i < ELEMENTS_MAX; i++) {
        ones[i] = 1;
        halves[i] = 0.5F;
    }
    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        enum eng_dtype dtype = eng_model_input(model, i)->dtype;

        caller->inputs[i] = (struct eng_tensor){
            .dtype = dtype, .rank = 2, .dims = {batch, length}, .data = ones};
        if (dtype == ENG_F32)
            caller->inputs[i].data = halves;
    }
}

static void *call(void *context)
{
    struct caller *caller = context;
    struct eng_tensor outputs[INPUTS_MAX];
    uint64_t start = clock_now_ns(), now = start;
    double runs = 0;
    cpu_set_t cores;

    CPU_ZERO(&cores);
    CPU_SET(caller->core, &cores);
    (void)pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    caller->per_second = 0;
    while (now < caller->end_ns) {
        if (!eng_run_execute(caller->run, caller->inputs, outputs, NULL,
                             &caller->err))
            return NULL;
        runs++;
        now = clock_now_ns();
    }
    caller->per_second = runs * 1e9 / (double)(now - start);
    return NULL;
}

/* Callers [first, end) at once; the sum of what they get done, or 0. */
static double together(struct caller *callers, int first, int end,
                       double seconds)
{
    pthread_t threads[CORES];
    uint64_t end_ns = clock_now_ns() + (uint64_t)(seconds * 1e9);
    double sum = 0;

    for (int i = first; i < end; i++) {
        callers[i].end_ns = end_ns;
        if (pthread_create(&threads[i], NULL, call, &callers[i]) != 0)
            abort();
    }
    for (int i = first; i < end; i++)
        (void)pthread_join(threads[i], NULL);
    for (int i = first; i < end; i++) {
        if (callers[i].per_second == 0)
            return 0;
        sum += callers[i].per_second;
    }
    return sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static int measure(struct caller *callers, int rounds, double seconds)
{
    double one[ROUNDS_MAX], both[ROUNDS_MAX], ratio[ROUNDS_MAX];

    (void)together(callers, 0, CORES, seconds); /* plans are made here */
    for (int i = 0; i < rounds; i++) {
        one[i] = (together(callers, 0, 1, seconds) +
                  together(callers, 1, 2, seconds)) /
                 2;
        both[i] = together(callers, 0, CORES, seconds);
        if (one[i] == 0 || both[i] == 0) {
            (void)fprintf(stderr, "a run failed: %s%s\n", callers[0].err.msg,
                          callers[1].err.msg);
            return 1;
        }
        ratio[i] = both[i] / one[i];
    }
    (void)printf("one %.1f runs/s, both %.1f, ratio %.2f", median(one, rounds),
                 median(both, rounds), median(ratio, rounds));
    (void)printf(" (%.2f to %.2f), wanted 1.8\n", ratio[0], ratio[rounds - 1]);
    return 0;
}

/* False: usage. */
static bool read_arguments(int argc, char **argv, struct plan *plan)
{
    char *end = NULL;

    if (argc > 2) {
        plan->batch = strtol(argv[2], &end, 10);
        if (*end != 'x')
            return false;
        plan->length = strtol(end + 1, NULL, 10);
    }
    if (argc > 3)
        plan->rounds = (int)strtol(argv[3], NULL, 10);
    if (argc > 4)
        plan->seconds = strtod(argv[4], NULL);
    return argc > 1 && plan->batch > 0 && plan->batch <= BATCH_MAX &&
           plan->length > 0 && plan->length <= LENGTH_MAX && plan->rounds > 0 &&
           plan->rounds <= ROUNDS_MAX && plan->seconds > 0;
}

static int run_model(struct eng_model *model, const struct plan *plan)
{
    struct caller callers[CORES] = {0};
    int result = 1;

    for (int i = 0; i < CORES; i++) {
        callers[i].core = i;
        callers[i].run = eng_run_new(model, &callers[i].err);
        fill_inputs(model, &callers[i], plan->batch, plan->length);
    }
    if (callers[0].run && callers[1].run)
        result = measure(callers, plan->rounds, plan->seconds);
    for (int i = 0; i < CORES; i++)
        eng_run_free(callers[i].run);
    return result;
}

int main(int argc, char **argv)
{
    struct plan plan = {1, 128, 7, 0.5};
    struct error err = {0};
    struct eng_model *model;
    int result = 1;

    if (!read_arguments(argc, argv, &plan)) {
        (void)fputs("usage: bench_beside MODEL.onnx [BATCHxLENGTH [ROUNDS "
                    "[SECONDS]]]\n",
                    stderr);
        return 2;
    }
    model = eng_model_open(argv[1], NULL, &err);
    if (!model)
        (void)fprintf(stderr, "%s: %s\n", argv[1], err.msg);
    else if (eng_model_input_count(model) > INPUTS_MAX ||
             eng_model_output_count(model) > INPUTS_MAX)
        (void)fprintf(stderr, "%s: too many inputs or outputs\n", argv[1]);
    else
        result = run_model(model, &plan);
    eng_model_put(model);
    return result;
}
