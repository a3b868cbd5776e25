/*
 * Quant: see quant.h.
 */
#include "quant.h"

#include <math.h>

int32_t op_quant_at(enum eng_dtype dtype, const void *data, int64_t i)
{
    if (dtype == ENG_U8)
        return ((const uint8_t *)data)[i];
    if (dtype == ENG_I8)
        return ((const int8_t *)data)[i];
    if (dtype == ENG_U16)
        return ((const uint16_t *)data)[i];
    if (dtype == ENG_I16)
        return ((const int16_t *)data)[i];
    return ((const int32_t *)data)[i];
}

void op_quant_load(const struct op_quant_row *row, const void *data,
                   int32_t *to)
{
    const uint8_t *u8 = data;
    const int8_t *s8 = data;

    for (int64_t i = 0; i < row->count; i++) {
        int64_t at = row->first + i * row->step;

        if (row->dtype == ENG_U8)
            to[i] = u8[at] - row->zero;
        else if (row->dtype == ENG_I8)
            to[i] = s8[at] - row->zero;
        else
            to[i] = op_quant_at(row->dtype, data, at) - row->zero;
    }
}

static float clamp(float value, float low, float high)
{
    /* Written so that NaN becomes `low`. */
    return value > low ? (value < high ? value : high) : low;
}

void op_quant_put(enum eng_dtype dtype, void *data, int64_t i, float value,
                  int32_t zero)
{
    float rounded = rintf(value) + (float)zero;

    if (dtype == ENG_U8)
        ((uint8_t *)data)[i] = (uint8_t)clamp(rounded, 0, UINT8_MAX);
    else if (dtype == ENG_I8)
        ((int8_t *)data)[i] = (int8_t)clamp(rounded, INT8_MIN, INT8_MAX);
    else if (dtype == ENG_U16)
        ((uint16_t *)data)[i] = (uint16_t)clamp(rounded, 0, UINT16_MAX);
    else
        ((int16_t *)data)[i] = (int16_t)clamp(rounded, INT16_MIN, INT16_MAX);
}

static bool check_extent(const struct op_node *op, size_t input,
                         int64_t axis_dim, struct error *err)
{
    const struct eng_tensor *tensor = op->in[input];
    int64_t count = eng_tensor_count(tensor);
    char text[ENG_SHAPE_TEXT];

    if (tensor->rank <= 1 && (count == 1 || (axis_dim && count == axis_dim)))
        return true;
    return fail(err, ERR_MODEL_INVALID, "input %zu has shape %.60s", input,
                eng_shape_text(tensor, text));
}

bool op_zero_check(const struct op_node *op, size_t zero, enum eng_dtype type,
                   int64_t axis_dim, struct error *err)
{
    if (!op_has(op, zero))
        return true;
    if (op->in[zero]->dtype != type)
        return fail(err, ERR_MODEL_INVALID, "input %zu is %s, expected %s",
                    zero, eng_dtype_name(op->in[zero]->dtype),
                    eng_dtype_name(type));
    return check_extent(op, zero, axis_dim, err);
}

bool op_quant_check(const struct op_node *op, size_t scale, size_t zero,
                    enum eng_dtype type, int64_t axis_dim, struct error *err)
{
    return op_want_type(op, scale, OP_TYPES_SHORT_REAL, err) &&
           check_extent(op, scale, axis_dim, err) &&
           op_zero_check(op, zero, type, axis_dim, err);
}

/* Index into a list that holds one element for all, or one for each. */
static int64_t pick(const struct op_node *op, size_t input, int64_t i)
{
    return eng_tensor_count(op->in[input]) == 1 ? 0 : i;
}

float op_scale_of(const struct op_node *op, const struct op_frame *frame,
                  size_t input, int64_t i)
{
    return op_real_at(op->in[input]->dtype, op_in(op, frame, input),
                      pick(op, input, i));
}

int32_t op_zero_of(const struct op_node *op, const struct op_frame *frame,
                   size_t input, int64_t i)
{
    if (!op_has(op, input))
        return 0;
    return op_quant_at(op->in[input]->dtype, op_in(op, frame, input),
                       pick(op, input, i));
}
