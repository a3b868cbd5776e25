/*
 * GatherND, opset 13: y[i] = x[indices[i, :]], a slice of x per index
 *
 *   input   x        any type [b0, ..., d0, ..., dn-1]
 *           indices  int64 [b0, ..., i0, ..., im-1, k], k <= n; negative counts
 *                    from the end
 *   output  y        [b0, ..., i0, ..., im-1, dk, ..., dn-1]
 *   attr    batch_dims  int = 0: how many leading dimensions b the two share
 *   errors  ERR_MODEL_INVALID: batch dimensions that differ, k outside [1, n]
 *           ERR_VALIDATION_ERROR: an index outside [-d, d-1]
 *   source  ONNX operator list, GatherND-13
 */
#include <string.h>

#include "indices.h"

struct gather_nd_state {
    int batch;             /* dimensions */
    int64_t batches, rows; /* batches; indices per batch */
    int64_t k;             /* coordinates in one index */
    int64_t slice;         /* elements it points to */
};

static bool check_shapes(const struct op_node *op,
                         const struct gather_nd_state *state, int64_t batch,
                         struct error *err)
{
    const struct eng_tensor *x = op->in[0], *indices = op->in[1];

    if (batch < 0 || batch >= indices->rank || batch > x->rank)
        return fail(err, ERR_MODEL_INVALID, "batch_dims is %lld",
                    (long long)batch);
    for (int i = 0; i < (int)batch; i++) {
        if (x->dims[i] != indices->dims[i])
            return fail(err, ERR_MODEL_INVALID,
                        "batch dimension %d is %lld and %lld", i,
                        (long long)x->dims[i], (long long)indices->dims[i]);
    }
    if (state->k < 1 || state->k > x->rank - batch)
        return fail(err, ERR_MODEL_INVALID,
                    "an index of %lld coordinates into rank %d",
                    (long long)state->k, x->rank - (int)batch);
    if (indices->rank - 1 + x->rank - (int)(batch + state->k) > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "the output's rank");
    return true;
}

static bool gather_nd_infer(struct op_node *op, struct error *err)
{
    struct gather_nd_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0], *indices = op->in[1];
    struct eng_tensor *y = op->out[0];
    int64_t batch = 0;
    int first;

    if (!state || !op_attr_int(op, "batch_dims", &batch, err) ||
        !op_want_type(op, 1, OP_TYPE(ENG_I64), err))
        return false;
    state->k = indices->rank ? indices->dims[indices->rank - 1] : 0;
    if (!check_shapes(op, state, batch, err))
        return false;
    op->state = state;
    state->batch = (int)batch;
    first = (int)(batch + state->k);
    state->batches = eng_shape_product(x, 0, state->batch);
    state->rows = eng_shape_product(indices, state->batch, indices->rank - 1);
    state->slice = eng_shape_product(x, first, x->rank);
    y->dtype = x->dtype;
    y->rank = 0;
    for (int i = 0; i < indices->rank - 1; i++)
        y->dims[y->rank++] = indices->dims[i];
    for (int i = first; i < x->rank; i++)
        y->dims[y->rank++] = x->dims[i];
    return true;
}

static bool gather_nd_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct gather_nd_state *state = op->state;
    const struct eng_tensor *x = op->in[0];
    const int64_t *dims = x->dims + state->batch;
    size_t bytes = (size_t)state->slice * eng_dtype_size(x->dtype);
    int64_t places =
        eng_shape_product(x, state->batch, state->batch + (int)state->k);
    const char *from = op_in(op, frame, 0);
    char *to = op_out(op, frame, 0);

    for (int64_t row = 0; bytes && row < state->batches * state->rows; row++) {
        int64_t place = op_index_tuple(op->in[1], op_in(op, frame, 1),
                                       row * state->k, dims, (int)state->k);

        if (place < 0)
            return fail(err, ERR_VALIDATION_ERROR, "index %lld is outside of x",
                        (long long)row);
        place += row / state->rows * places;
        memcpy(to, from + (size_t)place * bytes, bytes);
        to += bytes;
    }
    return true;
}

const struct op_impl op_gather_nd = {.name = "gather_nd",
                                     .in_min = 2,
                                     .in_max = 2,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .infer = gather_nd_infer,
                                     .run = gather_nd_run};
