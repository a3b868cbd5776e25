/*
 * Conv for float over one dimension with stride 1 and constant weights.
 *
 * A tile of output channels by positions stays in registers while the kernel
 * walks channels and taps. The inputs need no im2col: tap k of all positions
 * is the input row shifted by k, read unaligned. Weights are packed once so
 * that the channels of a tile lie side by side. Short images of a batch lie in
 * one line, a border between neighbours, so that they fill vectors together; what
 * is computed on the borders is left out.
 *
 * The tile has three forms: AVX-512 (8 channels x 3 vectors of 16), AVX2 (4 x 3
 * of 8) and plain vectors of 4 (4 x 2). The character CNN with 80 characters
 * takes 0.6 of the time of im2col and oneDNN's GEMM (bench_engine).
 */
#include <string.h>

#include "conv.h"

enum {
    LINE_ROWS_MAX = 8,
    LINE_COLUMNS_MAX = 48,
    LINE_POSITIONS = 4 * LINE_COLUMNS_MAX /* of short images, in one line */
};

struct line_tile {
    const float *x; /* first position of channel 0, border included */
    int64_t x_step; /* from channel to channel */
    int64_t channels, taps, dilation;
    const float *w, *bias;
    float *y;
    int64_t y_step;
};

typedef void (*line_tile_fn)(const struct line_tile *tile);

/* Accumulators stay in registers only if every loop over them is unrolled. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define TARGET
#define LANES 4
#define ROWS  4
#define COLS  1
#define TILE  tile_plain_1
#include "conv_line_tile.inc"
#define COLS 2
#define TILE tile_plain_2
#include "conv_line_tile.inc"
#undef TARGET
#undef LANES
#undef ROWS

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define LANES  8
#define ROWS   4
#define COLS   1
#define TILE   tile_avx2_1
#include "conv_line_tile.inc"
#define COLS 2
#define TILE tile_avx2_2
#include "conv_line_tile.inc"
#define COLS 3
#define TILE tile_avx2_3
#include "conv_line_tile.inc"
#undef TARGET
#undef LANES
#undef ROWS

#define TARGET __attribute__((target("avx512f")))
#define LANES  16
#define ROWS   8
#define COLS   1
#define TILE   tile_avx512_1
#include "conv_line_tile.inc"
#define COLS 2
#define TILE tile_avx512_2
#include "conv_line_tile.inc"
#define COLS 3
#define TILE tile_avx512_3
#include "conv_line_tile.inc"
#undef TARGET
#undef LANES
#undef ROWS
#endif

struct line_form {
    int64_t rows, lanes, columns; /* columns: vectors of the widest tile */
    line_tile_fn tile[4];         /* by number of vectors */
};

static const struct line_form *pick_form(void)
{
    static const struct line_form plain = {
        4, 4, 2, {NULL, tile_plain_1, tile_plain_2}};
#if defined(__x86_64__)
    static const struct line_form avx2 = {
        4, 8, 3, {NULL, tile_avx2_1, tile_avx2_2, tile_avx2_3}};
    static const struct line_form avx512 = {
        8, 16, 3, {NULL, tile_avx512_1, tile_avx512_2, tile_avx512_3}};

    if (__builtin_cpu_supports("avx512f"))
        return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2;
#endif
    return &plain;
}

struct line_state {
    const struct op_conv *conv;
    const struct line_form *form;
    const float *packed; /* [block, channel, tap, rows], then biases */
    int64_t images;      /* at most so many in a line */
    int64_t pitch;       /* from image to image */
    int64_t x_step;      /* of a line, borders included */
    int64_t blocks;      /* of `rows` output channels */
};

/* What op_pack() needs to know. */
struct line_how {
    int64_t outs, depth, rows;
};

static void pack_weights(const void *source, void *packed, const void *how)
{
    const struct line_how *shape = how;
    const float *w = source;
    float *to = packed;

    for (int64_t first = 0; first < shape->outs; first += shape->rows) {
        for (int64_t i = 0; i < shape->depth; i++) {
            for (int64_t r = 0; r < shape->rows; r++, to++)
                *to = first + r < shape->outs
                          ? w[(first + r) * shape->depth + i]
                          : 0;
        }
    }
}

static void unpack_weights(const void *packed, void *source, const void *how)
{
    const struct line_how *shape = how;
    const float *from = packed;
    float *w = source;

    for (int64_t out = 0; out < shape->outs; out++) {
        int64_t block = out - out % shape->rows;

        for (int64_t i = 0; i < shape->depth; i++)
            w[out * shape->depth + i] =
                from[block * shape->depth + i * shape->rows + out - block];
    }
}

static bool conv_line_accepts(const struct op_node *op)
{
    const struct op_conv *conv = op->state;
    const struct op_window *window = &conv->window;

    return op->in[0]->dtype == ENG_F32 && window->spatial == 1 &&
           window->stride[0] == 1 && conv->groups == 1 && op_is_weight(op, 1) &&
           conv->out_channels >= 4;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Neighbours share a border, as wide as the wider one of an image. */
static void lay_out(struct line_state *state)
{
    const struct op_conv *conv = state->conv;
    int64_t size = conv->window.in[0];
    int64_t before = conv->window.pad[0], behind = conv->window.pad_end[0];

    state->pitch = larger(size + larger(before, behind), conv->out_size);
    state->pitch = larger(state->pitch, 1);
    state->images = LINE_POSITIONS / state->pitch;
    if (state->images > conv->batch)
        state->images = conv->batch;
    state->images = larger(state->images, 1);
    /* Tiles read whole vectors: up to one tile beyond the last position. */
    state->x_step = (state->images - 1) * state->pitch + before + size +
                    behind + LINE_COLUMNS_MAX;
}

static bool conv_line_prepare(struct op_node *op, struct error *err)
{
    const struct op_conv *conv = op->state;
    struct line_state *state = op_alloc(op, sizeof *state, err);
    struct line_how how = {.outs = conv->out_channels,
                           .depth = conv->in_channels * conv->kernel_size};
    struct op_pack_key key = {op->in[1]->data, pack_weights, &how, sizeof how};

    if (!state)
        return false;
    state->conv = conv;
    state->form = pick_form();
    how.rows = state->form->rows;
    state->blocks = (conv->out_channels + how.rows - 1) / how.rows;
    lay_out(state);
    state->packed = op_pack_only(
        op, &key, unpack_weights,
        (size_t)(state->blocks * how.rows * how.depth) * sizeof(float), err);
    op->scratch_bytes =
        (size_t)(conv->in_channels * state->x_step) * sizeof(float);
    op->state = state;
    return state->packed != NULL;
}

/* Images that lie in one line, and where their results go. */
struct line {
    const struct line_state *state;
    const float *x; /* padded */
    float *y;       /* of the first image */
    int64_t images;
};

/* Lays the images side by side, with zeros around them. */
static void pad_rows(const struct line_state *state, const float *x,
                     int64_t images, float *to)
{
    const struct op_conv *conv = state->conv;
    int64_t size = conv->window.in[0];

    memset(to, 0, (size_t)(conv->in_channels * state->x_step) * sizeof *to);
    for (int64_t n = 0; n < images; n++) {
        float *row = to + conv->window.pad[0] + n * state->pitch;

        for (int64_t c = 0; c < conv->in_channels; c++) {
            memcpy(row, x, (size_t)size * sizeof *to);
            x += size;
            row += state->x_step;
        }
    }
}

/* Computes a tile beside y and copies what belongs to an image. `p`: its first
 * position; the last of its `columns` may lie beyond the line. */
static void edge_tile(const struct line *line, line_tile_fn run,
                      struct line_tile *tile, int64_t channel, int64_t p,
                      int64_t columns)
{
    const struct line_state *state = line->state;
    int64_t size = state->conv->out_size, pitch = state->pitch;
    int64_t rows = state->conv->out_channels - channel;
    float edge[LINE_ROWS_MAX * LINE_COLUMNS_MAX];

    if (rows > state->form->rows)
        rows = state->form->rows;
    tile->y = edge;
    tile->y_step = LINE_COLUMNS_MAX;
    run(tile);
    for (int64_t n = p / pitch; n < line->images && n * pitch < p + columns;
         n++) {
        int64_t start = n * pitch > p ? n * pitch : p;
        int64_t end =
            n * pitch + size < p + columns ? n * pitch + size : p + columns;
        float *y = line->y + (n * state->conv->out_channels + channel) * size +
                   start - n * pitch;

        for (int64_t r = 0; start < end && r < rows; r++)
            memcpy(y + r * size, edge + r * LINE_COLUMNS_MAX + start - p,
                   (size_t)(end - start) * sizeof *y);
    }
}

/* All positions of the block of output channels from `channel` on. */
static void run_block(const struct line *line, struct line_tile *tile,
                      int64_t channel)
{
    const struct line_state *state = line->state;
    const struct op_conv *conv = state->conv;
    const struct line_form *form = state->form;
    int64_t size = conv->out_size, pitch = state->pitch;
    int64_t positions = (line->images - 1) * pitch + size;
    bool is_full = conv->out_channels - channel >= form->rows;

    for (int64_t p = 0; p < positions;) {
        int64_t image = p / pitch, at = p % pitch;
        int64_t vectors = (positions - p + form->lanes - 1) / form->lanes;
        int64_t columns;

        if (at >= size) { /* on a border */
            p += pitch - at;
            continue;
        }
        if (vectors > form->columns)
            vectors = form->columns;
        columns = vectors * form->lanes;
        tile->x = line->x + p;
        if (is_full && at + columns <= size) {
            tile->y =
                line->y + (image * conv->out_channels + channel) * size + at;
            tile->y_step = size;
            form->tile[vectors](tile);
        } else {
            edge_tile(line, form->tile[vectors], tile, channel, p, columns);
        }
        p += columns;
    }
}

static void run_line(const struct line *line, const float *bias)
{
    const struct line_state *state = line->state;
    const struct op_conv *conv = state->conv;
    int64_t depth = conv->in_channels * conv->kernel_size;
    float block_bias[LINE_ROWS_MAX] = {0};
    struct line_tile tile = {.x_step = state->x_step,
                             .channels = conv->in_channels,
                             .taps = conv->kernel_size,
                             .dilation = conv->window.dilation[0],
                             .bias = block_bias};

    for (int64_t block = 0; block < state->blocks; block++) {
        int64_t first = block * state->form->rows;

        for (int64_t r = 0; bias && r < state->form->rows; r++)
            block_bias[r] =
                first + r < conv->out_channels ? bias[first + r] : 0;
        tile.w = state->packed + first * depth;
        run_block(line, &tile, first);
    }
}

static bool conv_line_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct line_state *state = op->state;
    const struct op_conv *conv = state->conv;
    const float *bias = op_has(op, 2) ? op_in(op, frame, 2) : NULL;
    const float *x = op_in(op, frame, 0);
    struct line line = {.state = state,
                        .x = frame->scratch,
                        .y = op_out(op, frame, 0),
                        .images = state->images};

    (void)err;
    for (int64_t left = conv->batch; left > 0; left -= line.images) {
        if (line.images > left)
            line.images = left;
        pad_rows(state, x, line.images, frame->scratch);
        run_line(&line, bias);
        x += line.images * conv->in_channels * conv->in_size;
        line.y += line.images * conv->out_channels * conv->out_size;
    }
    return true;
}

const struct op_impl op_conv_line = {.name = "conv.line",
                                     .in_min = 2,
                                     .in_max = 3,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .flags = OP_WIDEN | OP_PACKED,
                                     .infer = op_conv_infer,
                                     .accepts = conv_line_accepts,
                                     .prepare = conv_line_prepare,
                                     .run = conv_line_run};
