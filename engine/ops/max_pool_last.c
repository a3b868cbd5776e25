/*
 * specserve MaxPoolLast-1: MaxPool of bytes whose channels come last
 *
 *   input   x  uint8 or int8 [n, h, w, c]
 *   output  y  type of x [n, h', w', c], h' and w' as pool.c says
 *   attr    as MaxPool
 *   errors  ERR_MODEL_INVALID: x has another rank or type, what window.h says
 *   source  MaxPool of the ONNX operator list; made by passes/channels_last.c
 *
 * A pixel of y is the largest of the pixels of its window, channel by channel.
 * A window that lies in the border alone gives the lowest number.
 */
#include <string.h>

#include "clones.h"
#include "window.h"

struct last_pool {
    struct op_window window;
    int64_t images, channels;
    uint8_t flip; /* orders int8 as uint8 */
};

static bool pool_last_infer(struct op_node *op, struct error *err)
{
    struct last_pool *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor first, *y = op->out[0];
    bool ok;

    op->state = state;
    if (!state || !op_want_type(op, 0, OP_TYPE(ENG_U8) | OP_TYPE(ENG_I8), err))
        return false;
    if (x->rank != 4)
        return fail(err, ERR_MODEL_INVALID, "x has four dimensions");
    first = *x;
    first.dims[1] = x->dims[3];
    first.dims[2] = x->dims[1];
    first.dims[3] = x->dims[2];
    op->in[0] = &first; /* as MaxPool knows it */
    ok = op_window_read(op, NULL, &state->window, err);
    op->in[0] = x;
    if (!ok)
        return false;
    state->images = x->dims[0];
    state->channels = x->dims[3];
    state->flip = x->dtype == ENG_I8 ? 0x80 : 0;
    op_like(y, x);
    y->dims[1] = state->window.out[0];
    y->dims[2] = state->window.out[1];
    return true;
}

/* y = max(y, x), as uint8 once flipped */
OP_CLONES
static void max_pixel(uint8_t *restrict y, const uint8_t *restrict x,
                      int64_t count, uint8_t flip)
{
    for (int64_t i = 0; i < count; i++) {
        uint8_t one = x[i] ^ flip, other = y[i] ^ flip;

        y[i] = (one > other ? one : other) ^ flip;
    }
}

struct work {
    const struct last_pool *state;
    const uint8_t *x;
    uint8_t *y;
};

/* One pixel: row `top` and column `left` of the image are its window's first. */
static void pool_pixel(const struct last_pool *state, const uint8_t *image,
                       int64_t top, int64_t left, uint8_t *y)
{
    const struct op_window *window = &state->window;

    memset(y, state->flip, (size_t)state->channels);
    for (int64_t i = 0; i < window->kernel[0]; i++) {
        int64_t row = top + i * window->dilation[0];

        for (int64_t j = 0; j < window->kernel[1]; j++) {
            int64_t column = left + j * window->dilation[1];

            if (row < 0 || row >= window->in[0] || column < 0 ||
                column >= window->in[1])
                continue;
            max_pixel(y,
                      image + (row * window->in[1] + column) * state->channels,
                      state->channels, state->flip);
        }
    }
}

/* One part: a row of outputs of an image. */
static void run_row(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct last_pool *state = w->state;
    const struct op_window *window = &state->window;
    int64_t image = part / window->out[0], row = part % window->out[0];
    const uint8_t *x =
        w->x + image * window->in[0] * window->in[1] * state->channels;
    uint8_t *y = w->y + part * window->out[1] * state->channels;

    (void)thread;
    for (int64_t i = 0; i < window->out[1]; i++, y += state->channels)
        pool_pixel(state, x, row * window->stride[0] - window->pad[0],
                   i * window->stride[1] - window->pad[1], y);
}

static bool pool_last_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct last_pool *state = op->state;
    struct work w = {
        .state = state, .x = op_in(op, frame, 0), .y = op_out(op, frame, 0)};

    (void)err;
    if (eng_tensor_count(op->out[0]))
        team_for(frame->seat, state->images * state->window.out[0], run_row,
                 &w);
    return true;
}

const struct op_impl op_max_pool_last = {.name = "max_pool_last",
                                         .in_min = 1,
                                         .in_max = 1,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .infer = pool_last_infer,
                                         .run = pool_last_run};
