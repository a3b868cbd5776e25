/*
 * Constant, opset 13: y = the attribute
 * ConstantOfShape, opset 9: y = value, everywhere
 *
 *   Constant
 *   output  y      what the one attribute holds
 *   attr    value  tensor; or value_float, value_floats, value_int, value_ints,
 *                  value_string, value_strings
 *   ConstantOfShape
 *   input   shape  int64 [n], known while planning; n = 0 gives a scalar
 *   output  y      [shape]
 *   attr    value  tensor of one element = 0 (float); its type is y's
 *   errors  ERR_MODEL_INVALID: not exactly one attribute; a negative dimension;
 *           a value of several elements
 *           ERR_MODEL_UNSUPPORTED: sparse_value
 *   source  ONNX operator list
 */
#include <string.h>

#include "op.h"

static bool set_known(struct op_node *op, enum eng_dtype dtype, bool is_list,
                      const void *elements, size_t count, struct error *err)
{
    struct eng_tensor *y = op->out[0];

    y->dtype = dtype;
    eng_shape_set(y, is_list ? 1 : 0, (const int64_t[]){(int64_t)count});
    y->data = arena_copy(op->arena, elements, eng_tensor_size(y));
    return y->data || fail(err, ERR_OUT_OF_MEMORY, "no memory for a constant");
}

static bool constant_infer(struct op_node *op, struct error *err)
{
    const struct eng_attr *attr = op->node->attrs;

    if (op->node->attr_count != 1)
        return fail(err, ERR_MODEL_INVALID, "%zu attributes, expected 1",
                    op->node->attr_count);
    switch (attr->type) {
    case ENG_ATTR_TENSOR:
        *op->out[0] = *attr->tensor;
        return true;
    case ENG_ATTR_FLOAT:
        return set_known(op, ENG_F32, false, &attr->f, 1, err);
    case ENG_ATTR_INT:
        return set_known(op, ENG_I64, false, &attr->i, 1, err);
    case ENG_ATTR_STRING:
        return set_known(op, ENG_STRING, false, &attr->s, 1, err);
    case ENG_ATTR_FLOATS:
        return set_known(op, ENG_F32, true, attr->floats, attr->count, err);
    case ENG_ATTR_INTS:
        return set_known(op, ENG_I64, true, attr->ints, attr->count, err);
    case ENG_ATTR_STRINGS:
        return set_known(op, ENG_STRING, true, attr->strings, attr->count, err);
    case ENG_ATTR_GRAPH:
        break;
    }
    return fail(err, ERR_MODEL_UNSUPPORTED, "attribute '%.40s'", attr->name);
}

/* Never called: infer gives the elements. */
static bool constant_run(const struct op_node *op, const struct op_frame *frame,
                         struct error *err)
{
    (void)frame;
    return fail(err, ERR_INTERNAL, "'%.40s' has no value", op->node->op);
}

const struct op_impl op_constant = {.name = "constant",
                                    .out_min = 1,
                                    .out_max = 1,
                                    .infer = constant_infer,
                                    .run = constant_run};

struct fill_state {
    struct eng_tensor value; /* one element */
};

static bool fill_infer(struct op_node *op, struct error *err)
{
    static float zero;
    struct fill_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_attr *attr = op_attr(op, "value");
    int64_t dims[ENG_RANK_MAX];
    size_t rank;

    if (!state || !op_known_ints(op, 0, dims, ENG_RANK_MAX, &rank, err))
        return false;
    if (attr &&
        (attr->type != ENG_ATTR_TENSOR || eng_tensor_count(attr->tensor) != 1))
        return fail(err, ERR_MODEL_INVALID, "'value' is not one element");
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return fail(err, ERR_MODEL_INVALID, "dimension %zu is %lld", i,
                        (long long)dims[i]);
    }
    state->value = attr ? *attr->tensor
                        : (struct eng_tensor){.dtype = ENG_F32, .data = &zero};
    op->state = state;
    op->out[0]->dtype = state->value.dtype;
    eng_shape_set(op->out[0], (int)rank, dims);
    return true;
}

static bool fill_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct fill_state *state = op->state;
    size_t size = eng_dtype_size(state->value.dtype);
    int64_t count = eng_tensor_count(op->out[0]);
    char *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t i = 0; i < count; i++)
        memcpy(y + (size_t)i * size, state->value.data, size);
    return true;
}

const struct op_impl op_fill = {.name = "constant_of_shape",
                                .in_min = 1,
                                .in_max = 1,
                                .out_min = 1,
                                .out_max = 1,
                                .value_inputs = 1,
                                .infer = fill_infer,
                                .run = fill_run};
