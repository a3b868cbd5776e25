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

struct quantize_rows {
    const float *x; /* [rows, k] */
    int64_t rows, k;
    uint8_t *y;       /* k elements of a row are written, */
    int64_t y_stride; /* the rest of its stride is left alone */
    float *scale;     /* by row */
    int32_t *zero;
};

#endif
