/*
 * ConvTranspose for float, as a matrix product: col [o k, in] = w [c, o k]' x
 * [c, in] holds what every input position gives to every kernel element; each
 * row of it is then added where it lands.
 */
#include <string.h>

#include "conv.h"
#include "onednn/onednn.h"

static bool transpose_accepts(const struct op_node *op)
{
    const struct op_conv *conv = op->state;

    return op->in[0]->dtype == ENG_F32 && conv->out_size > 0 &&
           conv->in_size > 0 && conv->batch > 0 && conv->in_channels > 0 &&
           conv->out_channels > 0;
}

static bool transpose_prepare(struct op_node *op, struct error *err)
{
    const struct op_conv *conv = op->state;
    size_t rows =
        (size_t)(conv->out_channels / conv->groups * conv->kernel_size);
    size_t size;

    if (__builtin_mul_overflow(rows * sizeof(float), (size_t)conv->in_size,
                               &size))
        return fail(err, ERR_MODEL_INVALID, "the convolution is too large");
    op->scratch_bytes = size;
    return true;
}

/* y[at + i * step] += x[i] for those of `count` that lie in [0, size). */
static void add_row(const float *x, int64_t count, int64_t at, int64_t step,
                    int64_t size, float *y)
{
    int64_t first = at < 0 ? (-at + step - 1) / step : 0;
    int64_t last = at >= size ? 0 : (size - 1 - at) / step + 1;

    if (last > count)
        last = count;
    if (step == 1) {
        for (int64_t i = first; i < last; i++)
            y[at + i] += x[i];
        return;
    }
    for (int64_t i = first; i < last; i++)
        y[at + i * step] += x[i];
}

/* What one kernel element gives to one output channel: x [in], y [out]. */
static void add_element(const struct op_window *window, const int64_t *k,
                        const float *x, float *y)
{
    int last = window->spatial - 1;
    int64_t lines = 1, width = window->in[last];

    for (int i = 0; i < last; i++)
        lines *= window->in[i];
    for (int64_t line = 0; line < lines; line++, x += width) {
        int64_t index[OP_SPATIAL_MAX], base = 0;
        bool inside = true;

        op_window_unflatten(last, window->in, line, index);
        for (int i = 0; i < last; i++) {
            int64_t at = index[i] * window->stride[i] +
                         k[i] * window->dilation[i] - window->pad[i];

            inside = inside && at >= 0 && at < window->out[i];
            base = base * window->out[i] + at;
        }
        if (inside)
            add_row(x, width,
                    k[last] * window->dilation[last] - window->pad[last],
                    window->stride[last], window->out[last],
                    y + base * window->out[last]);
    }
}

/* One output channel: the bias, then all kernel elements. */
static void add_channel(const struct op_conv *conv, const float *col,
                        float bias, float *y)
{
    int64_t k[OP_SPATIAL_MAX];

    for (int64_t p = 0; p < conv->out_size; p++)
        y[p] = bias;
    for (int64_t flat = 0; flat < conv->kernel_size; flat++) {
        op_window_unflatten(conv->window.spatial, conv->window.kernel, flat, k);
        add_element(&conv->window, k, col + flat * conv->in_size, y);
    }
}

static bool transpose_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct op_conv *conv = op->state;
    int64_t channels = conv->in_channels / conv->groups;
    int64_t outs = conv->out_channels / conv->groups;
    int64_t rows = outs * conv->kernel_size;
    struct onednn_gemm gemm = {.m = rows,
                               .n = conv->in_size,
                               .k = channels,
                               .lda = rows,
                               .ldb = conv->in_size,
                               .ldc = conv->in_size,
                               .a_transposed = true,
                               .alpha = 1};
    const float *x = op_in(op, frame, 0), *w = op_in(op, frame, 1);
    const float *bias = op_has(op, 2) ? op_in(op, frame, 2) : NULL;
    const float *col = frame->scratch;
    float *y = op_out(op, frame, 0);

    for (int64_t i = 0; i < conv->batch * conv->groups; i++) {
        int64_t group = i % conv->groups;

        if (!onednn_sgemm(&gemm, w + group * channels * rows, x,
                          frame->scratch))
            return fail(err, ERR_INTERNAL, "the matrix product failed");
        for (int64_t o = 0; o < outs; o++, y += conv->out_size)
            add_channel(conv, col + o * conv->kernel_size * conv->in_size,
                        bias ? bias[group * outs + o] : 0, y);
        x += channels * conv->in_size;
    }
    return true;
}

const struct op_impl op_conv_transpose_gemm = {.name = "conv_transpose.gemm",
                                               .in_min = 2,
                                               .in_max = 3,
                                               .out_min = 1,
                                               .out_max = 1,
                                               .flags = OP_WIDEN,
                                               .infer = op_conv_transpose_infer,
                                               .accepts = transpose_accepts,
                                               .prepare = transpose_prepare,
                                               .run = transpose_run};
