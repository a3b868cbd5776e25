/*
 * Conv parts: see conv_parts.h.
 */
#include "conv_parts.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* --- cutting --- */

static struct conv_split cut(int64_t count, int64_t parts)
{
    if (parts > count)
        parts = count;
    return (struct conv_split){parts, count / parts, count % parts};
}

int64_t conv_split_begin(const struct conv_split *split, int64_t i)
{
    return i * split->size + (i < split->more ? i : split->more);
}

static bool part_has_more(const struct conv_split *split, int64_t i)
{
    return i < split->more;
}

static struct onednn_conv *form_of(const struct conv_parts *state, int64_t part)
{
    return state->form[part_has_more(&state->blocks, part)];
}

bool conv_parts_accept(const struct op_node *op)
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
                                         const struct conv_parts *state,
                                         int64_t blocks)
{
    const struct op_conv_blocked *base = &state->base;
    const struct op_conv *conv = &base->conv;
    struct onednn_conv_shape shape = {.batch = 1,
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

static void free_forms(struct conv_parts *state)
{
    for (int i = 0; i < CONV_FORMS; i++) {
        onednn_conv_free(state->form[i]);
        state->form[i] = NULL;
    }
}

/* All forms that parts need; false: oneDNN does not take one. */
static bool make_forms(const struct op_node *op, struct conv_parts *state)
{
    const struct conv_split *blocks = &state->blocks;
    bool ok = true;

    for (int i = 0; ok && i < CONV_FORMS; i++) {
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

/* --- weights --- */

/* What op_pack() needs to know; the key ends at `conv`. */
struct filter_key {
    struct onednn_packing packing;
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

static void unpack_filter(const void *packed, void *weight, const void *how)
{
    const struct filter_key *key = how;

    onednn_conv_unpack(&key->packing, packed, weight);
}

static struct onednn_packing packing_of(const struct conv_parts *state,
                                        const struct onednn_conv *conv)
{
    const struct op_conv *c = &state->base.conv;
    const struct onednn_conv_shape *shape = onednn_conv_shape_of(conv);

    return (struct onednn_packing){.order = onednn_conv_order(conv),
                                   .kernel_size = c->kernel_size,
                                   .block = state->base.block,
                                   .outs = c->out_channels,
                                   .ins = c->in_channels / c->groups,
                                   .padded_ins =
                                       shape->in_channels / shape->groups};
}

/* Packs range[1] blocks of output channels from range[0] on. A filter that is
 * packed as a whole need not stay. */
static const float *pack_blocks(struct op_node *op, struct conv_parts *state,
                                const struct onednn_conv *conv,
                                const int64_t range[2], struct error *err)
{
    const struct op_conv *c = &state->base.conv;
    int64_t block = state->base.block, first = range[0] * block;
    int64_t left = c->out_channels - first;
    int64_t own = onednn_conv_shape_of(conv)->out_channels / block;
    bool ok = true;
    struct filter_key how = {.packing = packing_of(state, conv),
                             .begin = first,
                             .padded_outs = range[1] * block,
                             .conv = conv,
                             .ok = &ok};
    struct op_pack_key key = {op->in[1]->data, pack_filter, &how,
                              offsetof(struct filter_key, conv)};
    const float *packed;

    how.filter = (struct onednn_filter){
        .elements = (const float *)op->in[1]->data +
                    first * how.packing.ins * c->kernel_size,
        .outs = left < how.padded_outs ? left : how.padded_outs,
        .ins = how.packing.ins,
        .padded_outs = how.padded_outs};
    packed = op_pack_only(
        op, &key, state->base.winograd ? NULL : unpack_filter,
        onednn_conv_weight_bytes(conv) / (size_t)own * (size_t)range[1], err);
    if (packed && !ok) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory to pack weights");
        return NULL;
    }
    return packed;
}

/* Direct: all blocks at once, parts point into them. */
static bool pack_direct(struct op_node *op, struct conv_parts *state,
                        struct error *err)
{
    const struct onednn_conv *conv = form_of(state, 0);
    const int64_t all[2] = {0, state->out_blocks};
    int64_t own = onednn_conv_shape_of(conv)->out_channels / state->base.block;
    size_t each = onednn_conv_weight_bytes(conv) / (size_t)own / sizeof(float);
    const float *packed = pack_blocks(op, state, conv, all, err);

    for (int64_t i = 0; packed && i < state->blocks.parts; i++)
        state->packed[i] =
            packed + (size_t)conv_split_begin(&state->blocks, i) * each;
    return packed != NULL;
}

static bool pack_parts(struct op_node *op, struct conv_parts *state,
                       struct error *err)
{
    for (int64_t i = 0; i < state->blocks.parts; i++) {
        const int64_t range[2] = {conv_split_begin(&state->blocks, i),
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

static bool pad_bias(struct op_node *op, struct conv_parts *state,
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

static size_t scratch_of(const struct conv_parts *state)
{
    size_t most = 0;

    for (int i = 0; i < CONV_FORMS; i++) {
        size_t size =
            state->form[i] ? onednn_conv_scratch_bytes(state->form[i]) : 0;

        most = size > most ? size : most;
    }
    return (most + 63) & ~(size_t)63;
}

bool conv_parts_init(struct conv_parts *state, struct op_node *op,
                     const struct conv_cut *how, struct error *err)
{
    const struct op_conv *conv;
    int64_t block_parts = how->block_parts;

    state->base = *how->base;
    conv = &state->base.conv;
    state->in_blocks = op_blocks(conv->in_channels, state->base.block);
    state->out_blocks = op->out[0]->dims[1];
    state->depthwise = conv->groups > 1 && conv->groups == conv->in_channels &&
                       conv->groups == conv->out_channels;
    if (conv->groups > 1 && !state->depthwise)
        block_parts = 1;
    state->blocks = cut(state->out_blocks, block_parts);
    state->base.winograd = winograd_pays(&state->base);
    if (!make_forms(op, state)) {
        state->base.winograd = false;
        if (!make_forms(op, state))
            return true;
    }
    state->packed =
        op_alloc(op, (size_t)state->blocks.parts * sizeof *state->packed, err);
    state->scratch_bytes = scratch_of(state);
    return state->packed && pad_bias(op, state, err) &&
           (state->base.winograd ? pack_parts(op, state, err)
                                 : pack_direct(op, state, err));
}

void conv_parts_release(struct conv_parts *state)
{
    free_forms(state);
}

/* --- running --- */

/* Arguments by thread and form. */
struct conv_bound {
    int count;
    struct onednn_conv_args *args[];
};

void conv_parts_unbind(struct conv_bound *bound)
{
    for (int i = 0; bound && i < bound->count; i++)
        onednn_conv_args_free(bound->args[i]);
    free(bound);
}

struct conv_bound *conv_parts_bind(const struct conv_parts *state, int threads,
                                   struct error *err)
{
    int count = CONV_FORMS * threads;
    struct conv_bound *bound =
        calloc(1, sizeof *bound + (size_t)count * sizeof bound->args[0]);
    bool ok = bound != NULL;

    if (bound)
        bound->count = count;
    for (int i = 0; ok && i < count; i++) {
        const struct onednn_conv *conv = state->form[i % CONV_FORMS];

        if (conv)
            bound->args[i] = onednn_conv_args_new(conv);
        ok = !conv || bound->args[i];
    }
    if (ok)
        return bound;
    conv_parts_unbind(bound);
    fail(err, ERR_OUT_OF_MEMORY, "no memory for a convolution");
    return NULL;
}

bool conv_parts_run(const struct conv_parts *state, struct conv_bound *bound,
                    const struct conv_part *part)
{
    int64_t i = part->block_part;
    int64_t first = conv_split_begin(&state->blocks, i) * state->base.block;
    int form = part_has_more(&state->blocks, i);
    struct onednn_conv_data data = {.x = part->x,
                                    .w = state->packed[i],
                                    .bias = state->bias ? state->bias + first
                                                        : NULL,
                                    .y = part->y,
                                    .scratch = part->scratch};

    return onednn_conv_run(state->form[form],
                           bound->args[part->thread * CONV_FORMS + form],
                           &data);
}
