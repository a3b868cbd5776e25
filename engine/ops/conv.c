/*
 * Conv, opset 11: y[n, o, p] = b[o] + sum over c, k of
 *                 x[n, c, p * stride + k * dilation - pad] * w[o, c, k]
 *
 *   input   x   float or double [n, c, s0 .. sm-1], m = 1 to 3
 *           w   [o, c / group, k0 .. km-1]
 *           b   [o]; may be left out
 *   output  y   [n, o, ...]
 *   attr    kernel_shape, strides, dilations, pads, auto_pad: window.h
 *           group  int = 1
 *   errors  ERR_MODEL_INVALID: ranks or channels do not fit, group below 1 or
 *           not a divisor, what window.h says
 *   source  ONNX operator list, Conv-11
 *   check   this file is the plain reference of the fast forms
 */
#include "conv.h"

static bool check_channels(const struct eng_tensor *x,
                           const struct eng_tensor *w, struct op_conv *conv,
                           struct error *err)
{
    char left[ENG_SHAPE_TEXT], right[ENG_SHAPE_TEXT];

    if (w->rank != x->rank || x->rank < 3)
        return fail(err, ERR_MODEL_INVALID, "shapes %.60s and %.60s do not fit",
                    eng_shape_text(x, left), eng_shape_text(w, right));
    conv->batch = x->dims[0];
    conv->in_channels = x->dims[1];
    conv->out_channels = w->dims[0];
    if (conv->groups < 1 || conv->groups > conv->out_channels ||
        conv->out_channels % conv->groups != 0)
        return fail(err, ERR_MODEL_INVALID, "group is %lld for %lld channels",
                    (long long)conv->groups, (long long)conv->out_channels);
    if (w->dims[1] > INT32_MAX || w->dims[1] * conv->groups != x->dims[1])
        return fail(err, ERR_MODEL_INVALID, "shapes %.60s and %.60s do not fit",
                    eng_shape_text(x, left), eng_shape_text(w, right));
    return true;
}

bool op_conv_shape(struct op_node *op, const struct eng_tensor *w,
                   const struct eng_tensor *bias, struct op_conv *conv,
                   struct error *err)
{
    struct eng_tensor *y = op->out[0];
    char text[ENG_SHAPE_TEXT];

    conv->groups = 1;
    if (!op_attr_int(op, "group", &conv->groups, err) ||
        !check_channels(op->in[0], w, conv, err) ||
        !op_window_read(op, &w->dims[2], &conv->window, err))
        return false;
    if (bias && (bias->rank != 1 || bias->dims[0] != conv->out_channels))
        return fail(err, ERR_MODEL_INVALID, "the bias has shape %.60s",
                    eng_shape_text(bias, text));
    y->rank = 2 + conv->window.spatial;
    y->dims[0] = conv->batch;
    y->dims[1] = conv->out_channels;
    conv->kernel_size = 1;
    for (int i = 0; i < conv->window.spatial; i++) {
        y->dims[2 + i] = conv->window.out[i];
        conv->kernel_size *= conv->window.kernel[i];
    }
    conv->in_size = op_window_in(&conv->window);
    conv->out_size = op_window_out(&conv->window);
    return true;
}

bool op_conv_infer(struct op_node *op, struct error *err)
{
    struct op_conv *conv = op_alloc(op, sizeof *conv, err);
    const struct eng_tensor *bias = op_has(op, 2) ? op->in[2] : NULL;

    op->state = conv;
    if (!conv || !op_want_type(op, 0, OP_TYPES_REAL, err) ||
        !op_same_type(op, 0, 1, err) ||
        (bias && !op_same_type(op, 0, 2, err)) ||
        !op_conv_shape(op, op->in[1], bias, conv, err))
        return false;
    op->out[0]->dtype = op->in[0]->dtype;
    return true;
}

/* One output element: x and w are those of its group's channels. */
#define CONV_POINT(name, T)                                                    \
    static T name(const struct op_conv *conv, const T *x, const T *w,          \
                  const int64_t *out)                                          \
    {                                                                          \
        int64_t channels = conv->in_channels / conv->groups;                   \
        int64_t k[OP_SPATIAL_MAX];                                             \
        T sum = 0;                                                             \
                                                                               \
        for (int64_t flat = 0; flat < conv->kernel_size; flat++) {             \
            int64_t at;                                                        \
                                                                               \
            op_window_unflatten(conv->window.spatial, conv->window.kernel,     \
                                flat, k);                                      \
            at = op_window_tap(&conv->window, out, k);                         \
            for (int64_t c = 0; at >= 0 && c < channels; c++)                  \
                sum += x[c * conv->in_size + at] *                             \
                       w[c * conv->kernel_size + flat];                        \
        }                                                                      \
        return sum;                                                            \
    }

CONV_POINT(conv_point_f32, float)
CONV_POINT(conv_point_f64, double)

/* All positions of output channel o of one image. */
static void conv_channel(const struct op_node *op, const struct op_frame *frame,
                         int64_t n, int64_t o)
{
    const struct op_conv *conv = op->state;
    int64_t channels = conv->in_channels / conv->groups;
    int64_t group = o / (conv->out_channels / conv->groups);
    int64_t x = (n * conv->in_channels + group * channels) * conv->in_size;
    int64_t w = o * channels * conv->kernel_size;
    int64_t y = (n * conv->out_channels + o) * conv->out_size;
    const void *bias = op_has(op, 2) ? op_in(op, frame, 2) : NULL;
    int64_t out[OP_SPATIAL_MAX];

    for (int64_t p = 0; p < conv->out_size; p++) {
        op_window_unflatten(conv->window.spatial, conv->window.out, p, out);
        if (op->out[0]->dtype == ENG_F32)
            ((float *)op_out(op, frame, 0))[y + p] =
                conv_point_f32(conv, (const float *)op_in(op, frame, 0) + x,
                               (const float *)op_in(op, frame, 1) + w, out) +
                (bias ? ((const float *)bias)[o] : 0);
        else
            ((double *)op_out(op, frame, 0))[y + p] =
                conv_point_f64(conv, (const double *)op_in(op, frame, 0) + x,
                               (const double *)op_in(op, frame, 1) + w, out) +
                (bias ? ((const double *)bias)[o] : 0);
    }
}

static bool conv_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct op_conv *conv = op->state;

    (void)err;
    for (int64_t n = 0; n < conv->batch; n++) {
        for (int64_t o = 0; o < conv->out_channels; o++)
            conv_channel(op, frame, n, o);
    }
    return true;
}

const struct op_impl op_conv = {.name = "conv.ref",
                                .in_min = 2,
                                .in_max = 3,
                                .out_min = 1,
                                .out_max = 1,
                                .flags = OP_WIDEN,
                                .infer = op_conv_infer,
                                .run = conv_run};
