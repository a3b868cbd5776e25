/*
 * bench_gemm_i8: GOP/s of products of 8-bit integers, by shape and instruction
 * set.
 *
 *   bench_gemm_i8 [SECONDS per shape]
 *
 * Each shape runs over several copies of its weights, more than the second
 * cache holds, as the layers of a model do. `with rows` counts the quantisation
 * of float rows too. An operation is a product or a sum.
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "kernel/gemm_i8.h"
#include "kernel/quantize.h"

enum { WEIGHT_BYTES = 24 << 20, ROWS_MAX = 1024, K_MAX = 3072, N_MAX = 3072 };

static const struct shape {
    int64_t rows, k, n;
} shapes[] = {{1, 384, 384},     {8, 384, 1536},    {16, 384, 384},
              {16, 384, 1152},   {16, 384, 1536},   {16, 1536, 384},
              {128, 384, 384},   {128, 384, 1536},  {128, 1536, 384},
              {1024, 384, 1536}, {1024, 1536, 384}, {16, 768, 3072},
              {128, 3072, 768}};

static struct {
    float *x, *y, *scale, *bias;
    uint8_t *a;
    float a_scale[ROWS_MAX];
    int32_t a_zero[ROWS_MAX];
    unsigned char *weights;
} mem;

static void *room(size_t size)
{
    void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);

    if (!p)
        abort();
    return p;
}

static void make_memory(void)
{
    mem.x = room(sizeof(float) * ROWS_MAX * K_MAX);
    mem.y = room(sizeof(float) * ROWS_MAX * N_MAX);
    mem.scale = room(sizeof(float) * N_MAX);
    mem.bias = room(sizeof(float) * N_MAX);
    mem.a = room((size_t)ROWS_MAX * K_MAX);
    mem.weights = room(2 * (size_t)WEIGHT_BYTES);
    for (int64_t i = 0; i < (int64_t)ROWS_MAX * K_MAX; i++)
        mem.x[i] = (float)(i * 37 % 101) * 0.02F - 1;
    for (int64_t i = 0; i < N_MAX; i++)
        mem.scale[i] = mem.bias[i] = 0.01F;
}

/* The weights of `shape` and *more copies; returns the bytes of one. */
static size_t pack(const struct kernels *k, const struct shape *s, size_t *more)
{
    struct gemm_i8_source source = {.w = mem.x, /* any bytes */
                                    .type = GEMM_I8_FROM_S8,
                                    .k = s->k,
                                    .n = s->n,
                                    .k_step = s->n,
                                    .n_step = 1};
    size_t size = (k->gemm_i8_packed_size(s->k, s->n) + 63) & ~(size_t)63;

    *more = WEIGHT_BYTES / size;
    for (size_t i = 0; i <= *more; i++)
        k->gemm_i8_pack(&source, mem.weights + i * size);
    return size;
}

static double gops(const struct kernels *k, const struct shape *s,
                   bool with_rows, double seconds)
{
    size_t more, size = pack(k, s, &more);
    struct gemm_i8 g = {.a = mem.a,
                        .a_stride = s->k,
                        .k = s->k,
                        .n = s->n,
                        .a_scale = mem.a_scale,
                        .a_zero = mem.a_zero,
                        .a_step = 1,
                        .w_scale = mem.scale,
                        .out = GEMM_I8_FLOAT,
                        .y = mem.y,
                        .y_stride = s->n,
                        .bias = mem.bias};
    struct quantize_rows q = {.x = mem.x,
                              .rows = s->rows,
                              .k = s->k,
                              .y = mem.a,
                              .y_stride = s->k,
                              .scale = mem.a_scale,
                              .zero = mem.a_zero};
    struct gemm_i8_part all = {
        0, s->rows, 0, (s->n + k->gemm_i8_panel() - 1) / k->gemm_i8_panel()};
    uint64_t start, now, count = 0;

    k->quantize_rows(&q);
    start = clock_now_ns();
    do {
        if (with_rows)
            k->quantize_rows(&q);
        g.weights = mem.weights + count % (more + 1) * size;
        k->gemm_i8(&g, &all);
        count++;
        now = clock_now_ns();
    } while ((double)(now - start) < seconds * 1e9);
    return 2.0 * (double)count * (double)(s->rows * s->k * s->n) /
           (double)(now - start);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;
    const struct kernels *k;

    make_memory();
    printf("%-12s %5s %5s %5s %8s %10s\n", "isa", "rows", "k", "n", "GOP/s",
           "with rows");
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++) {
            const struct shape *s = &shapes[n];

            printf("%-12s %5d %5d %5d %8.0f %10.0f\n", k->isa, (int)s->rows,
                   (int)s->k, (int)s->n, gops(k, s, false, seconds),
                   gops(k, s, true, seconds));
        }
    }
    return 0;
}
