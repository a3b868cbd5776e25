/*
 * Gemm: matrix products in plain C, shared by Gemm, MatMul and the recurrent
 * operators.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_GEMM_H
#define ENGINE_OPS_GEMM_H

#include "op.h"
#include "walk.h"

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

/* MatMul: one product for each place of the leading dimensions. */
struct op_matmul {
    struct op_product product;
    struct op_walk batch; /* operands a, b, y; steps in elements */
};

/*
 * y = a b by numpy's rules: fills `matmul` and the rank and dimensions of `y`.
 * ERR_MODEL_INVALID: a scalar, shapes that do not fit or do not broadcast.
 */
bool op_matmul_shape(const struct eng_tensor *left,
                     const struct eng_tensor *right, struct op_matmul *matmul,
                     struct eng_tensor *y, struct error *err);

/* The infer of the rows of MatMul and Gemm. Errors: see matmul.c, gemm.c. */
bool op_matmul_infer(struct op_node *op, struct error *err);
bool op_gemm_infer(struct op_node *op, struct error *err);

/* One b for all of a: makes a's matrices one tall matrix, where they are. */
void op_matmul_join(struct op_matmul *matmul);

/* It is a single product. */
static inline bool op_matmul_is_one(const struct op_matmul *matmul)
{
    return matmul->batch.rank == 0 && matmul->batch.inner == 1;
}

/* All products, of elements that op_product_run() takes. */
void op_matmul_products(const struct op_matmul *matmul, enum eng_dtype dtype,
                        const void *a, const void *b, void *y);

#endif
