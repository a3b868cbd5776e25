/*
 * Softmax, opset 13: y = exp(x - m) / sum(exp(x - m)), m = max(x)
 * LogSoftmax, opset 13: y = x - m - log(sum(exp(x - m)))
 *
 *   input   x     float or double [d0, ..., dn-1]
 *   output  y     type and shape of x; may share memory with x
 *   attr    axis  int = -1, where max and sum run; negative counts from the end
 *                 below opset 13: int = 1, and all dimensions from it on are one
 *   errors  ERR_MODEL_INVALID: axis outside [-n, n-1]
 *   source  ONNX operator list, Softmax-13, Softmax-11; m keeps exp from
 *           overflowing
 *   check   within 1e-6 relative of a sum in double precision
 */
#include <math.h>
#include <string.h>

#include "kernel/kernel.h"
#include "spread.h"

struct softmax_state {
    int64_t outer, length, inner; /* [outer, length, inner] */
    bool is_log;
    const struct kernels *kernels;
};

static bool softmax_infer(struct op_node *op, struct error *err)
{
    struct softmax_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    bool is_flat = op->node->version < 13;
    int64_t axis = is_flat ? 1 : -1;

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err) ||
        !op_attr_int(op, "axis", &axis, err))
        return false;
    /* A scalar is one row of one element. */
    if (x->rank == 0)
        axis = 0;
    else if (!(is_flat && axis == x->rank) && !op_axis(&axis, x->rank, err))
        return false;
    op->state = state;
    op_like(op->out[0], x);
    state->kernels = kernels();
    state->is_log = strcmp(op->node->op, "LogSoftmax") == 0;
    state->outer = eng_shape_product(x, 0, (int)axis);
    if (is_flat || x->rank == 0) {
        state->length = eng_shape_product(x, (int)axis, x->rank);
        state->inner = 1;
    } else {
        state->length = x->dims[axis];
        state->inner = eng_shape_product(x, (int)axis + 1, x->rank);
    }
    return true;
}

/* One row: elements x[0], x[step], ... */
#define SOFTMAX_ROW(name, T, EXP, LOG)                                         \
    static void name(const struct softmax_state *state, const T *x, T *y)      \
    {                                                                          \
        int64_t n = state->length, step = state->inner;                        \
        T max = x[0], sum = 0;                                                 \
                                                                               \
        for (int64_t i = 1; i < n; i++)                                        \
            max = x[i * step] > max ? x[i * step] : max;                       \
        for (int64_t i = 0; i < n; i++) {                                      \
            T e = EXP(x[i * step] - max);                                      \
            sum += e;                                                          \
            y[i * step] = state->is_log ? x[i * step] - max : e;               \
        }                                                                      \
        for (int64_t i = 0; i < n; i++)                                        \
            y[i * step] =                                                      \
                state->is_log ? y[i * step] - LOG(sum) : y[i * step] / sum;    \
    }

SOFTMAX_ROW(softmax_row_f32, float, expf, logf)
SOFTMAX_ROW(softmax_row_f64, double, exp, log)

/* --- the last axis, float --- */

struct rows {
    const struct softmax_state *state;
    const float *x;
    float *y;
};

static void run_rows(void *work, int64_t first, int64_t end)
{
    const struct rows *rows = work;
    const struct softmax_state *state = rows->state;
    int64_t length = state->length;
    const float *x = rows->x + first * length;
    float *y = rows->y + first * length;

    if (state->is_log)
        state->kernels->log_softmax_rows(x, y, end - first, length);
    else
        state->kernels->softmax_rows(x, y, end - first, length);
}

static bool softmax_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct softmax_state *state = op->state;
    const void *x = op_in(op, frame, 0);
    void *y = op_out(op, frame, 0);

    (void)err;
    if (state->inner == 1 && state->length && op->in[0]->dtype == ENG_F32) {
        struct rows rows = {state, x, y};

        op_spread(frame, state->outer, 0.5 * (double)state->length + 10,
                  run_rows, &rows);
        return true;
    }
    for (int64_t o = 0; state->length && o < state->outer; o++) {
        for (int64_t i = 0; i < state->inner; i++) {
            int64_t at = o * state->length * state->inner + i;

            if (op->in[0]->dtype == ENG_F32)
                softmax_row_f32(state, (const float *)x + at, (float *)y + at);
            else
                softmax_row_f64(state, (const double *)x + at,
                                (double *)y + at);
        }
    }
    return true;
}

const struct op_impl op_softmax = {.name = "softmax",
                                   .in_min = 1,
                                   .in_max = 1,
                                   .out_min = 1,
                                   .out_max = 1,
                                   .flags = OP_WIDEN,
                                   .in_place = 1,
                                   .infer = softmax_infer,
                                   .run = softmax_run};
