/*
 * Expand, opset 13: y = x, broadcast together with `shape`
 *
 *   input   x      any type
 *           shape  int64 [m], known while planning
 *   output  y      broadcast of x's shape and `shape`
 *   errors  ERR_MODEL_INVALID: they do not broadcast, a negative dimension
 *   source  ONNX operator list, Expand-13
 */
#include "walk.h"

static bool expand_infer(struct op_node *op, struct error *err)
{
    struct op_walk *walk = op_alloc(op, sizeof *walk, err);
    struct eng_tensor shape = {.dtype = op->in[0]->dtype};
    size_t rank;

    if (!walk || !op_known_ints(op, 1, shape.dims, ENG_RANK_MAX, &rank, err))
        return false;
    shape.rank = (int)rank;
    if (eng_tensor_size(&shape) == SIZE_MAX)
        return fail(err, ERR_MODEL_INVALID,
                    "the shape is negative or too large");
    op->out[0]->dtype = op->in[0]->dtype;
    if (!op_broadcast(op->in[0], &shape, op->out[0], err))
        return false;
    if (eng_tensor_size(op->out[0]) != SIZE_MAX)
        op_walk_broadcast(walk, op->out[0], 1, op->in);
    op->state = walk;
    return true;
}

static bool expand_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    (void)err;
    op_walk_copy(op->state, eng_dtype_size(op->out[0]->dtype),
                 op_in(op, frame, 0), op_out(op, frame, 0));
    return true;
}

const struct op_impl op_expand = {.name = "expand",
                                  .in_min = 2,
                                  .in_max = 2,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .value_inputs = 2,
                                  .infer = expand_infer,
                                  .run = expand_run};
