/*
 * FGemm: float products with constant weights, on kernel/gemm_f32.h. What
 * MatMul, Gemm and their relatives share when the right side is a constant.
 *
 * Weights are packed once for all plans. The threads of a run share columns
 * while there are few rows, and rows otherwise.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_FGEMM_H
#define ENGINE_OPS_FGEMM_H

#include "gemm.h"
#include "kernel/gemm_f32.h"

/* A product that is prepared: all but what lies in a run's memory. */
struct op_fgemm {
    const struct kernels *kernels;
    const float *packed;
    int64_t m, n, k, a_row;
    struct act act;
};

/* What lies there. Rows of `residual` and y are n apart. */
struct op_fgemm_data {
    const float *x, *bias, *residual; /* the last two may be NULL */
    float *y;
};

/*
 * For accepts: input `b` is a constant of float, the other side is not, the
 * rows of A are contiguous and nothing is empty.
 */
bool op_fgemm_fits(const struct op_node *op, size_t b,
                   const struct op_product *product);

/* For prepare of an OP_PACKED implementation: packs input `b`, times `alpha`.
 * ERR_OUT_OF_MEMORY. */
bool op_fgemm_prepare(struct op_node *op, size_t b,
                      const struct op_product *product, float alpha,
                      struct op_fgemm *fgemm, struct error *err);

/* For run. */
void op_fgemm_run(const struct op_node *op, struct team_seat *seat,
                  const struct op_fgemm *fgemm,
                  const struct op_fgemm_data *data);

/* A whole run: y = x B for op->state, input 0 and output 0. */
bool op_fgemm_run_one(const struct op_node *op, const struct op_frame *frame,
                      struct error *err);

#endif
