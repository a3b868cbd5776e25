/*
 * Operators that change the shape and keep the bytes
 *
 *   Reshape-14   input 1 shape int64 [m]; -1 = what is left, 0 = as in x
 *                attr allowzero int = 0: 0 means 0
 *   Flatten-13   attr axis int = 1: [d0 * ... * da-1, da * ... * dn-1]
 *   Squeeze-13   input 1 axes (below 13 an attribute) = all of size 1
 *   Unsqueeze-13 input 1 axes (below 13 an attribute), places in the output
 *   Identity-14
 *   Dropout-13   as in inference: y = x; optional output 1 mask bool, all true
 *
 *   input   x   any type
 *   output  y   the same bytes; costs nothing (OP_ALIAS)
 *   errors  ERR_MODEL_INVALID: element counts differ, two -1, axis outside, an
 *           axis to squeeze that is not 1
 *           ERR_MODEL_UNSUPPORTED: Dropout with training_mode and a ratio
 *           other than 0
 *   source  ONNX operator list
 */
#include <string.h>

#include "cast.h"

static bool set_shape(struct op_node *op, int rank, const int64_t *dims,
                      struct error *err)
{
    struct eng_tensor *y = op->out[0];
    char from[ENG_SHAPE_TEXT], to[ENG_SHAPE_TEXT];

    y->dtype = op->in[0]->dtype;
    eng_shape_set(y, rank, dims);
    if (eng_tensor_count(y) == eng_tensor_count(op->in[0]))
        return true;
    return fail(err, ERR_MODEL_INVALID, "shape %.60s cannot become %.60s",
                eng_shape_text(op->in[0], from), eng_shape_text(y, to));
}

/* The dimension that -1 stands for. */
static bool fill_open(const struct eng_tensor *x, int rank, int64_t *dims,
                      int open, struct error *err)
{
    struct eng_tensor rest = {.dtype = x->dtype, .rank = rank};
    int64_t others;

    for (int i = 0; i < rank; i++)
        rest.dims[i] = i == open ? 1 : dims[i];
    others = eng_tensor_count(&rest);
    if (others <= 0 || eng_tensor_count(x) % others != 0)
        return fail(err, ERR_MODEL_INVALID,
                    "%lld elements do not fill the -1 of the shape",
                    (long long)eng_tensor_count(x));
    dims[open] = eng_tensor_count(x) / others;
    return true;
}

static bool reshape_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t dims[ENG_RANK_MAX];
    bool allow_zero = false;
    int open = -1;
    size_t rank;

    if (!op_known_ints(op, 1, dims, ENG_RANK_MAX, &rank, err) ||
        !op_attr_bool(op, "allowzero", &allow_zero, err))
        return false;
    for (int i = 0; i < (int)rank; i++) {
        if (dims[i] == 0 && !allow_zero && i < x->rank)
            dims[i] = x->dims[i];
        if (dims[i] < -1 || (dims[i] == -1 && open >= 0))
            return fail(err, ERR_MODEL_INVALID,
                        "the shape has %lld at %d, or more than one -1",
                        (long long)dims[i], i);
        if (dims[i] == -1)
            open = i;
    }
    if (open >= 0 && !fill_open(x, (int)rank, dims, open, err))
        return false;
    return set_shape(op, (int)rank, dims, err);
}

static bool flatten_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t axis = 1;

    if (!op_attr_int(op, "axis", &axis, err) ||
        (axis != x->rank && !op_axis(&axis, x->rank, err)))
        return false;
    return set_shape(
        op, 2,
        (const int64_t[]){eng_shape_product(x, 0, (int)axis),
                          eng_shape_product(x, (int)axis, x->rank)},
        err);
}

/* Axes from input 1 or, in older models, from the attribute. */
static bool read_axes(const struct op_node *op, int64_t axes[ENG_RANK_MAX],
                      size_t *count, bool *given, struct error *err)
{
    const int64_t *list = NULL;

    *count = 0;
    *given = true;
    if (op_has(op, 1))
        return op_known_ints(op, 1, axes, ENG_RANK_MAX, count, err);
    if (!op_attr_ints(op, "axes", &list, count, err))
        return false;
    *given = list != NULL;
    if (*count > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_INVALID, "%zu axes, limit %d", *count,
                    ENG_RANK_MAX);
    for (size_t i = 0; list && i < *count; i++)
        axes[i] = list[i];
    return true;
}

static bool squeeze_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t axes[ENG_RANK_MAX], dims[ENG_RANK_MAX];
    uint32_t mask = 0;
    size_t count;
    bool given;
    int rank = 0;

    if (!read_axes(op, axes, &count, &given, err) ||
        !op_axes(axes, count, x->rank, &mask, err))
        return false;
    for (int i = 0; i < x->rank; i++) {
        bool drop = given ? mask >> i & 1 : x->dims[i] == 1;

        if (drop && x->dims[i] != 1)
            return fail(err, ERR_MODEL_INVALID,
                        "dimension %d is %lld and cannot be squeezed", i,
                        (long long)x->dims[i]);
        if (!drop)
            dims[rank++] = x->dims[i];
    }
    return set_shape(op, rank, dims, err);
}

static bool unsqueeze_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t axes[ENG_RANK_MAX], dims[ENG_RANK_MAX];
    uint32_t mask;
    size_t count;
    bool given;
    int rank, from = 0;

    if (!read_axes(op, axes, &count, &given, err))
        return false;
    rank = x->rank + (int)count;
    if (!given || rank > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_INVALID, "no axes, or rank %d above %d",
                    rank, ENG_RANK_MAX);
    if (!op_axes(axes, count, rank, &mask, err))
        return false;
    for (int i = 0; i < rank; i++)
        dims[i] = mask >> i & 1 ? 1 : x->dims[from++];
    return set_shape(op, rank, dims, err);
}

static bool identity_infer(struct op_node *op, struct error *err)
{
    (void)err;
    op_like(op->out[0], op->in[0]);
    op->out[0]->map_keys = op->in[0]->map_keys;
    return true;
}

/* Training with a ratio of 0 drops nothing. */
static bool drops(const struct op_node *op)
{
    const struct eng_tensor *ratio = op_has(op, 1) ? op->in[1] : NULL;
    double value = 0.5;

    if (ratio && (!ratio->data || eng_tensor_count(ratio) != 1 ||
                  !eng_dtype_is_float(ratio->dtype)))
        return true;
    if (ratio)
        op_cast_find(ratio->dtype, ENG_F64)(ratio->data, &value, 1);
    return value != 0;
}

static bool dropout_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *mode = op_has(op, 2) ? op->in[2] : NULL;

    if (mode && (mode->dtype != ENG_BOOL || eng_tensor_count(mode) != 1))
        return fail(err, ERR_MODEL_INVALID, "training_mode is not one bool");
    if (mode && (!mode->data || *(const uint8_t *)mode->data) && drops(op))
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "training_mode is set with a ratio other than 0");
    op_like(op->out[0], op->in[0]);
    if (op->out_count > 1) {
        op_like(op->out[1], op->in[0]);
        op->out[1]->dtype = ENG_BOOL;
    }
    return true;
}

static bool has_one_output(const struct op_node *op)
{
    return op->out_count == 1;
}

static bool dropout_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    memset(op_out(op, frame, 1), 1, eng_tensor_size(op->out[1]));
    return op_copy_run(op, frame, err);
}

#define ALIAS(op_name, max, values)                                            \
    const struct op_impl op_##op_name = {.name = #op_name,                     \
                                         .in_min = 1,                          \
                                         .in_max = (max),                      \
                                         .out_min = 1,                         \
                                         .out_max = 1,                         \
                                         .flags = OP_ALIAS,                    \
                                         .value_inputs = (values),             \
                                         .infer = op_name##_infer,             \
                                         .run = op_copy_run}

ALIAS(reshape, 2, 2);
ALIAS(flatten, 1, 0);
ALIAS(squeeze, 2, 2);
ALIAS(unsqueeze, 2, 2);
ALIAS(identity, 1, 0);

const struct op_impl op_dropout = {.name = "dropout",
                                   .in_min = 1,
                                   .in_max = 3,
                                   .out_min = 1,
                                   .out_max = 2,
                                   .flags = OP_ALIAS,
                                   .value_inputs = 6,
                                   .infer = dropout_infer,
                                   .accepts = has_one_output,
                                   .run = op_copy_run};

const struct op_impl op_dropout_mask = {.name = "dropout.mask",
                                        .in_min = 1,
                                        .in_max = 3,
                                        .out_min = 1,
                                        .out_max = 2,
                                        .value_inputs = 6,
                                        .infer = dropout_infer,
                                        .run = dropout_run};
