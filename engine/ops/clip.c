/*
 * Clip, opset 13: y = min(max(x, low), high)
 *
 *   input   x          number
 *           low, high  scalars of x's type (below opset 11: float attributes
 *                      min, max) = no bound
 *   output  y          shape of x; may share memory with x
 *   errors  ERR_MODEL_INVALID: a bound that is not one element of x's type
 *   source  ONNX operator list, Clip-13: low > high gives high
 */
#include <float.h>
#include <math.h>

#include "clones.h"
#include "op.h"

#define CLIP(name, T, CLONES)                                                  \
    CLONES static void name(const void *x, const void *low, const void *high,  \
                            void *y, int64_t count)                            \
    {                                                                          \
        for (int64_t i = 0; i < count; i++) {                                  \
            T v = ((const T *)x)[i];                                           \
                                                                               \
            if (low)                                                           \
                v = v < *(const T *)low ? *(const T *)low : v;                 \
            if (high)                                                          \
                v = v > *(const T *)high ? *(const T *)high : v;               \
            ((T *)y)[i] = v;                                                   \
        }                                                                      \
    }

CLIP(clip_f32, float, OP_CLONES)
CLIP(clip_f64, double, OP_CLONES)
CLIP(clip_i8, int8_t, )
CLIP(clip_i16, int16_t, )
CLIP(clip_i32, int32_t, )
CLIP(clip_i64, int64_t, )
CLIP(clip_u8, uint8_t, )
CLIP(clip_u16, uint16_t, )
CLIP(clip_u32, uint32_t, )
CLIP(clip_u64, uint64_t, )

typedef void (*clip_fn)(const void *x, const void *low, const void *high,
                        void *y, int64_t count);

static const clip_fn clips[] = {
    [ENG_F32] = clip_f32, [ENG_F64] = clip_f64, [ENG_I8] = clip_i8,
    [ENG_I16] = clip_i16, [ENG_I32] = clip_i32, [ENG_I64] = clip_i64,
    [ENG_U8] = clip_u8,   [ENG_U16] = clip_u16, [ENG_U32] = clip_u32,
    [ENG_U64] = clip_u64, [ENG_BF16] = NULL};

struct clip_state {
    clip_fn fn;
    float low, high; /* of the attributes */
    bool has_attrs;
};

static bool check_bound(const struct op_node *op, size_t i, struct error *err)
{
    if (!op_has(op, i))
        return true;
    if (eng_tensor_count(op->in[i]) != 1)
        return fail(err, ERR_MODEL_INVALID, "bound %zu is not one element", i);
    return op_same_type(op, 0, i, err);
}

static bool clip_infer(struct op_node *op, struct error *err)
{
    struct clip_state *state = op_alloc(op, sizeof *state, err);

    if (!state)
        return false;
    state->low = -FLT_MAX;
    state->high = FLT_MAX;
    state->fn = clips[op->in[0]->dtype];
    state->has_attrs = op->node->version < 11;
    op->state = state;
    op_like(op->out[0], op->in[0]);
    if (state->has_attrs)
        return op_want_type(op, 0, OP_TYPE(ENG_F32), err) &&
               op_attr_float(op, "min", &state->low, err) &&
               op_attr_float(op, "max", &state->high, err);
    return op_want_type(op, 0, OP_TYPES_NUMBER, err) &&
           check_bound(op, 1, err) && check_bound(op, 2, err);
}

static bool clip_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct clip_state *state = op->state;
    const void *low = op_has(op, 1) ? op_in(op, frame, 1) : NULL;
    const void *high = op_has(op, 2) ? op_in(op, frame, 2) : NULL;

    (void)err;
    if (state->has_attrs) {
        low = &state->low;
        high = &state->high;
    }
    state->fn(op_in(op, frame, 0), low, high, op_out(op, frame, 0),
              eng_tensor_count(op->out[0]));
    return true;
}

const struct op_impl op_clip = {.name = "clip",
                                .in_min = 1,
                                .in_max = 3,
                                .out_min = 1,
                                .out_max = 1,
                                .flags = OP_WIDEN,
                                .in_place = 1,
                                .infer = clip_infer,
                                .run = clip_run};
