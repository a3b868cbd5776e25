/*
 * GEMM of 8-bit integers: exact sums, then what stands for them.
 *
 *   sum[i, j] = offset[j] + sum over l of (a[i, l] - a_zero[i])
 *                                         (w[l, j] - w_zero[j])
 *
 * a is uint8; w is packed once from int8, uint8 or float. Sums are 32 bits
 * wide and wrap; every build gives the same. What becomes of a sum:
 *
 *   GEMM_I8_SUM    y[i, j] = sum, int32
 *   GEMM_I8_FLOAT  y[i, j] = act(sum * (a_scale[i] * w_scale[j]) + bias[j])
 *                            + residual[i, j], float
 *   GEMM_I8_U8, GEMM_I8_S8
 *                  y[i, j] = saturate(round(sum * (a_scale[0] * w_scale[j] /
 *                            y_scale) + bias[j] / y_scale) + y_zero); halves
 *                            go to even
 *
 * Weights lie in panels of a few vectors of columns; in a panel, four
 * successive l of one column are neighbours, as vpdpbusd wants them. Signed
 * numbers are kept, unsigned ones less 128. Behind the panels come the sums of
 * the columns, which turn a_zero into one product per sum.
 *
 * What `rows` of a kernel may touch: a[i, 0 .. k rounded up to 4) is read; what
 * lies behind k counts for nothing.
 *
 *   gemm_i8_panel()             columns of a panel
 *   gemm_i8_packed_size(k, n)   bytes of packed weights
 *   gemm_i8_pack(source, packed)
 *   gemm_i8(g, part)            the rows and panels of `part`
 *
 * quantize.h has what makes a.
 */
#ifndef ENGINE_KERNEL_GEMM_I8_H
#define ENGINE_KERNEL_GEMM_I8_H

#include "act.h"
#include "kernel.h"

/* Four l at a time; a's rows are readable up to a multiple of it. */
enum { GEMM_I8_GROUP = 4 };

enum gemm_i8_type { GEMM_I8_FROM_S8, GEMM_I8_FROM_U8, GEMM_I8_FROM_FLOAT };

/*
 * Weights as a model has them: w[l, j] is element l * k_step + j * n_step. With
 * `inner` (not of floats), l counts so many of them and then goes on
 * `outer_step` behind the first: l % inner * k_step + l / inner * outer_step.
 */
struct gemm_i8_source {
    const void *w;
    enum gemm_i8_type type;
    int64_t k, n, k_step, n_step;
    int64_t inner, outer_step; /* 0 = no such order */
    /*
     * GEMM_I8_FROM_FLOAT: receives n scales. w becomes round(w / scale), scale
     * = the column's largest magnitude / 127 (1 for a column of zeros); the
     * zero point is 0. Not used otherwise.
     */
    float *scale;
};

enum gemm_i8_out { GEMM_I8_SUM, GEMM_I8_FLOAT, GEMM_I8_U8, GEMM_I8_S8 };

struct gemm_i8 {
    const uint8_t *a;
    int64_t a_stride;    /* bytes from row to row */
    const void *weights; /* packed by the same table */
    int64_t k, n;

    const float *a_scale;
    const int32_t *a_zero; /* NULL = 0 */
    int64_t a_step;        /* of these two: 0 = one for all rows, 1 = each */
    const float *w_scale;  /* [n] */
    const int32_t *w_zero; /* [n]; NULL = 0; of what was packed: uint8 - 128 */
    const int32_t *a_sums; /* by row, sum of a[i, 0 .. k); only with w_zero */
    const int32_t *offset; /* [n]; NULL = 0 */

    enum gemm_i8_out out;
    void *y;
    int64_t y_stride;      /* elements from row to row */
    const float *bias;     /* [n]; NULL = 0 */
    struct act act;        /* GEMM_I8_FLOAT */
    const float *residual; /* as y; NULL = 0; may be y */
    float y_scale;
    int32_t y_zero;
};

/* Rows [row, row + rows) of panels [panel, panel + panels). */
struct gemm_i8_part {
    int64_t row, rows, panel, panels;
};

#endif
