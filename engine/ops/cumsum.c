/*
 * CumSum, opset 14: y[i] = x[0] + ... + x[i] along one axis
 *
 *   input   x     float, double, int32, int64
 *           axis  int scalar, known while planning; negative counts from the end
 *   output  y     shape of x; may share memory with x
 *   attr    exclusive  int = 0: without x[i] itself
 *           reverse    int = 0: from the end
 *   errors  ERR_MODEL_INVALID: axis outside
 *   source  ONNX operator list, CumSum-14
 */
#include "op.h"

struct cumsum_state {
    int64_t outer, length, inner;
    bool exclusive, reverse;
};

static bool cumsum_infer(struct op_node *op, struct error *err)
{
    enum { TYPES = OP_TYPES_REAL | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) };
    struct cumsum_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    int64_t axis;
    size_t count;

    op->state = state;
    if (!state || !op_want_type(op, 0, TYPES, err) ||
        !op_attr_bool(op, "exclusive", &state->exclusive, err) ||
        !op_attr_bool(op, "reverse", &state->reverse, err) ||
        !op_known_ints(op, 1, &axis, 1, &count, err))
        return false;
    if (count != 1)
        return fail(err, ERR_MODEL_INVALID, "the axis is empty");
    if (!op_axis(&axis, x->rank, err))
        return false;
    op_like(op->out[0], x);
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->length = x->dims[axis];
    state->inner = eng_shape_product(x, (int)axis + 1, x->rank);
    return true;
}

/* S is unsigned for integers, so that the sum wraps. */
#define CUMSUM(name, S)                                                        \
    static void name(const struct cumsum_state *state, const S *x, S *y)       \
    {                                                                          \
        int64_t step = state->reverse ? -state->inner : state->inner;          \
        int64_t at = state->reverse ? (state->length - 1) * state->inner : 0;  \
        S sum = 0;                                                             \
                                                                               \
        for (int64_t i = 0; i < state->length; i++, at += step) {              \
            S next = sum + x[at];                                              \
                                                                               \
            y[at] = state->exclusive ? sum : next;                             \
            sum = next;                                                        \
        }                                                                      \
    }

CUMSUM(cumsum_f32, float)
CUMSUM(cumsum_f64, double)
CUMSUM(cumsum_u32, uint32_t)
CUMSUM(cumsum_u64, uint64_t)

static void cumsum_row(enum eng_dtype dtype, const struct cumsum_state *state,
                       const char *x, char *y)
{
    if (dtype == ENG_F32)
        cumsum_f32(state, (const float *)(const void *)x, (float *)(void *)y);
    else if (dtype == ENG_F64)
        cumsum_f64(state, (const double *)(const void *)x, (double *)(void *)y);
    else if (dtype == ENG_I32)
        cumsum_u32(state, (const uint32_t *)(const void *)x,
                   (uint32_t *)(void *)y);
    else
        cumsum_u64(state, (const uint64_t *)(const void *)x,
                   (uint64_t *)(void *)y);
}

static bool cumsum_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct cumsum_state *state = op->state;
    size_t size = eng_dtype_size(op->out[0]->dtype);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t o = 0; o < state->outer; o++) {
        for (int64_t i = 0; i < state->inner; i++) {
            size_t at = (size_t)(o * state->length * state->inner + i) * size;

            cumsum_row(op->out[0]->dtype, state, x + at, y + at);
        }
    }
    return true;
}

const struct op_impl op_cumsum = {.name = "cumsum",
                                  .in_min = 2,
                                  .in_max = 2,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_WIDEN,
                                  .in_place = 1,
                                  .value_inputs = 2,
                                  .infer = cumsum_infer,
                                  .run = cumsum_run};
