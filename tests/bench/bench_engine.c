/*
 * bench_engine: median milliseconds of a model in process, one thread.
 *
 *   bench_engine MODEL.onnx TEST_DATA_SET|LENGTH [SECONDS]
 *
 * The inputs are those of a test_data_set_N folder, or made up: the first open
 * dimension is 1, the others are LENGTH. Prints the median, the 95th percentile
 * and the number of runs.
 */
#include <stdio.h>
#include <stdlib.h>

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

static bool measure(struct eng_run *run, const struct eng_tensor *inputs,
                    double seconds, struct error *err)
{
    static uint64_t times[RUNS_MAX];
    struct eng_tensor outputs[INPUTS_MAX];
    uint64_t start = clock_now_ns(), limit = (uint64_t)(seconds * 1e9);
    size_t runs = 0;

    for (int i = 0; i < 20; i++) {
        if (!eng_run_execute(run, inputs, outputs, NULL, err))
            return false;
    }
    while (runs < RUNS_MAX && (clock_now_ns() - start < limit || !runs)) {
        uint64_t before = clock_now_ns();

        if (!eng_run_execute(run, inputs, outputs, NULL, err))
            return false;
        times[runs++] = clock_now_ns() - before;
    }
    qsort(times, runs, sizeof times[0], by_value);
    printf("median_ms %.4f  p95_ms %.4f  runs %zu\n",
           (double)times[runs / 2] / 1e6, (double)times[runs * 95 / 100] / 1e6,
           runs);
    return true;
}

int main(int argc, char **argv)
{
    struct eng_tensor inputs[INPUTS_MAX];
    struct eng_model *model;
    struct eng_run *run = NULL;
    struct arena arena;
    struct error err;
    bool ok = false;

    if (argc < 3) {
        (void)fputs("usage: bench_engine MODEL.onnx TEST_DATA_SET|LENGTH "
                    "[SECONDS]\n",
                    stderr);
        return 2;
    }
    arena_init(&arena, 0);
    model = eng_model_open(argv[1], NULL, &err);
    if (model && eng_model_input_count(model) <= INPUTS_MAX &&
        eng_model_output_count(model) <= INPUTS_MAX)
        run = eng_run_new(model, &err);
    if (run && (atoi(argv[2]) > 0
                    ? make_inputs(model, atoi(argv[2]), &arena, inputs, &err)
                    : read_inputs(model, argv[2], &arena, inputs, &err)))
        ok = measure(run, inputs, argc > 3 ? atof(argv[3]) : 2, &err);
    if (!ok)
        (void)fprintf(stderr, "bench_engine: %s\n", err.msg);
    eng_run_free(run);
    eng_model_put(model);
    arena_release(&arena);
    return ok ? 0 : 1;
}
