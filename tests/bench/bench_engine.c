/*
 * bench_engine: milliseconds of a model in process.
 *
 *   bench_engine MODEL.onnx TEST_DATA_SET|LENGTH [SECONDS [THREADS [DUMP]]]
 *
 * The inputs are those of a test_data_set_N folder, or made up: the first open
 * dimension is 1, the others are LENGTH. Prints one JSON object. DUMP is a
 * folder that receives the elements of each output, output_N.bin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "arena.h"
#include "clock.h"
#include "engine.h"

enum { INPUTS_MAX = 16, RUNS_MAX = 1000000 };

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static bool read_inputs(const struct eng_model *model, const char *folder,
                        struct arena *arena, struct eng_tensor *inputs,
                        struct error *err)
{
    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        char path[4096];

        (void)snprintf(path, sizeof path, "%s/input_%zu.pb", folder, i);
        if (!eng_tensor_read(path, arena, &inputs[i], err))
            return false;
    }
    return true;
}

/* Small whole numbers: valid as token ids, as masks and as features. */
static void fill(struct eng_tensor *tensor, size_t size)
{
    for (size_t i = 0; i < size / eng_dtype_size(tensor->dtype); i++) {
        if (tensor->dtype == ENG_F32)
            ((float *)tensor->data)[i] = (float)(1 + i % 7);
        else if (tensor->dtype == ENG_I64)
            ((int64_t *)tensor->data)[i] = (int64_t)(1 + i % 7);
    }
}

static bool make_inputs(const struct eng_model *model, int64_t length,
                        struct arena *arena, struct eng_tensor *inputs,
                        struct error *err)
{
    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        const struct eng_port *port = eng_model_input(model, i);
        struct eng_tensor *in = &inputs[i];
        size_t size;

        *in = (struct eng_tensor){.dtype = port->dtype, .rank = port->rank};
        for (int d = 0; d < port->rank; d++)
            in->dims[d] = port->dims[d] >= 0 ? port->dims[d] : d ? length : 1;
        size = eng_tensor_size(in);
        in->data = size == SIZE_MAX ? NULL : arena_zalloc(arena, 1, size);
        if (!in->data)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for the inputs");
        fill(in, size);
    }
    return true;
}

static bool dump(const struct eng_tensor *outputs, size_t count,
                 const char *folder, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = eng_tensor_size(&outputs[i]);
        char path[4096];
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/output_%zu.bin", folder, i);
        file = fopen(path, "wb");
        if (!file)
            return fail(err, ERR_FILE_MISSING, "cannot write '%s'", path);
        (void)fwrite(outputs[i].data, 1, size, file);
        (void)fclose(file);
    }
    return true;
}

/* Runs for a tenth of the time, at least twice, before any run counts. */
static bool warm_up(struct eng_run *run, const struct eng_tensor *inputs,
                    struct eng_tensor *outputs, uint64_t limit,
                    struct error *err)
{
    uint64_t start = clock_now_ns();

    for (int i = 0; i < 2 || clock_now_ns() - start < limit / 10; i++) {
        if (!eng_run_execute(run, inputs, outputs, NULL, err))
            return false;
    }
    return true;
}

/* Milliseconds that `percent` of the sorted times do not exceed. */
static double ms_at(const uint64_t *times, size_t count, size_t percent)
{
    size_t i = count * percent / 100;

    return (double)times[i] / 1e6;
}

static long peak_rss_kb(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
}

static bool measure(struct eng_run *run, const struct eng_tensor *inputs,
                    struct eng_tensor *outputs, double seconds,
                    struct error *err)
{
    static uint64_t times[RUNS_MAX];
    uint64_t limit = (uint64_t)(seconds * 1e9), start;
    size_t runs = 0;

    if (!warm_up(run, inputs, outputs, limit, err))
        return false;
    start = clock_now_ns();
    while (runs < RUNS_MAX && (clock_now_ns() - start < limit || !runs)) {
        uint64_t before = clock_now_ns();

        if (!eng_run_execute(run, inputs, outputs, NULL, err))
            return false;
        times[runs++] = clock_now_ns() - before;
    }
    qsort(times, runs, sizeof times[0], by_value);
    printf("\"runs\":%zu,\"median_ms\":%.6f,\"p95_ms\":%.6f,\"p99_ms\":%.6f,"
           "\"peak_rss_mb\":%.1f}\n",
           runs, ms_at(times, runs, 50), ms_at(times, runs, 95),
           ms_at(times, runs, 99), (double)peak_rss_kb() / 1024);
    return true;
}

static struct eng_model *open_model(const char *path, struct eng_team *team,
                                    int threads, struct error *err)
{
    struct eng_options options = {.team = team};
    uint64_t start = clock_now_ns();
    struct eng_model *model = eng_model_open(path, &options, err);

    printf("{\"threads\":%d,\"load_ms\":%.3f,", threads,
           (double)(clock_now_ns() - start) / 1e6);
    return model;
}

static const char usage[] =
    "usage: bench_engine MODEL.onnx TEST_DATA_SET|LENGTH [SECONDS [THREADS "
    "[DUMP]]]\n";

int main(int argc, char **argv)
{
    struct eng_tensor inputs[INPUTS_MAX], outputs[INPUTS_MAX];
    struct eng_model *model;
    struct eng_team *team;
    struct eng_run *run = NULL;
    int threads = argc > 4 ? atoi(argv[4]) : 1;
    struct arena arena;
    struct error err;
    bool ok = false;

    if (argc < 3) {
        (void)fputs(usage, stderr);
        return 2;
    }
    arena_init(&arena, 0);
    team = eng_team_new(threads, &err);
    model = team ? open_model(argv[1], team, threads, &err) : NULL;
    if (model && eng_model_input_count(model) <= INPUTS_MAX &&
        eng_model_output_count(model) <= INPUTS_MAX)
        run = eng_run_new(model, &err);
    if (run && (atoi(argv[2]) > 0
                    ? make_inputs(model, atoi(argv[2]), &arena, inputs, &err)
                    : read_inputs(model, argv[2], &arena, inputs, &err)))
        ok = measure(run, inputs, outputs, argc > 3 ? atof(argv[3]) : 2, &err);
    if (ok && argc > 5)
        ok = dump(outputs, eng_model_output_count(model), argv[5], &err);
    if (!ok)
        (void)fprintf(stderr, "bench_engine: %s\n", err.msg);
    eng_run_free(run);
    eng_model_put(model);
    eng_team_free(team);
    arena_release(&arena);
    return ok ? 0 : 1;
}
