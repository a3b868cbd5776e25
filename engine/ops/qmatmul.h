/*
 * QMatMul: the integer product that MatMulInteger and its relatives share.
 *
 *   acc [m, n] = (a - a_zero) (b - b_zero)   int32, wraps
 *
 * Operands are widened to int32 in scratch memory; numpy's rules for the
 * leading dimensions.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_QMATMUL_H
#define ENGINE_OPS_QMATMUL_H

#include "gemm.h"
#include "quant.h"

/* Which inputs hold what. A zero point that may be left out is 0. */
struct op_qmatmul {
    size_t a, b, a_zero, b_zero;
    struct op_matmul matmul;
};

/*
 * Checks operands and zero points (one for all, one per row of a, one per
 * column of b), sets the shape of output 0 and op->scratch_bytes.
 *   ERR_MODEL_INVALID      shapes or zero points do not fit; too large
 *   ERR_MODEL_UNSUPPORTED  operands that are not 8-bit integers
 */
bool op_qmatmul_shape(struct op_node *op, struct op_qmatmul *q,
                      struct error *err);

/* Receives row `row` of the matrix that starts at element `first` of y. */
typedef void (*op_qmatmul_row_fn)(const struct op_node *op,
                                  const struct op_frame *frame,
                                  const int32_t *acc, int64_t row,
                                  int64_t first);

/* All products, row by row to `put`. */
void op_qmatmul_run(const struct op_node *op, const struct op_frame *frame,
                    const struct op_qmatmul *q, op_qmatmul_row_fn put);

/* The infer of the operators' rows. Errors: see qmatmul.c, qmatmul_float.c,
 * qmatmul_dynamic.c. */
bool op_matmul_integer_infer(struct op_node *op, struct error *err);
bool op_qlinear_matmul_infer(struct op_node *op, struct error *err);
bool op_qmatmul_float_infer(struct op_node *op, struct error *err);
bool op_qmatmul_dynamic_infer(struct op_node *op, struct error *err);

#endif
