/*
 * Concat, opset 13: y = the inputs one after the other along `axis`
 * Split, opset 18: the outputs are x, cut along `axis`
 *
 *   Concat
 *   input   any number, one type, equal but for dimension `axis`
 *   attr    axis  int, required; negative counts from the end
 *   Split
 *   input   x      any type
 *           split  int64 [outputs], known while planning (below opset 13 an
 *                  attribute) = equal parts, the last one smaller
 *   attr    axis         int = 0
 *           num_outputs  int, from opset 18
 *   errors  ERR_MODEL_INVALID: axis absent or outside, shapes or types differ,
 *           the parts do not add up
 *   source  ONNX operator list
 */
#include <string.h>

#include "op.h"

struct parts_state {
    int64_t outer; /* product of the dimensions before the axis */
    size_t *bytes; /* of each part in one outer step */
    size_t total;  /* sum of bytes */
};

static struct parts_state *new_state(struct op_node *op, size_t parts,
                                     struct error *err)
{
    struct parts_state *state = op_alloc(op, sizeof *state, err);

    if (!state)
        return NULL;
    state->bytes = op_alloc(op, (parts + 1) * sizeof *state->bytes, err);
    op->state = state;
    return state->bytes ? state : NULL;
}

/* Bytes of all dimensions from the axis on. */
static size_t row_bytes(const struct eng_tensor *tensor, int axis)
{
    return (size_t)eng_shape_product(tensor, axis, tensor->rank) *
           eng_dtype_size(tensor->dtype);
}

static bool add_input(struct op_node *op, size_t i, int axis, struct error *err)
{
    const struct eng_tensor *x = op->in[i];
    struct eng_tensor *y = op->out[0];
    char text[ENG_SHAPE_TEXT];
    bool fits = x && x->rank == y->rank;

    for (int d = 0; fits && d < y->rank; d++)
        fits = d == axis || x->dims[d] == y->dims[d];
    if (!fits)
        return fail(err, ERR_MODEL_INVALID, "input %zu %.60s does not fit", i,
                    x ? eng_shape_text(x, text) : "is left out");
    if (__builtin_add_overflow(y->dims[axis], x->dims[axis], &y->dims[axis]))
        return fail(err, ERR_MODEL_INVALID, "the dimensions overflow");
    return op_same_type(op, 0, i, err);
}

static bool concat_infer(struct op_node *op, struct error *err)
{
    struct parts_state *state = new_state(op, op->in_count, err);
    int64_t axis = 0;

    if (!state || !op_attr_int(op, "axis", &axis, err))
        return false;
    if (!op_attr(op, "axis"))
        return fail(err, ERR_MODEL_INVALID, "attribute 'axis' is missing");
    if (!op_axis(&axis, op->in[0]->rank, err))
        return false;
    op_like(op->out[0], op->in[0]);
    for (size_t i = 1; i < op->in_count; i++) {
        if (!add_input(op, i, (int)axis, err))
            return false;
    }
    state->outer = eng_shape_product(op->out[0], 0, (int)axis);
    for (size_t i = 0; i < op->in_count; i++) {
        state->bytes[i] = row_bytes(op->in[i], (int)axis);
        state->total += state->bytes[i];
    }
    return true;
}

static bool concat_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct parts_state *state = op->state;
    size_t before = 0;

    (void)err;
    for (size_t i = 0; i < op->in_count; i++) {
        const char *x = op_in(op, frame, i);
        char *y = (char *)op_out(op, frame, 0) + before;

        for (int64_t o = 0; state->bytes[i] && o < state->outer; o++)
            memcpy(y + (size_t)o * state->total,
                   x + (size_t)o * state->bytes[i], state->bytes[i]);
        before += state->bytes[i];
    }
    return true;
}

const struct op_impl op_concat = {.name = "concat",
                                  .in_min = 1,
                                  .in_max = OP_MANY,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .infer = concat_infer,
                                  .run = concat_run};

/* --- Split --- */

/* Lengths that the model gives; *given = false: it gives none. */
static bool given_lengths(const struct op_node *op, int64_t *lengths,
                          bool *given, struct error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;

    *given = true;
    if (op_has(op, 1)) {
        if (!op_known_ints(op, 1, lengths, op->out_count, &count, err))
            return false;
    } else {
        if (!op_attr_ints(op, "split", &list, &count, err))
            return false;
        *given = list != NULL;
        for (size_t i = 0; list && i < count && i < op->out_count; i++)
            lengths[i] = list[i];
    }
    if (*given && count != op->out_count)
        return fail(err, ERR_MODEL_INVALID, "%zu lengths for %zu outputs",
                    count, op->out_count);
    return true;
}

static bool split_lengths(const struct op_node *op, int64_t dim,
                          int64_t *lengths, struct error *err)
{
    int64_t count = (int64_t)op->out_count, sum = 0;
    int64_t part = (dim + count - 1) / count;
    bool given;

    if (!given_lengths(op, lengths, &given, err))
        return false;
    for (int64_t i = 0; i < count; i++) {
        if (!given)
            lengths[i] = part < dim - sum ? part : dim - sum;
        if (lengths[i] < 0 || lengths[i] > dim - sum)
            return fail(err, ERR_MODEL_INVALID,
                        "length %lld does not fit into %lld",
                        (long long)lengths[i], (long long)dim);
        sum += lengths[i];
    }
    if (sum != dim)
        return fail(err, ERR_MODEL_INVALID,
                    "the lengths add up to %lld of %lld", (long long)sum,
                    (long long)dim);
    return true;
}

static bool split_infer(struct op_node *op, struct error *err)
{
    struct parts_state *state = new_state(op, op->out_count, err);
    int64_t *lengths = op_alloc(op, (op->out_count + 1) * sizeof *lengths, err);
    const struct eng_tensor *x = op->in[0];
    int64_t axis = 0;

    if (!state || !lengths || !op_attr_int(op, "axis", &axis, err) ||
        !op_axis(&axis, x->rank, err) ||
        !split_lengths(op, x->dims[axis], lengths, err))
        return false;
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->total = row_bytes(x, (int)axis);
    for (size_t i = 0; i < op->out_count; i++) {
        op_like(op->out[i], x);
        op->out[i]->dims[axis] = lengths[i];
        state->bytes[i] = row_bytes(op->out[i], (int)axis);
    }
    return true;
}

static bool split_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct parts_state *state = op->state;
    size_t before = 0;

    (void)err;
    for (size_t i = 0; i < op->out_count; i++) {
        const char *x = (const char *)op_in(op, frame, 0) + before;
        char *y = op_out(op, frame, i);

        for (int64_t o = 0; state->bytes[i] && o < state->outer; o++)
            memcpy(y + (size_t)o * state->bytes[i],
                   x + (size_t)o * state->total, state->bytes[i]);
        before += state->bytes[i];
    }
    return true;
}

const struct op_impl op_split = {.name = "split",
                                 .in_min = 1,
                                 .in_max = 2,
                                 .out_min = 1,
                                 .out_max = OP_MANY,
                                 .value_inputs = 2,
                                 .infer = split_infer,
                                 .run = split_run};
