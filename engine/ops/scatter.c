/*
 * ScatterElements, opset 18: y = x, but y[indices[i][j]][j] = updates[i][j],
 *   here for axis 0; before opset 11 it was called Scatter
 * ScatterND, opset 18: y = x, but y[indices[i, :]] = updates[i]
 *
 *   input   x        any type [d0, ..., dn-1] (float16, bfloat16 as float)
 *           indices  ScatterElements: int32 or int64, as GatherElements has them
 *                    ScatterND: int64 [i0, ..., im-1, k], k <= n
 *           updates  type of x; shape of indices, or [i0 .. im-1, dk .. dn-1]
 *   output  y        type and shape of x
 *   attr    axis       int = 0, ScatterElements only
 *           reduction  "none" (default: the last update of an element wins),
 *                      "add", "mul", "max", "min" with what is there
 *   errors  ERR_MODEL_INVALID: shapes that do not fit, types differ
 *           ERR_VALIDATION_ERROR: an index outside [-d, d-1]
 *   source  ONNX operator list
 */
#include "scatter.h"

#include <string.h>

#include "element_walk.h"

bool op_scatter_read(struct op_node *op, struct op_scatter *scatter,
                     struct error *err)
{
    static const char *const words[] = {"none", "add", "mul",
                                        "max",  "min", NULL};
    static const char *const names[] = {NULL, "Add", "Mul", "Max", "Min"};
    int reduction = 0;
    bool to_bool;

    if (!op_attr_word(op, "reduction", words, &reduction, err) ||
        !op_same_type(op, 0, 2, err))
        return false;
    scatter->size = eng_dtype_size(op->in[0]->dtype);
    scatter->combine = NULL;
    if (!reduction)
        return true;
    scatter->combine =
        op_binary_find(names[reduction], op->in[0]->dtype, &to_bool);
    return scatter->combine || op_want_type(op, 0, 0, err);
}

void op_scatter_put(const struct op_scatter *scatter, void *y,
                    const void *updates, int64_t count)
{
    if (scatter->combine)
        (void)scatter->combine(y, 1, updates, 1, y, count);
    else if (count)
        memcpy(y, updates, (size_t)count * scatter->size);
}

/* --- ScatterElements --- */

struct elements_state {
    struct op_scatter scatter;
    struct op_element_walk walk;
};

static bool elements_infer(struct op_node *op, struct error *err)
{
    struct elements_state *state = op_alloc(op, sizeof *state, err);

    if (!state || !op_scatter_read(op, &state->scatter, err) ||
        !op_element_walk_make(op, &state->walk, err))
        return false;
    if (!eng_shape_equal(op->in[1], op->in[2]))
        return fail(err, ERR_MODEL_INVALID,
                    "indices and updates have different shapes");
    op->state = state;
    op_like(op->out[0], op->in[0]);
    return true;
}

static bool elements_run(const struct op_node *op, const struct op_frame *frame,
                         struct error *err)
{
    const struct elements_state *state = op->state;
    const struct op_element_walk *walk = &state->walk;
    size_t size = state->scatter.size;
    const char *updates = op_in(op, frame, 2);
    char *y = op_out(op, frame, 0);
    struct op_element_place at;

    if (!op_copy_run(op, frame, err))
        return false;
    for (bool more = op_element_first(walk, &at); more;
         more = op_element_next(walk, &at)) {
        int64_t i = op_element_index(walk, &at);
        int64_t to = op_element_target(op, frame, walk, &at);

        if (to < 0)
            return op_index_outside(i, walk->dim, err);
        op_scatter_put(&state->scatter, y + (size_t)to * size,
                       updates + (size_t)i * size, 1);
    }
    return true;
}

const struct op_impl op_scatter_elements = {.name = "scatter_elements",
                                            .in_min = 3,
                                            .in_max = 3,
                                            .out_min = 1,
                                            .out_max = 1,
                                            .flags = OP_WIDEN,
                                            .infer = elements_infer,
                                            .run = elements_run};

/* --- ScatterND --- */

struct nd_state {
    struct op_scatter scatter;
    int64_t k;     /* coordinates in one index */
    int64_t slice; /* elements it points to */
};

/* The updates are [i0 .. im-1, dk .. dn-1]. */
static bool check_updates(const struct op_node *op, int64_t k,
                          struct error *err)
{
    const struct eng_tensor *x = op->in[0], *indices = op->in[1];
    const struct eng_tensor *updates = op->in[2];
    int lead = indices->rank - 1;
    bool fits = updates->rank == lead + x->rank - (int)k;

    for (int i = 0; fits && i < updates->rank; i++)
        fits = updates->dims[i] ==
               (i < lead ? indices->dims[i] : x->dims[(int)k + i - lead]);
    return fits || fail(err, ERR_MODEL_INVALID,
                        "the updates' shape fits neither indices nor x");
}

static bool nd_infer(struct op_node *op, struct error *err)
{
    struct nd_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0], *indices = op->in[1];

    if (!state || !op_scatter_read(op, &state->scatter, err) ||
        !op_want_type(op, 1, OP_TYPE(ENG_I64), err))
        return false;
    if (!indices->rank)
        return fail(err, ERR_MODEL_INVALID, "indices are a scalar");
    state->k = indices->dims[indices->rank - 1];
    if (state->k < 1 || state->k > x->rank)
        return fail(err, ERR_MODEL_INVALID,
                    "an index of %lld coordinates into rank %d",
                    (long long)state->k, x->rank);
    state->slice = eng_shape_product(x, (int)state->k, x->rank);
    op->state = state;
    op_like(op->out[0], x);
    return check_updates(op, state->k, err);
}

static bool nd_run(const struct op_node *op, const struct op_frame *frame,
                   struct error *err)
{
    const struct nd_state *state = op->state;
    const struct eng_tensor *x = op->in[0], *indices = op->in[1];
    int64_t rows = eng_shape_product(indices, 0, indices->rank - 1);
    size_t bytes = (size_t)state->slice * state->scatter.size;
    const char *updates = op_in(op, frame, 2);
    char *y = op_out(op, frame, 0);

    if (!op_copy_run(op, frame, err))
        return false;
    for (int64_t row = 0; row < rows; row++) {
        int64_t to = op_index_tuple(indices, op_in(op, frame, 1),
                                    row * state->k, x->dims, (int)state->k);

        if (to < 0)
            return fail(err, ERR_VALIDATION_ERROR, "index %lld is outside of x",
                        (long long)row);
        op_scatter_put(&state->scatter, y + (size_t)to * bytes,
                       updates + (size_t)row * bytes, state->slice);
    }
    return true;
}

const struct op_impl op_scatter_nd = {.name = "scatter_nd",
                                      .in_min = 3,
                                      .in_max = 3,
                                      .out_min = 1,
                                      .out_max = 1,
                                      .flags = OP_WIDEN,
                                      .infer = nd_infer,
                                      .run = nd_run};
