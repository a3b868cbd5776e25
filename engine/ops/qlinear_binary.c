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

#include "clones.h"
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

/* --- rows whose operands follow each other, or are one number --- */

enum { PIECE = 512 };

struct row_work {
    const struct qbinary_scales *scales;
    enum eng_dtype dtype;
    bool is_mul;
    const uint8_t *x[2]; /* a, b */
    int64_t step[2];     /* 0 or 1 */
    uint8_t *y;
};

OP_CLONES
static void combine(float *a, const float *b, int64_t count, float scale,
                    bool is_mul)
{
    if (is_mul) {
        for (int64_t i = 0; i < count; i++)
            a[i] = a[i] * b[i] / scale;
    } else {
        for (int64_t i = 0; i < count; i++)
            a[i] = (a[i] + b[i]) / scale;
    }
}

static void load(const struct row_work *w, int operand, int64_t first,
                 int64_t count, float *to)
{
    const struct qbinary_scales *s = w->scales;
    const struct quantize_step step = {.scale = operand ? s->b : s->a,
                                       .zero = operand ? s->b_zero : s->a_zero,
                                       .low =
                                           w->dtype == ENG_I8 ? INT8_MIN : 0};

    if (w->step[operand]) {
        kernels()->dequantize_bytes(w->x[operand] + first, count, &step, to);
        return;
    }
    kernels()->dequantize_bytes(w->x[operand], 1, &step, to);
    for (int64_t i = 1; i < count; i++)
        to[i] = to[0];
}

static void run_pieces(void *context, int64_t first, int64_t end)
{
    const struct row_work *w = context;
    const struct quantize_step step = {.scale = 1,
                                       .zero = w->scales->y_zero,
                                       .low =
                                           w->dtype == ENG_I8 ? INT8_MIN : 0};

    for (int64_t i = first; i < end; i += PIECE) {
        int64_t count = end - i < PIECE ? end - i : PIECE;
        float a[PIECE], b[PIECE];

        load(w, 0, i, count, a);
        load(w, 1, i, count, b);
        combine(a, b, count, w->scales->y, w->is_mul);
        kernels()->quantize_bytes(a, count, &step, w->y + i);
    }
}

static bool fast_row(const struct op_node *op, const struct op_frame *frame,
                     const struct qbinary_scales *scales,
                     const struct op_place *at)
{
    const struct qbinary_state *state = op->state;
    const int64_t *step = state->walk.inner_step;
    struct row_work work = {
        .scales = scales,
        .dtype = op->in[A]->dtype,
        .is_mul = state->is_mul,
        .x = {(const uint8_t *)op_in(op, frame, A) + at->offset[0],
              (const uint8_t *)op_in(op, frame, B) + at->offset[1]},
        .step = {step[0], step[1]},
        .y = (uint8_t *)op_out(op, frame, 0) + at->offset[2]};

    if ((step[0] | step[1]) != 1 || step[2] != 1)
        return false;
    op_spread(frame, state->walk.inner, 0.5, run_pieces, &work);
    return true;
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
         more = op_walk_next(&state->walk, &at)) {
        if (!fast_row(op, frame, &scales, &at))
            run_row(op, frame, &scales, &at);
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
