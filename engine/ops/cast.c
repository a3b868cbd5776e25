/*
 * Cast, opset 13: y = x in another type; CastLike, opset 15: in like's type
 *
 *   input   x     number or bool
 *           like  CastLike only: any type; its elements are not read
 *   output  y     shape of x
 *   attr    to    Cast only, int, required: the type's ONNX number
 *   errors  ERR_MODEL_UNSUPPORTED: to or from 8-bit float, below 8 bit
 *           strings: see cast_string.c
 *   source  ONNX operator list, Cast-13: floats are cut towards zero
 *   check   a float outside the integer's range saturates at int64 and then
 *           keeps the low bits, NaN gives 0; ONNX leaves both undefined
 */
#include "cast.h"

#include <math.h>
#include <string.h>

#include "half.h"

static inline int64_t float_to_i64(double value)
{
    if (value >= 9223372036854775808.0)
        return INT64_MAX;
    if (value < -9223372036854775808.0)
        return INT64_MIN;
    return value != value ? 0 : (int64_t)value;
}

static inline uint64_t float_to_u64(double value)
{
    if (value >= 18446744073709551616.0)
        return UINT64_MAX;
    return value > -1 ? (uint64_t)value : (uint64_t)float_to_i64(value);
}

#define WIDE_I64(v) float_to_i64((double)(v))
#define WIDE_U64(v) float_to_u64((double)(v))
#define AS_IT_IS(v) (v)
/* An integer beyond 2^53 is rounded twice on its way to 16 bits. */
#define VIA_DOUBLE(v) half_step_down((double)(v))

#define T        float
#define NAME(to) f32_to_##to
#define TO_I64   WIDE_I64
#define TO_U64   WIDE_U64
#define TO_FLOAT AS_IT_IS
#include "cast_from.inc"
#define T        float
#define STORED   uint16_t
#define LOAD     half_f16_to_float
#define NAME(to) f16_to_##to
#define TO_I64   WIDE_I64
#define TO_U64   WIDE_U64
#define TO_FLOAT AS_IT_IS
#include "cast_from.inc"
#define T        float
#define STORED   uint16_t
#define LOAD     half_bf16_to_float
#define NAME(to) bf16_to_##to
#define TO_I64   WIDE_I64
#define TO_U64   WIDE_U64
#define TO_FLOAT AS_IT_IS
#include "cast_from.inc"
#define T        double
#define NAME(to) f64_to_##to
#define TO_I64   float_to_i64
#define TO_U64   float_to_u64
#define TO_FLOAT half_step_down
#include "cast_from.inc"
#define T        int8_t
#define NAME(to) i8_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"
#define T        int16_t
#define NAME(to) i16_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"
#define T        int32_t
#define NAME(to) i32_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"
#define T        int64_t
#define NAME(to) i64_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"
#define T        uint8_t
#define NAME(to) u8_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"
#define T        uint16_t
#define NAME(to) u16_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"
#define T        uint32_t
#define NAME(to) u32_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"
#define T        uint64_t
#define NAME(to) u64_to_##to
#define TO_I64   AS_IT_IS
#define TO_U64   AS_IT_IS
#define TO_FLOAT VIA_DOUBLE
#include "cast_from.inc"

enum { TYPE_SLOTS = ENG_BF16 + 1 };

#define FROM(from)                                                             \
    {                                                                          \
        [ENG_F32] = from##_to_f32, [ENG_F64] = from##_to_f64,                  \
        [ENG_F16] = from##_to_f16, [ENG_BF16] = from##_to_bf16,                \
        [ENG_I8] = from##_to_i8, [ENG_I16] = from##_to_i16,                    \
        [ENG_I32] = from##_to_i32, [ENG_I64] = from##_to_i64,                  \
        [ENG_U8] = from##_to_u8, [ENG_U16] = from##_to_u16,                    \
        [ENG_U32] = from##_to_u32, [ENG_U64] = from##_to_u64,                  \
        [ENG_BOOL] = from##_to_truth                                           \
    }

/* bool is a byte of 0 or 1: it converts as uint8 does. */
static const op_cast_fn casts[TYPE_SLOTS][TYPE_SLOTS] = {
    [ENG_F32] = FROM(f32),   [ENG_F64] = FROM(f64), [ENG_F16] = FROM(f16),
    [ENG_BF16] = FROM(bf16), [ENG_I8] = FROM(i8),   [ENG_I16] = FROM(i16),
    [ENG_I32] = FROM(i32),   [ENG_I64] = FROM(i64), [ENG_U8] = FROM(u8),
    [ENG_U16] = FROM(u16),   [ENG_U32] = FROM(u32), [ENG_U64] = FROM(u64),
    [ENG_BOOL] = FROM(u8)};

op_cast_fn op_cast_find(enum eng_dtype from, enum eng_dtype to)
{
    return casts[from][to];
}

static bool cast_to(struct op_node *op, int64_t to, struct error *err)
{
    enum eng_dtype from = op->in[0]->dtype;
    bool is_text = from == ENG_STRING || to == ENG_STRING;
    int64_t number = to == ENG_STRING ? (int64_t)from : to;

    if (to <= 0)
        return fail(err, ERR_MODEL_INVALID, "attribute 'to' is %lld",
                    (long long)to);
    /* A number that is read or printed goes by way of int64 or double. */
    if (to >= TYPE_SLOTS ||
        (to != from && !casts[is_text ? ENG_I64 : from][number]))
        return fail(err, ERR_MODEL_UNSUPPORTED, "from %s to type %lld",
                    eng_dtype_name(from), (long long)to);
    op_like(op->out[0], op->in[0]);
    op->out[0]->dtype = (enum eng_dtype)to;
    return !is_text || to == from || op_cast_string_infer(op, err);
}

static bool cast_infer(struct op_node *op, struct error *err)
{
    int64_t to = 0;

    return op_attr_int(op, "to", &to, err) && cast_to(op, to, err);
}

static bool cast_like_infer(struct op_node *op, struct error *err)
{
    return cast_to(op, (int64_t)op->in[1]->dtype, err);
}

static bool keeps_type(const struct op_node *op)
{
    return op->in[0]->dtype == op->out[0]->dtype;
}

static bool cast_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    (void)err;
    casts[op->in[0]->dtype][op->out[0]->dtype](op_in(op, frame, 0),
                                               op_out(op, frame, 0),
                                               eng_tensor_count(op->out[0]));
    return true;
}

/* To the type it has: the same bytes. */
const struct op_impl op_cast_same = {.name = "cast.same",
                                     .in_min = 1,
                                     .in_max = 1,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .flags = OP_ALIAS,
                                     .infer = cast_infer,
                                     .accepts = keeps_type,
                                     .run = op_copy_run};

const struct op_impl op_cast = {.name = "cast",
                                .in_min = 1,
                                .in_max = 1,
                                .out_min = 1,
                                .out_max = 1,
                                .infer = cast_infer,
                                .run = cast_run};

const struct op_impl op_cast_like_same = {.name = "cast_like.same",
                                          .in_min = 2,
                                          .in_max = 2,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .flags = OP_ALIAS,
                                          .infer = cast_like_infer,
                                          .accepts = keeps_type,
                                          .run = op_copy_run};

const struct op_impl op_cast_like = {.name = "cast_like",
                                     .in_min = 2,
                                     .in_max = 2,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .infer = cast_like_infer,
                                     .run = cast_run};
