/*
 * specserve LinearInteger-1: Linear of integers:
 *   y = act(alpha (x - x_zero) (w - w_zero) x_scale w_scale + bias) + residual
 *
 *   input   x         uint8 or int8 [..., k]
 *           w         a constant, uint8 or int8 [k, n]
 *           bias, residual, as Linear
 *           x_scale   float [];  w_scale  a constant, float [] or [n]
 *           x_zero    [], type of x, may be left out = 0
 *           w_zero    a constant, [] or [n], type of w, may be left out = 0
 *   output  y         float, as Linear
 *   attr    as Linear, but transB
 *   errors  ERR_MODEL_INVALID: shapes, scales or zero points do not fit
 *           ERR_MODEL_UNSUPPORTED: other types; w or what belongs to it is not
 *           a constant
 *   source  MatMulInteger and the arithmetic that follows it; sums are exact
 *   check   within 1e-6 of the sum of the terms' magnitudes
 */
#include <string.h>

#include "linear.h"
#include "qgemm.h"
#include "quant.h"

enum { X_SCALE = 4, W_SCALE, X_ZERO, W_ZERO };

struct linear_integer {
    struct op_linear shared;
    struct op_qgemm q;
    size_t product_at; /* in scratch memory, with shared.add */
};

static const struct op_qgemm_inputs inputs = {.a = LINEAR_X,
                                              .b = LINEAR_W,
                                              .a_scale = X_SCALE,
                                              .a_zero = X_ZERO,
                                              .b_scale = W_SCALE,
                                              .b_zero = W_ZERO};

static bool check_types(const struct op_node *op, struct error *err)
{
    for (size_t i = LINEAR_BIAS; i <= LINEAR_RESIDUAL; i++) {
        if (op_has(op, i) && !op_want_type(op, i, OP_TYPE(ENG_F32), err))
            return false;
    }
    if (!op_has(op, X_SCALE) || !op_has(op, W_SCALE))
        return fail(err, ERR_MODEL_INVALID, "a scale is missing");
    return op_want_type(op, LINEAR_X, OP_TYPES_QUANT8, err) &&
           op_want_type(op, LINEAR_W, OP_TYPES_QUANT8, err) &&
           op_want_type(op, X_SCALE, OP_TYPE(ENG_F32), err) &&
           op_want_type(op, W_SCALE, OP_TYPE(ENG_F32), err);
}

static bool integer_infer(struct op_node *op, struct error *err)
{
    struct linear_integer *state = op_alloc(op, sizeof *state, err);
    int64_t n;

    op->state = state;
    if (!state || !check_types(op, err) ||
        !op_linear_read(op, &state->shared, err))
        return false;
    n = state->shared.product.n;
    if (state->shared.transposed)
        return fail(err, ERR_MODEL_INVALID, "transB is not an attribute here");
    return op_quant_check(op, X_SCALE, X_ZERO, op->in[LINEAR_X]->dtype, 0,
                          err) &&
           op_quant_check(op, W_SCALE, W_ZERO, op->in[LINEAR_W]->dtype, n, err);
}

static bool is_empty(const struct op_linear *linear)
{
    return linear->product.m == 0 || linear->product.n == 0;
}

static bool integer_prepare(struct op_node *op, struct error *err)
{
    struct linear_integer *state = op->state;

    if (is_empty(&state->shared))
        return true;
    if (!op_qgemm_fits(op, &inputs))
        return fail(err, ERR_MODEL_UNSUPPORTED, "the weights are no constant");
    state->q = (struct op_qgemm){.in = inputs, .alpha = state->shared.alpha};
    if (!op_qgemm_prepare(op, &state->q, err))
        return false;
    state->product_at = op->scratch_bytes;
    op->scratch_bytes += op_linear_scratch(&state->shared);
    return true;
}

static bool integer_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct linear_integer *state = op->state;
    unsigned char *scratch = frame->scratch;
    struct gemm_i8 g = {.out = GEMM_I8_FLOAT,
                        .y = op_out(op, frame, 0),
                        .act = state->shared.act};

    if (is_empty(&state->shared))
        return true;
    if (state->shared.add)
        g.y = scratch + state->product_at;
    else if (op_has(op, LINEAR_RESIDUAL))
        g.residual = op_in(op, frame, LINEAR_RESIDUAL);
    if (op_has(op, LINEAR_BIAS))
        g.bias = op_in(op, frame, LINEAR_BIAS);
    op_qgemm_run(op, frame, &state->q, &g);
    return !state->shared.add ||
           op_linear_add(op, frame, &state->shared, g.y, err);
}

const struct op_impl op_linear_integer = {.name = "linear.integer",
                                          .in_min = 2,
                                          .in_max = 8,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = integer_infer,
                                          .prepare = integer_prepare,
                                          .run = integer_run};
