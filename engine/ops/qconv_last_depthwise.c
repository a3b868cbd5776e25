/*
 * QConvLast with one filter for each channel: see qconv_last.c for what it
 * computes. Channels lie together, so the loops run over them: a position's
 * sums are those of its taps, each a row of bytes times a row of weights.
 * Weights are packed as [tap, channel] less their zero points.
 *
 *   scratch, for each thread  [results of some channels]
 */
#include <string.h>

#include "clones.h"
#include "conv.h"
#include "kernel/quantize.h"
#include "quant.h"

enum { CHANNELS = 512, VECTOR = 16, TAPS_MAX = 64 }; /* at a time */
enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

struct depth_state {
    struct op_conv conv;    /* as infer left it */
    const int16_t *weights; /* [tap, channel] */
};

static bool depth_accepts(const struct op_node *op)
{
    const struct op_conv *conv = op->state;

    return conv->groups > 1;
}

struct pack_how {
    int64_t channels, taps;
    int32_t dtype, zero_count;
    const void *zeros;
};

static void pack_weights(const void *from, void *to, const void *context)
{
    const struct pack_how *how = context;
    enum eng_dtype dtype = (enum eng_dtype)how->dtype;
    int16_t *packed = to;

    for (int64_t t = 0; t < how->taps; t++) {
        for (int64_t c = 0; c < how->channels; c++) {
            int32_t zero =
                op_quant_at(dtype, how->zeros, how->zero_count == 1 ? 0 : c);

            *packed++ =
                (int16_t)(op_quant_at(dtype, from, c * how->taps + t) - zero);
        }
    }
}

static bool pack(struct op_node *op, struct depth_state *state,
                 struct error *err)
{
    const struct eng_tensor *w = op->in[W];
    struct pack_how how = {.channels = state->conv.in_channels,
                           .taps = state->conv.kernel_size,
                           .dtype = w->dtype,
                           .zero_count =
                               (int32_t)eng_tensor_count(op->in[W_ZERO]),
                           .zeros = op->in[W_ZERO]->data};
    struct op_pack_key key = {w->data, pack_weights, &how, sizeof how};

    state->weights = op_pack(
        op, &key, (size_t)(how.channels * how.taps) * sizeof *state->weights,
        err);
    return state->weights != NULL;
}

static bool depth_prepare(struct op_node *op, struct error *err)
{
    struct depth_state *state = op_alloc(op, sizeof *state, err);

    if (!state)
        return false;
    memcpy(&state->conv, op->state, sizeof state->conv);
    op->state = state;
    op->scratch_bytes = (size_t)op->threads * CHANNELS * sizeof(float);
    return pack(op, state, err);
}

/* --- running --- */

struct work {
    const struct op_node *op;
    const struct op_frame *frame;
    const struct depth_state *state;
    int32_t zero; /* of x as uint8 */
    uint8_t flip; /* makes x unsigned */
    float x_scale, y_scale;
    struct quantize_step step; /* of y, whose scale is in the sums already */
};

/* Factors and addends that turn sums of some channels into steps of y. */
struct turn {
    float scale[CHANNELS], bias[CHANNELS];
};

static void make_turn(const struct work *w, int64_t first, int64_t count,
                      struct turn *turn)
{
    const struct op_node *op = w->op;
    const void *bias = op_has(op, BIAS) ? op_in(op, w->frame, BIAS) : NULL;

    for (int64_t c = 0; c < count; c++) {
        turn->scale[c] = w->x_scale *
                         op_scale_of(op, w->frame, W_SCALE, first + c) /
                         w->y_scale;
        if (!bias)
            turn->bias[c] = 0;
        else if (op->in[BIAS]->dtype == ENG_F32)
            turn->bias[c] = ((const float *)bias)[first + c] / w->y_scale;
        else
            turn->bias[c] =
                (float)((const int32_t *)bias)[first + c] * turn->scale[c];
    }
}

/* The taps of one position that lie inside the image. */
struct taps {
    int64_t count;
    const uint8_t *x[TAPS_MAX];
    const int16_t *w[TAPS_MAX];
};

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef int16_t shorts16 __attribute__((vector_size(32)));
typedef int32_t ints16 __attribute__((vector_size(64)));
typedef float floats16 __attribute__((vector_size(64)));

static inline void sixteen(const struct taps *taps, int64_t c, int32_t zero,
                           uint8_t flip, const struct turn *turn, float *to)
{
    ints16 sums = {0};
    floats16 scale, bias, y;

    for (int64_t t = 0; t < taps->count; t++) {
        bytes16 x;
        shorts16 w;

        memcpy(&x, taps->x[t] + c, sizeof x);
        memcpy(&w, taps->w[t] + c, sizeof w);
        sums += (__builtin_convertvector(x ^ flip, ints16) - zero) *
                __builtin_convertvector(w, ints16);
    }
    memcpy(&scale, turn->scale + c, sizeof scale);
    memcpy(&bias, turn->bias + c, sizeof bias);
    y = __builtin_convertvector(sums, floats16) * scale + bias;
    memcpy(to + c, &y, sizeof y);
}

OP_CLONES
static void position(const struct taps *taps, int64_t count, int32_t zero,
                     uint8_t flip, const struct turn *turn, float *to)
{
    int64_t c = 0;

    for (; c + VECTOR <= count; c += VECTOR)
        sixteen(taps, c, zero, flip, turn, to);
    for (; c < count; c++) {
        int32_t sum = 0;

        for (int64_t t = 0; t < taps->count; t++)
            sum += ((int32_t)(uint8_t)(taps->x[t][c] ^ flip) - zero) *
                   taps->w[t][c];
        to[c] = (float)sum * turn->scale[c] + turn->bias[c];
    }
}

/* What output position p sees of channels from `first` on. */
static void find_taps(const struct work *w, const uint8_t *image, int64_t p,
                      int64_t first, struct taps *taps)
{
    const struct op_conv *conv = &w->state->conv;
    const struct op_window *window = &conv->window;
    int64_t top = p / window->out[1] * window->stride[0] - window->pad[0];
    int64_t left = p % window->out[1] * window->stride[1] - window->pad[1];
    const int16_t *weights = w->state->weights + first;

    taps->count = 0;
    for (int64_t i = 0; i < window->kernel[0]; i++) {
        int64_t y = top + i * window->dilation[0];

        for (int64_t j = 0; j < window->kernel[1];
             j++, weights += conv->in_channels) {
            int64_t x = left + j * window->dilation[1];

            if (y < 0 || y >= window->in[0] || x < 0 || x >= window->in[1])
                continue;
            taps->x[taps->count] =
                image + (y * window->in[1] + x) * conv->in_channels + first;
            taps->w[taps->count++] = weights;
        }
    }
}

/* One part: a row of outputs of an image. */
static void run_row(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct op_conv *conv = &w->state->conv;
    const struct op_window *window = &conv->window;
    int64_t image = part / window->out[0], row = part % window->out[0];
    int64_t channels = conv->in_channels, width = window->out[1];
    const uint8_t *x = (const uint8_t *)op_in(w->op, w->frame, X) +
                       image * conv->in_size * channels;
    uint8_t *y = (uint8_t *)op_out(w->op, w->frame, 0) +
                 (image * conv->out_size + row * width) * channels;
    float *floats = (float *)w->frame->scratch + (ptrdiff_t)thread * CHANNELS;
    struct taps taps;
    struct turn turn;

    for (int64_t first = 0; first < channels; first += CHANNELS) {
        int64_t count =
            channels - first < CHANNELS ? channels - first : CHANNELS;

        make_turn(w, first, count, &turn);
        for (int64_t i = 0; i < width; i++) {
            find_taps(w, x, row * width + i, first, &taps);
            position(&taps, count, w->zero, w->flip, &turn, floats);
            kernels()->quantize_bytes(floats, count, &w->step,
                                      y + i * channels + first);
        }
    }
}

static bool depth_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    bool is_signed = op->in[X]->dtype == ENG_I8;
    struct work w = {
        .op = op,
        .frame = frame,
        .state = op->state,
        .zero = op_zero_of(op, frame, X_ZERO, 0) + (is_signed ? 128 : 0),
        .flip = is_signed ? 0x80 : 0,
        .x_scale = op_scale_of(op, frame, X_SCALE, 0),
        .y_scale = op_scale_of(op, frame, Y_SCALE, 0),
        .step = {.scale = 1,
                 .zero = op_zero_of(op, frame, Y_ZERO, 0),
                 .low = op->out[0]->dtype == ENG_I8 ? INT8_MIN : 0}};

    (void)err;
    team_for(frame->seat, w.state->conv.batch * w.state->conv.window.out[0],
             run_row, &w);
    return true;
}

const struct op_impl op_qconv_last_depthwise = {.name = "qconv_last.depthwise",
                                                .in_min = 8,
                                                .in_max = 9,
                                                .out_min = 1,
                                                .out_max = 1,
                                                .infer = op_qconv_last_infer,
                                                .accepts = depth_accepts,
                                                .prepare = depth_prepare,
                                                .run = depth_run};
