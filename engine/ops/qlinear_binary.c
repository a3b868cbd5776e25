/*
 * com.microsoft QLinearAdd-1, QLinearMul-1: y = a + b or a b of what the
 * quantised tensors stand for, quantised again
 *
 *   input   a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero
 *           a, b  uint8 or int8, shapes that broadcast; scales float []; zero
 *           points may be left out = 0
 *   output  y     type of a, broadcast shape
 *   errors  ERR_MODEL_INVALID: shapes or types do not fit
 *   source  ONNX Runtime, ContribOperators; rounding is half to even
 */
#include <string.h>

#include "quant.h"
#include "walk.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

struct qbinary_state {
    struct op_walk walk; /* a, b, y */
    bool is_mul;
};

static bool qbinary_infer(struct op_node *op, struct error *err)
{
    struct qbinary_state *state = op_alloc(op, sizeof *state, err);
    enum eng_dtype dtype = op->in[A]->dtype;
    const struct eng_tensor *operands[2];

    op->state = state;
    if (!state || !op_want_type(op, A, OP_TYPES_QUANT8, err))
        return false;
    if (!op_has(op, A_SCALE) || !op_has(op, B) || !op_has(op, B_SCALE) ||
        !op_has(op, Y_SCALE))
        return fail(err, ERR_MODEL_INVALID, "an operand or scale is missing");
    if (!op_same_type(op, A, B, err) ||
        !op_quant_check(op, A_SCALE, A_ZERO, dtype, 0, err) ||
        !op_quant_check(op, B_SCALE, B_ZERO, dtype, 0, err) ||
        !op_quant_check(op, Y_SCALE, Y_ZERO, dtype, 0, err) ||
        !op_broadcast(op->in[A], op->in[B], op->out[0], err))
        return false;
    op->out[0]->dtype = dtype;
    state->is_mul = strcmp(op->node->op, "QLinearMul") == 0;
    operands[0] = op->in[A];
    operands[1] = op->in[B];
    op_walk_broadcast(&state->walk, op->out[0], 2, operands);
    return true;
}

struct qbinary_scales {
    float a, b, y;
    int32_t a_zero, b_zero, y_zero;
};

static void run_row(const struct op_node *op, const struct op_frame *frame,
                    const struct qbinary_scales *scales,
                    const struct op_place *at)
{
    const struct qbinary_state *state = op->state;
    const struct op_walk *walk = &state->walk;
    enum eng_dtype dtype = op->in[A]->dtype;

    for (int64_t i = 0; i < walk->inner; i++) {
        int32_t a = op_quant_at(dtype, op_in(op, frame, A),
                                at->offset[0] + i * walk->inner_step[0]);
        int32_t b = op_quant_at(dtype, op_in(op, frame, B),
                                at->offset[1] + i * walk->inner_step[1]);
        float left = (float)(a - scales->a_zero) * scales->a;
        float right = (float)(b - scales->b_zero) * scales->b;

        op_quant_put(dtype, op_out(op, frame, 0),
                     at->offset[2] + i * walk->inner_step[2],
                     (state->is_mul ? left * right : left + right) / scales->y,
                     scales->y_zero);
    }
}

static bool qbinary_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct qbinary_state *state = op->state;
    struct qbinary_scales scales = {.a = op_scale_of(op, frame, A_SCALE, 0),
                                    .b = op_scale_of(op, frame, B_SCALE, 0),
                                    .y = op_scale_of(op, frame, Y_SCALE, 0),
                                    .a_zero = op_zero_of(op, frame, A_ZERO, 0),
                                    .b_zero = op_zero_of(op, frame, B_ZERO, 0),
                                    .y_zero = op_zero_of(op, frame, Y_ZERO, 0)};
    struct op_place at;

    (void)err;
    for (bool more = op_walk_first(&state->walk, &at); more;
         more = op_walk_next(&state->walk, &at))
        run_row(op, frame, &scales, &at);
    return true;
}

const struct op_impl op_qlinear_binary = {.name = "qlinear_binary",
                                          .in_min = 1,
                                          .in_max = 8,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = qbinary_infer,
                                          .run = qbinary_run};
