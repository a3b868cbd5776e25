/*
 * QGemm of com.microsoft: what its forms share.
 *
 * Threads: immutable after infer.
 */
#ifndef ENGINE_OPS_QGEMM_MS_H
#define ENGINE_OPS_QGEMM_MS_H

#include "op.h"

enum { QGEMM_A, QGEMM_A_SCALE, QGEMM_A_ZERO, QGEMM_B, QGEMM_B_SCALE };
enum { QGEMM_B_ZERO = 5, QGEMM_C, QGEMM_Y_SCALE, QGEMM_Y_ZERO };

/* op_node.state after infer. */
struct op_qgemm_ms {
    int64_t m, n, k;
    bool trans_a, trans_b;
    float alpha;
    int64_t c_steps[ENG_RANK_MAX]; /* of c in y */
};

/* The infer of every row. Errors: see qgemm_ms.c. */
bool op_qgemm_ms_infer(struct op_node *op, struct error *err);

#endif
