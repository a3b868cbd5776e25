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

#include "kernel/quantize.h"
#include "quant.h"
#include "spread.h"
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

/* --- rows that follow each other, or are one number --- */

enum { PIECE = 512 };

struct row_work {
    struct quantize_pair pair; /* of the first elements */
    int64_t step[2];           /* 0 or 1 */
    uint8_t *y;
};

static void run_pieces(void *context, int64_t first, int64_t end)
{
    const struct row_work *w = context;
    struct quantize_pair pair = w->pair;
    uint8_t same[PIECE];

    if (!w->step[0])
        memset(same, *(const uint8_t *)pair.a, sizeof same);
    else if (!w->step[1])
        memset(same, *(const uint8_t *)pair.b, sizeof same);
    for (int64_t i = first; i < end; i += PIECE) {
        const uint8_t *a = (const uint8_t *)w->pair.a + i;
        const uint8_t *b = (const uint8_t *)w->pair.b + i;

        pair.a = w->step[0] ? a : same;
        pair.b = w->step[1] ? b : same;
        kernels()->combine_bytes(&pair, end - i < PIECE ? end - i : PIECE,
                                 w->y + i);
    }
}

static bool fast_row(const struct op_node *op, const struct op_frame *frame,
                     const struct quantize_pair *pair,
                     const struct op_place *at)
{
    const struct qbinary_state *state = op->state;
    const int64_t *step = state->walk.inner_step;
    struct row_work work = {.pair = *pair,
                            .step = {step[0], step[1]},
                            .y = (uint8_t *)op_out(op, frame, 0) +
                                 at->offset[2]};

    work.pair.a = (const uint8_t *)op_in(op, frame, A) + at->offset[0];
    work.pair.b = (const uint8_t *)op_in(op, frame, B) + at->offset[1];
    if ((step[0] | step[1]) != 1 || step[2] != 1)
        return false;
    op_spread(frame, state->walk.inner, 0.2, run_pieces, &work);
    return true;
}

/* --- any rows --- */

static void plain_row(const struct op_node *op, const struct op_frame *frame,
                      const struct quantize_pair *pair,
                      const struct op_place *at)
{
    const struct op_walk *walk = &((struct qbinary_state *)op->state)->walk;
    enum eng_dtype dtype = op->in[A]->dtype;

    for (int64_t i = 0; i < walk->inner; i++) {
        int32_t a = op_quant_at(dtype, op_in(op, frame, A),
                                at->offset[0] + i * walk->inner_step[0]);
        int32_t b = op_quant_at(dtype, op_in(op, frame, B),
                                at->offset[1] + i * walk->inner_step[1]);
        float left = (float)(a - pair->a_zero) * pair->a_scale;
        float right = (float)(b - pair->b_zero) * pair->b_scale;

        op_quant_put(dtype, op_out(op, frame, 0),
                     at->offset[2] + i * walk->inner_step[2],
                     pair->is_product ? left * right : left + right,
                     pair->zero);
    }
}

static bool qbinary_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct qbinary_state *state = op->state;
    float y_scale = op_scale_of(op, frame, Y_SCALE, 0);
    /* In steps of y, as ONNX Runtime has them. */
    struct quantize_pair pair = {
        .a_scale = op_scale_of(op, frame, A_SCALE, 0) / y_scale,
        .b_scale =
            op_scale_of(op, frame, B_SCALE, 0) / (state->is_mul ? 1 : y_scale),
        .a_zero = op_zero_of(op, frame, A_ZERO, 0),
        .b_zero = op_zero_of(op, frame, B_ZERO, 0),
        .zero = op_zero_of(op, frame, Y_ZERO, 0),
        .low = op->in[A]->dtype == ENG_I8 ? INT8_MIN : 0,
        .is_product = state->is_mul};
    struct op_place at;

    (void)err;
    for (bool more = op_walk_first(&state->walk, &at); more;
         more = op_walk_next(&state->walk, &at)) {
        if (!fast_row(op, frame, &pair, &at))
            plain_row(op, frame, &pair, &at);
    }
    return true;
}

const struct op_impl op_qlinear_binary = {.name = "qlinear_binary",
                                          .in_min = 1,
                                          .in_max = 8,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = qbinary_infer,
                                          .run = qbinary_run};
