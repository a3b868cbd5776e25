/*
 * LpNormalization, opset 22: y = x / norm(x) along an axis
 *
 *   input   x     float or double (float16, bfloat16 as float)
 *   output  y     type and shape of x; may share memory with x
 *   attr    axis  int = -1
 *           p     int = 2: sqrt(sum(x^2)); 1: sum(|x|)
 *   errors  ERR_MODEL_INVALID: axis outside, another p
 *   source  ONNX operator list, LpNormalization-22; where the norm is 0, y is 0
 */
#include <math.h>

#include "op.h"

struct lp_norm_state {
    int64_t outer, length, inner; /* [outer, length, inner] */
    int64_t p;
};

static bool lp_norm_infer(struct op_node *op, struct error *err)
{
    struct lp_norm_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    int64_t axis = -1;

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err))
        return false;
    op->state = state;
    state->p = 2;
    if (!op_attr_int(op, "axis", &axis, err) ||
        !op_attr_int(op, "p", &state->p, err) || !op_axis(&axis, x->rank, err))
        return false;
    if (state->p != 1 && state->p != 2)
        return fail(err, ERR_MODEL_INVALID, "attribute 'p' is %lld",
                    (long long)state->p);
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->length = x->dims[axis];
    state->inner = eng_shape_product(x, (int)axis + 1, x->rank);
    op_like(op->out[0], x);
    return true;
}

/* One row: elements x[0], x[step], ... */
#define NORM_ROW(name, T)                                                      \
    static void name(const struct lp_norm_state *state, const T *x, T *y)      \
    {                                                                          \
        int64_t step = state->inner;                                           \
        double norm = 0;                                                       \
                                                                               \
        for (int64_t i = 0; i < state->length; i++) {                          \
            double v = (double)x[i * step];                                    \
                                                                               \
            norm += state->p == 1 ? fabs(v) : v * v;                           \
        }                                                                      \
        if (state->p == 2)                                                     \
            norm = sqrt(norm);                                                 \
        for (int64_t i = 0; i < state->length; i++)                            \
            y[i * step] = norm == 0 ? 0 : (T)((double)x[i * step] / norm);     \
    }

NORM_ROW(norm_row_f32, float)
NORM_ROW(norm_row_f64, double)

static bool lp_norm_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct lp_norm_state *state = op->state;
    const void *x = op_in(op, frame, 0);
    void *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t o = 0; o < state->outer; o++) {
        for (int64_t i = 0; i < state->inner; i++) {
            int64_t at = o * state->length * state->inner + i;

            if (op->in[0]->dtype == ENG_F32)
                norm_row_f32(state, (const float *)x + at, (float *)y + at);
            else
                norm_row_f64(state, (const double *)x + at, (double *)y + at);
        }
    }
    return true;
}

const struct op_impl op_lp_norm = {.name = "lp_norm",
                                   .in_min = 1,
                                   .in_max = 1,
                                   .out_min = 1,
                                   .out_max = 1,
                                   .flags = OP_WIDEN,
                                   .in_place = 1,
                                   .infer = lp_norm_infer,
                                   .run = lp_norm_run};
