/*
 * Products of 8-bit integers and what quantises for them: every build that
 * this CPU can run against plain C. Sums must be equal, not close.
 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/gemm_i8.h"
#include "kernel/quantize.h"

enum { ROWS_MAX = 19, K_MAX = 133, N_MAX = 101, STRIDE = K_MAX + 3 };

static uint32_t seed = 1;

/* 0 to 255, the ends often. */
static uint8_t any_byte(void)
{
    uint32_t x;

    seed = seed * 1664525 + 1013904223;
    x = seed >> 16;
    if (x % 8 < 3)
        return (uint8_t[]){0, 128, 255}[x % 8];
    return (uint8_t)(x >> 4);
}

static float any_float(float scale)
{
    return ((float)any_byte() - 127.5F) * scale;
}

struct shape {
    int64_t rows, k, n;
};

/* Operands as plain numbers, and as the kernel wants them. */
static struct {
    uint8_t a[ROWS_MAX * STRIDE];
    int8_t w[K_MAX * N_MAX];
    uint8_t w_unsigned[K_MAX * N_MAX];
    int32_t a_zero[ROWS_MAX], a_sums[ROWS_MAX];
    int32_t w_zero[N_MAX], offset[N_MAX];
    float a_scale[ROWS_MAX], w_scale[N_MAX], bias[N_MAX];
    float residual[ROWS_MAX * N_MAX];
} in;

static void make_operands(const struct shape *s)
{
    for (size_t i = 0; i < sizeof in.a; i++)
        in.a[i] = any_byte();
    for (size_t i = 0; i < sizeof in.w; i++) {
        in.w_unsigned[i] = any_byte();
        in.w[i] = (int8_t)(in.w_unsigned[i] - 128);
    }
    for (int64_t i = 0; i < ROWS_MAX; i++) {
        in.a_zero[i] = any_byte();
        in.a_scale[i] = 0.001F + (float)any_byte() / 5000;
        in.a_sums[i] = 0;
        for (int64_t l = 0; l < s->k; l++)
            in.a_sums[i] += in.a[i * STRIDE + l];
    }
    for (int j = 0; j < N_MAX; j++) {
        in.w_zero[j] = any_byte() - 128;
        in.offset[j] = any_byte() * 77 - 9000;
        in.w_scale[j] = 0.001F + (float)any_byte() / 7000;
        in.bias[j] = any_float(0.01F);
    }
    for (int i = 0; i < ROWS_MAX * N_MAX; i++)
        in.residual[i] = any_float(0.02F);
}

static int32_t plain_sum(const struct shape *s, const struct gemm_i8 *g,
                         int64_t i, int64_t j)
{
    int32_t sum = g->offset ? g->offset[j] : 0;
    int32_t a_zero = g->a_zero ? g->a_zero[i * g->a_step] : 0;
    int32_t w_zero = g->w_zero ? g->w_zero[j] : 0;

    for (int64_t l = 0; l < s->k; l++)
        sum += (in.a[i * STRIDE + l] - a_zero) * (in.w[l * s->n + j] - w_zero);
    return sum;
}

/* Packs in.w (from one of its two spellings), computes all of it. */
static void compute(const struct kernels *k, const struct shape *s,
                    struct gemm_i8 *g, bool is_unsigned)
{
    struct gemm_i8_source source = {
        .w = is_unsigned ? (const void *)in.w_unsigned : in.w,
        .type = is_unsigned ? GEMM_I8_FROM_U8 : GEMM_I8_FROM_S8,
        .k = s->k,
        .n = s->n,
        .k_step = s->n,
        .n_step = 1};
    int64_t panels = (s->n + k->gemm_i8_panel() - 1) / k->gemm_i8_panel();
    size_t size = (k->gemm_i8_packed_size(s->k, s->n) + 63) & ~(size_t)63;
    void *packed = aligned_alloc(64, size);

    assert_non_null(packed);
    k->gemm_i8_pack(&source, packed);
    g->a = in.a;
    g->a_stride = STRIDE;
    g->weights = packed;
    g->k = s->k;
    g->n = s->n;
    g->y_stride = s->n;
    /* In parts, as threads take them. */
    for (int64_t p = 0; p < panels; p++) {
        struct gemm_i8_part part = {0, s->rows / 2, p, 1};

        k->gemm_i8(g, &part);
        part.row = part.rows;
        part.rows = s->rows - part.rows;
        k->gemm_i8(g, &part);
    }
    free(packed);
}

static void check_sums(const struct kernels *k, const struct shape *s,
                       int variant)
{
    static int32_t y[ROWS_MAX * N_MAX + 1];
    struct gemm_i8 g = {.out = GEMM_I8_SUM, .y = y};

    y[s->rows * s->n] = 12345;
    if (variant & 1)
        g.a_zero = in.a_zero;
    if (variant & 2)
        g.a_step = 1;
    if (variant & 4) {
        g.w_zero = in.w_zero;
        g.a_sums = in.a_sums;
    }
    if (variant & 8)
        g.offset = in.offset;
    compute(k, s, &g, variant & 1);
    for (int64_t i = 0; i < s->rows; i++) {
        for (int64_t j = 0; j < s->n; j++)
            assert_int_equal(y[i * s->n + j], plain_sum(s, &g, i, j));
    }
    assert_int_equal(y[s->rows * s->n], 12345);
}

static const struct shape shapes[] = {
    {1, 1, 1},   {2, 3, 17},   {5, 4, 33},    {8, 16, 48},
    {9, 31, 49}, {16, 64, 96}, {17, 130, 97}, {ROWS_MAX, K_MAX, N_MAX},
    {3, 1, 101}, {13, 7, 64},
};

#define EACH_SHAPE(k, s)                                                       \
    for (size_t table = 0; ((k) = kernels_each(table)); table++)               \
        for ((s) = shapes; (s) < shapes + sizeof shapes / sizeof shapes[0];    \
             (s)++)

static void test_sums_are_exact(void **state)
{
    const struct kernels *k;
    const struct shape *s;

    (void)state;
    EACH_SHAPE(k, s)
    {
        make_operands(s);
        for (int variant = 0; variant < 16; variant++)
            check_sums(k, s, variant);
    }
}

/* The ends of both ranges everywhere: a form that saturates fails here. */
static void test_extremes_do_not_saturate(void **state)
{
    static const struct shape s = {9, 132, 50};
    const struct kernels *k;

    (void)state;
    for (size_t table = 0; (k = kernels_each(table)); table++) {
        for (int w = -128; w <= 127; w += 255) {
            make_operands(&s);
            memset(in.a, UINT8_MAX, sizeof in.a);
            memset(in.w, w, sizeof in.w);
            check_sums(k, &s, 0);
        }
    }
}

static double plain_float(const struct shape *s, const struct gemm_i8 *g,
                          int64_t i, int64_t j)
{
    double y = (double)plain_sum(s, g, i, j) *
               (double)g->a_scale[i * g->a_step] * (double)g->w_scale[j];

    y += g->bias ? (double)g->bias[j] : 0;
    if (g->act.kind == ACT_RELU)
        y = y > 0 ? y : 0;
    if (g->act.kind == ACT_GELU)
        y = 0.5 * y * (1 + erf(y / sqrt(2)));
    if (g->act.kind == ACT_CLIP)
        y = fmin(fmax(y, (double)g->act.alpha), (double)g->act.beta);
    return y + (g->residual ? (double)g->residual[i * s->n + j] : 0);
}

static void check_floats(const struct kernels *k, const struct shape *s,
                         enum act_kind act, bool with_residual)
{
    static float y[ROWS_MAX * N_MAX + 1];
    struct gemm_i8 g = {.out = GEMM_I8_FLOAT,
                        .y = y,
                        .a_scale = in.a_scale,
                        .a_zero = in.a_zero,
                        .a_step = 1,
                        .w_scale = in.w_scale,
                        .bias = with_residual ? in.bias : NULL,
                        .act = {act, -0.5F, 1.5F},
                        .residual = with_residual ? in.residual : NULL};

    y[s->rows * s->n] = 12345;
    compute(k, s, &g, false);
    for (int64_t i = 0; i < s->rows; i++) {
        for (int64_t j = 0; j < s->n; j++) {
            double want = plain_float(s, &g, i, j);

            assert_true(fabs((double)y[i * s->n + j] - want) <=
                        3e-6 * (fabs(want) + 1));
        }
    }
    assert_true(y[s->rows * s->n] == 12345);
}

static void test_floats_follow_the_formula(void **state)
{
    const struct kernels *k;
    const struct shape *s;

    (void)state;
    EACH_SHAPE(k, s)
    {
        make_operands(s);
        check_floats(k, s, ACT_NONE, false);
        check_floats(k, s, ACT_NONE, true);
        check_floats(k, s, ACT_RELU, false);
        check_floats(k, s, ACT_GELU, true);
        check_floats(k, s, ACT_CLIP, true);
    }
}

static int clamp(float value, int low)
{
    float high = (float)(low + UINT8_MAX);

    value = value > (float)low ? value : (float)low;
    return (int)(value < high ? value : high);
}

static void check_bytes(const struct kernels *k, const struct shape *s,
                        enum gemm_i8_out out)
{
    static uint8_t y[ROWS_MAX * N_MAX + 1];
    int low = out == GEMM_I8_U8 ? 0 : INT8_MIN;
    struct gemm_i8 g = {.out = out,
                        .y = y,
                        .a_scale = in.a_scale,
                        .a_zero = in.a_zero,
                        .w_scale = in.w_scale,
                        .offset = in.offset,
                        .y_scale = 7.25F,
                        .y_zero = low + 100};

    y[s->rows * s->n] = 77;
    compute(k, s, &g, false);
    for (int64_t i = 0; i < s->rows; i++) {
        for (int64_t j = 0; j < s->n; j++) {
            float steps = (float)plain_sum(s, &g, i, j) *
                          (in.a_scale[0] * in.w_scale[j] / g.y_scale);
            int want = clamp(rintf(steps) + (float)g.y_zero, low);
            uint8_t got = y[i * s->n + j];

            assert_int_equal(low ? (int8_t)got : got, want);
        }
    }
    assert_int_equal(y[s->rows * s->n], 77);
}

static void test_bytes_are_rounded_and_saturated(void **state)
{
    const struct kernels *k;
    const struct shape *s;

    (void)state;
    EACH_SHAPE(k, s)
    {
        make_operands(s);
        check_bytes(k, s, GEMM_I8_U8);
        check_bytes(k, s, GEMM_I8_S8);
    }
}

/* Float weights [k, n] or [n, k]: each column by its own scale. */
static void check_float_weights(const struct kernels *k, const struct shape *s,
                                bool transposed)
{
    static float w[K_MAX * N_MAX], scale[N_MAX];
    static int32_t y[N_MAX];
    struct gemm_i8_source source = {.w = w,
                                    .type = GEMM_I8_FROM_FLOAT,
                                    .k = s->k,
                                    .n = s->n,
                                    .k_step = transposed ? 1 : s->n,
                                    .n_step = transposed ? s->k : 1,
                                    .scale = scale};
    size_t size = (k->gemm_i8_packed_size(s->k, s->n) + 63) & ~(size_t)63;
    void *packed = aligned_alloc(64, size);
    struct gemm_i8 g = {.a = in.a,
                        .a_stride = STRIDE,
                        .weights = packed,
                        .k = s->k,
                        .n = s->n,
                        .out = GEMM_I8_SUM,
                        .y = y,
                        .y_stride = s->n};
    struct gemm_i8_part part = {
        0, 1, 0, (s->n + k->gemm_i8_panel() - 1) / k->gemm_i8_panel()};

    assert_non_null(packed);
    for (int64_t i = 0; i < s->k * s->n; i++)
        w[i] = any_float(0.01F);
    k->gemm_i8_pack(&source, packed);
    k->gemm_i8(&g, &part);
    for (int64_t j = 0; j < s->n; j++) {
        float top = 0;
        int32_t want = 0;

        for (int64_t l = 0; l < s->k; l++)
            top = fmaxf(top, fabsf(w[l * source.k_step + j * source.n_step]));
        for (int64_t l = 0; l < s->k; l++)
            want += in.a[l] *
                    (int32_t)rintf(w[l * source.k_step + j * source.n_step] /
                                   scale[j]);
        assert_true(fabsf(scale[j] * 127 - top) <= 1e-6F * top);
        assert_int_equal(y[j], want);
    }
    free(packed);
}

static void test_float_weights_are_quantised_by_column(void **state)
{
    const struct kernels *k;
    const struct shape *s;

    (void)state;
    EACH_SHAPE(k, s)
    {
        make_operands(s);
        check_float_weights(k, s, false);
        check_float_weights(k, s, true);
    }
}

static int plain_byte(float x, const struct quantize_step *step)
{
    if (isnan(x))
        return step->low;
    return clamp(rintf(x / step->scale) + (float)step->zero, step->low);
}

static int byte_at(const uint8_t *y, int64_t i, int low)
{
    return low ? (int8_t)y[i] : y[i];
}

static void check_quantize(const struct kernels *k, int64_t count, int low)
{
    struct quantize_step step = {.scale = 0.31F, .zero = low + 101, .low = low};
    float x[K_MAX], back[K_MAX + 1], range[2], bottom = 0, top = 0;
    uint8_t y[K_MAX + 1];

    for (int64_t i = 0; i < count; i++) {
        x[i] = any_float(0.37F) - 20;
        bottom = fminf(bottom, x[i]);
        top = fmaxf(top, x[i]);
    }
    if (count > 4)
        x[3] = NAN;
    y[count] = 99;
    back[count] = 99;
    k->float_range(x, count, range);
    assert_true(count > 4 || (range[0] == bottom && range[1] == top));
    k->quantize_bytes(x, count, &step, y);
    k->dequantize_bytes(y, count, &step, back);
    for (int64_t i = 0; i < count; i++) {
        int got = byte_at(y, i, low);

        assert_int_equal(got, plain_byte(x[i], &step));
        assert_true(back[i] == (float)(got - step.zero) * step.scale);
    }
    assert_int_equal(y[count], 99);
    assert_true(back[count] == 99);
}

static void test_quantize_matches_the_formula(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int64_t count = 1; count <= K_MAX; count++) {
            check_quantize(k, count, 0);
            check_quantize(k, count, INT8_MIN);
        }
    }
}

/* What a row's bytes stand for is at most half a step away. */
static void check_rows(const struct kernels *k, int64_t length)
{
    enum { ROWS = 3 };
    float x[ROWS * K_MAX], scale[ROWS];
    int32_t zero[ROWS], sum[ROWS];
    uint8_t y[ROWS * STRIDE];
    struct quantize_rows q = {.x = x,
                              .rows = ROWS,
                              .k = length,
                              .y = y,
                              .y_stride = STRIDE,
                              .scale = scale,
                              .zero = zero};

    for (int64_t i = 0; i < ROWS * length; i++)
        x[i] = i / length == 1 ? 0 : any_float(0.05F) + 1;
    k->quantize_rows(&q);
    k->sum_rows_u8(y, ROWS, length, STRIDE, sum);
    for (int64_t r = 0; r < ROWS; r++) {
        int32_t want = 0;

        for (int64_t i = 0; i < length; i++) {
            float back = (float)(y[r * STRIDE + i] - zero[r]) * scale[r];

            assert_true(fabsf(back - x[r * length + i]) <= 0.501F * scale[r]);
            want += y[r * STRIDE + i];
        }
        assert_int_equal(sum[r], want);
        assert_true(r != 1 || (scale[r] == 1 && zero[r] == 0));
    }
}

static void test_rows_have_scales_of_their_own(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int64_t length = 1; length <= K_MAX; length++)
            check_rows(k, length);
    }
}

static void test_flip_makes_int8_unsigned(void **state)
{
    static const int8_t x[] = {-128, -1, 0, 1, 127, 5};
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        uint8_t y[8] = {0};

        k->flip_rows_i8(x, 2, 3, y, 4);
        for (int r = 0; r < 2; r++) {
            for (int l = 0; l < 3; l++)
                assert_int_equal(y[r * 4 + l], x[r * 3 + l] + 128);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_exact),
        cmocka_unit_test(test_extremes_do_not_saturate),
        cmocka_unit_test(test_floats_follow_the_formula),
        cmocka_unit_test(test_bytes_are_rounded_and_saturated),
        cmocka_unit_test(test_float_weights_are_quantised_by_column),
        cmocka_unit_test(test_quantize_matches_the_formula),
        cmocka_unit_test(test_rows_have_scales_of_their_own),
        cmocka_unit_test(test_flip_makes_int8_unsigned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
