/*
 * com.microsoft QLinearConcat-1: what the quantised inputs stand for, one after
 * the other along `axis`, quantised again
 *
 *   input   y_scale, y_zero, then x, x_scale, x_zero of each part
 *           x  uint8 or int8, equal but for dimension `axis`; scales float []
 *   output  y     type of x
 *   attr    axis  int, required; negative counts from the end
 *   errors  ERR_MODEL_INVALID: axis absent or outside; shapes, scales or zero
 *           points do not fit
 *   source  ONNX Runtime, ContribOperators; rounding is half to even
 *
 * A byte has 256 values, so each part goes through a table.
 */
#include "quant.h"

enum { Y_SCALE, Y_ZERO, FIRST, PER_PART = 3, VALUES = 256 };

struct qconcat_state {
    int64_t outer; /* product of the dimensions before the axis */
    int axis;
};

static size_t part_count(const struct op_node *op)
{
    return (op->in_count - FIRST) / PER_PART;
}

static bool add_part(struct op_node *op, size_t part, int axis,
                     struct error *err)
{
    size_t at = FIRST + part * PER_PART;
    const struct eng_tensor *x = op->in[at];
    struct eng_tensor *y = op->out[0];
    bool fits = x && op->in[at + 1] && op->in[at + 2] && x->rank == y->rank &&
                x->dtype == y->dtype;

    for (int d = 0; fits && d < y->rank; d++)
        fits = d == axis || x->dims[d] == y->dims[d];
    if (!fits)
        return fail(err, ERR_MODEL_INVALID, "part %zu does not fit", part);
    if (__builtin_add_overflow(y->dims[axis], x->dims[axis], &y->dims[axis]))
        return fail(err, ERR_MODEL_INVALID, "the dimensions overflow");
    return op_quant_check(op, at + 1, at + 2, x->dtype, 0, err);
}

static bool qconcat_infer(struct op_node *op, struct error *err)
{
    struct qconcat_state *state = op_alloc(op, sizeof *state, err);
    struct eng_tensor *y = op->out[0];
    int64_t axis = INT64_MIN;

    op->state = state;
    if (!state)
        return false;
    if ((op->in_count - FIRST) % PER_PART != 0 || !op->in[FIRST])
        return fail(err, ERR_MODEL_INVALID, "%zu inputs", op->in_count);
    if (!op_want_type(op, FIRST, OP_TYPES_QUANT8, err) ||
        !op_attr_int(op, "axis", &axis, err))
        return false;
    if (axis == INT64_MIN)
        return fail(err, ERR_MODEL_INVALID, "attribute 'axis' is missing");
    op_like(y, op->in[FIRST]);
    if (!op_axis(&axis, y->rank, err) ||
        !op_quant_check(op, Y_SCALE, Y_ZERO, y->dtype, 0, err))
        return false;
    state->axis = (int)axis;
    y->dims[axis] = 0;
    for (size_t i = 0; i < part_count(op); i++) {
        if (!add_part(op, i, state->axis, err))
            return false;
    }
    state->outer = eng_shape_product(y, 0, state->axis);
    return true;
}

/* Entry i is for the byte i of this part, whatever its sign. */
static void make_table(const struct op_node *op, const struct op_frame *frame,
                       size_t at, uint8_t *table)
{
    enum eng_dtype dtype = op->out[0]->dtype;
    float scale = op_scale_of(op, frame, at + 1, 0);
    float y_scale = op_scale_of(op, frame, Y_SCALE, 0);
    int32_t zero = op_zero_of(op, frame, at + 2, 0);
    int32_t y_zero = op_zero_of(op, frame, Y_ZERO, 0);

    for (int i = 0; i < VALUES; i++) {
        uint8_t byte = (uint8_t)i;

        op_quant_put(dtype, table, i,
                     (float)(op_quant_at(dtype, &byte, 0) - zero) * scale /
                         y_scale,
                     y_zero);
    }
}

static bool qconcat_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct qconcat_state *state = op->state;
    const struct eng_tensor *y = op->out[0];
    int64_t total = eng_shape_product(y, state->axis, y->rank);
    uint8_t *to = op_out(op, frame, 0);

    (void)err;
    for (size_t p = 0; p < part_count(op); p++) {
        const struct eng_tensor *x = op->in[FIRST + p * PER_PART];
        const uint8_t *from = op_in(op, frame, FIRST + p * PER_PART);
        int64_t row = eng_shape_product(x, state->axis, x->rank);
        uint8_t table[VALUES];

        make_table(op, frame, FIRST + p * PER_PART, table);
        for (int64_t i = 0; i < state->outer * row; i++)
            to[i / row * total + i % row] = table[from[i]];
        to += row;
    }
    return true;
}

const struct op_impl op_qlinear_concat = {.name = "qlinear_concat",
                                          .in_min = FIRST + PER_PART,
                                          .in_max = OP_MANY,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = qconcat_infer,
                                          .run = qconcat_run};
