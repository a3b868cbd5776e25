/*
 * QGemm: products of 8-bit integers whose right side is a constant matrix, on
 * kernel/gemm_i8.h. The fast form that MatMulInteger and its relatives share.
 *
 * The matrix is packed once for all plans. The left side is used where it lies
 * if it is uint8 and its rows are as long as the kernel wants them; otherwise
 * it is brought into that form in scratch memory first: int8 becomes uint8,
 * floats are quantised. Work is shared by the threads of the run: columns when
 * there are few rows, rows otherwise.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_QGEMM_H
#define ENGINE_OPS_QGEMM_H

#include "kernel/gemm_i8.h"
#include "op.h"

/* An input that an operator does not have. */
enum { OP_NO_INPUT = 255 };

/* Which inputs hold what. */
struct op_qgemm_inputs {
    uint8_t a, b, a_scale, a_zero, b_scale, b_zero;
};

/* How a becomes uint8. */
enum op_qgemm_left {
    QGEMM_BYTES, /* it is, or int8 */
    QGEMM_ROWS,  /* floats, each row with a scale of its own */
    QGEMM_WHOLE  /* floats, DynamicQuantizeLinear's rule */
};

struct op_qgemm {
    const struct kernels *kernels;
    struct op_qgemm_inputs in;
    enum op_qgemm_left left;
    int64_t rows, k, n, panels;
    bool transposed; /* b is [n, k] */
    float alpha;     /* a factor of b's scales; 0 = 1 */
    int64_t taps;    /* k is [k / taps, taps] in b and the other way round in a;
                      * only of bytes, transposed; 0 = 1 */
    bool staged;     /* a goes through scratch memory */
    bool summed;     /* b has zero points: sums of a's rows are needed */
    const void *packed;
    const float *w_scale; /* [n]; NULL = no b_scale */
    const int32_t *w_zero;
    int64_t stride;                    /* of a's rows as the kernel sees them */
    size_t zero_at, sums_at, scale_at; /* in scratch memory, a's bytes first */
};

/*
 * For accepts: b and what belongs to it are constants, b has two dimensions,
 * nothing is empty, scales are floats, and a's scale and zero point are one for
 * all (or one for each row of a matrix).
 */
bool op_qgemm_fits(const struct op_node *op, const struct op_qgemm_inputs *in);

/* Of these only what is said of constants and types: for operators that bring
 * their operands into shape themselves. */
bool op_qgemm_constants(const struct op_node *op,
                        const struct op_qgemm_inputs *in);

/*
 * For prepare: packs b, sets `q` and op->scratch_bytes. q->in, q->left and
 * q->transposed are set by the caller; so may be k, n and rows, where b is no
 * matrix. b may be float, and is then quantised
 * by column. ERR_OUT_OF_MEMORY, ERR_MODEL_INVALID: too large.
 */
bool op_qgemm_prepare(struct op_node *op, struct op_qgemm *q,
                      struct error *err);

/*
 * For run. The caller sets what the kernel makes of the sums (out, y, bias,
 * act, residual, y_scale, y_zero); y's rows follow each other.
 */
void op_qgemm_run(const struct op_node *op, const struct op_frame *frame,
                  const struct op_qgemm *q, struct gemm_i8 *g);

/* For run, by operators that call the kernel themselves: the packed side of
 * `g`, and rows of a and y. */
void op_qgemm_side(const struct op_qgemm *q, struct gemm_i8 *g);

/* A part of scratch memory, rounded up. */
static inline size_t op_qgemm_aligned(size_t size)
{
    enum { ALIGNMENT = 64 };

    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* With precision int8 this node is computed with 8-bit integers:
 * linear_int8.c. */
bool op_int8_fits(const struct eng_graph *graph, const struct eng_node *node);

#endif
