/*
 * Range, opset 11: y = start, start + delta, ... below limit (above it, where
 * delta is negative)
 *
 *   input   start, limit, delta  one element each of one type, known while
 *                                planning: int16, int32, int64, float, double
 *                                (float16, bfloat16 as float)
 *   output  y   [max(0, ceil((limit - start) / delta))]
 *   errors  ERR_MODEL_INVALID: not one element, types differ, delta is 0, the
 *           length is no number or beyond 2^53
 *   source  ONNX operator list, Range-11
 */
#include <math.h>

#include "op.h"

static const double length_max = 9007199254740992.0; /* 2^53 */

static int64_t int_at(const struct eng_tensor *tensor)
{
    if (tensor->dtype == ENG_I16)
        return *(const int16_t *)tensor->data;
    if (tensor->dtype == ENG_I32)
        return *(const int32_t *)tensor->data;
    return *(const int64_t *)tensor->data;
}

static double float_at(const struct eng_tensor *tensor)
{
    return tensor->dtype == ENG_F32 ? (double)*(const float *)tensor->data
                                    : *(const double *)tensor->data;
}

/* Distances are taken unsigned: limit - start may not fit int64. */
static bool int_length(const struct op_node *op, double *length,
                       struct error *err)
{
    int64_t start = int_at(op->in[0]), limit = int_at(op->in[1]);
    int64_t delta = int_at(op->in[2]);
    uint64_t distance, step, count;

    if (!delta)
        return fail(err, ERR_MODEL_INVALID, "delta is 0");
    *length = 0;
    if (delta > 0 ? limit <= start : limit >= start)
        return true;
    distance = delta > 0 ? (uint64_t)limit - (uint64_t)start
                         : (uint64_t)start - (uint64_t)limit;
    step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    count = (distance - 1) / step + 1;
    *length = (double)count;
    return true;
}

static bool float_length(const struct op_node *op, double *length,
                         struct error *err)
{
    double start = float_at(op->in[0]), limit = float_at(op->in[1]);
    double delta = float_at(op->in[2]);

    if (delta == 0)
        return fail(err, ERR_MODEL_INVALID, "delta is 0");
    *length = ceil((limit - start) / delta);
    if (isnan(*length))
        return fail(err, ERR_MODEL_INVALID, "the length is no number");
    return true;
}

static bool check_inputs(const struct op_node *op, struct error *err)
{
    const uint32_t types =
        OP_TYPE(ENG_I16) | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) | OP_TYPES_REAL;

    for (size_t i = 0; i < 3; i++) {
        if (eng_tensor_count(op->in[i]) != 1)
            return fail(err, ERR_MODEL_INVALID, "input %zu is not one element",
                        i);
        if (!op->in[i]->data)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "the length depends on input %zu, which is not known "
                        "before the run",
                        i);
        if (!op_same_type(op, 0, i, err))
            return false;
    }
    return op_want_type(op, 0, types, err);
}

static bool range_infer(struct op_node *op, struct error *err)
{
    struct eng_tensor *y = op->out[0];
    double length = 0;

    if (!check_inputs(op, err))
        return false;
    if (!(eng_dtype_is_float(op->in[0]->dtype) ? float_length(op, &length, err)
                                               : int_length(op, &length, err)))
        return false;
    if (length > length_max)
        return fail(err, ERR_MODEL_INVALID, "%g elements", length);
    y->dtype = op->in[0]->dtype;
    y->rank = 1;
    y->dims[0] = length > 0 ? (int64_t)length : 0;
    return true;
}

#define FILL(name, T, U)                                                       \
    static void name(const void *first, const void *step, void *to,            \
                     int64_t count)                                            \
    {                                                                          \
        T start = *(const T *)first, delta = *(const T *)step;                 \
                                                                               \
        for (int64_t i = 0; i < count; i++)                                    \
            ((T *)to)[i] = (T)((U)start + (U)i * (U)delta);                    \
    }

FILL(fill_f32, float, float)
FILL(fill_f64, double, double)
FILL(fill_i16, int16_t, uint64_t)
FILL(fill_i32, int32_t, uint64_t)
FILL(fill_i64, int64_t, uint64_t)

typedef void (*fill_fn)(const void *first, const void *step, void *to,
                        int64_t count);

static const fill_fn fills[ENG_BF16 + 1] = {[ENG_F32] = fill_f32,
                                            [ENG_F64] = fill_f64,
                                            [ENG_I16] = fill_i16,
                                            [ENG_I32] = fill_i32,
                                            [ENG_I64] = fill_i64};

static bool range_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    (void)err;
    fills[op->out[0]->dtype](op_in(op, frame, 0), op_in(op, frame, 2),
                             op_out(op, frame, 0), op->out[0]->dims[0]);
    return true;
}

const struct op_impl op_range = {.name = "range",
                                 .in_min = 3,
                                 .in_max = 3,
                                 .out_min = 1,
                                 .out_max = 1,
                                 .flags = OP_WIDEN,
                                 .value_inputs = 7,
                                 .infer = range_infer,
                                 .run = range_run};
