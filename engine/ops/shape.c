/*
 * Shape, opset 15: y = dimensions of x, from `start` up to `end`
 * Size, opset 13: y = number of elements of x
 *
 *   input   x           any type, [d0, ..., dn-1]
 *   output  y           int64 [m]; Size: a scalar. Known while planning
 *   attr    start, end  int = 0, n; negative counts from the end, clamped
 *   source  ONNX operator list, Shape-15
 */
#include <string.h>

#include "op.h"

static int64_t clamp_axis(int64_t axis, int rank)
{
    if (axis < 0)
        axis += rank;
    return axis < 0 ? 0 : axis > rank ? rank : axis;
}

static bool shape_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];
    int64_t start = 0, end = x->rank;

    if (!op_attr_int(op, "start", &start, err) ||
        !op_attr_int(op, "end", &end, err))
        return false;
    start = clamp_axis(start, x->rank);
    end = clamp_axis(end, x->rank);
    if (end < start)
        end = start;
    y->dtype = ENG_I64;
    eng_shape_set(y, 1, (const int64_t[]){end - start});
    y->data = arena_copy(op->arena, &x->dims[start],
                         (size_t)(end - start) * sizeof x->dims[0]);
    return y->data || fail(err, ERR_OUT_OF_MEMORY, "no memory for a shape");
}

static bool size_infer(struct op_node *op, struct error *err)
{
    struct eng_tensor *y = op->out[0];
    int64_t count = eng_tensor_count(op->in[0]);

    y->dtype = ENG_I64;
    y->rank = 0;
    y->data = arena_copy(op->arena, &count, sizeof count);
    return y->data || fail(err, ERR_OUT_OF_MEMORY, "no memory for a size");
}

/* Never called: infer gives the elements. */
static bool shape_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    (void)frame;
    return fail(err, ERR_INTERNAL, "'%.40s' has no value", op->node->op);
}

const struct op_impl op_shape = {.name = "shape",
                                 .in_min = 1,
                                 .in_max = 1,
                                 .out_min = 1,
                                 .out_max = 1,
                                 .flags = OP_SHAPE_ONLY,
                                 .infer = shape_infer,
                                 .run = shape_run};

const struct op_impl op_size = {.name = "size",
                                .in_min = 1,
                                .in_max = 1,
                                .out_min = 1,
                                .out_max = 1,
                                .flags = OP_SHAPE_ONLY,
                                .infer = size_infer,
                                .run = shape_run};
