/*
 * OneHot, opset 11: y[i][j] = j == indices[i] ? on : off
 *
 *   input   indices  number [d0, ..., dn-1]; negative counts from depth
 *           depth    number, one element, known while planning
 *           values   any type [2]: off, on
 *   output  y        type of values; indices' shape with depth put in at `axis`
 *   attr    axis     int = -1, in [-n-1, n]
 *   errors  ERR_MODEL_INVALID: axis outside, depth negative or not one element,
 *           not two values
 *   source  ONNX operator list, OneHot-11; an index outside [-depth, depth-1]
 *           gives a row of off
 */
#include <string.h>

#include "cast.h"

struct one_hot_state {
    int64_t outer, depth, inner; /* [outer, depth, inner] */
    op_cast_fn to_int;           /* of the indices */
};

static bool read_depth(const struct op_node *op, int64_t *depth,
                       struct error *err)
{
    const struct eng_tensor *input = op->in[1];

    if (!op_want_type(op, 1, OP_TYPES_NUMBER, err))
        return false;
    if (eng_tensor_count(input) != 1)
        return fail(err, ERR_MODEL_INVALID, "depth is not one element");
    if (!input->data)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "depth is not known before the run");
    op_cast_find(input->dtype, ENG_I64)(input->data, depth, 1);
    return *depth >= 0 ||
           fail(err, ERR_MODEL_INVALID, "depth is %lld", (long long)*depth);
}

static bool one_hot_infer(struct op_node *op, struct error *err)
{
    struct one_hot_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *indices = op->in[0];
    struct eng_tensor *y = op->out[0];
    int64_t axis = -1;

    if (!state || !op_attr_int(op, "axis", &axis, err) ||
        !op_axis(&axis, indices->rank + 1, err) ||
        !op_want_type(op, 0, OP_TYPES_NUMBER, err) ||
        !read_depth(op, &state->depth, err))
        return false;
    if (indices->rank == ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "the output's rank");
    if (op->in[2]->rank != 1 || op->in[2]->dims[0] != 2)
        return fail(err, ERR_MODEL_INVALID, "values are not off and on");
    op->state = state;
    state->to_int = op_cast_find(indices->dtype, ENG_I64);
    state->outer = eng_shape_product(indices, 0, (int)axis);
    state->inner = eng_shape_product(indices, (int)axis, indices->rank);
    y->dtype = op->in[2]->dtype;
    y->rank = indices->rank + 1;
    for (int i = 0; i < y->rank; i++)
        y->dims[i] = i < axis    ? indices->dims[i]
                     : i == axis ? state->depth
                                 : indices->dims[i - 1];
    return true;
}

static bool one_hot_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct one_hot_state *state = op->state;
    size_t size = eng_dtype_size(op->out[0]->dtype);
    size_t index_size = eng_dtype_size(op->in[0]->dtype);
    const char *indices = op_in(op, frame, 0), *values = op_in(op, frame, 2);
    char *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t i = 0; i < eng_tensor_count(op->out[0]); i++)
        memcpy(y + (size_t)i * size, values, size);
    for (int64_t i = 0; i < state->outer * state->inner; i++) {
        int64_t o = i / state->inner, index;

        state->to_int(indices + (size_t)i * index_size, &index, 1);
        if (index < 0)
            index += state->depth;
        if (index < 0 || index >= state->depth)
            continue;
        index = (o * state->depth + index) * state->inner + i % state->inner;
        memcpy(y + (size_t)index * size, values + size, size);
    }
    return true;
}

const struct op_impl op_one_hot = {.name = "one_hot",
                                   .in_min = 3,
                                   .in_max = 3,
                                   .out_min = 1,
                                   .out_max = 1,
                                   .value_inputs = 2,
                                   .infer = one_hot_infer,
                                   .run = one_hot_run};
