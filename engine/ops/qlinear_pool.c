/*
 * com.microsoft QLinearAveragePool-1, QLinearGlobalAveragePool-1: means of what
 * the quantised tensor stands for, quantised again
 *
 *   input   x, x_scale, x_zero, y_scale, y_zero
 *           x  uint8 or int8 [n, c, s0 .. sm-1], m = 1 to 3; scales float [];
 *           zero points may be left out = 0
 *   output  y  type of x, [n, c, ...]
 *   attr    QLinearAveragePool: window.h; count_include_pad int = 0: the mean
 *           counts the border's zeros
 *           channels_last  int = 0: [n, s0 .. sm-1, c], global only
 *   errors  ERR_MODEL_INVALID: what window.h says; scales, zero points
 *           ERR_MODEL_UNSUPPORTED: channels_last with windows
 *   source  ONNX Runtime, ContribOperators; rounding is half to even, in windows
 *           after the zero point is added
 */
#include <string.h>

#include "quant.h"
#include "window.h"

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };

struct qpool_state {
    struct op_window window;
    int64_t planes; /* n * c */
    bool count_pad;
    /* global: elements of a mean, their step, and means in a row */
    int64_t length, step, inner;
};

static bool check_inputs(const struct op_node *op, struct error *err)
{
    enum eng_dtype dtype = op->in[X]->dtype;

    if (!op_want_type(op, X, OP_TYPES_QUANT8, err) ||
        !op_quant_check(op, X_SCALE, X_ZERO, dtype, 0, err) ||
        !op_quant_check(op, Y_SCALE, Y_ZERO, dtype, 0, err))
        return false;
    return op->in[X]->rank >= 3 ||
           fail(err, ERR_MODEL_INVALID, "input 0 has rank %d", op->in[X]->rank);
}

struct requantize {
    enum eng_dtype dtype;
    int32_t x_zero, y_zero;
    float ratio;
};

static struct requantize read_scales(const struct op_node *op,
                                     const struct op_frame *frame)
{
    return (struct requantize){.dtype = op->in[X]->dtype,
                               .x_zero = op_zero_of(op, frame, X_ZERO, 0),
                               .y_zero = op_zero_of(op, frame, Y_ZERO, 0),
                               .ratio = op_scale_of(op, frame, X_SCALE, 0) /
                                        op_scale_of(op, frame, Y_SCALE, 0)};
}

/* --- windows --- */

static bool qpool_infer(struct op_node *op, struct error *err)
{
    struct qpool_state *state = op_alloc(op, sizeof *state, err);
    bool channels_last = false;

    op->state = state;
    if (!state || !check_inputs(op, err) ||
        !op_window_read(op, NULL, &state->window, err) ||
        !op_attr_bool(op, "count_include_pad", &state->count_pad, err) ||
        !op_attr_bool(op, "channels_last", &channels_last, err))
        return false;
    if (channels_last)
        return fail(err, ERR_MODEL_UNSUPPORTED, "channels_last");
    op_like(op->out[0], op->in[X]);
    for (int i = 0; i < state->window.spatial; i++)
        op->out[0]->dims[2 + i] = state->window.out[i];
    state->planes = op->in[X]->dims[0] * op->in[X]->dims[1];
    return true;
}

/* Does element k of the window at `out` lie in the input or its border? */
static bool is_padded(const struct op_window *window, const int64_t *out,
                      const int64_t *k)
{
    for (int i = 0; i < window->spatial; i++) {
        int64_t at = out[i] * window->stride[i] - window->pad[i] +
                     k[i] * window->dilation[i];

        if (at >= window->in[i] + window->pad_end[i])
            return false;
    }
    return true;
}

static float window_mean(const struct qpool_state *state,
                         const struct requantize *how, const void *x,
                         int64_t first, const int64_t *out)
{
    const struct op_window *window = &state->window;
    int64_t taps = 1, count = 0;
    int32_t sum = 0;

    for (int i = 0; i < window->spatial; i++)
        taps *= window->kernel[i];
    for (int64_t t = 0; t < taps; t++) {
        int64_t k[OP_SPATIAL_MAX], at;

        op_window_unflatten(window->spatial, window->kernel, t, k);
        at = op_window_tap(window, out, k);
        if (at >= 0)
            sum += op_quant_at(how->dtype, x, first + at) - how->x_zero;
        count += at >= 0 || (state->count_pad && is_padded(window, out, k));
    }
    return count ? (float)sum / (float)count : 0;
}

static bool qpool_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct qpool_state *state = op->state;
    const struct op_window *window = &state->window;
    struct requantize how = read_scales(op, frame);
    int64_t in = op_window_in(window), out = op_window_out(window);

    (void)err;
    for (int64_t i = 0; i < state->planes * out; i++) {
        int64_t index[OP_SPATIAL_MAX];

        op_window_unflatten(window->spatial, window->out, i % out, index);
        op_quant_put(
            how.dtype, op_out(op, frame, 0), i,
            window_mean(state, &how, op_in(op, frame, X), i / out * in, index) *
                    how.ratio +
                (float)how.y_zero,
            0);
    }
    return true;
}

const struct op_impl op_qlinear_pool = {.name = "qlinear_pool",
                                        .in_min = 4,
                                        .in_max = 5,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .infer = qpool_infer,
                                        .run = qpool_run};

/* --- whole planes --- */

static bool qglobal_infer(struct op_node *op, struct error *err)
{
    struct qpool_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[X];
    bool channels_last = false;
    int first;

    op->state = state;
    if (!state || !check_inputs(op, err) ||
        !op_attr_bool(op, "channels_last", &channels_last, err))
        return false;
    first = channels_last ? 1 : 2;
    op_like(op->out[0], x);
    for (int d = first; d < first + x->rank - 2; d++)
        op->out[0]->dims[d] = 1;
    state->length = eng_shape_product(x, first, first + x->rank - 2);
    state->inner = channels_last ? x->dims[x->rank - 1] : 1;
    state->step = state->inner;
    state->planes = eng_tensor_count(op->out[0]);
    return true;
}

static bool qglobal_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct qpool_state *state = op->state;
    struct requantize how = read_scales(op, frame);

    (void)err;
    for (int64_t i = 0; i < state->planes; i++) {
        int64_t first =
            i / state->inner * state->length * state->inner + i % state->inner;
        int64_t sum = 0;

        for (int64_t k = 0; k < state->length; k++)
            sum += op_quant_at(how.dtype, op_in(op, frame, X),
                               first + k * state->step) -
                   how.x_zero;
        op_quant_put(
            how.dtype, op_out(op, frame, 0), i,
            state->length ? (float)sum * how.ratio / (float)state->length : 0,
            how.y_zero);
    }
    return true;
}

const struct op_impl op_qlinear_global_pool = {.name = "qlinear_global_pool",
                                               .in_min = 4,
                                               .in_max = 5,
                                               .out_min = 1,
                                               .out_max = 1,
                                               .infer = qglobal_infer,
                                               .run = qglobal_run};
