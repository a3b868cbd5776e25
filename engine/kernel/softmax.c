/*
 * softmax_rows and log_softmax_rows, see rows.h. Three passes over rows that
 * stay in the first cache: maximum, exponentials and their sum, scaling. Four
 * rows at a time go through each: sums across a vector take long one by one, and
 * several may be under way.
 */
#include "rows.h"
#include "vec_math.h"

enum { GROUP = 4 };

static vf row_max(const float *x, int64_t length)
{
    vf max = vf_set(x[0]);
    int64_t i = 0;

    for (; i + VF <= length; i += VF)
        max = vf_max(max, vf_load(x + i));
    for (; i < length; i++)
        max = vf_max(max, vf_set(x[i]));
    return max;
}

/* y = exp(x - max); returns the sum of what fills no vector. */
static float row_exp_rest(const float *x, float *y, int64_t count, float max)
{
    vf e = vf_exp(vf_load_part(x, count) - max);
    float sum = 0;

    vf_store_part(y, e, count);
    for (int64_t k = 0; k < count; k++)
        sum += e[k];
    return sum;
}

/* y = exp(x - max), unless y is NULL; returns sums. */
static vf row_exp(const float *x, float *y, int64_t length, float max)
{
    vf sum = {0};
    int64_t i = 0;

    for (; i + VF <= length; i += VF) {
        vf e = vf_exp(vf_load(x + i) - max);

        sum += e;
        if (y)
            vf_store(y + i, e);
    }
    if (i < length) {
        float unused[VF];

        sum[0] += row_exp_rest(x + i, y ? y + i : unused, length - i, max);
    }
    return sum;
}

/* The maximum of each row, and sum(exp(x - max)); exp(x - max) goes to y. */
static void group_sums(const float *x, float *y, int64_t rows, int64_t length,
                       float *max, float *total)
{
    vf across[GROUP];

    for (int64_t r = 0; r < rows; r++)
        across[r] = row_max(x + r * length, length);
    for (int64_t r = 0; r < rows; r++)
        max[r] = vf_largest(across[r]);
    for (int64_t r = 0; r < rows; r++)
        across[r] =
            row_exp(x + r * length, y ? y + r * length : NULL, length, max[r]);
    for (int64_t r = 0; r < rows; r++)
        total[r] = vf_sum(across[r]);
}

void KERNEL_NAME(softmax_rows)(const float *x, float *y, int64_t rows,
                               int64_t length)
{
    float max[GROUP], total[GROUP];

    while (rows > 0) {
        int64_t count = rows < GROUP ? rows : GROUP;

        group_sums(x, y, count, length, max, total);
        for (int64_t r = 0; r < count; r++, x += length, y += length) {
            float scale = 1 / total[r];

            for (int64_t i = 0; i < length; i++)
                y[i] *= scale;
        }
        rows -= count;
    }
}

void KERNEL_NAME(log_softmax_rows)(const float *x, float *y, int64_t rows,
                                   int64_t length)
{
    float max[GROUP], total[GROUP];

    while (rows > 0) {
        int64_t count = rows < GROUP ? rows : GROUP;

        group_sums(x, NULL, count, length, max, total);
        for (int64_t r = 0; r < count; r++, x += length, y += length) {
            float sum = logf(total[r]);

            for (int64_t i = 0; i < length; i++)
                y[i] = x[i] - max[r] - sum;
        }
        rows -= count;
    }
}
