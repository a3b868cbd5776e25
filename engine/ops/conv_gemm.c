/*
 * Conv for float, as a matrix product: y[n, group] = w [o, c k] col [c k, out],
 * where column p of col holds the inputs that output position p sees. A 1x1
 * kernel with stride 1 needs no copy: col is x.
 *
 * Stays the choice for shapes that no better form accepts.
 */
#include <string.h>

#include "conv.h"
#include "onednn/onednn.h"

static bool conv_gemm_accepts(const struct op_node *op)
{
    const struct op_conv *conv = op->state;

    return op->in[0]->dtype == ENG_F32 && conv->out_size > 0 &&
           conv->in_channels > 0;
}

/* The columns are the input itself. */
static bool is_pointwise(const struct op_window *window)
{
    for (int i = 0; i < window->spatial; i++) {
        if (window->kernel[i] != 1 || window->stride[i] != 1 ||
            window->pad[i] || window->pad_end[i])
            return false;
    }
    return true;
}

static bool conv_gemm_prepare(struct op_node *op, struct error *err)
{
    const struct op_conv *conv = op->state;
    size_t rows =
        (size_t)(conv->in_channels / conv->groups * conv->kernel_size);
    size_t size;

    if (is_pointwise(&conv->window))
        return true;
    if (__builtin_mul_overflow(rows * sizeof(float), (size_t)conv->out_size,
                               &size))
        return fail(err, ERR_MODEL_INVALID, "the convolution is too large");
    op->scratch_bytes = size;
    return true;
}

/* `count` inputs from `at` on in steps; those outside [0, size) are 0. */
static void copy_row(const float *x, int64_t size, int64_t at, int64_t step,
                     int64_t count, float *to)
{
    int64_t first = at < 0 ? (-at + step - 1) / step : 0;
    int64_t last = at >= size ? 0 : (size - 1 - at) / step + 1;

    if (first > count)
        first = count;
    if (last > count)
        last = count;
    if (last < first)
        last = first;
    memset(to, 0, (size_t)first * sizeof *to);
    if (step == 1)
        memcpy(to + first, x + at + first, (size_t)(last - first) * sizeof *to);
    for (int64_t i = first; step != 1 && i < last; i++)
        to[i] = x[at + i * step];
    memset(to + last, 0, (size_t)(count - last) * sizeof *to);
}

/* Row of col for kernel element k of one channel: one value per output. */
static void fill_row(const struct op_window *window, const int64_t *k,
                     const float *x, float *col)
{
    int last = window->spatial - 1;
    int64_t lines = 1, width = window->out[last];

    for (int i = 0; i < last; i++)
        lines *= window->out[i];
    for (int64_t line = 0; line < lines; line++, col += width) {
        int64_t index[OP_SPATIAL_MAX], base = 0;
        bool inside = true;

        op_window_unflatten(last, window->out, line, index);
        for (int i = 0; i < last; i++) {
            int64_t at = index[i] * window->stride[i] +
                         k[i] * window->dilation[i] - window->pad[i];

            inside = inside && at >= 0 && at < window->in[i];
            base = base * window->in[i] + at;
        }
        if (inside)
            copy_row(x + base * window->in[last], window->in[last],
                     k[last] * window->dilation[last] - window->pad[last],
                     window->stride[last], width, col);
        else
            memset(col, 0, (size_t)width * sizeof *col);
    }
}

static void fill_columns(const struct op_conv *conv, const float *x, float *col)
{
    int64_t channels = conv->in_channels / conv->groups;
    int64_t k[OP_SPATIAL_MAX];

    for (int64_t c = 0; c < channels; c++) {
        for (int64_t flat = 0; flat < conv->kernel_size; flat++) {
            op_window_unflatten(conv->window.spatial, conv->window.kernel, flat,
                                k);
            fill_row(&conv->window, k, x + c * conv->in_size, col);
            col += conv->out_size;
        }
    }
}

static void fill_bias(const float *bias, int64_t channels, int64_t size,
                      float *y)
{
    for (int64_t o = 0; o < channels; o++) {
        for (int64_t p = 0; p < size; p++)
            y[o * size + p] = bias[o];
    }
}

static bool conv_gemm_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct op_conv *conv = op->state;
    int64_t channels = conv->in_channels / conv->groups;
    int64_t outs = conv->out_channels / conv->groups;
    int64_t depth = channels * conv->kernel_size;
    struct onednn_gemm gemm = {.m = outs,
                               .n = conv->out_size,
                               .k = depth,
                               .lda = depth,
                               .ldb = conv->out_size,
                               .ldc = conv->out_size,
                               .alpha = 1,
                               .accumulate = op_has(op, 2)};
    const float *x = op_in(op, frame, 0), *w = op_in(op, frame, 1);
    float *y = op_out(op, frame, 0);

    for (int64_t i = 0; i < conv->batch * conv->groups; i++) {
        int64_t group = i % conv->groups;
        const float *col = x;

        if (!is_pointwise(&conv->window)) {
            fill_columns(conv, x, frame->scratch);
            col = frame->scratch;
        }
        if (op_has(op, 2))
            fill_bias((const float *)op_in(op, frame, 2) + group * outs, outs,
                      conv->out_size, y);
        if (!onednn_sgemm(&gemm, w + group * outs * depth, col, y))
            return fail(err, ERR_INTERNAL, "the matrix product failed");
        x += channels * conv->in_size;
        y += outs * conv->out_size;
    }
    return true;
}

const struct op_impl op_conv_gemm = {.name = "conv.gemm",
                                     .in_min = 2,
                                     .in_max = 3,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .flags = OP_WIDEN,
                                     .infer = op_conv_infer,
                                     .accepts = conv_gemm_accepts,
                                     .prepare = conv_gemm_prepare,
                                     .run = conv_gemm_run};
