/*
 * ConvBlocked: y = activation(Conv(x, w, b) + z) in blocks of channels; made by
 * passes
 *
 *   input   x   float [n, c / block, h, w, block], or plain [n, c, h, w]
 *           w   float [o, c / group, k0, k1], as Conv has it
 *           b   float [o]; may be left out
 *           z   blocked, shape of y; may be left out
 *   output  y   float [n, o / block, ..., block]; may share memory with z.
 *               Channels that fill up the last block hold finite numbers
 *   attr    as Conv; activation, activation_params: fused.h
 *           block     int, 1 to 64: of y, and of x where it is blocked
 *           winograd  int = 0; 1: sums may be rounded as Winograd's algorithm
 *                     does it
 *   errors  ERR_MODEL_INVALID: what conv.c says, x or z do not fit
 *   check   this file is the plain reference of the fast form
 */
#include "blocked.h"

/* x as Conv sees it. */
static bool plain_shape(const struct op_node *op,
                        const struct op_conv_blocked *state,
                        struct eng_tensor *plain, struct error *err)
{
    const struct eng_tensor *x = op->in[0], *w = op->in[1];
    int64_t groups = 1, channels;

    if (state->plain_input) {
        *plain = *x;
        return true;
    }
    if (!op_blocked_input(op, 0, err) ||
        !op_attr_int(op, "group", &groups, err))
        return false;
    if (w->rank != 4 || w->dims[1] > INT32_MAX || groups < 1 ||
        groups > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "weights of rank %d, %lld groups",
                    w->rank, (long long)groups);
    channels = w->dims[1] * groups;
    if (x->dims[4] != state->block ||
        op_blocks(channels, state->block) != x->dims[1])
        return fail(err, ERR_MODEL_INVALID,
                    "%lld channels in %lld blocks of %lld, expected %lld",
                    (long long)channels, (long long)x->dims[1],
                    (long long)x->dims[4], (long long)state->block);
    *plain = op_blocked_plain(x, channels);
    return true;
}

static bool read_conv(struct op_node *op, struct op_conv_blocked *state,
                      struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    const struct eng_tensor *bias = op_has(op, 2) ? op->in[2] : NULL;
    struct eng_tensor plain, *y = op->out[0];
    bool ok;

    if (!plain_shape(op, state, &plain, err))
        return false;
    op->in[0] = &plain;
    ok = op_conv_shape(op, op->in[1], bias, &state->conv, err);
    op->in[0] = x;
    if (!ok)
        return false;
    if (state->conv.window.spatial != 2)
        return fail(err, ERR_MODEL_INVALID, "%d spatial dimensions",
                    state->conv.window.spatial);
    y->dtype = ENG_F32;
    eng_shape_set(y, 5,
                  (const int64_t[]){y->dims[0],
                                    op_blocks(y->dims[1], state->block),
                                    y->dims[2], y->dims[3], state->block});
    return true;
}

bool op_conv_blocked_infer(struct op_node *op, struct error *err)
{
    struct op_conv_blocked *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state || !op_want_type(op, 0, OP_TYPE(ENG_F32), err) ||
        !op_same_type(op, 0, 1, err) ||
        (op_has(op, 2) && !op_same_type(op, 0, 2, err)) ||
        !op_attr_int(op, "block", &state->block, err) ||
        !op_attr_bool(op, "winograd", &state->winograd, err))
        return false;
    if (state->block < 1 || state->block > OP_BLOCK_MAX)
        return fail(err, ERR_MODEL_INVALID, "blocks of %lld",
                    (long long)state->block);
    state->plain_input = op->in[0]->rank == 4;
    if (!read_conv(op, state, err) || !op_fused_read(op, &state->fused, err))
        return false;
    if (op_has(op, 3) && (!op_same_type(op, 0, 3, err) ||
                          !eng_shape_equal(op->in[3], op->out[0])))
        return fail(err, ERR_MODEL_INVALID, "input 3 differs from the output");
    return true;
}

/* Where element (n, c, at) of x is. */
static int64_t place(const struct op_conv_blocked *state, int64_t n, int64_t c,
                     int64_t at)
{
    const struct op_conv *conv = &state->conv;
    int64_t blocks = op_blocks(conv->in_channels, state->block);

    if (state->plain_input)
        return (n * conv->in_channels + c) * conv->in_size + at;
    return ((n * blocks + c / state->block) * conv->in_size + at) *
               state->block +
           c % state->block;
}

/* The sum for output channel o at place `out` of image n. */
static float point(const struct op_conv_blocked *state, const float *x,
                   const float *w, const int64_t place_of[2],
                   const int64_t *out)
{
    const struct op_conv *conv = &state->conv;
    int64_t n = place_of[0], o = place_of[1];
    int64_t channels = conv->in_channels / conv->groups;
    int64_t first = o / (conv->out_channels / conv->groups) * channels;
    int64_t k[OP_SPATIAL_MAX];
    float sum = 0;

    for (int64_t flat = 0; flat < conv->kernel_size; flat++) {
        int64_t at;

        op_window_unflatten(2, conv->window.kernel, flat, k);
        at = op_window_tap(&conv->window, out, k);
        for (int64_t c = 0; at >= 0 && c < channels; c++)
            sum += x[place(state, n, first + c, at)] *
                   w[(o * channels + c) * conv->kernel_size + flat];
    }
    return sum;
}

/* One block of channels of one image. */
static void block_run(const struct op_node *op, const struct op_frame *frame,
                      int64_t n, int64_t first)
{
    const struct op_conv_blocked *state = op->state;
    const struct op_conv *conv = &state->conv;
    int64_t blocks = op->out[0]->dims[1];
    int64_t size = conv->out_size * state->block;
    int64_t at = (n * blocks + first / state->block) * size;
    const float *bias = op_has(op, 2) ? op_in(op, frame, 2) : NULL;
    const float *z = op_has(op, 3) ? op_in(op, frame, 3) : NULL;
    float *y = op_out(op, frame, 0);

    for (int64_t i = 0; i < size; i++, at++) {
        int64_t o = first + i % state->block;
        int64_t out[OP_SPATIAL_MAX];
        float sum = z ? z[at] : 0;

        op_window_unflatten(2, conv->window.out, i / state->block, out);
        if (o < conv->out_channels)
            sum += point(state, op_in(op, frame, 0), op_in(op, frame, 1),
                         (const int64_t[]){n, o}, out) +
                   (bias ? bias[o] : 0);
        y[at] = sum;
    }
    op_fused_run(&state->fused, y + at - size, size);
}

static bool conv_blocked_run(const struct op_node *op,
                             const struct op_frame *frame, struct error *err)
{
    const struct op_conv_blocked *state = op->state;

    (void)err;
    for (int64_t n = 0; n < state->conv.batch; n++) {
        for (int64_t o = 0; o < state->conv.out_channels; o += state->block)
            block_run(op, frame, n, o);
    }
    return true;
}

const struct op_impl op_conv_blocked = {.name = "conv_blocked.ref",
                                        .in_min = 2,
                                        .in_max = 4,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .in_place = 1U << 3,
                                        .infer = op_conv_blocked_infer,
                                        .run = conv_blocked_run};
