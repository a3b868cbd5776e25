/*
 * softmax_rows, see rows.h. Three passes over a row that stays in the first
 * cache: maximum, exponentials and their sum, scaling.
 */
#include "rows.h"
#include "vec_math.h"

static float row_max(const float *x, int64_t length)
{
    vf max = vf_set(x[0]);
    int64_t i = 0;

    for (; i + VF <= length; i += VF)
        max = vf_max(max, vf_load(x + i));
    for (; i < length; i++)
        max = vf_max(max, vf_set(x[i]));
    return vf_largest(max);
}

/* y = exp(x - max); returns the sum. */
static float row_exp(const float *x, float *y, int64_t length, float max)
{
    vf sum = {0};
    int64_t i = 0;
    float total;

    for (; i + VF <= length; i += VF) {
        vf e = vf_exp(vf_load(x + i) - max);

        sum += e;
        vf_store(y + i, e);
    }
    total = vf_sum(sum);
    if (i < length) {
        vf e = vf_exp(vf_load_part(x + i, length - i) - max);

        vf_store_part(y + i, e, length - i);
        for (int64_t k = 0; k < length - i; k++)
            total += e[k];
    }
    return total;
}

void KERNEL_NAME(softmax_rows)(const float *x, float *y, int64_t rows,
                               int64_t length)
{
    for (int64_t r = 0; r < rows; r++, x += length, y += length) {
        float scale = 1 / row_exp(x, y, length, row_max(x, length));

        for (int64_t i = 0; i < length; i++)
            y[i] *= scale;
    }
}
