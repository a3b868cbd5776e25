/*
 * specserve QConvLast-1: QLinearConv over activations whose channels come last
 *
 *   input   x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b
 *           x  uint8 or int8 [n, s0, s1, c];  w  the same [o, c / group, k0, k1];
 *           scales float, those of w may be [o];  zero points of the types they
 *           belong to;  b  float [o], or int32 [o] in steps of the sums = 0
 *   output  y  uint8 or int8, type of y_zero: saturate(round((sum * x_scale *
 *           w_scale + b) / y_scale) + y_zero) [n, t0, t1, o]
 *   attr    as Conv
 *   errors  ERR_MODEL_INVALID: what conv.c says; scales or zero points that do
 *           not fit
 *           ERR_MODEL_UNSUPPORTED: filters that are no constants; groups other
 *           than one and one for each channel
 *   source  QLinearConv of the ONNX operator list; made by passes/channels_last.c
 *
 * Here: one group. Where a window is one position, the image is the left side
 * of a product as it lies. Otherwise some positions at a time become rows of
 * bytes, [tap, channel], in scratch memory. kernel/gemm_i8.h multiplies them
 * with the packed filters and writes bytes in their places.
 *
 *   scratch, for each thread  [rows of bytes][their sums]
 */
#include <string.h>

#include "conv.h"
#include "qgemm.h"
#include "quant.h"

enum { ROWS = 128, TAPS_MAX = 64 };
enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

static const struct op_qgemm_inputs inputs = {.a = X,
                                              .a_scale = X_SCALE,
                                              .a_zero = X_ZERO,
                                              .b = W,
                                              .b_scale = W_SCALE,
                                              .b_zero = W_ZERO};

struct last_state {
    struct op_conv conv; /* as infer left it */
    struct op_qgemm q;
    bool in_place;  /* x is the left side */
    int64_t chunks; /* of an image */
    size_t sums_at, thread_bytes;
};

/* --- shapes --- */

static bool check_quants(const struct op_node *op, struct error *err)
{
    enum eng_dtype type = op->in[Y_ZERO]->dtype;

    return op_want_type(op, X, OP_TYPES_QUANT8, err) &&
           op_want_type(op, W, OP_TYPES_QUANT8, err) &&
           op_want_type(op, Y_ZERO, OP_TYPES_QUANT8, err) &&
           op_quant_check(op, X_SCALE, X_ZERO, op->in[X]->dtype, 0, err) &&
           op_quant_check(op, W_SCALE, W_ZERO, op->in[W]->dtype,
                          op->in[W]->dims[0], err) &&
           op_quant_check(op, Y_SCALE, Y_ZERO, type, 0, err) &&
           (!op_has(op, BIAS) ||
            op_want_type(op, BIAS, OP_TYPE(ENG_F32) | OP_TYPE(ENG_I32), err));
}

static bool is_built(const struct op_node *op, const struct op_conv *conv,
                     struct error *err)
{
    bool depthwise =
        conv->groups == conv->in_channels && conv->groups == conv->out_channels;

    if (!op_qgemm_constants(op, &inputs) || conv->kernel_size > TAPS_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "the filters are no constants, or have more than %d taps",
                    TAPS_MAX);
    return conv->groups == 1 || depthwise ||
           fail(err, ERR_MODEL_UNSUPPORTED, "%lld groups of %lld channels",
                (long long)conv->groups, (long long)conv->in_channels);
}

bool op_qconv_last_infer(struct op_node *op, struct error *err)
{
    struct last_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[X];
    struct eng_tensor first, *y = op->out[0];
    int64_t channels;
    bool ok;

    op->state = state;
    if (!state)
        return false;
    for (size_t i = X; i <= Y_ZERO; i++) {
        if (!op_has(op, i))
            return fail(err, ERR_MODEL_INVALID, "input %zu is left out", i);
    }
    if (x->rank != 4 || op->in[W]->rank != 4)
        return fail(err, ERR_MODEL_INVALID, "x and w have four dimensions");
    first = *x;
    first.dims[1] = x->dims[3];
    first.dims[2] = x->dims[1];
    first.dims[3] = x->dims[2];
    op->in[X] = &first; /* as Conv knows it */
    ok = check_quants(op, err) &&
         op_conv_shape(op, op->in[W], op_has(op, BIAS) ? op->in[BIAS] : NULL,
                       &state->conv, err) &&
         is_built(op, &state->conv, err);
    op->in[X] = x;
    if (!ok)
        return false;
    channels = y->dims[1];
    y->dims[1] = y->dims[2];
    y->dims[2] = y->dims[3];
    y->dims[3] = channels;
    y->dtype = op->in[Y_ZERO]->dtype;
    return true;
}

/* --- one group --- */

static bool sees_one_position(const struct op_conv *conv)
{
    const struct op_window *window = &conv->window;
    bool one = conv->kernel_size == 1;

    for (int i = 0; i < window->spatial; i++)
        one &= window->stride[i] == 1 && !window->pad[i] && !window->pad_end[i];
    return one;
}

static bool last_prepare(struct op_node *op, struct error *err)
{
    struct last_state *state = op->state;
    const struct op_conv *conv = &state->conv;
    size_t size;

    if (!eng_tensor_count(op->out[0]) || !conv->in_channels)
        return conv->in_channels > 0 || !eng_tensor_count(op->out[0]) ||
               fail(err, ERR_MODEL_UNSUPPORTED, "no input channels");
    state->chunks = (conv->out_size + ROWS - 1) / ROWS;
    state->q = (struct op_qgemm){.in = inputs,
                                 .transposed = true,
                                 .k = conv->in_channels * conv->kernel_size,
                                 .n = conv->out_channels,
                                 .taps = conv->kernel_size,
                                 .rows = ROWS};
    if (!op_qgemm_prepare(op, &state->q, err))
        return false;
    state->in_place = sees_one_position(conv) && op->in[X]->dtype == ENG_U8 &&
                      state->q.stride == state->q.k;
    size =
        state->in_place ? 0 : op_qgemm_aligned(ROWS * (size_t)state->q.stride);
    state->sums_at = size;
    state->thread_bytes =
        state->sums_at + op_qgemm_aligned(ROWS * sizeof(int32_t));
    return !__builtin_mul_overflow((size_t)op->threads, state->thread_bytes,
                                   &op->scratch_bytes) ||
           fail(err, ERR_MODEL_INVALID, "the convolution is too large");
}

struct work {
    const struct last_state *state;
    struct gemm_i8 g; /* but a and y */
    float scale;      /* of x */
    int32_t zero;     /* of x as uint8 */
    uint8_t flip;     /* makes x unsigned */
    const uint8_t *x;
    uint8_t *y;
    unsigned char *scratch;
};

/* Too short for a call of memcpy each. */
static inline void copy_bytes(const uint8_t *from, int64_t count, uint8_t *to)
{
    enum { WORD = 8, LONG = 32 };

    if (count > LONG) {
        memcpy(to, from, (size_t)count);
        return;
    }
    for (; count >= WORD; count -= WORD, from += WORD, to += WORD)
        memcpy(to, from, WORD);
    for (; count > 0; count--)
        *to++ = *from++;
}

static void flip_bytes(uint8_t *x, int64_t count, uint8_t flip)
{
    for (int64_t i = 0; flip && i < count; i++)
        x[i] ^= flip;
}

/* `count` pixels that lie together in the image, from column `left` of `line`
 * on, or the border (line NULL: nothing else). */
static void fill_run(const struct work *w, const uint8_t *line, int64_t left,
                     int64_t count, uint8_t *row)
{
    const struct op_conv *conv = &w->state->conv;
    int64_t channels = conv->in_channels, width = conv->window.in[1];
    int64_t first = left < 0 ? -left : 0;
    int64_t end = width - left < count ? width - left : count;

    if (!line || first >= end) {
        memset(row, (uint8_t)w->zero, (size_t)(count * channels));
        return;
    }
    if (first > 0)
        memset(row, (uint8_t)w->zero, (size_t)(first * channels));
    copy_bytes(line + (left + first) * channels, (end - first) * channels,
               row + first * channels);
    flip_bytes(row + first * channels, (end - first) * channels, w->flip);
    if (end < count)
        memset(row + end * channels, (uint8_t)w->zero,
               (size_t)((count - end) * channels));
}

/* One row: what output position p sees. */
static void fill_row(const struct work *w, const uint8_t *image, int64_t p,
                     uint8_t *row)
{
    const struct op_conv *conv = &w->state->conv;
    const struct op_window *window = &conv->window;
    int64_t top = p / window->out[1] * window->stride[0] - window->pad[0];
    int64_t left = p % window->out[1] * window->stride[1] - window->pad[1];
    int64_t run = window->dilation[1] == 1 ? window->kernel[1] : 1;

    for (int64_t i = 0; i < window->kernel[0]; i++) {
        int64_t y = top + i * window->dilation[0];
        const uint8_t *line = NULL;

        if (y >= 0 && y < window->in[0])
            line = image + y * window->in[1] * conv->in_channels;
        for (int64_t j = 0; j < window->kernel[1]; j += run) {
            fill_run(w, line, left + j * window->dilation[1], run, row);
            row += run * conv->in_channels;
        }
    }
}

static void run_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct last_state *state = w->state;
    const struct op_conv *conv = &state->conv;
    int64_t image = part / state->chunks, first = part % state->chunks * ROWS;
    int64_t rows =
        conv->out_size - first < ROWS ? conv->out_size - first : ROWS;
    unsigned char *memory = w->scratch + (size_t)thread * state->thread_bytes;
    int32_t *sums = (int32_t *)(void *)(memory + state->sums_at);
    const uint8_t *x = w->x + image * conv->in_channels * conv->in_size;
    struct gemm_i8_part all = {0, rows, 0, state->q.panels};
    struct gemm_i8 g = w->g;

    g.a = state->in_place ? x + first * conv->in_channels : memory;
    for (int64_t r = 0; r < rows && !state->in_place; r++)
        fill_row(w, x, first + r, memory + r * state->q.stride);
    if (state->q.summed)
        state->q.kernels->sum_rows_u8(g.a, rows, state->q.k, state->q.stride,
                                      sums);
    g.a_sums = sums;
    g.y = w->y + (image * conv->out_size + first) * state->q.n;
    state->q.kernels->gemm_i8(&g, &all);
}

static bool last_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct last_state *state = op->state;
    bool is_signed = op->in[X]->dtype == ENG_I8;
    struct work w = {.state = state,
                     .g = op_qconv_out(op, frame),
                     .scale = op_scale_of(op, frame, X_SCALE, 0),
                     .zero = op_zero_of(op, frame, X_ZERO, 0) +
                             (is_signed ? 128 : 0),
                     .flip = is_signed ? 0x80 : 0,
                     .x = op_in(op, frame, X),
                     .y = op_out(op, frame, 0),
                     .scratch = frame->scratch};

    (void)err;
    op_qgemm_side(&state->q, &w.g);
    w.g.a_scale = &w.scale;
    w.g.a_zero = &w.zero;
    team_for(frame->seat, state->conv.batch * state->chunks, run_part, &w);
    return true;
}

const struct op_impl op_qconv_last = {.name = "qconv_last",
                                      .in_min = 8,
                                      .in_max = 9,
                                      .out_min = 1,
                                      .out_max = 1,
                                      .infer = op_qconv_last_infer,
                                      .prepare = last_prepare,
                                      .run = last_run};
