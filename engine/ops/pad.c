/*
 * Pad, opset 19: x with a border
 *
 *   input   x      any type but string [d0, ..., dn-1]
 *           pads   int64 [2m], known while planning (below opset 11 an
 *                  attribute): before each axis, then behind each; negative cuts
 *           value  scalar of x's type = 0 (below 11: float attribute), mode
 *                  constant
 *           axes   int [m] = all, from opset 18
 *   output  y      [d0 + before0 + behind0, ...]
 *   attr    mode   constant, reflect (without the edge), edge, wrap = constant
 *   errors  ERR_MODEL_INVALID: lengths differ; a dimension below 0; reflect,
 *           edge or wrap of nothing
 *   source  ONNX operator list, Pad-19
 */
#include <string.h>

#include "op.h"

enum { PADS_MAX = 2 * ENG_RANK_MAX };
enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

struct pad_state {
    int64_t *map[ENG_RANK_MAX]; /* y index -> x index, -1 = value */
    int64_t x_step[ENG_RANK_MAX];
    int64_t left, middle, right; /* of a row with mode constant */
    int64_t first;               /* x index of the middle */
    int mode;
    float value; /* of the attribute */
};

/* before[i], behind[i] of every axis of x. */
struct pad_sizes {
    int64_t before[ENG_RANK_MAX], behind[ENG_RANK_MAX];
};

static bool pads_attr(const struct op_node *op, int64_t *pads, size_t *count,
                      struct error *err)
{
    const int64_t *list = NULL;
    size_t n = 0;

    if (!op_attr_ints(op, "pads", &list, &n, err))
        return false;
    *count = n < PADS_MAX ? n : PADS_MAX;
    for (size_t i = 0; i < *count; i++)
        pads[i] = list[i];
    return true;
}

static bool read_pads(const struct op_node *op, struct pad_sizes *sizes,
                      struct error *err)
{
    int64_t pads[PADS_MAX] = {0}, axes[ENG_RANK_MAX] = {0};
    int rank = op->in[0]->rank;
    size_t count, axis_count = (size_t)rank;
    uint32_t mask;
    bool ok;

    for (int i = 0; i < rank; i++)
        axes[i] = i;
    ok = op_has(op, 1) ? op_known_ints(op, 1, pads, PADS_MAX, &count, err)
                       : pads_attr(op, pads, &count, err);
    if (!ok ||
        (op_has(op, 3) &&
         !op_known_ints(op, 3, axes, ENG_RANK_MAX, &axis_count, err)) ||
        !op_axes(axes, axis_count, rank, &mask, err))
        return false;
    if (count != 2 * axis_count)
        return fail(err, ERR_MODEL_INVALID, "%zu pads for %zu axes", count,
                    axis_count);
    for (size_t i = 0; i < axis_count; i++) {
        int64_t axis = axes[i] + (axes[i] < 0 ? rank : 0);

        sizes->before[axis] = pads[i];
        sizes->behind[axis] = pads[axis_count + i];
    }
    return true;
}

static int64_t modulo(int64_t a, int64_t n)
{
    int64_t rest = a % n;

    return rest < 0 ? rest + n : rest;
}

/* Which element of a dimension stands at `at` (outside it, too). */
static int64_t source_index(int mode, int64_t at, int64_t dim)
{
    int64_t period = 2 * (dim - 1);

    if (at >= 0 && at < dim)
        return at;
    switch (mode) {
    case PAD_EDGE:
        return at < 0 ? 0 : dim - 1;
    case PAD_WRAP:
        return modulo(at, dim);
    case PAD_REFLECT:
        at = period ? modulo(at, period) : 0;
        return at < dim ? at : period - at;
    default:
        return -1;
    }
}

static bool set_dim(struct op_node *op, int d, const struct pad_sizes *sizes,
                    struct error *err)
{
    struct pad_state *state = op->state;
    int64_t dim = op->in[0]->dims[d], size = dim;
    struct eng_tensor *y = op->out[0];

    if (__builtin_add_overflow(size, sizes->before[d], &size) ||
        __builtin_add_overflow(size, sizes->behind[d], &size) || size < 0 ||
        size > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID,
                    "dimension %d of %lld with pads %lld and %lld", d,
                    (long long)dim, (long long)sizes->before[d],
                    (long long)sizes->behind[d]);
    if (size && !dim && state->mode != PAD_CONSTANT)
        return fail(err, ERR_MODEL_INVALID, "dimension %d has no elements", d);
    y->dims[d] = size;
    return true;
}

static bool make_map(struct op_node *op, int d, const struct pad_sizes *sizes,
                     struct error *err)
{
    struct pad_state *state = op->state;
    int64_t size = op->out[0]->dims[d];

    state->map[d] = op_alloc(op, (size_t)size * sizeof(int64_t), err);
    if (!state->map[d])
        return false;
    for (int64_t i = 0; i < size; i++)
        state->map[d][i] =
            source_index(state->mode, i - sizes->before[d], op->in[0]->dims[d]);
    return true;
}

/* Mode constant: a row is left values, a copied middle, right values. */
static void split_row(struct pad_state *state, int64_t dim, int64_t size,
                      int64_t before)
{
    int64_t first = before > 0 ? before : 0;
    int64_t last = before + dim < size ? before + dim : size;

    if (first > size)
        first = size;
    if (last < first)
        last = first;
    state->left = first;
    state->middle = last - first;
    state->right = size - last;
    state->first = first - before;
}

static bool pad_infer(struct op_node *op, struct error *err)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap",
                                        NULL};
    struct pad_state *state = op_alloc(op, sizeof *state, err);
    struct pad_sizes sizes = {{0}, {0}};
    const struct eng_tensor *x = op->in[0];
    int64_t step = 1;

    op->state = state;
    if (!state || !op_attr_word(op, "mode", modes, &state->mode, err) ||
        !op_attr_float(op, "value", &state->value, err) ||
        !op_want_type(op, 0, OP_TYPES_NUMBER | OP_TYPE(ENG_BOOL), err) ||
        !read_pads(op, &sizes, err) ||
        (op_has(op, 2) && !op_same_type(op, 0, 2, err)))
        return false;
    if (op_has(op, 2) && eng_tensor_count(op->in[2]) != 1)
        return fail(err, ERR_MODEL_INVALID, "the value is not one element");
    if (!op_has(op, 2) && state->value != 0 && x->dtype != ENG_F32)
        return fail(err, ERR_MODEL_UNSUPPORTED, "attribute 'value' with %s",
                    eng_dtype_name(x->dtype));
    op_like(op->out[0], x);
    for (int d = x->rank - 1; d >= 0; d--) {
        if (!set_dim(op, d, &sizes, err))
            return false;
        state->x_step[d] = step;
        step *= x->dims[d];
    }
    if (x->rank)
        split_row(state, x->dims[x->rank - 1], op->out[0]->dims[x->rank - 1],
                  sizes.before[x->rank - 1]);
    /* The maps need memory: only for an output that can exist. */
    for (int d = 0; d < x->rank && eng_tensor_size(op->out[0]) < SIZE_MAX / 2;
         d++) {
        if (!make_map(op, d, &sizes, err))
            return false;
    }
    return true;
}

static char *fill(char *to, const void *value, size_t size, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        memcpy(to + (size_t)i * size, value, size);
    return to + (size_t)count * size;
}

struct pad_run {
    const struct pad_state *state;
    const char *x;
    const void *value;
    size_t size; /* bytes of an element */
    int64_t row; /* elements of a row of y */
    int last;    /* its dimension */
};

/* One row of y from the row of x at element `base`; -1 = all values. */
static char *pad_row(const struct pad_run *run, int64_t base, char *y)
{
    const struct pad_state *state = run->state;

    if (base < 0)
        return fill(y, run->value, run->size, run->row);
    if (state->mode == PAD_CONSTANT) {
        size_t bytes = (size_t)state->middle * run->size;

        y = fill(y, run->value, run->size, state->left);
        if (bytes)
            memcpy(y, run->x + (size_t)(base + state->first) * run->size,
                   bytes);
        return fill(y + bytes, run->value, run->size, state->right);
    }
    for (int64_t i = 0; i < run->row; i++)
        memcpy(y + (size_t)i * run->size,
               run->x + (size_t)(base + state->map[run->last][i]) * run->size,
               run->size);
    return y + (size_t)run->row * run->size;
}

/* Start of the row of x for these outer indices of y, or -1. */
static int64_t row_base(const struct pad_run *run, const int64_t *index)
{
    int64_t base = 0;

    for (int d = 0; d < run->last; d++) {
        int64_t at = run->state->map[d][index[d]];

        if (at < 0)
            return -1;
        base += at * run->state->x_step[d];
    }
    return base;
}

static bool pad_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct eng_tensor *out = op->out[0];
    const struct pad_state *state = op->state;
    static const uint64_t zero;
    const void *value = state->value != 0 ? (const void *)&state->value : &zero;
    struct pad_run run = {state,
                          op_in(op, frame, 0),
                          op_has(op, 2) ? op_in(op, frame, 2) : value,
                          eng_dtype_size(out->dtype),
                          out->rank ? out->dims[out->rank - 1] : 1,
                          out->rank - 1};
    int64_t index[ENG_RANK_MAX] = {0};
    int64_t rows = out->rank ? eng_shape_product(out, 0, run.last) : 1;
    char *y = op_out(op, frame, 0);

    (void)err;
    if (!out->rank)
        memcpy(y, run.x, run.size);
    for (int64_t r = 0; out->rank && r < rows; r++) {
        y = pad_row(&run, row_base(&run, index), y);
        for (int d = run.last - 1; d >= 0 && ++index[d] == out->dims[d]; d--)
            index[d] = 0;
    }
    return true;
}

const struct op_impl op_pad = {.name = "pad",
                               .in_min = 1,
                               .in_max = 4,
                               .out_min = 1,
                               .out_max = 1,
                               .value_inputs = 0xa,
                               .infer = pad_infer,
                               .run = pad_run};
