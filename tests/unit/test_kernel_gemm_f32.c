/*
 * Float products with packed weights, every build that this CPU can run,
 * against plain C in double precision. Buffers have guards on both sides and
 * rows have gaps: what does not belong to a result must not change.
 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/gemm_f32.h"

enum { ROWS_MAX = 150, K_MAX = 801, N_MAX = 113, GAP = 3, GUARD = 16 };
enum { A_ROW = K_MAX + GAP, C_ROW = N_MAX + GAP };

#define UNTOUCHED 12345.0F

static struct {
    float a[ROWS_MAX * A_ROW];
    float w[K_MAX * N_MAX];
    float bias[N_MAX];
    float residual[ROWS_MAX * C_ROW];
    float c[GUARD + ROWS_MAX * C_ROW + GUARD];
} buffers;

struct shape {
    int64_t m, n, k;
};

static float any(uint64_t *state)
{
    return (float)(int64_t)(unit_random(state) >> 40) / (float)(1 << 23) - 1;
}

static void fill(float *x, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        x[i] = any(&seed);
}

static void fill_all(void)
{
    fill(buffers.a, COUNT_OF(buffers.a), 1);
    fill(buffers.w, COUNT_OF(buffers.w), 2);
    fill(buffers.bias, COUNT_OF(buffers.bias), 3);
    fill(buffers.residual, COUNT_OF(buffers.residual), 4);
}

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double plain_act(const struct act *act, double x)
{
    double alpha = (double)act->alpha, beta = (double)act->beta;

    switch (act->kind) {
    case ACT_RELU:
        return x < 0 ? 0 : x;
    case ACT_LEAKY_RELU:
        return x < 0 ? alpha * x : x;
    case ACT_CLIP:
        return clip(x, alpha, beta);
    case ACT_HARD_SIGMOID:
        return clip(alpha * x + beta, 0, 1);
    case ACT_HARD_SWISH:
        return x * clip(x / 6 + 0.5, 0, 1);
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_SILU:
        return x / (1 + exp(-alpha * x));
    case ACT_TANH:
        return tanh(x);
    case ACT_GELU:
        return x / 2 * (1 + erf(x / sqrt(2)));
    case ACT_GELU_TANH:
        return x / 2 *
               (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case ACT_NONE:
        return x;
    }
    return x;
}

/* Element (i, j) of what `g` computes; *size is the sum of magnitudes. */
static double plain(const struct gemm_f32 *g, const struct gemm_f32_weights *w,
                    int64_t i, int64_t j, double *size)
{
    double sum = g->bias ? (double)g->bias[j] : 0;

    *size = 1 + fabs(sum);
    for (int64_t l = 0; l < g->k; l++) {
        double term = (double)w->alpha * (double)g->a[i * g->a_row + l] *
                      (double)w->w[l * w->row + j * w->col];

        sum += term;
        *size += fabs(term);
    }
    sum = plain_act(&g->act, sum);
    if (g->residual)
        sum += (double)g->residual[i * g->residual_row + j];
    return sum;
}

static void check_rows(const struct gemm_f32 *g,
                       const struct gemm_f32_weights *w, int64_t m)
{
    for (int64_t i = 0; i < m; i++) {
        /* All rows at the edges of tiles and groups, some of the others. */
        if (m > 24 && i > 8 && i < m - 8 && i % 5)
            continue;
        for (int64_t j = 0; j < g->n; j++) {
            double size, want = plain(g, w, i, j, &size);

            assert_true(fabs((double)g->c[i * C_ROW + j] - want) <=
                        1e-6 * size);
        }
    }
}

static void check_untouched(const struct shape *s)
{
    const float *c = buffers.c + GUARD;

    for (int64_t i = -GUARD; i < ROWS_MAX * C_ROW + GUARD; i++) {
        if (i < 0 || i / C_ROW >= s->m || i % C_ROW >= s->n)
            assert_true(c[i] == UNTOUCHED);
    }
}

static float *pack(const struct kernels *k, const struct gemm_f32_weights *w)
{
    size_t size = (k->gemm_f32_packed_size(w->k, w->n) + 63) & ~(size_t)63;
    float *packed = aligned_alloc(64, size);

    assert_non_null(packed);
    k->gemm_f32_pack(w, packed);
    return packed;
}

/* What `g` says beside the operands, on a product of this shape. */
static void check(const struct kernels *k, const struct shape *s,
                  const struct gemm_f32_weights *like, struct gemm_f32 g)
{
    struct gemm_f32_weights w = *like;
    int64_t panel = k->gemm_f32_panel();
    int64_t middle = s->n / panel / 2 * panel;
    float *packed;

    w.k = s->k;
    w.n = s->n;
    w.row = w.col == 1 ? s->n : 1;
    w.col = w.col == 1 ? 1 : s->k;
    packed = pack(k, &w);
    g.n = s->n;
    g.k = s->k;
    g.packed = packed;
    g.a = buffers.a;
    g.a_row = A_ROW;
    g.c = buffers.c + GUARD;
    g.c_row = C_ROW;
    g.residual_row = C_ROW;
    for (size_t i = 0; i < COUNT_OF(buffers.c); i++)
        buffers.c[i] = UNTOUCHED;
    /* In parts, as threads take them. */
    for (int half = 0; half < 2; half++) {
        int64_t row = half ? s->m / 3 : 0, row_end = half ? s->m : s->m / 3;

        if (row == row_end)
            continue;
        if (middle)
            k->gemm_f32(&g, &(struct gemm_f32_part){row, row_end, 0, middle});
        k->gemm_f32(&g, &(struct gemm_f32_part){row, row_end, middle, s->n});
    }
    check_rows(&g, &w, s->m);
    check_untouched(s);
    free(packed);
}

static const struct gemm_f32_weights straight = {
    .w = buffers.w, .col = 1, .alpha = 1};
static const struct gemm_f32_weights transposed = {
    .w = buffers.w, .col = 2, .alpha = -0.375F};

static void test_every_number_of_rows(void **state)
{
    static const int64_t widths[] = {1, 7, 16, 37, 48, 65, 113};
    const struct kernels *k;

    (void)state;
    fill_all();
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int64_t m = 1; m <= 70; m++) {
            struct shape s = {m, widths[m % (int64_t)COUNT_OF(widths)],
                              1 + m * 31 % 67};

            check(
                k, &s, m % 2 ? &straight : &transposed,
                (struct gemm_f32){.bias = m % 3 ? buffers.bias : NULL,
                                  .residual = m % 4 ? NULL : buffers.residual});
        }
    }
}

static void test_blocks_of_rows_and_of_k(void **state)
{
    static const struct shape shapes[] = {
        {1, 113, 801}, {2, 50, 769},   {3, 113, 384},  {6, 96, 385},
        {8, 113, 768}, {17, 113, 801}, {129, 49, 400}, {150, 113, 384}};
    const struct kernels *k;

    (void)state;
    fill_all();
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (size_t s = 0; s < COUNT_OF(shapes); s++) {
            check(k, &shapes[s], &straight,
                  (struct gemm_f32){.bias = buffers.bias,
                                    .residual = buffers.residual});
            check(k, &shapes[s], &straight,
                  (struct gemm_f32){.act = {.kind = ACT_RELU},
                                    .residual = buffers.residual});
        }
    }
}

static void test_activations(void **state)
{
    static const struct act acts[] = {
        {ACT_RELU, 0, 0},         {ACT_LEAKY_RELU, 0.1F, 0},
        {ACT_CLIP, -0.5F, 1.25F}, {ACT_HARD_SIGMOID, 0.3F, 0.4F},
        {ACT_HARD_SWISH, 0, 0},   {ACT_SIGMOID, 0, 0},
        {ACT_SILU, 1.702F, 0},    {ACT_TANH, 0, 0},
        {ACT_GELU, 0, 0},         {ACT_GELU_TANH, 0, 0}};
    static const struct shape s = {9, 113, 40};
    const struct kernels *k;

    (void)state;
    fill_all();
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (size_t a = 0; a < COUNT_OF(acts); a++) {
            check(k, &s, &straight,
                  (struct gemm_f32){.act = acts[a], .bias = buffers.bias});
            check(k, &s, &straight,
                  (struct gemm_f32){.act = acts[a],
                                    .residual = buffers.residual});
        }
    }
}

static void test_unpacking_gives_the_same_bits(void **state)
{
    static float back[K_MAX * N_MAX];
    const struct kernels *k;

    (void)state;
    fill_all();
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int64_t n = 1; n <= N_MAX; n += 7) {
            const struct gemm_f32_weights w = {
                buffers.w, 33, n, n % 2 ? n : 1, n % 2 ? 1 : 33, 1};
            float *packed = pack(k, &w);

            memset(back, 0, sizeof back);
            k->gemm_f32_unpack(packed, &w, back);
            assert_memory_equal(back, buffers.w,
                                (size_t)(33 * n) * sizeof back[0]);
            free(packed);
        }
    }
}

static void test_nan_stays(void **state)
{
    const struct kernels *k;

    (void)state;
    fill_all();
    buffers.a[2 * A_ROW + 5] = NAN;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int kind = ACT_NONE; kind <= ACT_GELU_TANH; kind++) {
            const struct gemm_f32_weights w = {buffers.w, 16, 20, 20, 1, 1};
            float *packed = pack(k, &w);
            const struct gemm_f32 g = {
                .n = 20,
                .k = 16,
                .packed = packed,
                .a = buffers.a,
                .a_row = A_ROW,
                .c = buffers.c,
                .c_row = C_ROW,
                .act = {(enum act_kind)kind, 0.5F, 0.75F}};

            k->gemm_f32(&g, &(struct gemm_f32_part){0, 4, 0, 20});
            for (int64_t at = 0; at < 4 * 20; at++)
                assert_int_equal(isnan(buffers.c[at / 20 * C_ROW + at % 20]),
                                 at / 20 == 2);
            free(packed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_number_of_rows),
        cmocka_unit_test(test_blocks_of_rows_and_of_k),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_unpacking_gives_the_same_bits),
        cmocka_unit_test(test_nan_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
