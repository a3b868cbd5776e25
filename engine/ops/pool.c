/*
 * MaxPool, opset 12: y = largest element of each window
 * AveragePool, opset 19: y = mean of each window
 *
 *   input   x   float or double [n, c, s0 .. sm-1], m = 1 to 3; MaxPool also int8
 *               and uint8
 *   output  y   [n, c, ...]
 *           indices  int64, shape of y (MaxPool only, may be left out): place of
 *                    the element in x, counted over the whole tensor
 *   attr    kernel_shape (required), strides, dilations, pads, auto_pad,
 *           ceil_mode: window.h
 *           count_include_pad  int = 0: the mean counts the border's zeros
 *           storage_order      int = 0; 1 counts indices column by column
 *   errors  ERR_MODEL_INVALID: what window.h says
 *   source  ONNX operator list, MaxPool-12, AveragePool-19
 */
#include <math.h>
#include <string.h>

#include "pool.h"

bool op_pool_infer(struct op_node *op, struct error *err)
{
    enum { BYTES = OP_TYPE(ENG_I8) | OP_TYPE(ENG_U8) };
    struct op_pool_state *state = op_alloc(op, sizeof *state, err);
    struct eng_tensor *y = op->out[0];

    op->state = state;
    if (!state)
        return false;
    state->is_max = strcmp(op->node->op, "MaxPool") == 0;
    if (!op_want_type(op, 0,
                      state->is_max ? OP_TYPES_REAL | BYTES : OP_TYPES_REAL,
                      err) ||
        !op_window_read(op, NULL, &state->window, err) ||
        !op_attr_bool(op, "count_include_pad", &state->count_pad, err) ||
        !op_attr_bool(op, "storage_order", &state->by_column, err))
        return false;
    op_like(y, op->in[0]);
    for (int i = 0; i < state->window.spatial; i++)
        y->dims[2 + i] = state->window.out[i];
    state->planes = op->in[0]->dims[0] * op->in[0]->dims[1];
    if (op->out_count > 1) {
        op_like(op->out[1], y);
        op->out[1]->dtype = ENG_I64;
    }
    return true;
}

/* The part of a window that lies inside the input. */
struct span {
    int64_t first[OP_SPATIAL_MAX]; /* input index of its first tap */
    int64_t count[OP_SPATIAL_MAX]; /* taps */
    int64_t taps;                  /* all */
    int64_t padded;                /* taps that count, border included */
};

static void clip_window(const struct op_window *window, const int64_t *out,
                        struct span *span)
{
    span->taps = span->padded = 1;
    for (int i = 0; i < window->spatial; i++) {
        int64_t start = out[i] * window->stride[i] - window->pad[i];
        int64_t step = window->dilation[i];
        int64_t skip = start < 0 ? (-start + step - 1) / step : 0;
        int64_t last = window->kernel[i] - 1; /* inside the input */
        int64_t border = last;                /* inside input and border */

        if (start + last * step >= window->in[i])
            last = window->in[i] - 1 < start
                       ? -1
                       : (window->in[i] - 1 - start) / step;
        if (start + border * step >= window->in[i] + window->pad_end[i])
            border = (window->in[i] + window->pad_end[i] - 1 - start) / step;
        span->first[i] = start + skip * step;
        span->count[i] = last >= skip ? last - skip + 1 : 0;
        span->taps *= span->count[i];
        span->padded *= border + 1;
    }
}

/* Place of tap `flat` of the span in the plane. */
static int64_t tap_at(const struct op_window *window, const struct span *span,
                      int64_t flat)
{
    int64_t index[OP_SPATIAL_MAX], at = 0;

    op_window_unflatten(window->spatial, span->count, flat, index);
    for (int i = 0; i < window->spatial; i++)
        at = at * window->in[i] + span->first[i] +
             index[i] * window->dilation[i];
    return at;
}

#define MAX_POINT(name, T)                                                     \
    static int64_t name(const struct op_window *window,                        \
                        const struct span *span, const void *plane, void *y)   \
    {                                                                          \
        const T *x = plane;                                                    \
        int64_t best = tap_at(window, span, 0);                                \
                                                                               \
        for (int64_t t = 1; t < span->taps; t++) {                             \
            int64_t at = tap_at(window, span, t);                              \
                                                                               \
            if (x[at] > x[best])                                               \
                best = at;                                                     \
        }                                                                      \
        *(T *)y = x[best];                                                     \
        return best;                                                           \
    }

MAX_POINT(max_f32, float)
MAX_POINT(max_f64, double)
MAX_POINT(max_i8, int8_t)
MAX_POINT(max_u8, uint8_t)

static int64_t max_point(enum eng_dtype dtype, const struct op_window *window,
                         const struct span *span, const void *plane, void *y)
{
    if (!span->taps) { /* a window that sees only the border */
        memset(y, 0, eng_dtype_size(dtype));
        return 0;
    }
    if (dtype == ENG_F32)
        return max_f32(window, span, plane, y);
    if (dtype == ENG_F64)
        return max_f64(window, span, plane, y);
    return dtype == ENG_I8 ? max_i8(window, span, plane, y)
                           : max_u8(window, span, plane, y);
}

static void mean_point(enum eng_dtype dtype, const struct op_pool_state *state,
                       const struct span *span, const void *plane, void *y)
{
    int64_t count = state->count_pad ? span->padded : span->taps;
    double sum = 0;

    for (int64_t t = 0; t < span->taps; t++) {
        int64_t at = tap_at(&state->window, span, t);

        sum += dtype == ENG_F32 ? (double)((const float *)plane)[at]
                                : ((const double *)plane)[at];
    }
    sum = count > 0 ? sum / (double)count : 0;
    if (dtype == ENG_F32)
        *(float *)y = (float)sum;
    else
        *(double *)y = sum;
}

/* Row-major place in the plane -> column-major place. */
static int64_t by_column(const struct op_window *window, int64_t at)
{
    int64_t index[OP_SPATIAL_MAX], place = 0;

    op_window_unflatten(window->spatial, window->in, at, index);
    for (int i = window->spatial - 1; i >= 0; i--)
        place = place * window->in[i] + index[i];
    return place;
}

static void pool_plane(const struct op_node *op, const struct op_frame *frame,
                       int64_t plane)
{
    const struct op_pool_state *state = op->state;
    const struct op_window *window = &state->window;
    enum eng_dtype dtype = op->out[0]->dtype;
    size_t size = eng_dtype_size(dtype);
    int64_t in = op_window_in(window), out = op_window_out(window);
    const char *x =
        (const char *)op_in(op, frame, 0) + (size_t)(plane * in) * size;
    char *y = (char *)op_out(op, frame, 0) + (size_t)(plane * out) * size;
    int64_t *indices = op->out_count > 1
                           ? (int64_t *)op_out(op, frame, 1) + plane * out
                           : NULL;

    for (int64_t p = 0; p < out; p++) {
        int64_t index[OP_SPATIAL_MAX], best;
        struct span span;

        op_window_unflatten(window->spatial, window->out, p, index);
        clip_window(window, index, &span);
        if (!state->is_max) {
            mean_point(dtype, state, &span, x, y + (size_t)p * size);
            continue;
        }
        best = max_point(dtype, window, &span, x, y + (size_t)p * size);
        if (indices)
            indices[p] = plane * in +
                         (state->by_column ? by_column(window, best) : best);
    }
}

static bool pool_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct op_pool_state *state = op->state;

    (void)err;
    for (int64_t plane = 0; plane < state->planes; plane++)
        pool_plane(op, frame, plane);
    return true;
}

const struct op_impl op_pool = {.name = "pool",
                                .in_min = 1,
                                .in_max = 1,
                                .out_min = 1,
                                .out_max = 2,
                                .flags = OP_WIDEN,
                                .infer = op_pool_infer,
                                .run = pool_run};
