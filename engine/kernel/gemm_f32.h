/*
 * Gemm f32: C = act(A W + bias) + residual with weights W packed beforehand.
 *
 * W [k, n] is cut into panels of gemm_f32_panel() columns; a panel holds its k
 * rows one after the other, so that the product reads weights as one stream.
 * The last panel is as narrow as whole vectors allow, padded with zeros.
 *
 *   gemm_f32_panel()
 *       columns of a panel
 *   gemm_f32_packed_size(k, n)
 *       bytes of the packed form
 *   gemm_f32_pack(w, packed)
 *       fills it
 *   gemm_f32_unpack(packed, w, to)
 *       makes the weights again, bit by bit if w->alpha was 1; w->w is not read
 *   gemm_f32(g, part)
 *       rows row to row_end and columns col to col_end of C; `col` is a
 *       multiple of the panel, `col_end` too or n. C may not share memory with
 *       A or the residual. Neither k nor the part may be empty
 *
 * A packed form belongs to the table that made it.
 */
#ifndef ENGINE_KERNEL_GEMM_F32_H
#define ENGINE_KERNEL_GEMM_F32_H

#include "act.h"
#include "kernel.h"

/* Element (i, j) is w[i * row + j * col], times alpha. */
struct gemm_f32_weights {
    const float *w;
    int64_t k, n, row, col;
    float alpha;
};

struct gemm_f32 {
    int64_t n, k;
    const float *packed;
    const float *a; /* [m, k], rows a_row apart */
    int64_t a_row;
    float *c; /* [m, n], rows c_row apart */
    int64_t c_row;
    const float *bias;     /* [n], or NULL */
    const float *residual; /* [m, n], rows residual_row apart, or NULL */
    int64_t residual_row;
    struct act act;
};

struct gemm_f32_part {
    int64_t row, row_end, col, col_end;
};

#endif
