/*
 * Gemm: matrix products in plain C, shared by Gemm, MatMul and the recurrent
 * operators.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_GEMM_H
#define ENGINE_OPS_GEMM_H

#include "op.h"

/* C [m, n] = A [m, k] B [k, n]; element (i, j) of A is a[i * a_row + j * a_col],
 * likewise B; C is dense. */
struct op_product {
    int64_t m, n, k;
    int64_t a_row, a_col, b_row, b_col;
};

/* For float, double and 32- and 64-bit integers; false for other types. */
bool op_product_run(enum eng_dtype dtype, const struct op_product *product,
                    const void *a, const void *b, void *c);

/* The same for float as fast as this machine does it. */
void op_product_f32(const struct op_product *product, const float *a,
                    const float *b, float *c);

#endif
