/*
 * ConvInteger, opset 10: y = convolution of x - x_zero with w - w_zero
 * QLinearConv, opset 10: y = saturate(round((that + b) * x_scale * w_scale /
 *                            y_scale) + y_zero)
 *
 *   ConvInteger
 *   input   x       uint8 or int8 [n, c, s0 .. sm-1], m = 1 to 3
 *           w       uint8 or int8 [o, c / group, k0 .. km-1]
 *           x_zero  [] = 0, w_zero  [] or [o] = 0
 *   output  y       int32 [n, o, ...]
 *   QLinearConv
 *   input   x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b
 *           scales  float; those of w may be [o];  b  int32 [o] = 0
 *           specserve QConv-1 is QLinearConv that also takes b as float
 *   output  y       uint8 or int8, type of y_zero
 *   attr    as Conv
 *   errors  ERR_MODEL_INVALID: what conv.c says; scales or zero points that do
 *           not fit
 *   source  ONNX operator list; the border holds zero points, rounding is half
 *           to even
 */
#include "conv.h"
#include "quant.h"

#include <string.h>

struct qconv_state {
    struct op_conv conv;
    size_t w, x_zero, w_zero;
};

static bool set_scratch(struct op_node *op, const struct op_conv *conv,
                        struct error *err)
{
    size_t depth =
        (size_t)(conv->in_channels / conv->groups * conv->kernel_size);
    size_t words;

    /* The columns of a group, one row of weights, one row of sums. */
    if (__builtin_mul_overflow(depth, (size_t)conv->out_size, &words) ||
        __builtin_add_overflow(words, depth + (size_t)conv->out_size, &words) ||
        __builtin_mul_overflow(words, sizeof(int32_t), &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the convolution is too large");
    return true;
}

static bool qconv_shape(struct op_node *op, struct qconv_state inputs,
                        const struct eng_tensor *bias, struct error *err)
{
    struct qconv_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *w = op->in[inputs.w];

    op->state = state;
    if (!state)
        return false;
    *state = inputs;
    return op_want_type(op, 0, OP_TYPES_QUANT8, err) &&
           op_want_type(op, inputs.w, OP_TYPES_QUANT8, err) &&
           op_conv_shape(op, w, bias, &state->conv, err) &&
           op_zero_check(op, inputs.x_zero, op->in[0]->dtype, 0, err) &&
           op_zero_check(op, inputs.w_zero, w->dtype, state->conv.out_channels,
                         err) &&
           set_scratch(op, &state->conv, err);
}

/* col [c k, out]: the inputs less their zero point that each output sees. */
static void fill_columns(const struct op_node *op, const struct op_frame *frame,
                         int64_t first, int32_t *col)
{
    const struct qconv_state *state = op->state;
    const struct op_conv *conv = &state->conv;
    const struct op_window *window = &conv->window;
    int64_t channels = conv->in_channels / conv->groups;
    int32_t zero = op_zero_of(op, frame, state->x_zero, 0);
    const void *x = op_in(op, frame, 0);
    int64_t k[OP_SPATIAL_MAX], out[OP_SPATIAL_MAX];

    for (int64_t row = 0; row < channels * conv->kernel_size; row++) {
        int64_t from = first + row / conv->kernel_size * conv->in_size;

        op_window_unflatten(window->spatial, window->kernel,
                            row % conv->kernel_size, k);
        for (int64_t p = 0; p < conv->out_size; p++) {
            int64_t at;

            op_window_unflatten(window->spatial, window->out, p, out);
            at = op_window_tap(window, out, k);
            *col++ =
                at < 0 ? 0 : op_quant_at(op->in[0]->dtype, x, from + at) - zero;
        }
    }
}

/* Sums of output channel o: acc [out] = w [c k] col [c k, out]. */
static void channel_sums(const struct op_node *op, const struct op_frame *frame,
                         int64_t o, int32_t *scratch)
{
    const struct qconv_state *state = op->state;
    const struct op_conv *conv = &state->conv;
    int64_t depth = conv->in_channels / conv->groups * conv->kernel_size;
    int32_t *w = scratch + depth * conv->out_size, *acc = w + depth;
    struct op_quant_row row = {.dtype = op->in[state->w]->dtype,
                               .first = o * depth,
                               .step = 1,
                               .count = depth,
                               .zero = op_zero_of(op, frame, state->w_zero, o)};

    op_quant_load(&row, op_in(op, frame, state->w), w);
    memset(acc, 0, (size_t)conv->out_size * sizeof *acc);
    for (int64_t i = 0; i < depth; i++) {
        const int32_t *col = scratch + i * conv->out_size;

        /* unsigned: sums wrap */
        for (int64_t p = 0; p < conv->out_size; p++)
            acc[p] =
                (int32_t)((uint32_t)acc[p] + (uint32_t)w[i] * (uint32_t)col[p]);
    }
}

typedef void (*put_fn)(const struct op_node *op, const struct op_frame *frame,
                       const int32_t *acc, int64_t o, int64_t first);

static void qconv_all(const struct op_node *op, const struct op_frame *frame,
                      put_fn put)
{
    const struct qconv_state *state = op->state;
    const struct op_conv *conv = &state->conv;
    int64_t channels = conv->in_channels / conv->groups;
    int64_t outs = conv->out_channels / conv->groups;
    int64_t depth = channels * conv->kernel_size;
    const int32_t *acc =
        (int32_t *)frame->scratch + depth * conv->out_size + depth;

    for (int64_t i = 0; i < conv->batch * conv->groups; i++) {
        fill_columns(op, frame, i * channels * conv->in_size, frame->scratch);
        for (int64_t k = 0; k < outs; k++) {
            int64_t o = i % conv->groups * outs + k;

            channel_sums(op, frame, o, frame->scratch);
            put(op, frame, acc, o, (i * outs + k) * conv->out_size);
        }
    }
}

/* --- ConvInteger --- */

bool op_conv_integer_infer(struct op_node *op, struct error *err)
{
    struct qconv_state inputs = {.w = 1, .x_zero = 2, .w_zero = 3};

    op->out[0]->dtype = ENG_I32;
    return qconv_shape(op, inputs, NULL, err);
}

static void integer_put(const struct op_node *op, const struct op_frame *frame,
                        const int32_t *acc, int64_t o, int64_t first)
{
    const struct qconv_state *state = op->state;

    (void)o;
    memcpy((int32_t *)op_out(op, frame, 0) + first, acc,
           (size_t)state->conv.out_size * sizeof *acc);
}

static bool integer_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    (void)err;
    qconv_all(op, frame, integer_put);
    return true;
}

const struct op_impl op_conv_integer = {.name = "conv.integer",
                                        .in_min = 2,
                                        .in_max = 4,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .infer = op_conv_integer_infer,
                                        .run = integer_run};

/* --- QLinearConv --- */

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

/* Between passes the bias of QDQ models stays as they have it. */
static uint32_t bias_types(const struct op_node *op)
{
    bool is_ours = strcmp(op->node->op, "QConv") == 0;

    return OP_TYPE(ENG_I32) | (is_ours ? OP_TYPE(ENG_F32) : 0);
}

bool op_qlinear_conv_infer(struct op_node *op, struct error *err)
{
    struct qconv_state inputs = {.w = W, .x_zero = X_ZERO, .w_zero = W_ZERO};
    const struct eng_tensor *bias = op_has(op, BIAS) ? op->in[BIAS] : NULL;
    enum eng_dtype type = op->in[Y_ZERO]->dtype;

    op->out[0]->dtype = type;
    return op_want_type(op, Y_ZERO, OP_TYPES_QUANT8, err) &&
           (!bias || op_want_type(op, BIAS, bias_types(op), err)) &&
           qconv_shape(op, inputs, bias, err) &&
           op_quant_check(op, X_SCALE, X_ZERO, op->in[X]->dtype, 0, err) &&
           op_quant_check(op, W_SCALE, W_ZERO, op->in[W]->dtype,
                          op->in[W]->dims[0], err) &&
           op_quant_check(op, Y_SCALE, Y_ZERO, type, 0, err);
}

void op_qconv_bias(const struct op_node *op, const struct op_frame *frame,
                   int64_t o, struct op_qconv_bias *bias)
{
    *bias = (struct op_qconv_bias){0, 0};
    if (!op_has(op, BIAS))
        return;
    if (op->in[BIAS]->dtype == ENG_F32)
        bias->real = ((const float *)op_in(op, frame, BIAS))[o] /
                     op_scale_of(op, frame, Y_SCALE, 0);
    else
        bias->steps = ((const uint32_t *)op_in(op, frame, BIAS))[o];
}

struct gemm_i8 op_qconv_out(const struct op_node *op,
                            const struct op_frame *frame)
{
    struct gemm_i8 g = {.out = op->out[0]->dtype == ENG_U8 ? GEMM_I8_U8
                                                           : GEMM_I8_S8,
                        .y_scale = op_scale_of(op, frame, Y_SCALE, 0),
                        .y_zero = op_zero_of(op, frame, Y_ZERO, 0)};

    if (op_has(op, BIAS) && op->in[BIAS]->dtype == ENG_F32)
        g.bias = op_in(op, frame, BIAS);
    else if (op_has(op, BIAS))
        g.offset = op_in(op, frame, BIAS);
    return g;
}

static void linear_put(const struct op_node *op, const struct op_frame *frame,
                       const int32_t *acc, int64_t o, int64_t first)
{
    const struct qconv_state *state = op->state;
    float scale = op_scale_of(op, frame, X_SCALE, 0) *
                  op_scale_of(op, frame, W_SCALE, o) /
                  op_scale_of(op, frame, Y_SCALE, 0);
    int32_t zero = op_zero_of(op, frame, Y_ZERO, 0);
    struct op_qconv_bias bias;

    op_qconv_bias(op, frame, o, &bias);
    for (int64_t p = 0; p < state->conv.out_size; p++)
        op_quant_put(op->out[0]->dtype, op_out(op, frame, 0), first + p,
                     (float)(int32_t)((uint32_t)acc[p] + bias.steps) * scale +
                         bias.real,
                     zero);
}

static bool linear_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    (void)err;
    qconv_all(op, frame, linear_put);
    return true;
}

const struct op_impl op_qlinear_conv = {.name = "qlinear_conv",
                                        .in_min = 8,
                                        .in_max = 9,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .infer = op_qlinear_conv_infer,
                                        .run = linear_run};
