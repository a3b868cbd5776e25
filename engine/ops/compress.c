/*
 * Compress, opset 11: y = slices of x along `axis` whose condition is true
 *
 *   input   x          any type [d0, ..., dn-1]
 *           condition  bool [c], known while planning; a shorter list than the
 *                      axis means false for the rest, of a longer one only the
 *                      first elements count
 *   output  y          [d0 .. da-1, true conditions, da+1 .. dn-1]; without
 *                      axis x is flat
 *   attr    axis       int; absent = x is flattened
 *   errors  ERR_MODEL_INVALID: axis outside, condition not of rank 1
 *           ERR_MODEL_UNSUPPORTED: condition not known while planning
 *   source  ONNX operator list, Compress-11
 */
#include <string.h>

#include "op.h"

struct compress_state {
    int64_t outer, dim, conditions;
    size_t row_bytes;
};

static bool compress_infer(struct op_node *op, struct error *err)
{
    struct compress_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0], *condition = op->in[1];
    int64_t axis = 0, kept = 0;
    bool flat = !op_attr(op, "axis");

    op->state = state;
    if (!state || !op_want_type(op, 1, OP_TYPE(ENG_BOOL), err) ||
        !op_attr_int(op, "axis", &axis, err) ||
        (!flat && !op_axis(&axis, x->rank, err)))
        return false;
    if (condition->rank != 1)
        return fail(err, ERR_MODEL_INVALID, "the condition has rank %d",
                    condition->rank);
    if (!condition->data)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "the condition is not known before the run");
    state->dim = flat ? eng_tensor_count(x) : x->dims[axis];
    state->outer = flat ? 1 : eng_shape_product(x, 0, (int)axis);
    state->row_bytes = eng_dtype_size(x->dtype);
    if (!flat)
        state->row_bytes *=
            (size_t)eng_shape_product(x, (int)axis + 1, x->rank);
    state->conditions =
        condition->dims[0] < state->dim ? condition->dims[0] : state->dim;
    for (int64_t i = 0; i < state->conditions; i++)
        kept += ((const uint8_t *)condition->data)[i] != 0;
    op_like(op->out[0], x);
    if (flat)
        op->out[0]->rank = 1;
    op->out[0]->dims[axis] = kept;
    return true;
}

static bool compress_run(const struct op_node *op, const struct op_frame *frame,
                         struct error *err)
{
    const struct compress_state *state = op->state;
    /* The conditions that the shape was made from. */
    const uint8_t *condition = op->in[1]->data;
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t o = 0; o < state->outer; o++) {
        for (int64_t i = 0; i < state->conditions; i++) {
            if (!condition[i])
                continue;
            memcpy(y, x + (size_t)(o * state->dim + i) * state->row_bytes,
                   state->row_bytes);
            y += state->row_bytes;
        }
    }
    return true;
}

const struct op_impl op_compress = {.name = "compress",
                                    .in_min = 2,
                                    .in_max = 2,
                                    .out_min = 1,
                                    .out_max = 1,
                                    .value_inputs = 2,
                                    .infer = compress_infer,
                                    .run = compress_run};
