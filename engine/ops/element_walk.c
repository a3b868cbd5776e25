/*
 * Element walk: see element_walk.h.
 */
#include "element_walk.h"

static bool check_dims(const struct eng_tensor *x,
                       const struct eng_tensor *indices, int axis,
                       struct error *err)
{
    for (int i = 0; i < x->rank; i++) {
        if (i != axis && indices->dims[i] > x->dims[i])
            return fail(err, ERR_MODEL_INVALID,
                        "dimension %d of the indices is %lld, at most %lld", i,
                        (long long)indices->dims[i], (long long)x->dims[i]);
    }
    return true;
}

bool op_element_walk_make(struct op_node *op, struct op_element_walk *walk,
                          struct error *err)
{
    const struct eng_tensor *x = op->in[0], *indices = op->in[1];
    int64_t steps[2][ENG_RANK_MAX], axis = 0;

    if (!op_attr_int(op, "axis", &axis, err) || !op_axis(&axis, x->rank, err) ||
        !op_want_type(op, 1, OP_TYPES_INDEX, err))
        return false;
    if (indices->rank != x->rank)
        return fail(err, ERR_MODEL_INVALID, "indices have rank %d, x has %d",
                    indices->rank, x->rank);
    if (!check_dims(x, indices, (int)axis, err))
        return false;
    op_steps(x, steps[0]);
    op_steps(indices, steps[1]);
    walk->dim = x->dims[axis];
    walk->step = steps[0][axis];
    steps[0][axis] = 0;
    op_walk_make(&walk->walk, indices->rank, indices->dims, 2, steps);
    return true;
}
