/*
 * com.microsoft QLinearSigmoid-1, QLinearLeakyRelu-1: y = f(x) of what the
 * quantised tensor stands for, quantised again
 *
 *   input   x, x_scale, x_zero, y_scale, y_zero
 *           x  uint8 or int8; scales float []; zero points may be left out = 0
 *   output  y      type and shape of x; may share memory with x
 *   attr    alpha  float = 0.01 (QLinearLeakyRelu)
 *   errors  ERR_MODEL_INVALID: scales or zero points do not fit
 *   source  ONNX Runtime, ContribOperators; rounding is half to even
 *
 * A byte has 256 values, so y comes out of a table.
 */
#include <math.h>
#include <string.h>

#include "quant.h"

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO, VALUES = 256 };

struct qunary_state {
    bool is_sigmoid;
    float alpha;
};

static bool qunary_infer(struct op_node *op, struct error *err)
{
    struct qunary_state *state = op_alloc(op, sizeof *state, err);
    enum eng_dtype dtype = op->in[X]->dtype;

    op->state = state;
    if (!state || !op_want_type(op, X, OP_TYPES_QUANT8, err) ||
        !op_quant_check(op, X_SCALE, X_ZERO, dtype, 0, err) ||
        !op_quant_check(op, Y_SCALE, Y_ZERO, dtype, 0, err))
        return false;
    state->is_sigmoid = strcmp(op->node->op, "QLinearSigmoid") == 0;
    state->alpha = 0.01F;
    op_like(op->out[0], op->in[X]);
    return op_attr_float(op, "alpha", &state->alpha, err);
}

static float apply(const struct qunary_state *state, float x)
{
    if (state->is_sigmoid)
        return 1 / (1 + expf(-x));
    return x >= 0 ? x : state->alpha * x;
}

/* Entry i is for the byte i, whatever its sign. */
static void make_table(const struct op_node *op, const struct op_frame *frame,
                       uint8_t *table)
{
    enum eng_dtype dtype = op->in[X]->dtype;
    float scale = op_scale_of(op, frame, X_SCALE, 0);
    float y_scale = op_scale_of(op, frame, Y_SCALE, 0);
    int32_t zero = op_zero_of(op, frame, X_ZERO, 0);
    int32_t y_zero = op_zero_of(op, frame, Y_ZERO, 0);

    for (int i = 0; i < VALUES; i++) {
        uint8_t byte = (uint8_t)i;
        float x = (float)(op_quant_at(dtype, &byte, 0) - zero) * scale;

        op_quant_put(dtype, table, i, apply(op->state, x) / y_scale, y_zero);
    }
}

static bool qunary_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const uint8_t *x = op_in(op, frame, X);
    uint8_t *y = op_out(op, frame, 0);
    int64_t count = eng_tensor_count(op->in[X]);
    uint8_t table[VALUES];

    (void)err;
    make_table(op, frame, table);
    for (int64_t i = 0; i < count; i++)
        y[i] = table[x[i]];
    return true;
}

const struct op_impl op_qlinear_unary = {.name = "qlinear_unary",
                                         .in_min = 4,
                                         .in_max = 5,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .in_place = 1,
                                         .infer = qunary_infer,
                                         .run = qunary_run};
