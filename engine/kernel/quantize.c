/*
 * Quantize: see quantize.h.
 */
#include "quantize.h"

#include "vec_byte.h"

static float smallest(vf x)
{
    return -vf_largest(-x);
}

void KERNEL_NAME(float_range)(const float *x, int64_t count, float range[2])
{
    vf low = {0}, high = {0};
    int64_t i = 0;

    /* Of a NaN and a number, min and max give the second. */
    for (; i + VF <= count; i += VF) {
        low = vf_min(vf_load(x + i), low);
        high = vf_max(vf_load(x + i), high);
    }
    if (i < count) {
        vf last = vf_load_part(x + i, count - i);

        low = vf_min(last, low);
        high = vf_max(last, high);
    }
    range[0] = smallest(low);
    range[1] = vf_largest(high);
}

void KERNEL_NAME(quantize_bytes)(const float *x, int64_t count,
                                 const struct quantize_step *step, void *y)
{
    const vf scale = vf_set(step->scale);
    uint8_t *to = y;
    int64_t i = 0;
    vq bytes;

    for (; i + VF <= count; i += VF) {
        bytes = vq_quantize(vf_load(x + i) / scale, step->zero, step->low);
        memcpy(to + i, &bytes, sizeof bytes);
    }
    if (i == count)
        return;
    bytes = vq_quantize(vf_load_part(x + i, count - i) / scale, step->zero,
                        step->low);
    memcpy(to + i, &bytes, (size_t)(count - i));
}

void KERNEL_NAME(dequantize_bytes)(const void *x, int64_t count,
                                   const struct quantize_step *step, float *y)
{
    const uint8_t *from = x;
    /* int8 as uint8: 128 more, both here and in the zero point */
    const uint8_t flip = step->low ? 0x80 : 0;
    const int32_t zero = step->zero - step->low;
    const float scale = step->scale;

    for (int64_t i = 0; i < count; i++)
        y[i] = (float)((from[i] ^ flip) - zero) * scale;
}

/* Bytes as steps from their zero point; int8 as uint8 is 128 more, both here
 * and in the zero point. */
static inline vf steps_of(const uint8_t *x, uint8_t flip, int32_t zero)
{
    vq bytes;

    memcpy(&bytes, x, sizeof bytes);
    return __builtin_convertvector(
        __builtin_convertvector(bytes ^ flip, vi) - zero, vf);
}

static inline __attribute__((always_inline)) vq
combine_vector(const struct quantize_pair *pair, const uint8_t *a,
               const uint8_t *b)
{
    const uint8_t flip = pair->low ? 0x80 : 0;
    vf left = steps_of(a, flip, pair->a_zero - pair->low) * pair->a_scale;
    vf right = steps_of(b, flip, pair->b_zero - pair->low) * pair->b_scale;

    return vq_quantize(pair->is_product ? left * right : left + right,
                       pair->zero, pair->low);
}

void KERNEL_NAME(combine_bytes)(const struct quantize_pair *pair, int64_t count,
                                void *y)
{
    /* A copy, which what is written to y cannot change. */
    const struct quantize_pair own = *pair;
    const uint8_t *a = pair->a, *b = pair->b;
    uint8_t *to = y, last[2][VF] = {{0}};
    int64_t i = 0;
    vq bytes;

    for (; i + VF <= count; i += VF) {
        bytes = combine_vector(&own, a + i, b + i);
        memcpy(to + i, &bytes, sizeof bytes);
    }
    if (i == count)
        return;
    memcpy(last[0], a + i, (size_t)(count - i));
    memcpy(last[1], b + i, (size_t)(count - i));
    bytes = combine_vector(&own, last[0], last[1]);
    memcpy(to + i, &bytes, (size_t)(count - i));
}

static void quantize_row(const float *x, int64_t k, float inverse, int32_t zero,
                         uint8_t *y)
{
    int64_t i = 0;
    vq bytes;

    for (; i + VF <= k; i += VF) {
        bytes = vq_quantize(vf_load(x + i) * inverse, zero, 0);
        memcpy(y + i, &bytes, sizeof bytes);
    }
    if (i == k)
        return;
    bytes = vq_quantize(vf_load_part(x + i, k - i) * inverse, zero, 0);
    memcpy(y + i, &bytes, (size_t)(k - i));
}

void KERNEL_NAME(quantize_rows)(const struct quantize_rows *q)
{
    for (int64_t r = 0; r < q->rows; r++) {
        const float *x = q->x + r * q->k;
        float range[2], scale = 1;
        int32_t zero;

        KERNEL_NAME(float_range)(x, q->k, range);
        if (range[1] > range[0])
            scale = (range[1] - range[0]) / UINT8_MAX;
        /* Infinite ranges and ranges too small for a scale. */
        if (!(scale > 1e-37F && scale < 1e37F))
            scale = 1;
        zero = (int32_t)fminf(rintf(-range[0] / scale), UINT8_MAX);
        q->scale[r] = scale;
        q->zero[r] = zero;
        quantize_row(x, q->k, 1 / scale, zero, q->y + r * q->y_stride);
    }
}

void KERNEL_NAME(sum_rows_u8)(const uint8_t *x, int64_t rows, int64_t k,
                              int64_t x_stride, int32_t *sum)
{
    for (int64_t r = 0; r < rows; r++) {
        uint32_t total = 0;

        for (int64_t i = 0; i < k; i++)
            total += x[r * x_stride + i];
        sum[r] = (int32_t)total;
    }
}

void KERNEL_NAME(flip_rows_i8)(const int8_t *x, int64_t rows, int64_t k,
                               uint8_t *y, int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < k; i++)
            y[r * y_stride + i] = (uint8_t)x[r * k + i] ^ 0x80;
    }
}
