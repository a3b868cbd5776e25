/*
 * ConvTranspose, opset 11: every x[n, c, p] adds x * w[c, o, k] to
 *                          y[n, o, p * stride + k * dilation - pad]
 *
 *   input   x   float or double [n, c, s0 .. sm-1], m = 1 to 3
 *           w   [c, o / group, k0 .. km-1]
 *           b   [o]; may be left out
 *   output  y   [n, o, (s - 1) * stride + output_padding +
 *               (k - 1) * dilation + 1 - pads, ...]
 *   attr    kernel_shape, strides, dilations, pads: window.h; group int = 1
 *           auto_pad, output_padding = 0, output_shape: fixes the size and, with
 *           auto_pad, the pads
 *   errors  ERR_MODEL_INVALID: ranks or channels do not fit, an output below 0
 *   source  ONNX operator list, ConvTranspose-11
 */
#include <string.h>

#include "conv.h"

struct sizes {
    const int64_t *output_shape, *output_padding;
    size_t shape_count, padding_count;
    int auto_pad;
};

static bool read_sizes(const struct op_node *op, struct sizes *sizes,
                       size_t spatial, struct error *err)
{
    *sizes = (struct sizes){0};
    if (!op_auto_pad_read(op, &sizes->auto_pad, err) ||
        !op_attr_ints(op, "output_shape", &sizes->output_shape,
                      &sizes->shape_count, err) ||
        !op_attr_ints(op, "output_padding", &sizes->output_padding,
                      &sizes->padding_count, err))
        return false;
    if ((sizes->shape_count && sizes->shape_count != spatial) ||
        (sizes->padding_count && sizes->padding_count != spatial))
        return fail(err, ERR_MODEL_INVALID,
                    "output_shape or output_padding have the wrong length");
    return true;
}

/* Splits what is too much between front and end. */
static void split_pads(struct op_window *window, int i, int64_t total,
                       bool upper)
{
    if (total < 0)
        total = 0;
    window->pad[i] = upper ? total / 2 : total - total / 2;
    window->pad_end[i] = total - window->pad[i];
}

static bool set_size(struct op_window *window, int i, const struct sizes *sizes,
                     struct error *err)
{
    int64_t extra = sizes->padding_count ? sizes->output_padding[i] : 0;
    int64_t full;

    if (extra < 0 || extra > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "output_padding is %lld",
                    (long long)extra);
    full = (window->in[i] - 1) * window->stride[i] + extra +
           (window->kernel[i] - 1) * window->dilation[i] + 1;
    if (sizes->shape_count) {
        window->out[i] = sizes->output_shape[i];
        split_pads(window, i, full - window->out[i],
                   sizes->auto_pad == OP_SAME_UPPER);
    } else if (sizes->auto_pad == OP_SAME_UPPER ||
               sizes->auto_pad == OP_SAME_LOWER) {
        window->out[i] = window->in[i] * window->stride[i];
        split_pads(window, i, full - window->out[i],
                   sizes->auto_pad == OP_SAME_UPPER);
    } else {
        window->out[i] = full - window->pad[i] - window->pad_end[i];
    }
    return (window->out[i] >= 0 && window->out[i] <= INT32_MAX) ||
           fail(err, ERR_MODEL_INVALID, "the output has size %lld",
                (long long)window->out[i]);
}

static bool check_channels(const struct op_node *op, struct op_conv *conv,
                           struct error *err)
{
    const struct eng_tensor *x = op->in[0], *w = op->in[1];

    if (w->rank != x->rank || x->rank < 3 || w->dims[0] != x->dims[1])
        return fail(err, ERR_MODEL_INVALID,
                    "the weights do not fit the input's channels");
    conv->batch = x->dims[0];
    conv->in_channels = x->dims[1];
    if (conv->groups < 1 || conv->groups > conv->in_channels ||
        conv->in_channels % conv->groups != 0 || w->dims[1] > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "group is %lld for %lld channels",
                    (long long)conv->groups, (long long)conv->in_channels);
    conv->out_channels = w->dims[1] * conv->groups;
    if (op_has(op, 2) &&
        (op->in[2]->rank != 1 || op->in[2]->dims[0] != conv->out_channels))
        return fail(err, ERR_MODEL_INVALID, "the bias does not fit");
    return true;
}

bool op_conv_transpose_infer(struct op_node *op, struct error *err)
{
    struct op_conv *conv = op_alloc(op, sizeof *conv, err);
    struct eng_tensor *y = op->out[0];
    struct sizes sizes;

    op->state = conv;
    if (!conv)
        return false;
    conv->groups = 1;
    if (!op_want_type(op, 0, OP_TYPES_REAL, err) ||
        !op_same_type(op, 0, 1, err) ||
        (op_has(op, 2) && !op_same_type(op, 0, 2, err)) ||
        !op_attr_int(op, "group", &conv->groups, err) ||
        !check_channels(op, conv, err) ||
        !op_window_attrs(op, &op->in[1]->dims[2], &conv->window, err) ||
        !read_sizes(op, &sizes, (size_t)conv->window.spatial, err))
        return false;
    y->dtype = op->in[0]->dtype;
    y->rank = 2 + conv->window.spatial;
    y->dims[0] = conv->batch;
    y->dims[1] = conv->out_channels;
    conv->kernel_size = 1;
    for (int i = 0; i < conv->window.spatial; i++) {
        if (!set_size(&conv->window, i, &sizes, err))
            return false;
        y->dims[2 + i] = conv->window.out[i];
        conv->kernel_size *= conv->window.kernel[i];
    }
    conv->in_size = op_window_in(&conv->window);
    conv->out_size = op_window_out(&conv->window);
    return true;
}

/* Where kernel element k of input position `in` lands, or -1 outside. */
static int64_t target(const struct op_window *window, const int64_t *in,
                      const int64_t *k)
{
    int64_t at = 0;

    for (int i = 0; i < window->spatial; i++) {
        int64_t out = in[i] * window->stride[i] + k[i] * window->dilation[i] -
                      window->pad[i];

        if (out < 0 || out >= window->out[i])
            return -1;
        at = at * window->out[i] + out;
    }
    return at;
}

/* One input channel into one output channel; w is their kernel. */
#define SCATTER(name, T)                                                       \
    static void name(const struct op_conv *conv, const T *x, const T *w, T *y) \
    {                                                                          \
        const struct op_window *window = &conv->window;                        \
        int64_t in[OP_SPATIAL_MAX], k[OP_SPATIAL_MAX];                         \
                                                                               \
        for (int64_t flat = 0; flat < conv->kernel_size; flat++) {             \
            op_window_unflatten(window->spatial, window->kernel, flat, k);     \
            for (int64_t p = 0; p < conv->in_size; p++) {                      \
                int64_t at;                                                    \
                                                                               \
                op_window_unflatten(window->spatial, window->in, p, in);       \
                at = target(window, in, k);                                    \
                if (at >= 0)                                                   \
                    y[at] += x[p] * w[flat];                                   \
            }                                                                  \
        }                                                                      \
    }

SCATTER(scatter_f32, float)
SCATTER(scatter_f64, double)

static void start_channel(const struct op_node *op,
                          const struct op_frame *frame, int64_t n, int64_t o)
{
    const struct op_conv *conv = op->state;
    int64_t y = (n * conv->out_channels + o) * conv->out_size;
    const void *bias = op_has(op, 2) ? op_in(op, frame, 2) : NULL;

    for (int64_t p = 0; p < conv->out_size; p++) {
        if (op->out[0]->dtype == ENG_F32)
            ((float *)op_out(op, frame, 0))[y + p] =
                bias ? ((const float *)bias)[o] : 0;
        else
            ((double *)op_out(op, frame, 0))[y + p] =
                bias ? ((const double *)bias)[o] : 0;
    }
}

static void add_channel(const struct op_node *op, const struct op_frame *frame,
                        int64_t n, int64_t c, int64_t o)
{
    const struct op_conv *conv = op->state;
    int64_t per_group = conv->out_channels / conv->groups;
    int64_t x = (n * conv->in_channels + c) * conv->in_size;
    int64_t w = (c * per_group + o % per_group) * conv->kernel_size;
    int64_t y = (n * conv->out_channels + o) * conv->out_size;

    if (op->out[0]->dtype == ENG_F32)
        scatter_f32(conv, (const float *)op_in(op, frame, 0) + x,
                    (const float *)op_in(op, frame, 1) + w,
                    (float *)op_out(op, frame, 0) + y);
    else
        scatter_f64(conv, (const double *)op_in(op, frame, 0) + x,
                    (const double *)op_in(op, frame, 1) + w,
                    (double *)op_out(op, frame, 0) + y);
}

static bool conv_transpose_run(const struct op_node *op,
                               const struct op_frame *frame, struct error *err)
{
    const struct op_conv *conv = op->state;
    int64_t channels = conv->in_channels / conv->groups;
    int64_t per_group = conv->out_channels / conv->groups;

    (void)err;
    for (int64_t n = 0; n < conv->batch; n++) {
        for (int64_t o = 0; o < conv->out_channels; o++) {
            int64_t first = o / per_group * channels;

            start_channel(op, frame, n, o);
            for (int64_t c = first; c < first + channels; c++)
                add_channel(op, frame, n, c, o);
        }
    }
    return true;
}

const struct op_impl op_conv_transpose = {.name = "conv_transpose",
                                          .in_min = 2,
                                          .in_max = 3,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .flags = OP_WIDEN,
                                          .infer = op_conv_transpose_infer,
                                          .run = conv_transpose_run};
