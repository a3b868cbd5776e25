/*
 * bench_gemm_f32: GFLOP/s of products with constant weights, our kernel against
 * oneDNN's sgemm, A B A B in one process and one thread.
 *
 *   bench_gemm_f32 [ISA [M...]]
 *
 * For each shape [m, k] x [k, n] a chain of products walks over weights of more
 * than 40 MB together, so that none stays in the second cache. A line gives
 * the shape, the median of the rounds for oneDNN and for ours, ours with bias
 * and GELU, and the ratio of the first two. ISA names a kernel table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "kernel/gemm_f32.h"
#include "onednn/onednn.h"

enum { WEIGHT_BYTES = 48 << 20, ROUNDS = 7, M_MAX = 4096, WIDTH_MAX = 3072 };

#define ROUND_NS 15e6

struct shape {
    int64_t n, k;
};

struct bench {
    const struct kernels *kernels;
    struct shape shape;
    int64_t m;
    float *a, *c, *weights, *packed, *bias;
    size_t matrices;
};

typedef void (*product_fn)(const struct bench *b, size_t matrix);

static void by_onednn(const struct bench *b, size_t matrix)
{
    const struct shape *s = &b->shape;
    const struct onednn_gemm gemm = {.m = b->m,
                                     .n = s->n,
                                     .k = s->k,
                                     .lda = s->k,
                                     .ldb = s->n,
                                     .ldc = s->n,
                                     .alpha = 1};

    (void)onednn_sgemm(&gemm, b->a, b->weights + (int64_t)matrix * s->n * s->k,
                       b->c);
}

static void run_ours(const struct bench *b, size_t matrix, const float *bias,
                     enum act_kind act)
{
    const struct shape *s = &b->shape;
    size_t bytes = b->kernels->gemm_f32_packed_size(s->k, s->n);
    const struct gemm_f32 gemm = {.n = s->n,
                                  .k = s->k,
                                  .packed = b->packed +
                                            matrix * (bytes / sizeof(float)),
                                  .a = b->a,
                                  .a_row = s->k,
                                  .c = b->c,
                                  .c_row = s->n,
                                  .bias = bias,
                                  .act = {.kind = act}};

    b->kernels->gemm_f32(&gemm, &(struct gemm_f32_part){0, b->m, 0, s->n});
}

static void by_us(const struct bench *b, size_t matrix)
{
    run_ours(b, matrix, NULL, ACT_NONE);
}

static void by_us_with_gelu(const struct bench *b, size_t matrix)
{
    run_ours(b, matrix, b->bias, ACT_GELU);
}

/* GFLOP/s over at least ROUND_NS. */
static double measure(const struct bench *b, product_fn fn)
{
    uint64_t start = clock_now_ns(), now;
    size_t done = 0;

    do {
        for (size_t i = 0; i < b->matrices; i++, done++) {
            fn(b, i);
            if ((i & 7) == 7 && (double)(clock_now_ns() - start) > 2 * ROUND_NS)
                break;
        }
        now = clock_now_ns();
    } while ((double)(now - start) < ROUND_NS);
    return 2.0 * (double)done * (double)(b->m * b->shape.n * b->shape.k) /
           (double)(now - start);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void bench_shape(struct bench *b)
{
    static const product_fn fns[] = {by_onednn, by_us, by_us_with_gelu};
    double rates[3][ROUNDS];

    for (int r = 0; r < ROUNDS; r++) {
        for (int f = 0; f < 3; f++)
            rates[f][r] = measure(b, fns[f]);
    }
    for (int f = 0; f < 3; f++)
        qsort(rates[f], ROUNDS, sizeof rates[f][0], by_value);
    printf("%5ld x %4ld -> %4ld  onednn %6.1f  ours %6.1f  gelu %6.1f  ratio "
           "%.2f\n",
           (long)b->m, (long)b->shape.k, (long)b->shape.n, rates[0][ROUNDS / 2],
           rates[1][ROUNDS / 2], rates[2][ROUNDS / 2],
           rates[1][ROUNDS / 2] / rates[0][ROUNDS / 2]);
}

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i % 13) / 13 - 0.5F;
}

static void pack_all(struct bench *b)
{
    const struct shape *s = &b->shape;
    size_t floats =
        b->kernels->gemm_f32_packed_size(s->k, s->n) / sizeof(float);

    b->matrices = (WEIGHT_BYTES - (1 << 20)) / 4 / floats;
    if (b->matrices < 1)
        b->matrices = 1;
    for (size_t i = 0; i < b->matrices; i++) {
        const struct gemm_f32_weights w = {
            b->weights + (int64_t)i * s->k * s->n, s->k, s->n, s->n, 1, 1};

        b->kernels->gemm_f32_pack(&w, b->packed + i * floats);
    }
}

static const struct kernels *find_table(const char *isa)
{
    for (size_t i = 0; kernels_each(i); i++) {
        if (strcmp(kernels_each(i)->isa, isa) == 0)
            return kernels_each(i);
    }
    return kernels();
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {{384, 384}, {1536, 384}, {384, 1536},
                                          {768, 768}, {3072, 768}, {768, 3072}};
    static const long sizes[] = {1, 4, 8, 16, 32, 64, 128, 512};
    struct bench b = {.kernels = argc > 1 ? find_table(argv[1]) : kernels()};
    size_t count = argc > 2 ? (size_t)argc - 2 : sizeof sizes / sizeof sizes[0];

    onednn_thread_init();
    b.weights = aligned_alloc(2 << 20, WEIGHT_BYTES);
    b.packed = aligned_alloc(2 << 20, WEIGHT_BYTES);
    b.a = aligned_alloc(64, sizeof(float) * M_MAX * WIDTH_MAX);
    b.c = aligned_alloc(64, sizeof(float) * M_MAX * WIDTH_MAX);
    b.bias = aligned_alloc(64, sizeof(float) * WIDTH_MAX);
    if (!b.weights || !b.packed || !b.a || !b.c || !b.bias)
        return 1;
    fill(b.weights, WEIGHT_BYTES / sizeof(float));
    fill(b.a, (size_t)M_MAX * WIDTH_MAX);
    fill(b.bias, WIDTH_MAX);
    printf("%s\n", b.kernels->isa);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        b.shape = shapes[s];
        pack_all(&b);
        for (size_t i = 0; i < count; i++) {
            b.m = argc > 2 ? strtol(argv[2 + i], NULL, 10) : sizes[i];
            if (b.m >= 1 && b.m <= M_MAX)
                bench_shape(&b);
        }
    }
    free(b.weights);
    free(b.packed);
    free(b.a);
    free(b.c);
    free(b.bias);
    return 0;
}
