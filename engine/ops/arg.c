/*
 * ArgMax-13, ArgMin-13: y = where the largest, smallest element along an axis is
 *
 *   input   x     number [d0, ..., dn-1] (float16, bfloat16 as float)
 *   output  y     int64; the axis has 1 element, or is gone
 *   attr    axis               int = 0
 *           keepdims           int = 1
 *           select_last_index  int = 0: of several equal ones the first
 *   errors  ERR_MODEL_INVALID: axis outside, or nothing to choose from
 *   source  ONNX operator list, ArgMax-13; NaN is never chosen unless it is
 *           the first
 */
#include <string.h>

#include "op.h"

struct arg_state {
    int64_t outer, length, inner; /* [outer, length, inner] */
    bool is_min, last;
};

/* The place among x[0], x[step], ... */
#define FIND(name, T)                                                          \
    static int64_t name(const struct arg_state *state, const void *data,       \
                        int64_t at)                                            \
    {                                                                          \
        const T *x = (const T *)data + at;                                     \
        T best = x[0];                                                         \
        int64_t place = 0;                                                     \
                                                                               \
        for (int64_t i = 1; i < state->length; i++) {                          \
            T v = x[i * state->inner];                                         \
            bool better = state->is_min ? v < best : v > best;                 \
                                                                               \
            if (better || (state->last && v == best)) {                        \
                best = v;                                                      \
                place = i;                                                     \
            }                                                                  \
        }                                                                      \
        return place;                                                          \
    }

FIND(find_f32, float)
FIND(find_f64, double)
FIND(find_i8, int8_t)
FIND(find_i16, int16_t)
FIND(find_i32, int32_t)
FIND(find_i64, int64_t)
FIND(find_u8, uint8_t)
FIND(find_u16, uint16_t)
FIND(find_u32, uint32_t)
FIND(find_u64, uint64_t)

typedef int64_t (*find_fn)(const struct arg_state *state, const void *data,
                           int64_t at);

static const find_fn finds[ENG_BF16 + 1] = {
    [ENG_F32] = find_f32, [ENG_F64] = find_f64, [ENG_I8] = find_i8,
    [ENG_I16] = find_i16, [ENG_I32] = find_i32, [ENG_I64] = find_i64,
    [ENG_U8] = find_u8,   [ENG_U16] = find_u16, [ENG_U32] = find_u32,
    [ENG_U64] = find_u64};

static void set_shape(struct op_node *op, int axis, bool keep)
{
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];

    y->dtype = ENG_I64;
    y->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (i != axis)
            y->dims[y->rank++] = x->dims[i];
        else if (keep)
            y->dims[y->rank++] = 1;
    }
}

static bool arg_infer(struct op_node *op, struct error *err)
{
    struct arg_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    bool keep = true;
    int64_t axis = 0;

    if (!state || !op_attr_int(op, "axis", &axis, err) ||
        !op_attr_bool(op, "keepdims", &keep, err) ||
        !op_attr_bool(op, "select_last_index", &state->last, err) ||
        !op_axis(&axis, x->rank, err) ||
        !op_want_type(op, 0, OP_TYPES_NUMBER, err))
        return false;
    op->state = state;
    state->is_min = strcmp(op->node->op, "ArgMin") == 0;
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->length = x->dims[axis];
    state->inner = eng_shape_product(x, (int)axis + 1, x->rank);
    set_shape(op, (int)axis, keep);
    if (!state->length && eng_tensor_count(op->out[0]))
        return fail(err, ERR_MODEL_INVALID, "the axis has no elements");
    return true;
}

static bool arg_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct arg_state *state = op->state;
    find_fn find = finds[op->in[0]->dtype];
    const void *x = op_in(op, frame, 0);
    int64_t *y = op_out(op, frame, 0);

    (void)err;
    if (!state->length)
        return true;
    for (int64_t o = 0; o < state->outer; o++) {
        for (int64_t i = 0; i < state->inner; i++)
            *y++ = find(state, x, o * state->length * state->inner + i);
    }
    return true;
}

const struct op_impl op_arg = {.name = "arg",
                               .in_min = 1,
                               .in_max = 1,
                               .out_min = 1,
                               .out_max = 1,
                               .flags = OP_WIDEN,
                               .infer = arg_infer,
                               .run = arg_run};
