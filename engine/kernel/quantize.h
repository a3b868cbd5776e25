/*
 * Quantize: floats to bytes and back, and sums of bytes.
 *
 *   float_range(x, count, range)
 *       range[0] = min(0, x), range[1] = max(0, x); NaN counts as 0
 *   quantize_bytes(x, count, step, y)
 *       y = saturate(round(x / scale) + zero), halves to even; NaN gives the
 *       lowest
 *   dequantize_bytes(x, count, step, y)
 *       y = (x - zero) * scale
 *   combine_bytes(pair, count, y)
 *       y = saturate(round((a - a_zero) a_scale + (b - b_zero) b_scale) + zero),
 *       or (a - a_zero) a_scale ((b - b_zero) b_scale) with is_product
 *   quantize_rows(q)
 *       each row by the range of its own: scale = (max - min) / 255 (1 for a
 *       row of zeros), zero = round(-min / scale)
 *   sum_rows_u8(x, rows, k, x_stride, sum)
 *       sum[i] = x[i, 0] + ... + x[i, k - 1]
 *   flip_rows_i8(x, rows, k, y, y_stride)
 *       y = x + 128: int8 as uint8, rows further apart
 */
#ifndef ENGINE_KERNEL_QUANTIZE_H
#define ENGINE_KERNEL_QUANTIZE_H

#include "kernel.h"

struct quantize_step {
    float scale;
    int32_t zero, low; /* low: 0 for uint8, -128 for int8 */
};

/* Both sides and the result are uint8, or with low = -128 int8. Scales are
 * those of the sides in steps of the result. */
struct quantize_pair {
    const void *a, *b;
    float a_scale, b_scale;
    int32_t a_zero, b_zero, zero, low;
    bool is_product;
};

struct quantize_rows {
    const float *x; /* [rows, k] */
    int64_t rows, k;
    uint8_t *y;       /* k elements of a row are written, */
    int64_t y_stride; /* the rest of its stride is left alone */
    float *scale;     /* by row */
    int32_t *zero;
};

#endif
