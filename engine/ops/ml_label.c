/*
 * ai.onnx.ml LabelEncoder-4: y = the value that belongs to key x
 *
 *   input   x   string, int64, int32, int16, float or double, any shape
 *   output  y   type of the values, shape of x
 *   attr    keys_strings, keys_int64s, keys_floats or keys_tensor; values_*
 *           likewise, as many; default_string = "_Unused", default_int64 = -1,
 *           default_float = -0.0, default_tensor: for keys that are not there
 *           version 1: classes_strings, a string's value is its place, and the
 *           other way round for int64
 *   errors  ERR_MODEL_INVALID: keys or values are missing or differ in number
 *   source  ONNX ML operator list; of equal keys the first counts
 */
#include <string.h>

#include "ml_keys.h"

struct label_state {
    struct op_ml_keys keys;
    struct eng_tensor values; /* as many as keys, and the default behind */
    size_t key_count;
};

/* Where a list comes from, and what it would be called as another type. */
struct label_source {
    const char *strings, *ints, *floats, *tensor;
};

static const struct eng_attr *find_any(const struct op_node *op,
                                       const struct label_source *source)
{
    const char *names[] = {source->tensor, source->strings, source->ints,
                           source->floats};
    const struct eng_attr *attr = NULL;

    for (size_t i = 0; !attr && i < sizeof names / sizeof names[0]; i++)
        attr = op_attr(op, names[i]);
    return attr;
}

/* A view on a list attribute; false for other types. */
static bool view_list(const struct eng_attr *attr, struct eng_tensor *list)
{
    const void *data = attr->ints;

    *list = (struct eng_tensor){.rank = 1, .dims = {(int64_t)attr->count}};
    if (attr->type == ENG_ATTR_TENSOR) {
        *list = *attr->tensor;
        return OP_TYPES_KEY >> list->dtype & 1;
    }
    if (attr->type == ENG_ATTR_INTS) {
        list->dtype = ENG_I64;
    } else if (attr->type == ENG_ATTR_FLOATS) {
        list->dtype = ENG_F32;
        data = attr->floats;
    } else if (attr->type == ENG_ATTR_STRINGS) {
        list->dtype = ENG_STRING;
        data = attr->strings;
    } else {
        return false;
    }
    memcpy(&list->data, &data, sizeof data); /* only read from here on */
    return true;
}

static bool read_list(const struct op_node *op,
                      const struct label_source *source,
                      struct eng_tensor *list, struct error *err)
{
    const struct eng_attr *attr = find_any(op, source);

    if (!attr || !view_list(attr, list))
        return fail(err, ERR_MODEL_INVALID,
                    "needs one of '%s', '%s', '%s' and '%s'", source->strings,
                    source->ints, source->floats, source->tensor);
    return true;
}

/* Values and, behind them, the default. */
static bool keep_values(struct op_node *op, const struct eng_tensor *values,
                        const void *missing, struct error *err)
{
    struct label_state *state = op->state;
    size_t size = eng_dtype_size(values->dtype);
    size_t bytes = eng_tensor_size(values);
    char *data = op_alloc(op, bytes + size, err);

    if (!data)
        return false;
    if (values->data)
        memcpy(data, values->data, bytes);
    memcpy(data + bytes, missing, size);
    state->values = *values;
    state->values.data = data;
    state->key_count = (size_t)eng_tensor_count(values);
    return true;
}

/* The default of a list of tensors, or of a type without an attribute. */
static bool default_tensor(const struct op_node *op, enum eng_dtype dtype,
                           const void **missing, struct error *err)
{
    static const int64_t zeros[2];
    const struct eng_attr *attr = op_attr(op, "default_tensor");

    *missing = zeros;
    if (!attr)
        return true;
    if (attr->type != ENG_ATTR_TENSOR || attr->tensor->dtype != dtype ||
        eng_tensor_count(attr->tensor) != 1)
        return fail(err, ERR_MODEL_INVALID, "'default_tensor' is no single %s",
                    eng_dtype_name(dtype));
    *missing = attr->tensor->data;
    return true;
}

static bool set_values(struct op_node *op, const struct eng_tensor *values,
                       struct error *err)
{
    struct eng_string text = {"_Unused", sizeof "_Unused" - 1};
    const struct eng_attr *string = op_attr(op, "default_string");
    const void *missing = NULL;
    int64_t number = -1;
    float real = -0.0F;

    if (!op_attr_int(op, "default_int64", &number, err) ||
        !op_attr_float(op, "default_float", &real, err))
        return false;
    if (string && string->type == ENG_ATTR_STRING)
        text = string->s;
    if (values->dtype == ENG_STRING)
        missing = &text;
    else if (values->dtype == ENG_I64)
        missing = &number;
    else if (values->dtype == ENG_F32)
        missing = &real;
    if ((!missing || op_attr(op, "default_tensor")) &&
        !default_tensor(op, values->dtype, &missing, err))
        return false;
    return keep_values(op, values, missing, err);
}

/* Version 1: places are one side, classes the other. */
static bool read_classes(struct op_node *op, struct eng_tensor *keys,
                         struct eng_tensor *values, struct error *err)
{
    const struct eng_attr *classes = op_attr(op, "classes_strings");
    struct eng_tensor places = {.dtype = ENG_I64, .rank = 1};
    struct eng_tensor names;
    int64_t *numbers;

    if (!classes || classes->type != ENG_ATTR_STRINGS ||
        !view_list(classes, &names))
        return fail(err, ERR_MODEL_INVALID, "needs 'classes_strings'");
    places.dims[0] = names.dims[0];
    numbers = op_alloc(op, (classes->count + 1) * sizeof *numbers, err);
    if (!numbers)
        return false;
    for (size_t i = 0; i < classes->count; i++)
        numbers[i] = (int64_t)i;
    places.data = numbers;
    *keys = op->in[0]->dtype == ENG_STRING ? names : places;
    *values = op->in[0]->dtype == ENG_STRING ? places : names;
    return true;
}

static bool read_lists(struct op_node *op, struct eng_tensor *keys,
                       struct eng_tensor *values, struct error *err)
{
    static const struct label_source key_names = {"keys_strings", "keys_int64s",
                                                  "keys_floats", "keys_tensor"};
    static const struct label_source value_names = {
        "values_strings", "values_int64s", "values_floats", "values_tensor"};

    if (op->node->version < 2)
        return read_classes(op, keys, values, err);
    return read_list(op, &key_names, keys, err) &&
           read_list(op, &value_names, values, err);
}

static bool label_infer(struct op_node *op, struct error *err)
{
    struct label_state *state = op_alloc(op, sizeof *state, err);
    struct eng_tensor keys = {0}, values = {0};

    op->state = state;
    if (!state || !read_lists(op, &keys, &values, err))
        return false;
    if (eng_tensor_count(&keys) != eng_tensor_count(&values))
        return fail(err, ERR_MODEL_INVALID, "%lld keys, but %lld values",
                    (long long)eng_tensor_count(&keys),
                    (long long)eng_tensor_count(&values));
    if (keys.dtype != op->in[0]->dtype)
        return fail(err, ERR_MODEL_INVALID, "input 0 is %s, the keys are %s",
                    eng_dtype_name(op->in[0]->dtype),
                    eng_dtype_name(keys.dtype));
    op_like(op->out[0], op->in[0]);
    op->out[0]->dtype = values.dtype;
    return op_ml_keys_make(op, &keys, &state->keys, err) &&
           set_values(op, &values, err);
}

static bool label_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct label_state *state = op->state;
    size_t x_size = eng_dtype_size(op->in[0]->dtype);
    size_t y_size = eng_dtype_size(op->out[0]->dtype);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t i = eng_tensor_count(op->in[0]); i-- > 0;) {
        int64_t place = op_ml_keys_find(&state->keys, x + (size_t)i * x_size);
        size_t from = place < 0 ? state->key_count : (size_t)place;

        memcpy(y + (size_t)i * y_size,
               (const char *)state->values.data + from * y_size, y_size);
    }
    return true;
}

const struct op_impl op_label_encoder = {.name = "label_encoder",
                                         .in_min = 1,
                                         .in_max = 1,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .infer = label_infer,
                                         .run = label_run};
