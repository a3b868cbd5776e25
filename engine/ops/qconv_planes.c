/*
 * QLinearConv with groups, depthwise above all: see qconv.c for what it
 * computes. The planes of a group, less their zero point, lie in scratch memory
 * with their border around them, so that a row of outputs is a sum of rows,
 * each times one weight.
 *
 *   scratch, for each thread  [channels of a group, rows, columns][a row of
 *                             sums][the same as floats]
 *   source   as qconv.c; sums are the same
 */
#include <string.h>

#include "clones.h"
#include "conv.h"
#include "kernel/quantize.h"
#include "quant.h"

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

struct planes_state {
    struct op_conv conv;    /* as infer left it */
    int64_t channels, outs; /* of a group */
    int64_t height, width;  /* of a plane with its border */
    struct op_side rows, columns;
    size_t acc_at, floats_at, thread_bytes;
};

static bool planes_accepts(const struct op_node *op)
{
    const struct op_conv *conv = op->state;

    return conv->groups > 1 && conv->window.spatial <= 2 && conv->batch > 0 &&
           conv->out_size > 0 && conv->in_channels > 0;
}

static bool set_scratch(struct op_node *op, struct planes_state *state,
                        struct error *err)
{
    size_t words;

    if (!__builtin_mul_overflow((size_t)state->height, (size_t)state->width,
                                &words) &&
        !__builtin_mul_overflow(words, (size_t)state->channels, &words)) {
        state->acc_at = words;
        state->floats_at = state->acc_at + (size_t)state->columns.out;
        state->thread_bytes =
            (state->floats_at + (size_t)state->columns.out) * sizeof(int32_t);
        if (words < SIZE_MAX / 64 &&
            !__builtin_mul_overflow(state->thread_bytes, (size_t)op->threads,
                                    &op->scratch_bytes))
            return true;
    }
    return fail(err, ERR_MODEL_INVALID, "the convolution is too large");
}

static bool planes_prepare(struct op_node *op, struct error *err)
{
    struct planes_state *state = op_alloc(op, sizeof *state, err);

    if (!state)
        return false;
    memcpy(&state->conv, op->state, sizeof state->conv);
    op->state = state;
    state->channels = state->conv.in_channels / state->conv.groups;
    state->outs = state->conv.out_channels / state->conv.groups;
    state->rows = op_window_side(&state->conv.window, 0);
    state->columns = op_window_side(&state->conv.window, 1);
    state->height = state->rows.before + state->rows.in + state->rows.after;
    state->width =
        state->columns.before + state->columns.in + state->columns.after;
    return set_scratch(op, state, err);
}

/* --- running --- */

struct work {
    const struct op_node *op;
    const struct op_frame *frame;
    const struct planes_state *state;
};

/* A row of bytes as numbers less their zero point. */
OP_CLONES
static void load_row(const uint8_t *x, int64_t count, int32_t flip,
                     int32_t zero, int32_t *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = (int32_t)(x[i] ^ (uint8_t)flip) - zero;
}

/* The planes of a group with their borders. */
static void load_planes(const struct work *w, int64_t first, int32_t *planes)
{
    const struct planes_state *state = w->state;
    const uint8_t *x = op_in(w->op, w->frame, X);
    /* int8 as uint8, and its zero point with it */
    int32_t flip = w->op->in[X]->dtype == ENG_I8 ? 0x80 : 0;
    int32_t zero = op_zero_of(w->op, w->frame, X_ZERO, 0) + flip;

    memset(planes, 0,
           (size_t)(state->channels * state->height * state->width) *
               sizeof *planes);
    for (int64_t c = 0; c < state->channels; c++) {
        int32_t *to = planes + c * state->height * state->width +
                      state->rows.before * state->width + state->columns.before;
        const uint8_t *from = x + (first + c) * state->conv.in_size;

        for (int64_t i = 0; i < state->rows.in; i++)
            load_row(from + i * state->columns.in, state->columns.in, flip,
                     zero, to + i * state->width);
    }
}

/* acc += weight times a row of every step-th number; sums wrap */
static inline void add_row(uint32_t *restrict acc, const int32_t *restrict x,
                           uint32_t weight, int64_t count, int64_t step)
{
    if (step == 1) {
        for (int64_t i = 0; i < count; i++)
            acc[i] += weight * (uint32_t)x[i];
    } else if (step == 2) {
        for (int64_t i = 0; i < count; i++)
            acc[i] += weight * (uint32_t)x[2 * i];
    } else {
        for (int64_t i = 0; i < count; i++)
            acc[i] += weight * (uint32_t)x[step * i];
    }
}

/* One row of an output channel; weights [channels, kernel] at element `first`.
 */
OP_CLONES
static void sum_row(const struct planes_state *state, const int32_t *planes,
                    const struct op_quant_row *weights, const uint8_t *bytes,
                    uint32_t *acc)
{
    int32_t flip = weights->dtype == ENG_I8 ? 0x80 : 0;
    const uint8_t *w = bytes + weights->first;

    for (int64_t c = 0; c < state->channels; c++) {
        for (int64_t t = 0; t < state->rows.kernel * state->columns.kernel;
             t++) {
            int64_t y = t / state->columns.kernel * state->rows.apart;
            int64_t x = t % state->columns.kernel * state->columns.apart;
            int32_t weight =
                (int32_t)(*w++ ^ (uint8_t)flip) - flip - weights->zero;

            add_row(acc, planes + (c * state->height + y) * state->width + x,
                    (uint32_t)weight, state->columns.out, state->columns.step);
        }
    }
}

OP_CLONES
static void scale_row(const uint32_t *acc, int64_t count, float scale,
                      float bias, float *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)(int32_t)acc[i] * scale + bias;
}

static void channel(const struct work *w, int64_t image, int64_t o,
                    int32_t *scratch)
{
    const struct planes_state *state = w->state;
    const struct op_node *op = w->op;
    int64_t depth = state->channels * state->conv.kernel_size;
    uint32_t *acc = (uint32_t *)scratch + state->acc_at;
    float *floats = (float *)(void *)(scratch + state->floats_at);
    float scale = op_scale_of(op, w->frame, X_SCALE, 0) *
                  op_scale_of(op, w->frame, W_SCALE, o) /
                  op_scale_of(op, w->frame, Y_SCALE, 0);
    struct quantize_step step = {.scale = 1,
                                 .zero = op_zero_of(op, w->frame, Y_ZERO, 0),
                                 .low = op->out[0]->dtype == ENG_I8 ? INT8_MIN
                                                                    : 0};
    struct op_quant_row weights = {.dtype = op->in[W]->dtype,
                                   .first = o * depth,
                                   .zero = op_zero_of(op, w->frame, W_ZERO, o)};
    struct op_qconv_bias bias;
    uint8_t *y = (uint8_t *)op_out(op, w->frame, 0) +
                 (image * state->conv.out_channels + o) * state->conv.out_size;

    op_qconv_bias(op, w->frame, o, &bias);
    for (int64_t r = 0; r < state->rows.out; r++, y += state->columns.out) {
        for (int64_t i = 0; i < state->columns.out; i++)
            acc[i] = bias.steps;
        sum_row(state, scratch + r * state->rows.step * state->width, &weights,
                op_in(op, w->frame, W), acc);
        scale_row(acc, state->columns.out, scale, bias.real, floats);
        kernels()->quantize_bytes(floats, state->columns.out, &step, y);
    }
}

static void run_group(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct planes_state *state = w->state;
    int64_t image = part / state->conv.groups,
            group = part % state->conv.groups;
    int32_t *scratch =
        (int32_t *)(void *)((char *)w->frame->scratch +
                            (size_t)thread * state->thread_bytes);

    load_planes(w, image * state->conv.in_channels + group * state->channels,
                scratch);
    for (int64_t k = 0; k < state->outs; k++)
        channel(w, image, group * state->outs + k, scratch);
}

static bool planes_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    struct work w = {.op = op, .frame = frame, .state = op->state};

    (void)err;
    team_for(frame->seat, w.state->conv.batch * w.state->conv.groups, run_group,
             &w);
    return true;
}

const struct op_impl op_qlinear_conv_planes = {.name = "qlinear_conv.planes",
                                               .in_min = 8,
                                               .in_max = 9,
                                               .out_min = 1,
                                               .out_max = 1,
                                               .infer = op_qlinear_conv_infer,
                                               .accepts = planes_accepts,
                                               .prepare = planes_prepare,
                                               .run = planes_run};
