/*
 * Element-wise operators of two inputs: y = f(a, b)
 *
 *   Add-7 Sub-7 Mul-7 Div-7 Pow-7 Equal-7 Less-7 LessOrEqual-12 Greater-7
 *   GreaterOrEqual-12 And-7 Or-7 Xor-7 (newer forms: more types)
 *
 *   input   a, b   number (And, Or, Xor: bool; Equal: also bool and string),
 *                  shapes that broadcast; one type, but the exponent of Pow may
 *                  be of another
 *   output  y      broadcast shape; may share memory with a or b
 *   errors  ERR_MODEL_INVALID: shapes do not broadcast, types differ
 *           ERR_VALIDATION_ERROR: integer division by zero or INT_MIN / -1
 *   source  ONNX operator list, "Multidirectional Broadcasting"
 *   check   integer arithmetic wraps, as numpy's does
 */
#include "binary.h"

#include <math.h>
#include <string.h>

#include "clones.h"

/* Integer powers by squaring; a negative exponent gives 0 except for +-1. */
static int64_t pow_int(int64_t base, int64_t exponent)
{
    uint64_t result = 1, factor = (uint64_t)base;

    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            result *= factor;
        factor *= factor;
    }
    return (int64_t)result;
}

#define T          float
#define NAME(kind) kind##_f32
#define POW(p, q)  powf(p, q)
#include "binary_rows.inc"
#define T          double
#define NAME(kind) kind##_f64
#define POW(p, q)  pow(p, q)
#include "binary_rows.inc"

#define POW_INT(p, q) pow_int((int64_t)(p), (int64_t)(q))
#define T             int8_t
#define U             uint8_t
#define MIN           INT8_MIN
#define NAME(kind)    kind##_i8
#define POW           POW_INT
#include "binary_rows.inc"
#define T          int16_t
#define U          uint16_t
#define MIN        INT16_MIN
#define NAME(kind) kind##_i16
#define POW        POW_INT
#include "binary_rows.inc"
#define T          int32_t
#define U          uint32_t
#define MIN        INT32_MIN
#define NAME(kind) kind##_i32
#define POW        POW_INT
#include "binary_rows.inc"
#define T          int64_t
#define U          uint64_t
#define MIN        INT64_MIN
#define NAME(kind) kind##_i64
#define POW        POW_INT
#include "binary_rows.inc"
#define T          uint8_t
#define U          uint8_t
#define MIN        0
#define NAME(kind) kind##_u8
#define POW        POW_INT
#include "binary_rows.inc"
#define T          uint16_t
#define U          uint16_t
#define MIN        0
#define NAME(kind) kind##_u16
#define POW        POW_INT
#include "binary_rows.inc"
#define T          uint32_t
#define U          uint32_t
#define MIN        0
#define NAME(kind) kind##_u32
#define POW        POW_INT
#include "binary_rows.inc"
#define T          uint64_t
#define U          uint64_t
#define MIN        0
#define NAME(kind) kind##_u64
#define POW        POW_INT
#include "binary_rows.inc"

#define LOGIC(name, value)                                                     \
    static bool name(const void *a, int64_t sa, const void *b, int64_t sb,     \
                     void *y, int64_t count)                                   \
    {                                                                          \
        const uint8_t *left = a, *right = b;                                   \
        uint8_t *to = y;                                                       \
                                                                               \
        for (int64_t i = 0; i < count; i++) {                                  \
            uint8_t p = left[i * sa], q = right[i * sb];                       \
            to[i] = (value);                                                   \
        }                                                                      \
        return true;                                                           \
    }

LOGIC(and_bool, p &q)
LOGIC(or_bool, p | q)
LOGIC(xor_bool, p ^ q)
LOGIC(equal_bool, p == q)

static bool equal_string(const void *a, int64_t sa, const void *b, int64_t sb,
                         void *y, int64_t count)
{
    const struct eng_string *left = a, *right = b;
    uint8_t *to = y;

    for (int64_t i = 0; i < count; i++) {
        struct eng_string p = left[i * sa], q = right[i * sb];

        to[i] = p.size == q.size &&
                (!p.size || memcmp(p.text, q.text, p.size) == 0);
    }
    return true;
}

enum { TYPE_SLOTS = ENG_BF16 + 1 };

struct binary_kind {
    const char *name;
    bool to_bool;
    op_binary_fn fn[TYPE_SLOTS]; /* by dtype */
};

#define NUMBERS(kind)                                                          \
    [ENG_F32] = kind##_f32, [ENG_F64] = kind##_f64, [ENG_I8] = kind##_i8,      \
    [ENG_I16] = kind##_i16, [ENG_I32] = kind##_i32, [ENG_I64] = kind##_i64,    \
    [ENG_U8] = kind##_u8, [ENG_U16] = kind##_u16, [ENG_U32] = kind##_u32,      \
    [ENG_U64] = kind##_u64

static const struct binary_kind kinds[] = {
    {"Add", false, {NUMBERS(add)}},
    {"Sub", false, {NUMBERS(sub)}},
    {"Mul", false, {NUMBERS(mul)}},
    {"Div", false, {NUMBERS(div)}},
    {"Pow", false, {NUMBERS(pow)}},
    {"Max", false, {NUMBERS(max)}},
    {"Min", false, {NUMBERS(min)}},
    {"Sum", false, {[ENG_F32] = add_f32, [ENG_F64] = add_f64}},
    {"Mean", false, {[ENG_F32] = add_f32, [ENG_F64] = add_f64}},
    {"Equal",
     true,
     {NUMBERS(equal), [ENG_BOOL] = equal_bool, [ENG_STRING] = equal_string}},
    {"Less", true, {NUMBERS(less)}},
    {"LessOrEqual", true, {NUMBERS(less_equal)}},
    {"Greater", true, {NUMBERS(greater)}},
    {"GreaterOrEqual", true, {NUMBERS(greater_equal)}},
    {"And", true, {[ENG_BOOL] = and_bool}},
    {"Or", true, {[ENG_BOOL] = or_bool}},
    {"Xor", true, {[ENG_BOOL] = xor_bool}},
};

op_binary_fn op_binary_find(const char *name, enum eng_dtype dtype,
                            bool *to_bool)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        *to_bool = kinds[i].to_bool;
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].fn[dtype];
    }
    return NULL;
}

bool op_binary_run(op_binary_fn fn, const struct op_walk *walk,
                   const struct op_binary_data *data, struct error *err)
{
    struct op_place at;

    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        const char *a = data->a, *b = data->b;
        char *y = data->y;

        if (!fn(a + at.offset[0] * (int64_t)data->in_size, walk->inner_step[0],
                b + at.offset[1] * (int64_t)data->in_size, walk->inner_step[1],
                y + at.offset[2] * (int64_t)data->out_size, walk->inner))
            return fail(err, ERR_VALIDATION_ERROR, "integer division by zero");
    }
    return true;
}

struct binary_state {
    op_binary_fn fn;
    struct op_walk walk;
    size_t in_size, out_size;
};

/* The exponent of Pow may have another type; that needs a conversion. */
static bool check_types(const struct op_node *op, struct error *err)
{
    bool is_pow = strcmp(op->node->op, "Pow") == 0;

    if (is_pow && op->in[0]->dtype != op->in[1]->dtype)
        return op_want_type(op, 0, OP_TYPES_NUMBER, err) &&
               op_want_type(op, 1, OP_TYPES_NUMBER, err);
    return op_same_type(op, 0, 1, err);
}

static bool binary_infer(struct op_node *op, struct error *err)
{
    struct binary_state *state = op_alloc(op, sizeof *state, err);
    bool to_bool = false;

    if (!state || !check_types(op, err) ||
        !op_broadcast(op->in[0], op->in[1], op->out[0], err))
        return false;
    op->state = state;
    state->fn = op_binary_find(op->node->op, op->in[0]->dtype, &to_bool);
    if (!state->fn)
        return op_want_type(op, 0, 0, err);
    op->out[0]->dtype = to_bool ? ENG_BOOL : op->in[0]->dtype;
    state->in_size = eng_dtype_size(op->in[0]->dtype);
    state->out_size = eng_dtype_size(op->out[0]->dtype);
    op_walk_broadcast(&state->walk, op->out[0], 2, op->in);
    return true;
}

static bool binary_accepts(const struct op_node *op)
{
    return op->in[0]->dtype == op->in[1]->dtype;
}

static bool binary_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct binary_state *state = op->state;
    struct op_binary_data data = {op_in(op, frame, 0), op_in(op, frame, 1),
                                  op_out(op, frame, 0), state->in_size,
                                  state->out_size};

    return op_binary_run(state->fn, &state->walk, &data, err);
}

const struct op_impl op_binary = {.name = "binary",
                                  .in_min = 2,
                                  .in_max = 2,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_WIDEN,
                                  .in_place = 3,
                                  .infer = binary_infer,
                                  .accepts = binary_accepts,
                                  .run = binary_run};

/* --- Pow with an exponent of another type --- */

static double number_at(const struct eng_tensor *tensor, const void *data,
                        int64_t i)
{
    switch (tensor->dtype) {
    case ENG_F32:
        return (double)((const float *)data)[i];
    case ENG_F64:
        return ((const double *)data)[i];
    case ENG_I8:
        return ((const int8_t *)data)[i];
    case ENG_I16:
        return ((const int16_t *)data)[i];
    case ENG_I32:
        return ((const int32_t *)data)[i];
    case ENG_I64:
        return (double)((const int64_t *)data)[i];
    case ENG_U8:
        return ((const uint8_t *)data)[i];
    case ENG_U16:
        return ((const uint16_t *)data)[i];
    case ENG_U32:
        return ((const uint32_t *)data)[i];
    case ENG_U64:
        return (double)((const uint64_t *)data)[i];
    case ENG_NONE:
    case ENG_STRING:
    case ENG_BOOL:
    case ENG_F16:
    case ENG_BF16:
        break;
    }
    return 0;
}

/* Out of an integer's range the result is the nearest one. */
static int64_t to_int(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 9223372036854775807.0)
        return INT64_MAX;
    return value <= -9223372036854775808.0 ? INT64_MIN : (int64_t)value;
}

static void store_number(const struct eng_tensor *tensor, void *data, int64_t i,
                         double value)
{
    size_t size = eng_dtype_size(tensor->dtype);
    int64_t number;

    if (tensor->dtype == ENG_F32) {
        ((float *)data)[i] = (float)value;
        return;
    }
    if (tensor->dtype == ENG_F64) {
        ((double *)data)[i] = value;
        return;
    }
    number = to_int(value);
    memcpy((char *)data + i * (int64_t)size, &number, size);
}

static bool pow_mixed_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct op_walk *walk =
        &((const struct binary_state *)op->state)->walk;
    struct op_place at;

    (void)err;
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        for (int64_t i = 0; i < walk->inner; i++) {
            double base = number_at(op->in[0], op_in(op, frame, 0),
                                    at.offset[0] + i * walk->inner_step[0]);
            double exponent = number_at(op->in[1], op_in(op, frame, 1),
                                        at.offset[1] + i * walk->inner_step[1]);

            store_number(op->out[0], op_out(op, frame, 0), at.offset[2] + i,
                         pow(base, exponent));
        }
    }
    return true;
}

const struct op_impl op_pow_mixed = {.name = "pow.mixed",
                                     .in_min = 2,
                                     .in_max = 2,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .flags = OP_WIDEN,
                                     .infer = binary_infer,
                                     .run = pow_mixed_run};
