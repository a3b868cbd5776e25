/*
 * Transpose, opset 13: y[i_perm0, i_perm1, ...] = x[i0, i1, ...]
 *
 *   input   x     any type [d0, ..., dn-1]
 *   output  y     [d_perm0, ..., d_permn-1]
 *   attr    perm  ints = n-1, ..., 0; a permutation
 *   errors  ERR_MODEL_INVALID: perm is no permutation of the axes
 *   source  ONNX operator list, Transpose-13
 */
#include "walk.h"

static bool read_perm(const struct op_node *op, int64_t perm[ENG_RANK_MAX],
                      struct error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;
    int rank = op->in[0]->rank;
    uint32_t mask;

    if (!op_attr_ints(op, "perm", &list, &count, err))
        return false;
    for (int i = 0; i < rank; i++)
        perm[i] = rank - 1 - i;
    if (!list)
        return true;
    if (count != (size_t)rank)
        return fail(err, ERR_MODEL_INVALID, "perm has %zu axes, expected %d",
                    count, rank);
    for (int i = 0; i < rank; i++) {
        perm[i] = list[i];
        if (perm[i] < 0)
            return fail(err, ERR_MODEL_INVALID, "perm has a negative axis");
    }
    return op_axes(perm, count, rank, &mask, err);
}

static bool transpose_infer(struct op_node *op, struct error *err)
{
    struct op_walk *walk = op_alloc(op, sizeof *walk, err);
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];
    int64_t perm[ENG_RANK_MAX], from[ENG_RANK_MAX];
    int64_t steps[2][ENG_RANK_MAX];

    if (!walk || !read_perm(op, perm, err))
        return false;
    op_like(y, x);
    op_steps(x, from);
    for (int i = 0; i < x->rank; i++) {
        y->dims[i] = x->dims[perm[i]];
        steps[0][i] = from[perm[i]];
    }
    op_steps(y, steps[1]);
    op_walk_make(walk, y->rank, y->dims, 2, steps);
    op->state = walk;
    return true;
}

static bool transpose_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    (void)err;
    op_walk_copy(op->state, eng_dtype_size(op->out[0]->dtype),
                 op_in(op, frame, 0), op_out(op, frame, 0));
    return true;
}

const struct op_impl op_transpose = {.name = "transpose",
                                     .in_min = 1,
                                     .in_max = 1,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .infer = transpose_infer,
                                     .run = transpose_run};
