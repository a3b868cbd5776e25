/*
 * QConvLast with one filter for each channel: see qconv_last.c for what it
 * computes. Channels lie together, so kernel/depth_i8.h runs over them: a
 * position's sums are those of its taps, each a row of bytes times a row of
 * weights.
 *
 *   scratch  [shift][scale][bias][a pixel of the border]
 *            for each thread [pointers to what some positions see]
 */
#include <string.h>

#include "conv.h"
#include "kernel/depth_i8.h"
#include "qgemm.h"
#include "quant.h"

enum { POSITIONS = 128 }; /* at a time */
enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

struct depth_state {
    struct op_conv conv; /* as infer left it */
    const struct kernels *kernels;
    const struct depth_i8_head *weights;
    int64_t taps; /* pointers of a position */
    size_t scale_at, bias_at, border_at, threads_at, thread_bytes;
};

static bool depth_accepts(const struct op_node *op)
{
    const struct op_conv *conv = op->state;

    return conv->groups > 1;
}

/* Plain, so that equal keys have equal bytes. */
struct pack_how {
    const struct kernels *kernels;
    const void *zeros;
    int64_t channels, taps, zero_step, is_signed;
};

static void pack_weights(const void *from, void *to, const void *context)
{
    const struct pack_how *how = context;
    const struct depth_i8_source source = {.w = from,
                                           .zeros = how->zeros,
                                           .zero_step = how->zero_step,
                                           .taps = how->taps,
                                           .channels = how->channels,
                                           .is_signed = how->is_signed != 0};

    how->kernels->depth_i8_pack(&source, to);
}

static bool pack(struct op_node *op, struct depth_state *state,
                 struct error *err)
{
    const struct eng_tensor *w = op->in[W], *zeros = op->in[W_ZERO];
    struct pack_how how = {.kernels = state->kernels,
                           .zeros = zeros->data,
                           .channels = state->conv.in_channels,
                           .taps = state->conv.kernel_size,
                           .zero_step = eng_tensor_count(zeros) != 1,
                           .is_signed = w->dtype == ENG_I8};
    struct op_pack_key key = {w->data, pack_weights, &how, sizeof how};

    state->weights =
        op_pack(op, &key,
                how.kernels->depth_i8_packed_size(how.taps, how.channels), err);
    return state->weights != NULL;
}

static bool depth_prepare(struct op_node *op, struct error *err)
{
    struct depth_state *state = op_alloc(op, sizeof *state, err);
    size_t list, pixel;

    if (!state)
        return false;
    memcpy(&state->conv, op->state, sizeof state->conv);
    op->state = state;
    state->kernels = kernels();
    state->taps = (state->conv.kernel_size + DEPTH_I8_GROUP - 1) /
                  DEPTH_I8_GROUP * DEPTH_I8_GROUP;
    /* None is near the limit: there are weights of that many channels. */
    pixel = op_qgemm_aligned((size_t)state->conv.in_channels);
    list = op_qgemm_aligned((size_t)state->conv.in_channels * sizeof(float));
    state->scale_at = list;
    state->bias_at = 2 * list;
    state->border_at = 3 * list;
    state->threads_at = state->border_at + pixel;
    state->thread_bytes =
        POSITIONS * (size_t)state->taps * sizeof(const uint8_t *);
    op->scratch_bytes =
        state->threads_at + (size_t)op->threads * state->thread_bytes;
    return pack(op, state, err);
}

/* --- running --- */

struct work {
    const struct depth_state *state;
    struct depth_i8 d; /* but x, positions and y */
    const uint8_t *x, *border;
    uint8_t *y;
    unsigned char *threads;
};

/* What turns sums into steps of y. */
static void make_lists(const struct op_node *op, const struct op_frame *frame,
                       int32_t x_zero, struct depth_i8 *d)
{
    const struct depth_state *state = op->state;
    unsigned char *lists = frame->scratch;
    uint32_t *shift = (uint32_t *)(void *)lists;
    float *scale = (float *)(void *)(lists + state->scale_at);
    float *bias = (float *)(void *)(lists + state->bias_at);
    const float *w_scale = op_in(op, frame, W_SCALE);
    bool one = eng_tensor_count(op->in[W_SCALE]) == 1;
    float x_scale = op_scale_of(op, frame, X_SCALE, 0);
    float y_scale = op_scale_of(op, frame, Y_SCALE, 0);

    for (int64_t c = 0; c < state->conv.in_channels; c++) {
        struct op_qconv_bias more;

        op_qconv_bias(op, frame, c, &more);
        shift[c] =
            more.steps - (uint32_t)x_zero * (uint32_t)state->weights->sums[c];
        scale[c] = x_scale * w_scale[one ? 0 : c] / y_scale;
        bias[c] = more.real;
    }
    d->shift = (const int32_t *)shift;
    d->scale = scale;
    d->bias = bias;
}

/* What output position p sees. */
static void find_taps(const struct work *w, const uint8_t *image, int64_t p,
                      const uint8_t **taps)
{
    const struct op_conv *conv = &w->state->conv;
    const struct op_window *window = &conv->window;
    int64_t top = p / window->out[1] * window->stride[0] - window->pad[0];
    int64_t left = p % window->out[1] * window->stride[1] - window->pad[1];
    const uint8_t **end = taps + w->state->taps;

    for (int64_t i = 0; i < window->kernel[0]; i++) {
        int64_t y = top + i * window->dilation[0];
        bool outside = y < 0 || y >= window->in[0];

        for (int64_t j = 0; j < window->kernel[1]; j++) {
            int64_t x = left + j * window->dilation[1];

            *taps++ = outside || x < 0 || x >= window->in[1]
                          ? w->border
                          : image + (y * window->in[1] + x) * conv->in_channels;
        }
    }
    while (taps < end)
        *taps++ = w->border;
}

/* Position p's window and that of the one before lie inside the image. */
static bool follows(const struct op_window *window, int64_t p)
{
    int64_t top = p / window->out[1] * window->stride[0] - window->pad[0];
    int64_t left = p % window->out[1] * window->stride[1] - window->pad[1];

    return top >= 0 && left >= window->stride[1] &&
           top + (window->kernel[0] - 1) * window->dilation[0] <
               window->in[0] &&
           left + (window->kernel[1] - 1) * window->dilation[1] < window->in[1];
}

/* What `count` positions from p on, of one row, see. */
static void find_row(const struct work *w, const uint8_t *image, int64_t p,
                     int64_t count, const uint8_t **taps)
{
    const struct op_conv *conv = &w->state->conv;
    const int64_t step = w->state->taps, seen = conv->kernel_size;
    const int64_t pixels = conv->window.stride[1] * conv->in_channels;

    for (int64_t i = 0; i < count; i++, taps += step) {
        if (i == 0 || !follows(&conv->window, p + i)) {
            find_taps(w, image, p + i, taps);
            continue;
        }
        for (int64_t t = 0; t < step; t++)
            taps[t] = taps[t - step] + (t < seen ? pixels : 0);
    }
}

/* One part: a row of outputs of an image. */
static void run_row(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct depth_state *state = w->state;
    const struct op_conv *conv = &state->conv;
    int64_t width = conv->window.out[1];
    int64_t image = part / conv->window.out[0];
    int64_t row = part % conv->window.out[0] * width;
    const uint8_t *x = w->x + image * conv->in_size * conv->in_channels;
    const uint8_t **taps =
        (const uint8_t **)(void *)(w->threads +
                                   (size_t)thread * state->thread_bytes);
    struct depth_i8 d = w->d;

    d.x = taps;
    for (int64_t i = 0; i < width; i += POSITIONS) {
        d.positions = width - i < POSITIONS ? width - i : POSITIONS;
        d.y = w->y + (image * conv->out_size + row + i) * conv->in_channels;
        find_row(w, x, row + i, d.positions, taps);
        state->kernels->depth_i8(&d);
    }
}

static bool depth_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct depth_state *state = op->state;
    bool is_signed = op->in[X]->dtype == ENG_I8;
    int32_t zero = op_zero_of(op, frame, X_ZERO, 0) + (is_signed ? 128 : 0);
    unsigned char *scratch = frame->scratch;
    struct work w = {.state = state,
                     .d = {.weights = state->weights,
                           .flip = is_signed ? 0x80 : 0,
                           .y_zero = op_zero_of(op, frame, Y_ZERO, 0),
                           .y_low = op->out[0]->dtype == ENG_I8 ? INT8_MIN : 0},
                     .x = op_in(op, frame, X),
                     .border = scratch + state->border_at,
                     .y = op_out(op, frame, 0),
                     .threads = scratch + state->threads_at};

    (void)err;
    make_lists(op, frame, zero, &w.d);
    memset(scratch + state->border_at, (uint8_t)zero ^ w.d.flip,
           (size_t)state->conv.in_channels);
    team_for(frame->seat, state->conv.batch * state->conv.window.out[0],
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
