/*
 * Element-wise operators of one input: y = f(x)
 *
 *   Relu-14 Neg-13 Abs-13 Sqrt-13 Exp-13 Log-13 Tanh-13 Sin-22 Cos-22
 *   Sigmoid-13 Erf-13 Softplus-22 Ceil-13 Floor-13 Reciprocal-13 Sign-13 Round-22 Softsign-22
 *   HardSwish-22 Mish-22 (and older forms: other types only), Not-1
 *
 *   input   x   number [d0, ..., dn-1]; bool for Not
 *   output  y   type and shape of x; may share memory with x
 *   errors  ERR_MODEL_UNSUPPORTED: a type the operator does not have here
 *   source  ONNX operator list
 *   check   float functions: kernel/vec_math.h; double: libm; Softplus = max(x, 0) + log1p(exp(-|x|))
 *           does not overflow; Round takes ties to even
 */
#include <math.h>
#include <string.h>

#include "clones.h"
#include "kernel/map.h"
#include "spread.h"

typedef void (*unary_fn)(const void *from, void *to, int64_t count);

#define T          float
#define NAME(kind) kind##_f32
#define MATH(name) name##f
#include "unary_float.inc"
#define T          double
#define NAME(kind) kind##_f64
#define MATH(name) name
#include "unary_float.inc"

#define T          int8_t
#define UNSIGNED   uint8_t
#define NAME(kind) kind##_i8
#include "unary_int.inc"
#define T          int16_t
#define UNSIGNED   uint16_t
#define NAME(kind) kind##_i16
#include "unary_int.inc"
#define T          int32_t
#define UNSIGNED   uint32_t
#define NAME(kind) kind##_i32
#include "unary_int.inc"
#define T          int64_t
#define UNSIGNED   uint64_t
#define NAME(kind) kind##_i64
#include "unary_int.inc"

static void not_bool(const void *from, void *to, int64_t count)
{
    const uint8_t *x = from;
    uint8_t *y = to;

    for (int64_t i = 0; i < count; i++)
        y[i] = !x[i];
}

#define UNSIGNED_LOOPS(type, T)                                                \
    static void abs_##type(const void *from, void *to, int64_t count)          \
    {                                                                          \
        if (count)                                                             \
            memmove(to, from, (size_t)count * sizeof(T));                      \
    }                                                                          \
    static void sign_##type(const void *from, void *to, int64_t count)         \
    {                                                                          \
        for (int64_t i = 0; i < count; i++)                                    \
            ((T *)to)[i] = ((const T *)from)[i] != 0;                          \
    }

UNSIGNED_LOOPS(u8, uint8_t)
UNSIGNED_LOOPS(u16, uint16_t)
UNSIGNED_LOOPS(u32, uint32_t)
UNSIGNED_LOOPS(u64, uint64_t)

enum { TYPE_SLOTS = ENG_BF16 + 1 };

struct unary_kind {
    const char *name;
    unary_fn fn[TYPE_SLOTS]; /* by dtype */
    size_t map;              /* for float, instead of fn */
};

#define FLOATS(kind) [ENG_F32] = kind##_f32, [ENG_F64] = kind##_f64
#define INTS(kind)                                                             \
    [ENG_I8] = kind##_i8, [ENG_I16] = kind##_i16, [ENG_I32] = kind##_i32,      \
    [ENG_I64] = kind##_i64
#define UINTS(kind)                                                            \
    [ENG_U8] = kind##_u8, [ENG_U16] = kind##_u16, [ENG_U32] = kind##_u32,      \
    [ENG_U64] = kind##_u64

static const struct unary_kind kinds[] = {
    {"Relu", {FLOATS(relu), INTS(relu)}, KERNEL_NO_MAP},
    {"Neg", {FLOATS(neg), INTS(neg)}, KERNEL_NO_MAP},
    {"Abs", {FLOATS(abs), INTS(abs), UINTS(abs)}, KERNEL_NO_MAP},
    {"Sqrt", {FLOATS(sqrt)}, KERNEL_NO_MAP},
    {"Exp", {FLOATS(exp)}, KERNEL_MAP(exp)},
    {"Log", {FLOATS(log)}, KERNEL_MAP(log)},
    {"Sin", {FLOATS(sin)}, KERNEL_NO_MAP},
    {"Cos", {FLOATS(cos)}, KERNEL_NO_MAP},
    {"Tanh", {FLOATS(tanh)}, KERNEL_MAP(tanh)},
    {"Sigmoid", {FLOATS(sigmoid)}, KERNEL_MAP(sigmoid)},
    {"Erf", {FLOATS(erf)}, KERNEL_MAP(erf)},
    {"Softplus", {FLOATS(softplus)}, KERNEL_MAP(softplus)},
    {"Ceil", {FLOATS(ceil)}, KERNEL_NO_MAP},
    {"Floor", {FLOATS(floor)}, KERNEL_NO_MAP},
    {"Reciprocal", {FLOATS(reciprocal)}, KERNEL_NO_MAP},
    {"Sign", {FLOATS(sign), INTS(sign), UINTS(sign)}, KERNEL_NO_MAP},
    {"Round", {FLOATS(round)}, KERNEL_NO_MAP},
    {"Softsign", {FLOATS(softsign)}, KERNEL_NO_MAP},
    {"HardSwish", {FLOATS(hard_swish)}, KERNEL_MAP(hard_swish)},
    {"Mish", {FLOATS(mish)}, KERNEL_MAP(mish)},
    {"Not", {[ENG_BOOL] = not_bool}, KERNEL_NO_MAP},
};

struct unary_state {
    unary_fn fn;
    kernel_map_fn map; /* NULL: fn */
    int64_t count;
};

static void find_fn(const struct op_node *op, struct unary_state *state)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, op->node->op) != 0)
            continue;
        state->fn = kinds[i].fn[op->in[0]->dtype];
        if (op->in[0]->dtype == ENG_F32)
            state->map = kernel_map_at(kinds[i].map);
    }
}

static bool unary_infer(struct op_node *op, struct error *err)
{
    struct unary_state *state = op_alloc(op, sizeof *state, err);

    if (!state)
        return false;
    op->state = state;
    op_like(op->out[0], op->in[0]);
    state->count = eng_tensor_count(op->out[0]);
    find_fn(op, state);
    return state->fn || op_want_type(op, 0, 0, err);
}

struct part {
    const struct unary_state *state;
    const float *x;
    float *y;
};

static void run_map(void *work, int64_t first, int64_t end)
{
    const struct part *part = work;

    part->state->map(part->x + first, part->y + first, end - first, NULL);
}

static bool unary_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct unary_state *state = op->state;

    struct part part = {state, op_in(op, frame, 0), op_out(op, frame, 0)};

    (void)err;
    if (state->map)
        op_spread(frame, state->count, 0.4, run_map, &part);
    else
        state->fn(part.x, part.y, state->count);
    return true;
}

const struct op_impl op_unary = {.name = "unary",
                                 .in_min = 1,
                                 .in_max = 1,
                                 .out_min = 1,
                                 .out_max = 1,
                                 .flags = OP_WIDEN,
                                 .in_place = 1,
                                 .infer = unary_infer,
                                 .run = unary_run};
