/*
 * Hardmax, opset 13: y = 1 where x is largest along the axis (the first of
 * equals), 0 elsewhere
 *
 *   input   x     float, double, float16 or bfloat16 [d0, ..., dn-1]
 *   output  y     type and shape of x
 *   attr    axis  int = -1; negative counts from the end
 *                 below opset 13: int = 1, and all dimensions from it on are one
 *   errors  ERR_MODEL_INVALID: axis outside [-n, n-1]
 *   source  ONNX operator list, Hardmax-13, Hardmax-11
 *   check   exact
 */
#include <string.h>

#include "op.h"

struct hardmax_state {
    int64_t outer, length, inner; /* [outer, length, inner] */
};

static bool hardmax_infer(struct op_node *op, struct error *err)
{
    struct hardmax_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    bool is_flat = op->node->version < 13;
    int64_t axis = is_flat ? 1 : -1;

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err) ||
        !op_attr_int(op, "axis", &axis, err))
        return false;
    if (!(is_flat && axis == x->rank) && !op_axis(&axis, x->rank, err))
        return false;
    op->state = state;
    op_like(op->out[0], x);
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->length =
        is_flat ? eng_shape_product(x, (int)axis, x->rank) : x->dims[axis];
    state->inner = is_flat ? 1 : eng_shape_product(x, (int)axis + 1, x->rank);
    return true;
}

#define HARDMAX_ROWS(name, T)                                                  \
    static void name(const struct hardmax_state *state, const T *x, T *y)      \
    {                                                                          \
        for (int64_t row = 0; row < state->outer * state->inner; row++) {      \
            int64_t first = row / state->inner * state->length * state->inner; \
            int64_t best = first + row % state->inner, at = best;              \
                                                                               \
            for (int64_t i = 0; i < state->length; i++, at += state->inner)    \
                best = x[at] > x[best] ? at : best;                            \
            if (state->length)                                                 \
                y[best] = 1;                                                   \
        }                                                                      \
    }

HARDMAX_ROWS(rows_f32, float)
HARDMAX_ROWS(rows_f64, double)

static bool hardmax_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct hardmax_state *state = op->state;
    void *y = op_out(op, frame, 0);

    (void)err;
    memset(y, 0, eng_tensor_size(op->out[0]));
    if (op->in[0]->dtype == ENG_F32)
        rows_f32(state, op_in(op, frame, 0), y);
    else
        rows_f64(state, op_in(op, frame, 0), y);
    return true;
}

const struct op_impl op_hardmax = {.name = "hardmax",
                                   .in_min = 1,
                                   .in_max = 1,
                                   .out_min = 1,
                                   .out_max = 1,
                                   .flags = OP_WIDEN,
                                   .infer = hardmax_infer,
                                   .run = hardmax_run};
