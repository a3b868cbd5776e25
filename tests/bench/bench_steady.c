/*
 * bench_steady: does a model stay fast and small when nothing stays the same?
 *
 *   bench_steady MODEL.onnx [REQUESTS [RUNS [CYCLES]]]      1000 100000 200
 *
 * The model's inputs are [batch, length]. Three parts, each a line:
 *
 *   shapes  REQUESTS requests, each one of 16 shapes by chance (batch 1 to 8,
 *           length 8 to 256): p99 / p50 of equal shapes, the median and the
 *           worst of the shapes; wanted: 1.3
 *   runs    RUNS runs, a new shape each (1 x 8 to 8 x 40): bytes in use
 *           and resident memory between half of them and the end
 *   cycles  CYCLES times load, run, unload: growth per cycle of both, a line
 *           fitted behind the first tenth; wanted: at most 1 KB
 *
 * Exit code: 0 memory is flat, 1 it is not, 2 usage. Times do not decide: they
 * depend on what else the machine does.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "engine.h"

enum {
    INPUTS_MAX = 8,
    SHAPES = 16,
    BATCH_MAX = 8,
    LENGTH_MIN = 8,
    LENGTH_MAX = 256,
    ELEMENTS_MAX = BATCH_MAX * LENGTH_MAX
};

struct shape {
    int64_t batch, length;
};

struct steady {
    const char *path;
    struct eng_model *model;
    struct eng_run *run;
    uint64_t random;
    struct error err;
};

static uint64_t draw(struct steady *steady, uint64_t below)
{
    steady->random ^= steady->random << 13;
    steady->random ^= steady->random >> 7;
    steady->random ^= steady->random << 17;
    return steady->random % below;
}

static bool open_model(struct steady *steady)
{
    steady->model = eng_model_open(steady->path, NULL, &steady->err);
    steady->run =
        steady->model ? eng_run_new(steady->model, &steady->err) : NULL;
    return steady->run != NULL;
}

static void close_model(struct steady *steady)
{
    eng_run_free(steady->run);
    eng_model_put(steady->model);
    steady->run = NULL;
    steady->model = NULL;
}

static bool run_shape(struct steady *steady, struct shape shape)
{
    static int64_t ones[ELEMENTS_MAX];
    static float halves[ELEMENTS_MAX];
    struct eng_tensor inputs[INPUTS_MAX], outputs[INPUTS_MAX];
    size_t count = eng_model_input_count(steady->model);

    if (count > INPUTS_MAX ||
        eng_model_output_count(steady->model) > INPUTS_MAX)
        return fail(&steady->err, ERR_USAGE, "too many inputs or outputs");
    for (size_t i = 0; i < ELEMENTS_MAX; i++) {
        ones[i] = 1;
        halves[i] = 0.5F;
    }
    for (size_t i = 0; i < count; i++) {
        const struct eng_port *port = eng_model_input(steady->model, i);

        inputs[i] = (struct eng_tensor){.dtype = port->dtype,
                                        .rank = 2,
                                        .dims = {shape.batch, shape.length},
                                        .data = ones};
        if (port->dtype == ENG_F32)
            inputs[i].data = halves;
    }
    return eng_run_execute(steady->run, inputs, outputs, NULL, &steady->err);
}

/* --- shapes --- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* p99 / p50; sorts. */
static double spread_of(double *times, size_t count)
{
    qsort(times, count, sizeof *times, by_value);
    return times[count * 99 / 100] / times[count / 2];
}

static bool mixed_shapes(struct steady *steady, size_t requests)
{
    struct shape shapes[SHAPES];
    double spreads[SHAPES], *times = calloc(requests * SHAPES, sizeof *times);
    size_t counts[SHAPES] = {0};
    bool ok = times && open_model(steady);

    for (size_t i = 0; ok && i < SHAPES; i++) {
        shapes[i] = (struct shape){
            1 + (int64_t)draw(steady, BATCH_MAX),
            LENGTH_MIN + (int64_t)draw(steady, LENGTH_MAX - LENGTH_MIN + 1)};
        ok = run_shape(steady, shapes[i]); /* its plan is made here */
    }
    for (size_t i = 0; ok && i < requests; i++) {
        size_t s = draw(steady, SHAPES);
        uint64_t start = clock_now_ns();

        ok = run_shape(steady, shapes[s]);
        times[s * requests + counts[s]++] =
            (double)(clock_now_ns() - start) / 1e6;
    }
    for (size_t s = 0; ok && s < SHAPES; s++)
        spreads[s] = counts[s] ? spread_of(&times[s * requests], counts[s]) : 1;
    if (ok) {
        qsort(spreads, SHAPES, sizeof spreads[0], by_value);
        printf("shapes  %zu requests of %d shapes: p99/p50 %.3f, worst %.3f\n",
               requests, SHAPES, spreads[SHAPES / 2], spreads[SHAPES - 1]);
    }
    close_model(steady);
    free(times);
    return ok;
}

/* --- memory --- */

struct usage {
    double used_kb, resident_kb;
};

static struct usage usage_now(void)
{
    struct mallinfo2 info = mallinfo2();
    FILE *file = fopen("/proc/self/statm", "r");
    char text[128] = "", *at = text;
    struct usage usage = {(double)(info.uordblks + info.hblkhd) / 1024, 0};

    if (file) {
        if (fgets(text, sizeof text, file)) {
            (void)strtol(text, &at, 10);
            usage.resident_kb = (double)strtol(at, NULL, 10) *
                                (double)sysconf(_SC_PAGESIZE) / 1024;
        }
        (void)fclose(file);
    }
    return usage;
}

static bool many_runs(struct steady *steady, size_t runs, bool *flat)
{
    enum { LENGTHS = 33, SPARE_KB = 1024 };
    struct usage first = {0, 0}, last;
    bool ok = open_model(steady);

    for (size_t i = 0; ok && i < runs; i++) {
        struct shape shape = {1 + (int64_t)(i / LENGTHS % BATCH_MAX),
                              LENGTH_MIN + (int64_t)(i % LENGTHS)};

        ok = run_shape(steady, shape);
        if (i == runs / 2)
            first = usage_now();
    }
    last = usage_now();
    close_model(steady);
    if (!ok)
        return false;
    *flat &= last.used_kb - first.used_kb <= SPARE_KB &&
             last.resident_kb - first.resident_kb <= 4 * SPARE_KB;
    printf("runs    %zu of %d shapes: in use %+.0f KB, resident %+.0f KB\n",
           runs, LENGTHS * BATCH_MAX, last.used_kb - first.used_kb,
           last.resident_kb - first.resident_kb);
    return true;
}

/* Sums of a straight line through (i, y). */
struct line {
    double n, x, y, xx, xy;
};

static void line_add(struct line *line, double x, double y)
{
    line->n += 1;
    line->x += x;
    line->y += y;
    line->xx += x * x;
    line->xy += x * y;
}

static double slope_of(const struct line *line)
{
    double below = line->n * line->xx - line->x * line->x;

    return below > 0 ? (line->n * line->xy - line->x * line->y) / below : 0;
}

static bool many_loads(struct steady *steady, size_t cycles, bool *flat)
{
    struct line used = {0}, resident = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < cycles; i++) {
        struct usage usage;

        ok = open_model(steady) && run_shape(steady, (struct shape){1, 16});
        close_model(steady);
        usage = usage_now();
        if (i < cycles / 10)
            continue; /* what libraries set up once */
        line_add(&used, (double)i, usage.used_kb);
        line_add(&resident, (double)i, usage.resident_kb);
    }
    if (!ok)
        return false;
    *flat &= slope_of(&used) <= 1;
    if (cycles >= 100) /* pages come and go; it takes many to see a slope */
        *flat &= slope_of(&resident) <= 1;
    printf("cycles  %zu loads: in use %+.3f KB, resident %+.3f KB each\n",
           cycles, slope_of(&used), slope_of(&resident));
    return true;
}

int main(int argc, char **argv)
{
    static struct steady steady = {.random = 88172645463325252ULL};
    size_t numbers[] = {1000, 100000, 200};
    bool flat = true, ok;

    for (int i = 2; i < argc && i < 5; i++)
        numbers[i - 2] = strtoul(argv[i], NULL, 10);
    if (argc < 2) {
        (void)fputs("usage: bench_steady MODEL.onnx [REQUESTS [RUNS "
                    "[CYCLES]]]\n",
                    stderr);
        return 2;
    }
    steady.path = argv[1];
    ok = mixed_shapes(&steady, numbers[0]) &&
         many_runs(&steady, numbers[1], &flat) &&
         many_loads(&steady, numbers[2], &flat);
    if (!ok)
        (void)fprintf(stderr, "bench_steady: %s\n", steady.err.msg);
    return ok && flat ? 0 : 1;
}
