/*
 * Kernels over rows, every build that this CPU can run, against plain C in
 * double precision.
 */
#include "unit.h"

#include <math.h>

#include "kernel/norm.h"
#include "kernel/rows.h"

enum { LENGTH_MAX = 67, ROWS = 6 };

static void softmax_plain(const float *x, double *y, int64_t length)
{
    double sum = 0, max = (double)x[0];

    for (int64_t i = 1; i < length; i++)
        max = (double)x[i] > max ? (double)x[i] : max;
    for (int64_t i = 0; i < length; i++)
        sum += exp((double)x[i] - max);
    for (int64_t i = 0; i < length; i++)
        y[i] = exp((double)x[i] - max) / sum;
}

static void check_log_softmax(const struct kernels *k, const float *x,
                              int64_t length)
{
    float y[ROWS * LENGTH_MAX];

    k->log_softmax_rows(x, y, ROWS, length);
    for (int64_t r = 0; r < ROWS; r++) {
        double want[LENGTH_MAX];

        softmax_plain(x + r * length, want, length);
        for (int64_t i = 0; i < length; i++)
            assert_true(fabs((double)y[r * length + i] - log(want[i])) <= 5e-6);
    }
}

static void check_softmax(const struct kernels *k, int64_t length)
{
    float x[ROWS * LENGTH_MAX], y[ROWS * LENGTH_MAX];

    for (int64_t i = 0; i < ROWS * length; i++)
        x[i] = (float)(i * 37 % 101) * 0.3F - 12;
    check_log_softmax(k, x, length);
    k->softmax_rows(x, y, ROWS, length);
    for (int64_t r = 0; r < ROWS; r++) {
        double want[LENGTH_MAX];

        softmax_plain(x + r * length, want, length);
        for (int64_t i = 0; i < length; i++)
            assert_true(fabs((double)y[r * length + i] - want[i]) <=
                        1e-6 * want[i] + 1e-9);
    }
}

static void test_softmax_rows_match_double(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int64_t length = 1; length <= LENGTH_MAX; length++)
            check_softmax(k, length);
    }
}

/* Masked elements are exactly 0; rows without a finite one are NaN, as are
 * rows with a NaN. */
static void test_softmax_of_masked_rows(void **state)
{
    enum { N = 19 };
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        float x[ROWS * N], y[ROWS * N];

        for (int j = 0; j < ROWS * N; j++)
            x[j] = j < 5 ? (float)j : -INFINITY;
        for (int j = 2 * N; j < ROWS * N; j++)
            x[j] = j == 2 * N + 17 ? NAN : 1;
        k->softmax_rows(x, y, ROWS, N);
        for (int j = 0; j < N; j++) {
            assert_true(j < 5 ? y[j] > 0 : y[j] == 0);
            assert_true(isnan(y[N + j]) && isnan(y[2 * N + j]));
        }
    }
}

/* --- norms --- */

enum { WIDTH_MAX = 70 };

/* Row r of what is wanted, and its mean and factor in `stats`. */
static void norm_plain(const struct kernel_norm *n, int64_t r, double *want,
                       double *stats)
{
    double mean = 0, square = 0, width = (double)n->width;
    double v[WIDTH_MAX];

    for (int64_t i = 0; i < n->width; i++) {
        v[i] = (double)n->x[r * n->width + i];
        v[i] += n->skip ? (double)n->skip[r * n->width + i] : 0;
        v[i] += n->bias ? (double)n->bias[i] : 0;
        mean += n->rms ? 0 : v[i] / width;
    }
    for (int64_t i = 0; i < n->width; i++)
        square += (v[i] - mean) * (v[i] - mean) / width;
    stats[0] = mean;
    stats[1] = 1 / sqrt(square + (double)n->epsilon);
    for (int64_t i = 0; i < n->width; i++)
        want[i] =
            (v[i] - mean) * stats[1] * (n->gamma ? (double)n->gamma[i] : 1) +
            (n->beta ? (double)n->beta[i] : 0);
}

static void check_norm(const struct kernels *k, const struct kernel_norm *n)
{
    k->norm_rows(n);
    for (int64_t r = 0; r < n->rows; r++) {
        double want[WIDTH_MAX], stats[2];

        norm_plain(n, r, want, stats);
        for (int64_t i = 0; i < n->width; i++)
            assert_true(fabs((double)n->y[r * n->width + i] - want[i]) <= 2e-5);
        assert_true(!n->mean || fabs((double)n->mean[r] - stats[0]) <= 1e-5);
        assert_true(!n->inv || fabs((double)n->inv[r] / stats[1] - 1) <= 1e-5);
    }
    assert_true(n->y[n->rows * n->width] == 77);
}

static void test_norm_rows_match_double(void **state)
{
    enum { COUNT = ROWS * WIDTH_MAX };
    static float x[COUNT], skip[COUNT], sum[COUNT], y[COUNT + 1];
    float weight[WIDTH_MAX], mean[ROWS], inv[ROWS];
    const struct kernels *k;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        x[i] = (float)(i * 37 % 101) * 0.03F + 20;
        skip[i] = (float)(i * 53 % 97) * 0.02F;
        weight[i % WIDTH_MAX] = (float)(i % 7) * 0.25F - 0.5F;
    }
    for (int64_t width = 1; width <= WIDTH_MAX; width++) {
        for (unsigned form = 0; form < 64; form++) {
            struct kernel_norm norm = {.rows = 1 + form % ROWS,
                                       .width = width,
                                       .epsilon = 0.01F,
                                       .rms = form & 1,
                                       .x = x,
                                       .skip = form & 2 ? skip : NULL,
                                       .bias = form & 4 ? weight : NULL,
                                       .gamma = form & 8 ? weight : NULL,
                                       .beta = form & 16 ? weight : NULL,
                                       .y = y,
                                       .sum = form & 32 ? sum : NULL,
                                       .mean = form & 2 ? mean : NULL,
                                       .inv = form & 4 ? inv : NULL};

            for (size_t i = 0; (k = kernels_each(i)); i++) {
                for (int j = 0; j <= COUNT; j++)
                    y[j] = 77;
                check_norm(k, &norm);
            }
        }
    }
}

static void test_norm_rows_in_place(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        float x[] = {1, 2, 3, 4, 5, 6}, skip[] = {6, 5, 4, 3, 2, 7}, want[6];
        struct kernel_norm norm = {
            .rows = 2, .width = 3, .x = x, .skip = skip, .y = want};

        k->norm_rows(&norm);
        norm.y = skip;
        k->norm_rows(&norm);
        assert_memory_equal(skip, want, sizeof want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_rows_match_double),
        cmocka_unit_test(test_softmax_of_masked_rows),
        cmocka_unit_test(test_norm_rows_match_double),
        cmocka_unit_test(test_norm_rows_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
