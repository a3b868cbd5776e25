/*
 * Mod, opset 13: y = what is left of a / b
 *
 *   input   a, b   number, one type, shapes that broadcast (float16, bfloat16
 *                  as float)
 *   output  y      broadcast shape; may share memory with a or b
 *   attr    fmod   int = 0: the sign of b (Python's %), integers only;
 *                  1: the sign of a (C's fmod)
 *   errors  ERR_MODEL_INVALID: shapes do not broadcast, types differ, floats
 *           without fmod
 *           ERR_VALIDATION_ERROR: integer division by zero
 *   source  ONNX operator list, Mod-13
 */
#include <math.h>

#include "binary.h"

#define FLOAT_ROW(name, T, FMOD)                                               \
    static bool name(const void *a, int64_t sa, const void *b, int64_t sb,     \
                     void *y, int64_t count)                                   \
    {                                                                          \
        for (int64_t i = 0; i < count; i++)                                    \
            ((T *)y)[i] =                                                      \
                FMOD(((const T *)a)[i * sa], ((const T *)b)[i * sb]);          \
        return true;                                                           \
    }

/* x % -1 is 0, but overflows for the smallest x. */
#define INT_ROW(name, T, rest_of)                                              \
    static bool name(const void *a, int64_t sa, const void *b, int64_t sb,     \
                     void *y, int64_t count)                                   \
    {                                                                          \
        for (int64_t i = 0; i < count; i++) {                                  \
            T p = ((const T *)a)[i * sa], q = ((const T *)b)[i * sb];          \
                                                                               \
            if (q == 0)                                                        \
                return false;                                                  \
            ((T *)y)[i] = (T)(rest_of);                                        \
        }                                                                      \
        return true;                                                           \
    }
#define REST       (q == -1 ? 0 : p % q)
#define FLOOR_REST (REST && (REST < 0) != (q < 0) ? REST + q : REST)

FLOAT_ROW(fmod_f32, float, fmodf)
FLOAT_ROW(fmod_f64, double, fmod)
INT_ROW(fmod_i8, int8_t, REST)
INT_ROW(fmod_i16, int16_t, REST)
INT_ROW(fmod_i32, int32_t, REST)
INT_ROW(fmod_i64, int64_t, REST)
INT_ROW(mod_i8, int8_t, FLOOR_REST)
INT_ROW(mod_i16, int16_t, FLOOR_REST)
INT_ROW(mod_i32, int32_t, FLOOR_REST)
INT_ROW(mod_i64, int64_t, FLOOR_REST)
INT_ROW(mod_u8, uint8_t, p % q)
INT_ROW(mod_u16, uint16_t, p % q)
INT_ROW(mod_u32, uint32_t, p % q)
INT_ROW(mod_u64, uint64_t, p % q)

enum { TYPE_SLOTS = ENG_BF16 + 1 };

#define UNSIGNED                                                               \
    [ENG_U8] = mod_u8, [ENG_U16] = mod_u16, [ENG_U32] = mod_u32,               \
    [ENG_U64] = mod_u64

static const op_binary_fn rows[2][TYPE_SLOTS] = {{[ENG_I8] = mod_i8,
                                                  [ENG_I16] = mod_i16,
                                                  [ENG_I32] = mod_i32,
                                                  [ENG_I64] = mod_i64,
                                                  UNSIGNED},
                                                 {[ENG_F32] = fmod_f32,
                                                  [ENG_F64] = fmod_f64,
                                                  [ENG_I8] = fmod_i8,
                                                  [ENG_I16] = fmod_i16,
                                                  [ENG_I32] = fmod_i32,
                                                  [ENG_I64] = fmod_i64,
                                                  UNSIGNED}};

struct mod_state {
    op_binary_fn fn;
    struct op_walk walk;
    size_t size;
};

static bool mod_infer(struct op_node *op, struct error *err)
{
    struct mod_state *state = op_alloc(op, sizeof *state, err);
    bool is_fmod = false;

    if (!state || !op_same_type(op, 0, 1, err) ||
        !op_attr_bool(op, "fmod", &is_fmod, err) ||
        !op_broadcast(op->in[0], op->in[1], op->out[0], err))
        return false;
    if (!is_fmod && eng_dtype_is_float(op->in[0]->dtype))
        return fail(err, ERR_MODEL_INVALID,
                    "floats need the attribute 'fmod' = 1");
    op->state = state;
    op->out[0]->dtype = op->in[0]->dtype;
    state->size = eng_dtype_size(op->in[0]->dtype);
    state->fn = rows[is_fmod][op->in[0]->dtype];
    op_walk_broadcast(&state->walk, op->out[0], 2, op->in);
    return state->fn || op_want_type(op, 0, 0, err);
}

static bool mod_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct mod_state *state = op->state;
    struct op_binary_data data = {op_in(op, frame, 0), op_in(op, frame, 1),
                                  op_out(op, frame, 0), state->size,
                                  state->size};

    return op_binary_run(state->fn, &state->walk, &data, err);
}

const struct op_impl op_mod = {.name = "mod",
                               .in_min = 2,
                               .in_max = 2,
                               .out_min = 1,
                               .out_max = 1,
                               .flags = OP_WIDEN,
                               .in_place = 3,
                               .infer = mod_infer,
                               .run = mod_run};
