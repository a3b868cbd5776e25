/*
 * Gather, opset 13: y = rows of x along `axis`, picked by index
 *
 *   input   x        any type [d0, ..., dn-1]
 *           indices  int32 or int64 [i0, ..., im-1]; negative counts from the end
 *   output  y        [d0 .. da-1, i0 .. im-1, da+1 .. dn-1]
 *   attr    axis     int = 0
 *   errors  ERR_MODEL_INVALID: axis outside; a constant index outside
 *           ERR_VALIDATION_ERROR: an index outside [-da, da-1] at run time
 *   source  ONNX operator list, Gather-13
 */
#include <string.h>

#include "indices.h"

struct gather_state {
    int64_t outer, dim, count; /* before the axis; of the axis; of indices */
    size_t row_bytes;          /* of everything behind the axis */
};

static bool gather_infer(struct op_node *op, struct error *err)
{
    struct gather_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0], *indices = op->in[1];
    struct eng_tensor *y = op->out[0];
    int64_t axis = 0;

    if (!state || !op_attr_int(op, "axis", &axis, err) ||
        !op_axis(&axis, x->rank, err) ||
        !op_want_type(op, 1, OP_TYPES_INDEX, err))
        return false;
    if (x->rank - 1 + indices->rank > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "the output has rank %d",
                    x->rank - 1 + indices->rank);
    y->dtype = x->dtype;
    y->rank = 0;
    for (int i = 0; i < (int)axis; i++)
        y->dims[y->rank++] = x->dims[i];
    for (int i = 0; i < indices->rank; i++)
        y->dims[y->rank++] = indices->dims[i];
    for (int i = (int)axis + 1; i < x->rank; i++)
        y->dims[y->rank++] = x->dims[i];
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->dim = x->dims[axis];
    state->count = eng_tensor_count(indices);
    state->row_bytes = (size_t)eng_shape_product(x, (int)axis + 1, x->rank) *
                       eng_dtype_size(x->dtype);
    op->state = state;
    return true;
}

static bool gather_prepare(struct op_node *op, struct error *err)
{
    const struct gather_state *state = op->state;

    for (int64_t i = 0; op->in[1]->data && i < state->count; i++) {
        if (op_index_at(op->in[1], op->in[1]->data, i, state->dim) < 0)
            return fail(err, ERR_MODEL_INVALID,
                        "index %lld is outside a dimension of %lld",
                        (long long)i, (long long)state->dim);
    }
    return true;
}

static bool gather_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct gather_state *state = op->state;
    const void *indices = op_in(op, frame, 1);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    for (int64_t o = 0; o < state->outer; o++) {
        for (int64_t i = 0; i < state->count; i++) {
            int64_t index = op_index_at(op->in[1], indices, i, state->dim);

            if (index < 0)
                return op_index_outside(i, state->dim, err);
            memcpy(y, x + (size_t)(o * state->dim + index) * state->row_bytes,
                   state->row_bytes);
            y += state->row_bytes;
        }
    }
    return true;
}

const struct op_impl op_gather = {.name = "gather",
                                  .in_min = 2,
                                  .in_max = 2,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .infer = gather_infer,
                                  .prepare = gather_prepare,
                                  .run = gather_run};
