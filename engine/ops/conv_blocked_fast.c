/*
 * ConvBlocked by oneDNN: direct, or Winograd's algorithm where the node allows
 * it and the shape gains by it.
 *
 * The work is cut into parts for the threads at hand: images first, then output
 * channels in whole blocks, so that weights and outputs of a part lie together.
 * All parts have the same number of images (Winograd's weights may depend on
 * it) and differ by at most one block; each size is a primitive of its own (a
 * form). Each thread has arguments and scratch memory of its own.
 *
 * Weights are packed once for all plans: their order is the same for every
 * shape. Winograd's order may follow the shape and the part, so it is in the
 * key. A shape that oneDNN does not take runs as the plain reference.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "blocked.h"
#include "onednn/conv.h"

/* --- cutting --- */

/* `count` things in `parts`; the first `more` parts have one thing more. */
struct split {
    int64_t parts, size, more;
};

static struct split cut(int64_t count, int64_t parts)
{
    if (parts > count)
        parts = count;
    return (struct split){parts, count / parts, count % parts};
}

static int64_t part_begin(const struct split *split, int64_t i)
{
    return i * split->size + (i < split->more ? i : split->more);
}

static bool part_has_more(const struct split *split, int64_t i)
{
    return i < split->more;
}

/* --- state --- */

/* By "one block more". */
enum { FORMS = 2 };

struct fast_state {
    struct op_conv_blocked base;     /* first: the reference runs on it too */
    struct onednn_conv *form[FORMS]; /* NULL = not needed */
    int64_t images, image_parts;     /* of a part; of the batch */
    struct split blocks;
    const float **packed; /* by part of the blocks; NULL = the reference runs */
    const float *bias;    /* NULL = none */
    size_t scratch_bytes; /* of one thread */
    int64_t in_blocks, out_blocks;
    bool depthwise;
};

static struct onednn_conv *form_of(const struct fast_state *state, int64_t part)
{
    return state->form[part_has_more(&state->blocks, part)];
}

static bool fast_accepts(const struct op_node *op)
{
    const struct op_conv_blocked *base = op->state;
    const struct op_conv *conv = &base->conv;
    int64_t ins = conv->in_channels / conv->groups;
    int64_t outs = conv->out_channels / conv->groups;
    bool depthwise = ins == 1 && outs == 1;

    if (!op_is_weight(op, 1) || (op_has(op, 2) && !op_is_weight(op, 2)) ||
        base->block != onednn_block() || eng_tensor_count(op->out[0]) <= 0 ||
        eng_tensor_count(op->in[0]) <= 0)
        return false;
    if (base->plain_input)
        return conv->groups == 1;
    return conv->groups == 1 || depthwise ||
           (ins % base->block == 0 && outs % base->block == 0);
}

/* --- forms --- */

static void set_activation(const struct op_fused *fused,
                           struct onednn_conv_shape *shape)
{
    static const enum onednn_activation table[] = {
        [OP_FUSED_NONE] = ONEDNN_NO_ACTIVATION,
        [OP_FUSED_RELU] = ONEDNN_RELU,
        [OP_FUSED_TANH] = ONEDNN_TANH,
        [OP_FUSED_SIGMOID] = ONEDNN_SIGMOID,
        [OP_FUSED_LEAKY_RELU] = ONEDNN_RELU,
        [OP_FUSED_CLIP] = ONEDNN_CLIP,
        [OP_FUSED_HARD_SIGMOID] = ONEDNN_HARD_SIGMOID,
        [OP_FUSED_HARD_SWISH] = ONEDNN_HARD_SWISH,
        [OP_FUSED_SWISH] = ONEDNN_SWISH};

    shape->activation = table[fused->kind];
    shape->alpha = fused->alpha;
    shape->beta = fused->beta;
    if (fused->kind == OP_FUSED_RELU)
        shape->alpha = 0;
    if (fused->kind == OP_FUSED_SWISH)
        shape->alpha = 1;
}

/* Below, the transforms cost more than the products they save. */
enum { WINOGRAD_CHANNELS_MIN = 32 };

static bool winograd_pays(const struct op_conv_blocked *base)
{
    return base->winograd && base->conv.groups == 1 && !base->plain_input &&
           base->conv.in_channels >= WINOGRAD_CHANNELS_MIN &&
           base->conv.out_channels >= WINOGRAD_CHANNELS_MIN;
}

/* Height alone: the same bytes as width alone, over which oneDNN's loops go. */
static bool is_column(const struct op_window *window)
{
    return window->in[1] == 1 && window->out[1] == 1 &&
           window->kernel[1] == 1 && window->in[0] > 1;
}

/* What oneDNN is asked for, with `blocks` of the output. */
static struct onednn_conv_shape shape_of(const struct op_node *op,
                                         const struct fast_state *state,
                                         int64_t blocks)
{
    const struct op_conv_blocked *base = &state->base;
    const struct op_conv *conv = &base->conv;
    struct onednn_conv_shape shape = {.batch = state->images,
                                      .groups = conv->groups,
                                      .in_channels = conv->in_channels,
                                      .out_channels = blocks * base->block,
                                      .block = (int)base->block,
                                      .plain_input = base->plain_input,
                                      .winograd = base->winograd,
                                      .has_bias = op_has(op, 2),
                                      .adds = op_has(op, 3)};

    if (!base->plain_input)
        shape.in_channels = state->in_blocks * base->block;
    if (state->depthwise)
        shape.groups = shape.in_channels = shape.out_channels;
    for (int i = 0; i < 2; i++) {
        int from = is_column(&conv->window) ? 1 - i : i;

        shape.in[i] = conv->window.in[from];
        shape.out[i] = conv->window.out[from];
        shape.kernel[i] = conv->window.kernel[from];
        shape.stride[i] = conv->window.stride[from];
        shape.dilation[i] = conv->window.dilation[from];
        shape.pad[i] = conv->window.pad[from];
        shape.pad_end[i] = conv->window.pad_end[from];
    }
    set_activation(&base->fused, &shape);
    return shape;
}

static void free_forms(struct fast_state *state)
{
    for (int i = 0; i < FORMS; i++) {
        onednn_conv_free(state->form[i]);
        state->form[i] = NULL;
    }
}

/* All forms that parts need; false: oneDNN does not take one. */
static bool make_forms(const struct op_node *op, struct fast_state *state)
{
    const struct split *blocks = &state->blocks;
    bool ok = true;

    for (int i = 0; ok && i < FORMS; i++) {
        struct onednn_conv_shape shape;

        if (i ? blocks->more == 0 : blocks->more == blocks->parts)
            continue;
        shape = shape_of(op, state, blocks->size + i);
        state->form[i] = onednn_conv_new(&shape);
        ok = state->form[i] != NULL;
    }
    if (!ok)
        free_forms(state);
    return ok;
}

/* Images first; one image is cut by output channels where groups allow it. */
static void cut_work(const struct op_node *op, struct fast_state *state)
{
    const struct op_conv *conv = &state->base.conv;
    int64_t threads = op->threads, per_image = threads / conv->batch;
    bool can_cut = conv->groups == 1 || state->depthwise;

    state->image_parts = conv->batch % threads == 0 ? threads : conv->batch;
    state->images = conv->batch / state->image_parts;
    state->blocks =
        cut(state->out_blocks, can_cut && per_image > 1 ? per_image : 1);
}

/* --- weights --- */

/* What op_pack() needs to know; the key ends at `conv`. */
struct filter_key {
    uint64_t order;
    int64_t begin, padded_outs;
    const struct onednn_conv *conv;
    struct onednn_filter filter;
    bool *ok;
};

static void pack_filter(const void *source, void *packed, const void *how)
{
    const struct filter_key *key = how;

    (void)source;
    *key->ok = onednn_conv_pack(key->conv, &key->filter, packed);
}

/* Packs `blocks` of output channels from `begin` on. */
static const float *pack_blocks(struct op_node *op, struct fast_state *state,
                                const struct onednn_conv *conv,
                                const int64_t range[2], struct error *err)
{
    const struct op_conv *c = &state->base.conv;
    int64_t block = state->base.block, first = range[0] * block;
    int64_t ins = c->in_channels / c->groups, left = c->out_channels - first;
    int64_t own = onednn_conv_shape_of(conv)->out_channels / block;
    bool ok = true;
    struct filter_key how = {.order = onednn_conv_order(conv),
                             .begin = first,
                             .padded_outs = range[1] * block,
                             .conv = conv,
                             .ok = &ok};
    struct op_pack_key key = {op->in[1]->data, pack_filter, &how,
                              offsetof(struct filter_key, conv)};
    const float *packed;

    how.filter = (struct onednn_filter){
        .elements =
            (const float *)op->in[1]->data + first * ins * c->kernel_size,
        .outs = left < how.padded_outs ? left : how.padded_outs,
        .ins = ins,
        .padded_outs = how.padded_outs};
    packed = op_pack(
        op, &key,
        onednn_conv_weight_bytes(conv) / (size_t)own * (size_t)range[1], err);
    if (packed && !ok) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory to pack weights");
        return NULL;
    }
    return packed;
}

/* Direct: all blocks at once, parts point into them. */
static bool pack_direct(struct op_node *op, struct fast_state *state,
                        struct error *err)
{
    const struct onednn_conv *conv = form_of(state, 0);
    const int64_t all[2] = {0, state->out_blocks};
    int64_t own = onednn_conv_shape_of(conv)->out_channels / state->base.block;
    size_t each = onednn_conv_weight_bytes(conv) / (size_t)own / sizeof(float);
    const float *packed = pack_blocks(op, state, conv, all, err);

    for (int64_t i = 0; packed && i < state->blocks.parts; i++)
        state->packed[i] =
            packed + (size_t)part_begin(&state->blocks, i) * each;
    return packed != NULL;
}

static bool pack_parts(struct op_node *op, struct fast_state *state,
                       struct error *err)
{
    for (int64_t i = 0; i < state->blocks.parts; i++) {
        const int64_t range[2] = {part_begin(&state->blocks, i),
                                  state->blocks.size +
                                      part_has_more(&state->blocks, i)};

        state->packed[i] =
            pack_blocks(op, state, form_of(state, i), range, err);
        if (!state->packed[i])
            return false;
    }
    return true;
}

struct bias_key {
    int64_t count, padded;
};

static void pack_bias(const void *source, void *packed, const void *how)
{
    const struct bias_key *key = how;

    memset(packed, 0, (size_t)key->padded * sizeof(float));
    memcpy(packed, source, (size_t)key->count * sizeof(float));
}

static bool pad_bias(struct op_node *op, struct fast_state *state,
                     struct error *err)
{
    struct bias_key how = {state->base.conv.out_channels,
                           state->out_blocks * state->base.block};
    struct op_pack_key key = {NULL, pack_bias, &how, sizeof how};

    if (!op_has(op, 2))
        return true;
    key.source = op->in[2]->data;
    state->bias = op_pack(op, &key, (size_t)how.padded * sizeof(float), err);
    return state->bias != NULL;
}

/* --- the contract --- */

static size_t scratch_of(const struct fast_state *state)
{
    size_t most = 0;

    for (int i = 0; i < FORMS; i++) {
        size_t size =
            state->form[i] ? onednn_conv_scratch_bytes(state->form[i]) : 0;

        most = size > most ? size : most;
    }
    return (most + 63) & ~(size_t)63;
}

static bool fast_prepare(struct op_node *op, struct error *err)
{
    struct fast_state *state = op_alloc(op, sizeof *state, err);
    const struct op_conv *conv;

    if (!state)
        return false;
    state->base = *(const struct op_conv_blocked *)op->state;
    conv = &state->base.conv;
    state->in_blocks = op_blocks(conv->in_channels, state->base.block);
    state->out_blocks = op->out[0]->dims[1];
    state->depthwise = conv->groups > 1 && conv->groups == conv->in_channels &&
                       conv->groups == conv->out_channels;
    cut_work(op, state);
    state->base.winograd = winograd_pays(&state->base);
    if (!make_forms(op, state)) {
        state->base.winograd = false;
        if (!make_forms(op, state)) {
            op->state = state;
            return true;
        }
    }
    op->state = state;
    state->packed =
        op_alloc(op, (size_t)state->blocks.parts * sizeof *state->packed, err);
    state->scratch_bytes = scratch_of(state);
    op->scratch_bytes = state->scratch_bytes * (size_t)op->threads;
    return state->packed && pad_bias(op, state, err) &&
           (state->base.winograd ? pack_parts(op, state, err)
                                 : pack_direct(op, state, err));
}

static void fast_release(struct op_node *op)
{
    free_forms(op->state);
}

/* Arguments by thread and form. */
struct fast_bound {
    int count;
    struct onednn_conv_args *args[];
};

static void fast_unbind(void *argument)
{
    struct fast_bound *bound = argument;

    for (int i = 0; i < bound->count; i++)
        onednn_conv_args_free(bound->args[i]);
    free(bound);
}

static bool fast_bind(const struct op_node *op, void **to, struct error *err)
{
    const struct fast_state *state = op->state;
    int count = FORMS * op->threads;
    struct fast_bound *bound =
        calloc(1, sizeof *bound + (size_t)count * sizeof bound->args[0]);
    bool ok = bound != NULL;

    if (bound)
        bound->count = count;
    for (int i = 0; ok && i < count; i++) {
        const struct onednn_conv *conv = state->form[i % FORMS];

        if (conv)
            bound->args[i] = onednn_conv_args_new(conv);
        ok = !conv || bound->args[i];
    }
    if (ok) {
        *to = bound;
        return true;
    }
    if (bound)
        fast_unbind(bound);
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for a convolution");
}

struct fast_work {
    const struct op_node *op;
    const struct op_frame *frame;
    atomic_bool failed;
};

/* y begins as z, where they are not the same memory. */
static void copy_addend(const struct op_node *op, const struct op_frame *frame,
                        int64_t at, int64_t count)
{
    const float *z = op_has(op, 3) ? op_in(op, frame, 3) : NULL;
    float *y = op_out(op, frame, 0);

    if (z && z != y)
        memcpy(y + at, z + at, (size_t)count * sizeof *y);
}

static void fast_part(void *argument, int64_t part, int thread)
{
    struct fast_work *work = argument;
    const struct op_node *op = work->op;
    const struct fast_state *state = op->state;
    const struct fast_bound *bound = work->frame->bound[op->index];
    const struct op_conv *conv = &state->base.conv;
    int64_t i = part / state->blocks.parts, b = part % state->blocks.parts;
    int64_t image = i * state->images;
    int64_t block = part_begin(&state->blocks, b);
    const struct onednn_conv *form = form_of(state, b);
    const struct onednn_conv_shape *shape = onednn_conv_shape_of(form);
    int64_t x = image * op->in[0]->dims[1] * conv->in_size;
    int64_t y = (image * state->out_blocks + block) * conv->out_size *
                state->base.block;
    struct onednn_conv_data data = {.w = state->packed[b]};

    if (!state->base.plain_input)
        x *= state->base.block;
    if (state->depthwise)
        x += block * conv->in_size * state->base.block;
    copy_addend(op, work->frame, y,
                shape->batch * shape->out_channels * conv->out_size);
    data.x = (const float *)op_in(op, work->frame, 0) + x;
    data.y = (float *)op_out(op, work->frame, 0) + y;
    data.bias = state->bias ? state->bias + block * state->base.block : NULL;
    data.scratch =
        (char *)work->frame->scratch + (size_t)thread * state->scratch_bytes;
    if (!onednn_conv_run(
            form,
            bound->args[thread * FORMS + part_has_more(&state->blocks, b)],
            &data))
        atomic_store(&work->failed, true);
}

static bool fast_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct fast_state *state = op->state;
    struct fast_work work = {.op = op, .frame = frame};

    if (!state->packed)
        return op_conv_blocked.run(op, frame, err);
    atomic_init(&work.failed, false);
    team_for(frame->seat, state->image_parts * state->blocks.parts, fast_part,
             &work);
    return !atomic_load(&work.failed) ||
           fail(err, ERR_INTERNAL, "oneDNN's convolution failed");
}

const struct op_impl op_conv_blocked_fast = {.name = "conv_blocked.onednn",
                                             .in_min = 2,
                                             .in_max = 4,
                                             .out_min = 1,
                                             .out_max = 1,
                                             .in_place = 1U << 3,
                                             .infer = op_conv_blocked_infer,
                                             .accepts = fast_accepts,
                                             .prepare = fast_prepare,
                                             .bind = fast_bind,
                                             .run = fast_run,
                                             .unbind = fast_unbind,
                                             .release = fast_release};
