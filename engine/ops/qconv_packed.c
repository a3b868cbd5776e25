/*
 * ConvInteger and QLinearConv with constant filters and one group: see qconv.c
 * for what they compute. The images are turned to [position, channel] first.
 * Some output positions at a time become rows of bytes, [tap, channel], each
 * what one position sees; kernel/gemm_i8.h multiplies them with the packed
 * filters, and the results go to their channels.
 *
 *   scratch  [images][a pixel of the border], then for each thread
 *            [rows of bytes][their sums][results]
 */
#include <string.h>

#include "conv.h"
#include "kernel/quantize.h"
#include "qgemm.h"
#include "quant.h"

/* Positions at a time: rows that stay in the second cache. */
enum { ROWS = 128, TAPS_MAX = 64, TURN_EACH = 512 };

struct packed_state {
    struct op_conv conv; /* as infer left it */
    struct op_qgemm q;
    bool is_sum; /* ConvInteger */
    size_t sums_at, results_at, thread_bytes;
    int64_t chunks; /* of an image */
    int64_t turns;  /* parts in which an image is turned */
    size_t border_at, threads_at;
    int64_t taps[TAPS_MAX][OP_SPATIAL_MAX];
};

static const struct op_qgemm_inputs linear_inputs = {
    .a = 0, .a_scale = 1, .a_zero = 2, .b = 3, .b_scale = 4, .b_zero = 5};

static const struct op_qgemm_inputs integer_inputs = {.a = 0,
                                                      .a_zero = 2,
                                                      .b = 1,
                                                      .b_zero = 3,
                                                      .a_scale = OP_NO_INPUT,
                                                      .b_scale = OP_NO_INPUT};

static bool fits(const struct op_node *op, const struct op_qgemm_inputs *in)
{
    const struct op_conv *conv = op->state;

    return op_qgemm_constants(op, in) && conv->groups == 1 &&
           conv->kernel_size <= TAPS_MAX && conv->out_size > 0 &&
           conv->batch > 0 && conv->in_channels > 0 && conv->out_channels > 0;
}

static bool linear_accepts(const struct op_node *op)
{
    return fits(op, &linear_inputs);
}

static bool integer_accepts(const struct op_node *op)
{
    return fits(op, &integer_inputs);
}

/* Scratch memory, and where taps are. */
static bool lay_out(struct op_node *op, struct packed_state *state,
                    struct error *err)
{
    const struct op_conv *conv = &state->conv;
    size_t threads;

    state->turns = (conv->in_size + TURN_EACH - 1) / TURN_EACH;
    state->border_at = op_qgemm_aligned(eng_tensor_size(op->in[state->q.in.a]));
    state->threads_at =
        state->border_at + op_qgemm_aligned((size_t)conv->in_channels);
    for (int64_t t = 0; t < conv->kernel_size; t++)
        op_window_unflatten(conv->window.spatial, conv->window.kernel, t,
                            state->taps[t]);
    if (__builtin_mul_overflow((size_t)op->threads, state->thread_bytes,
                               &threads) ||
        __builtin_add_overflow(threads, state->threads_at, &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the convolution is too large");
    return true;
}

static bool prepare(struct op_node *op, const struct op_qgemm_inputs *in,
                    struct error *err)
{
    struct packed_state *state = op_alloc(op, sizeof *state, err);
    const struct op_conv *conv = op->state;
    size_t result = in == &integer_inputs ? sizeof(int32_t) : 1;

    if (!state)
        return false;
    state->conv = *conv;
    op->state = state;
    state->is_sum = in == &integer_inputs;
    state->chunks = (conv->out_size + ROWS - 1) / ROWS;
    state->q = (struct op_qgemm){.in = *in,
                                 .transposed = true,
                                 .k = conv->in_channels * conv->kernel_size,
                                 .n = conv->out_channels,
                                 .taps = conv->kernel_size,
                                 .rows = ROWS};
    if (!op_qgemm_prepare(op, &state->q, err))
        return false;
    state->sums_at = op_qgemm_aligned(ROWS * (size_t)state->q.stride);
    state->results_at =
        state->sums_at + op_qgemm_aligned(ROWS * sizeof(int32_t));
    state->thread_bytes = state->results_at +
                          op_qgemm_aligned(ROWS * (size_t)state->q.n * result);
    return lay_out(op, state, err);
}

static bool linear_prepare(struct op_node *op, struct error *err)
{
    return prepare(op, &linear_inputs, err);
}

static bool integer_prepare(struct op_node *op, struct error *err)
{
    return prepare(op, &integer_inputs, err);
}

/* --- running --- */

struct work {
    const struct packed_state *state;
    struct gemm_i8 g; /* but a and y */
    float scale;      /* of x */
    int32_t zero;
    const uint8_t *x;
    uint8_t flip; /* makes x unsigned */
    unsigned char *scratch;
    unsigned char *y;
};

/* Some positions of an image [channels, in_size] to [in_size, channels]. */
static void turn_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct op_conv *conv = &w->state->conv;
    int64_t image = part / w->state->turns, channels = conv->in_channels;
    int64_t first = part % w->state->turns * TURN_EACH;
    int64_t end =
        first + TURN_EACH < conv->in_size ? first + TURN_EACH : conv->in_size;
    const uint8_t *x = w->x + image * channels * conv->in_size;
    uint8_t *to = w->scratch + image * channels * conv->in_size;

    (void)thread;
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t p = first; p < end; p++)
            to[p * channels + c] = x[c * conv->in_size + p] ^ w->flip;
    }
}

/* One row: what output position p sees of a turned image. */
static void fill_row(const struct work *w, const uint8_t *image, int64_t p,
                     uint8_t *row)
{
    const struct packed_state *state = w->state;
    const struct op_conv *conv = &state->conv;
    int64_t channels = conv->in_channels, out[OP_SPATIAL_MAX];

    op_window_unflatten(conv->window.spatial, conv->window.out, p, out);
    for (int64_t t = 0; t < conv->kernel_size; t++, row += channels) {
        int64_t at = op_window_tap(&conv->window, out, state->taps[t]);

        memcpy(row,
               at < 0 ? w->scratch + state->border_at : image + at * channels,
               (size_t)channels);
    }
}

/* results [rows, n] to y [n, out_size], from position `first` on. */
static void put_results(const struct packed_state *state, const void *results,
                        int64_t rows, unsigned char *y)
{
    int64_t n = state->q.n, size = state->conv.out_size;

    for (int64_t j = 0; j < n; j++) {
        for (int64_t r = 0; r < rows; r++) {
            if (state->is_sum)
                ((int32_t *)(void *)y)[j * size + r] =
                    ((const int32_t *)results)[r * n + j];
            else
                y[j * size + r] = ((const uint8_t *)results)[r * n + j];
        }
    }
}

static void run_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct packed_state *state = w->state;
    const struct op_conv *conv = &state->conv;
    int64_t image = part / state->chunks, first = part % state->chunks * ROWS;
    int64_t rows =
        conv->out_size - first < ROWS ? conv->out_size - first : ROWS;
    unsigned char *memory =
        w->scratch + state->threads_at + (size_t)thread * state->thread_bytes;
    int32_t *sums = (int32_t *)(void *)(memory + state->sums_at);
    struct gemm_i8_part all = {0, rows, 0, state->q.panels};
    size_t result = state->is_sum ? sizeof(int32_t) : 1;
    struct gemm_i8 g = w->g;

    for (int64_t r = 0; r < rows; r++)
        fill_row(w, w->scratch + image * conv->in_channels * conv->in_size,
                 first + r, memory + r * state->q.stride);
    if (state->q.summed)
        state->q.kernels->sum_rows_u8(memory, rows, state->q.k, state->q.stride,
                                      sums);
    g.a = memory;
    g.a_sums = sums;
    g.y = memory + state->results_at;
    state->q.kernels->gemm_i8(&g, &all);
    put_results(state, g.y, rows,
                w->y + (size_t)(image * state->q.n * conv->out_size + first) *
                           result);
}

/* `out` says what becomes of the sums. */
static void run_all(const struct op_node *op, const struct op_frame *frame,
                    const struct gemm_i8 *out)
{
    const struct packed_state *state = op->state;
    const struct op_qgemm *q = &state->q;
    bool is_signed = op->in[q->in.a]->dtype == ENG_I8;
    struct work w = {.state = state,
                     .g = *out,
                     .scale = 1,
                     .zero = op_zero_of(op, frame, q->in.a_zero, 0),
                     .x = op_in(op, frame, q->in.a),
                     .flip = is_signed ? 0x80 : 0,
                     .scratch = frame->scratch,
                     .y = op_out(op, frame, 0)};

    if (is_signed)
        w.zero += 128;
    if (op_has(op, q->in.a_scale))
        w.scale = op_scale_of(op, frame, q->in.a_scale, 0);
    memset(w.scratch + state->border_at, (uint8_t)w.zero,
           (size_t)state->conv.in_channels);
    op_qgemm_side(q, &w.g);
    w.g.a_scale = &w.scale;
    w.g.a_zero = &w.zero;
    team_for(frame->seat, state->conv.batch * state->turns, turn_part, &w);
    team_for(frame->seat, state->conv.batch * state->chunks, run_part, &w);
}

static bool linear_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    struct gemm_i8 g = op_qconv_out(op, frame);

    (void)err;
    run_all(op, frame, &g);
    return true;
}

static bool integer_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    struct gemm_i8 g = {.out = GEMM_I8_SUM};

    (void)err;
    run_all(op, frame, &g);
    return true;
}

const struct op_impl op_conv_integer_packed = {.name = "conv.integer.packed",
                                               .in_min = 2,
                                               .in_max = 4,
                                               .out_min = 1,
                                               .out_max = 1,
                                               .infer = op_conv_integer_infer,
                                               .accepts = integer_accepts,
                                               .prepare = integer_prepare,
                                               .run = integer_run};

const struct op_impl op_qlinear_conv_packed = {.name = "qlinear_conv.packed",
                                               .in_min = 8,
                                               .in_max = 9,
                                               .out_min = 1,
                                               .out_max = 1,
                                               .infer = op_qlinear_conv_infer,
                                               .accepts = linear_accepts,
                                               .prepare = linear_prepare,
                                               .run = linear_run};
