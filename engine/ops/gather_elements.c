/*
 * GatherElements, opset 13: y[i][j] = x[indices[i][j]][j], here for axis 0
 *
 *   input   x        any type [d0, ..., dn-1]
 *           indices  int32 or int64 [i0, ..., in-1], in other dimensions than
 *                    the axis at most as long as x; negative counts from the end
 *   output  y        [i0, ..., in-1]
 *   attr    axis     int = 0
 *   errors  ERR_MODEL_INVALID: ranks differ, a dimension too long, axis outside
 *           ERR_VALIDATION_ERROR: an index outside [-d, d-1]
 *   source  ONNX operator list, GatherElements-13
 */
#include <string.h>

#include "element_walk.h"

static bool gather_elements_infer(struct op_node *op, struct error *err)
{
    struct op_element_walk *walk = op_alloc(op, sizeof *walk, err);

    if (!walk || !op_element_walk_make(op, walk, err))
        return false;
    op->state = walk;
    op_like(op->out[0], op->in[1]);
    op->out[0]->dtype = op->in[0]->dtype;
    return true;
}

static bool gather_elements_run(const struct op_node *op,
                                const struct op_frame *frame, struct error *err)
{
    const struct op_element_walk *walk = op->state;
    size_t size = eng_dtype_size(op->out[0]->dtype);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);
    struct op_element_place at;

    for (bool more = op_element_first(walk, &at); more;
         more = op_element_next(walk, &at)) {
        int64_t from = op_element_target(op, frame, walk, &at);

        if (from < 0)
            return op_index_outside(op_element_index(walk, &at), walk->dim,
                                    err);
        memcpy(y + (size_t)op_element_index(walk, &at) * size,
               x + (size_t)from * size, size);
    }
    return true;
}

const struct op_impl op_gather_elements = {.name = "gather_elements",
                                           .in_min = 2,
                                           .in_max = 2,
                                           .out_min = 1,
                                           .out_max = 1,
                                           .infer = gather_elements_infer,
                                           .run = gather_elements_run};
