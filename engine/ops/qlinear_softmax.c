/*
 * com.microsoft QLinearSoftmax-1: y = softmax of what the quantised tensor
 * stands for, quantised again
 *
 *   input   x, x_scale, x_zero, y_scale, y_zero
 *           x  uint8 or int8; scales float []; the zero point of x does not
 *           matter, that of y may be left out = 0
 *   output  y      type and shape of x
 *   attr    axis   int = -1, where the sum runs
 *           opset  int, required: below 13 all dimensions from axis on are one
 *   errors  ERR_MODEL_INVALID: axis outside; scales or zero points do not fit
 *   source  ONNX Runtime, ContribOperators; rounding is half to even
 */
#include <math.h>

#include "quant.h"

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };

struct qsoftmax_state {
    int64_t outer, length, inner; /* [outer, length, inner] */
};

static bool qsoftmax_infer(struct op_node *op, struct error *err)
{
    struct qsoftmax_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[X];
    int64_t axis = -1, opset = 0;

    op->state = state;
    if (!state || !op_want_type(op, X, OP_TYPES_QUANT8, err) ||
        !op_quant_check(op, X_SCALE, X_ZERO, x->dtype, 0, err) ||
        !op_quant_check(op, Y_SCALE, Y_ZERO, x->dtype, 0, err) ||
        !op_attr_int(op, "axis", &axis, err) ||
        !op_attr_int(op, "opset", &opset, err) || !op_axis(&axis, x->rank, err))
        return false;
    if (opset < 1)
        return fail(err, ERR_MODEL_INVALID, "attribute 'opset' is missing");
    op_like(op->out[0], x);
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->length =
        opset < 13 ? eng_shape_product(x, (int)axis, x->rank) : x->dims[axis];
    state->inner =
        opset < 13 ? 1 : eng_shape_product(x, (int)axis + 1, x->rank);
    return true;
}

/* exp of each distance from the largest value, in steps of the scale. */
enum { DISTANCES = 256 };

static void make_table(float scale, float *table)
{
    for (int i = 0; i < DISTANCES; i++)
        table[i] = expf(-scale * (float)i);
}

struct row {
    enum eng_dtype dtype;
    int64_t first, step, length;
    float y_scale;
    int32_t y_zero;
    const float *table;
};

static void run_row(const struct row *row, const void *x, void *y)
{
    int32_t max = INT32_MIN;
    float sum = 0;

    for (int64_t i = 0; i < row->length; i++) {
        int32_t value = op_quant_at(row->dtype, x, row->first + i * row->step);

        max = value > max ? value : max;
    }
    for (int64_t i = 0; i < row->length; i++)
        sum += row->table[max - op_quant_at(row->dtype, x,
                                            row->first + i * row->step)];
    for (int64_t i = 0; i < row->length; i++) {
        int64_t at = row->first + i * row->step;
        float value = row->table[max - op_quant_at(row->dtype, x, at)];

        op_quant_put(row->dtype, y, at, value / sum / row->y_scale,
                     row->y_zero);
    }
}

static bool qsoftmax_run(const struct op_node *op, const struct op_frame *frame,
                         struct error *err)
{
    const struct qsoftmax_state *state = op->state;
    float table[DISTANCES];
    struct row row = {.dtype = op->in[X]->dtype,
                      .step = state->inner,
                      .length = state->length,
                      .y_scale = op_scale_of(op, frame, Y_SCALE, 0),
                      .y_zero = op_zero_of(op, frame, Y_ZERO, 0),
                      .table = table};

    (void)err;
    make_table(op_scale_of(op, frame, X_SCALE, 0), table);
    for (int64_t i = 0; i < state->outer * state->inner; i++) {
        row.first =
            i / state->inner * state->length * state->inner + i % state->inner;
        run_row(&row, op_in(op, frame, X), op_out(op, frame, 0));
    }
    return true;
}

const struct op_impl op_qlinear_softmax = {.name = "qlinear_softmax",
                                           .in_min = 4,
                                           .in_max = 5,
                                           .out_min = 1,
                                           .out_max = 1,
                                           .infer = qsoftmax_infer,
                                           .run = qsoftmax_run};
