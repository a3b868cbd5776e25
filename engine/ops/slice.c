/*
 * Slice, opset 13: y = x[start : end : step] along the given axes
 *
 *   input   x       any type [d0, ..., dn-1]
 *           starts  int [m], known while planning (below opset 10: attributes)
 *           ends    int [m]
 *           axes    int [m] = 0, ..., m-1; negative counts from the end
 *           steps   int [m] = 1; negative walks backwards, never 0
 *   output  y       starts and ends are clamped to the dimension
 *   errors  ERR_MODEL_INVALID: lengths differ, a step of 0, axis outside or twice
 *   source  ONNX operator list, Slice-13
 */
#include "walk.h"

struct slice_state {
    struct op_walk walk;
    int64_t offset; /* elements of x before the first one taken */
};

struct slice_lists {
    int64_t starts[ENG_RANK_MAX], ends[ENG_RANK_MAX];
    int64_t axes[ENG_RANK_MAX], steps[ENG_RANK_MAX];
    size_t count;
};

static bool list_attr(const struct op_node *op, const char *name,
                      int64_t list[ENG_RANK_MAX], size_t *count,
                      struct error *err)
{
    const int64_t *from = NULL;
    size_t n = 0;

    if (!op_attr_ints(op, name, &from, &n, err))
        return false;
    if (n > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_INVALID, "'%s' has %zu elements, limit %d",
                    name, n, ENG_RANK_MAX);
    for (size_t i = 0; i < n; i++)
        list[i] = from[i];
    *count = n;
    return true;
}

static bool read_attrs(const struct op_node *op, struct slice_lists *lists,
                       size_t *ends, size_t *axes, struct error *err)
{
    return list_attr(op, "starts", lists->starts, &lists->count, err) &&
           list_attr(op, "ends", lists->ends, ends, err) &&
           list_attr(op, "axes", lists->axes, axes, err);
}

static bool read_inputs(const struct op_node *op, struct slice_lists *lists,
                        size_t *ends, size_t *axes, size_t *steps,
                        struct error *err)
{
    if (!op_has(op, 1) || !op_has(op, 2))
        return fail(err, ERR_MODEL_INVALID, "starts or ends are missing");
    return op_known_ints(op, 1, lists->starts, ENG_RANK_MAX, &lists->count,
                         err) &&
           op_known_ints(op, 2, lists->ends, ENG_RANK_MAX, ends, err) &&
           (!op_has(op, 3) ||
            op_known_ints(op, 3, lists->axes, ENG_RANK_MAX, axes, err)) &&
           (!op_has(op, 4) ||
            op_known_ints(op, 4, lists->steps, ENG_RANK_MAX, steps, err));
}

static bool read_lists(const struct op_node *op, struct slice_lists *lists,
                       struct error *err)
{
    size_t ends = 0, axes = 0, steps = 0;
    bool ok = op->node->version < 10
                  ? read_attrs(op, lists, &ends, &axes, err)
                  : read_inputs(op, lists, &ends, &axes, &steps, err);

    if (!ok)
        return false;
    if (ends != lists->count || (axes && axes != lists->count) ||
        (steps && steps != lists->count))
        return fail(err, ERR_MODEL_INVALID,
                    "%zu starts, %zu ends, %zu axes, %zu steps", lists->count,
                    ends, axes, steps);
    for (size_t i = 0; i < lists->count; i++) {
        if (!axes)
            lists->axes[i] = (int64_t)i;
        if (!steps)
            lists->steps[i] = 1;
    }
    return true;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* First index and number of elements of one axis. */
static int64_t cut(int64_t dim, int64_t start, int64_t end, int64_t step,
                   int64_t *first)
{
    if (start < 0)
        start = start < -dim ? -1 : start + dim;
    if (end < 0)
        end = end < -dim ? -1 : end + dim;
    if (step > 0) {
        start = clamp(start, 0, dim);
        end = clamp(end, 0, dim);
        *first = start;
        return end > start ? (end - start - 1) / step + 1 : 0;
    }
    start = clamp(start, -1, dim - 1);
    end = clamp(end, -1, dim - 1);
    *first = start;
    /* -INT64_MIN does not exist; such a step takes one element. */
    if (step == INT64_MIN)
        step = -INT64_MAX;
    return start > end ? (start - end - 1) / -step + 1 : 0;
}

static bool apply(struct op_node *op, struct slice_state *state,
                  const struct slice_lists *lists, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];
    int64_t from[ENG_RANK_MAX], steps[2][ENG_RANK_MAX];
    uint32_t mask;

    if (!op_axes(lists->axes, lists->count, x->rank, &mask, err))
        return false;
    op_like(y, x);
    op_steps(x, from);
    op_steps(x, steps[0]);
    for (size_t i = 0; i < lists->count; i++) {
        int64_t axis = lists->axes[i] + (lists->axes[i] < 0 ? x->rank : 0);
        int64_t first;

        if (!lists->steps[i])
            return fail(err, ERR_MODEL_INVALID, "step %zu is 0", i);
        y->dims[axis] = cut(x->dims[axis], lists->starts[i], lists->ends[i],
                            lists->steps[i], &first);
        if (y->dims[axis] == 0)
            continue;
        state->offset += first * from[axis];
        /* With one element the step is never taken, and may not overflow. */
        if (y->dims[axis] > 1)
            steps[0][axis] = from[axis] * lists->steps[i];
    }
    op_steps(y, steps[1]);
    op_walk_make(&state->walk, y->rank, y->dims, 2, steps);
    return true;
}

static bool slice_infer(struct op_node *op, struct error *err)
{
    struct slice_state *state = op_alloc(op, sizeof *state, err);
    struct slice_lists lists = {.count = 0};

    op->state = state;
    return state && read_lists(op, &lists, err) &&
           apply(op, state, &lists, err);
}

static bool slice_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct slice_state *state = op->state;
    size_t size = eng_dtype_size(op->out[0]->dtype);
    const char *x = op_in(op, frame, 0);

    (void)err;
    op_walk_copy(&state->walk, size, x + state->offset * (int64_t)size,
                 op_out(op, frame, 0));
    return true;
}

const struct op_impl op_slice = {.name = "slice",
                                 .in_min = 1,
                                 .in_max = 5,
                                 .out_min = 1,
                                 .out_max = 1,
                                 .value_inputs = 0x1e,
                                 .infer = slice_infer,
                                 .run = slice_run};
