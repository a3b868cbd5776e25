/*
 * Kernels over rows, every build that this CPU can run, against plain C in
 * double precision.
 */
#include "unit.h"

#include <math.h>

#include "kernel/rows.h"

enum { LENGTH_MAX = 67, ROWS = 3 };

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

static void check_softmax(const struct kernels *k, int64_t length)
{
    float x[ROWS * LENGTH_MAX], y[ROWS * LENGTH_MAX];

    for (int64_t i = 0; i < ROWS * length; i++)
        x[i] = (float)(i * 37 % 101) * 0.3F - 12;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_rows_match_double),
        cmocka_unit_test(test_softmax_of_masked_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
