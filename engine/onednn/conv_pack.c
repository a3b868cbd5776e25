/*
 * Packs filters of convolutions.
 *
 * The orders of direct convolutions are known and filled here, with zeros for
 * channels that pad the last block. Winograd's order is oneDNN's secret: the
 * filter is padded first, then reordered by the library.
 */
#include <stdlib.h>

#include "conv_impl.h"

/* --- which order --- */

static bool has_tag(const struct onednn_conv *conv, dnnl_format_tag_t tag)
{
    const struct onednn_conv_shape *s = &conv->shape;
    dnnl_dims_t dims = {s->groups, s->out_channels / s->groups,
                        s->in_channels / s->groups, s->kernel[0], s->kernel[1]};
    int skip = s->groups == 1;
    onednn_desc desc = {0};
    bool same = onednn_desc_init(&desc, 5 - skip, dims + skip, tag) &&
                dnnl_memory_desc_equal(
                    onednn_desc_of(&desc),
                    onednn_desc_query(conv->pd, dnnl_query_weights_md));

    onednn_desc_release(&desc);
    return same;
}

bool onednn_conv_find_order(struct onednn_conv *conv)
{
    const struct onednn_conv_shape *s = &conv->shape;
    bool wide = s->block == 16;
    dnnl_format_tag_t tag;

    if (s->winograd) {
        conv->order = ONEDNN_OPAQUE;
        return true;
    }
    if (s->plain_input) {
        conv->order = ONEDNN_FIRST;
        tag = wide ? dnnl_Ohwi16o : dnnl_Ohwi8o;
    } else if (s->groups == 1) {
        conv->order = ONEDNN_DENSE;
        tag = wide ? dnnl_OIhw16i16o : dnnl_OIhw8i8o;
    } else if (s->groups == s->in_channels) {
        conv->order = ONEDNN_DEPTHWISE;
        tag = wide ? dnnl_Goihw16g : dnnl_Goihw8g;
    } else {
        conv->order = ONEDNN_DENSE;
        tag = wide ? dnnl_gOIhw16i16o : dnnl_gOIhw8i8o;
    }
    return has_tag(conv, tag);
}

size_t onednn_conv_weight_bytes(const struct onednn_conv *conv)
{
    return onednn_desc_size(onednn_desc_query(conv->pd, dnnl_query_weights_md));
}

#if DNNL_VERSION_MAJOR >= 3

/* Version 3 has no opaque orders. */
static uint64_t opaque_order(onednn_desc_view desc)
{
    (void)desc;
    return 0;
}

#else

/* FNV-1a of all numbers that make up the order. */
static uint64_t opaque_order(onednn_desc_view desc)
{
    const dnnl_wino_desc_t *w = &desc->format_desc.wino_desc;
    const uint64_t numbers[] = {
        (uint64_t)w->wino_format, (uint64_t)w->r,
        (uint64_t)w->alpha,       (uint64_t)w->ic,
        (uint64_t)w->oc,          (uint64_t)w->ic_block,
        (uint64_t)w->oc_block,    (uint64_t)w->ic2_block,
        (uint64_t)w->oc2_block,   (uint64_t)w->size};
    uint64_t hash = 0xCBF29CE484222325U;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash = (hash ^ numbers[i]) * 0x100000001B3U;
    return hash;
}

#endif

uint64_t onednn_conv_order(const struct onednn_conv *conv)
{
    if (conv->order != ONEDNN_OPAQUE)
        return (uint64_t)conv->order;
    return opaque_order(onednn_desc_query(conv->pd, dnnl_query_weights_md));
}

/* --- filling --- */

/* Element (o, i) of group g at kernel place k; 0 outside the filter. */
static float element(const struct onednn_conv_shape *s,
                     const struct onednn_filter *filter, int64_t o, int64_t i,
                     int64_t k)
{
    int64_t size = s->kernel[0] * s->kernel[1];

    if (o >= filter->outs || i >= filter->ins)
        return 0;
    return filter->elements[(o * filter->ins + i) * size + k];
}

static void pack_first(const struct onednn_conv_shape *s,
                       const struct onednn_filter *filter, float *to)
{
    for (int64_t o = 0; o < filter->padded_outs; o += s->block) {
        for (int64_t k = 0; k < s->kernel[0] * s->kernel[1]; k++) {
            for (int64_t i = 0; i < s->in_channels; i++)
                for (int64_t b = 0; b < s->block; b++)
                    *to++ = element(s, filter, o + b, i, k);
        }
    }
}

static void pack_depthwise(const struct onednn_conv_shape *s,
                           const struct onednn_filter *filter, float *to)
{
    for (int64_t g = 0; g < filter->padded_outs; g += s->block) {
        for (int64_t k = 0; k < s->kernel[0] * s->kernel[1]; k++) {
            for (int64_t b = 0; b < s->block; b++)
                *to++ = element(s, filter, g + b, 0, k);
        }
    }
}

/* One block of output channels and one of input channels. */
static float *pack_tile(const struct onednn_conv_shape *s,
                        const struct onednn_filter *filter, int64_t o,
                        int64_t i, float *to)
{
    for (int64_t k = 0; k < s->kernel[0] * s->kernel[1]; k++) {
        for (int64_t c = i; c < i + s->block; c++)
            for (int64_t b = 0; b < s->block; b++)
                *to++ = element(s, filter, o + b, c, k);
    }
    return to;
}

static void pack_dense(const struct onednn_conv_shape *s,
                       const struct onednn_filter *filter, float *to)
{
    /* Groups of whole blocks follow each other without padding. */
    for (int64_t o = 0; o < filter->padded_outs; o += s->block) {
        for (int64_t i = 0; i < s->in_channels / s->groups; i += s->block)
            to = pack_tile(s, filter, o, i, to);
    }
}

static bool pack_opaque(const struct onednn_conv *conv,
                        const struct onednn_filter *filter, float *packed)
{
    const struct onednn_conv_shape *s = &conv->shape;
    int64_t size = s->kernel[0] * s->kernel[1];
    dnnl_dims_t dims = {s->out_channels, s->in_channels, s->kernel[0],
                        s->kernel[1]};
    float *padded = calloc((size_t)(s->out_channels * s->in_channels * size),
                           sizeof *padded);
    onednn_desc desc = {0};
    bool ok;

    for (int64_t o = 0; padded && o < filter->outs; o++) {
        for (int64_t i = 0; i < filter->ins; i++)
            for (int64_t k = 0; k < size; k++)
                padded[(o * s->in_channels + i) * size + k] =
                    element(s, filter, o, i, k);
    }
    ok = padded && onednn_desc_init(&desc, 4, dims, dnnl_oihw) &&
         onednn_reorder(conv->engine, onednn_desc_of(&desc), padded,
                        onednn_desc_query(conv->pd, dnnl_query_weights_md),
                        packed);
    onednn_desc_release(&desc);
    free(padded);
    return ok;
}

bool onednn_conv_pack(const struct onednn_conv *conv,
                      const struct onednn_filter *filter, float *packed)
{
    switch (conv->order) {
    case ONEDNN_FIRST:
        pack_first(&conv->shape, filter, packed);
        return true;
    case ONEDNN_DEPTHWISE:
        pack_depthwise(&conv->shape, filter, packed);
        return true;
    case ONEDNN_DENSE:
        pack_dense(&conv->shape, filter, packed);
        return true;
    case ONEDNN_OPAQUE:
        break;
    }
    return pack_opaque(conv, filter, packed);
}

/* --- the way back --- */

/* Where element (o, i) at kernel place k is. */
static int64_t place(const struct onednn_packing *p, int64_t o, int64_t i,
                     int64_t k)
{
    int64_t b = p->block, row = o / b;

    switch ((enum onednn_order)p->order) {
    case ONEDNN_FIRST:
        return ((row * p->kernel_size + k) * p->padded_ins + i) * b + o % b;
    case ONEDNN_DEPTHWISE:
        return (row * p->kernel_size + k) * b + o % b;
    case ONEDNN_DENSE:
    case ONEDNN_OPAQUE:
        break;
    }
    row = (row * (p->padded_ins / b) + i / b) * p->kernel_size + k;
    return (row * b + i % b) * b + o % b;
}

void onednn_conv_unpack(const struct onednn_packing *packing,
                        const float *packed, float *elements)
{
    for (int64_t o = 0; o < packing->outs; o++) {
        for (int64_t i = 0; i < packing->ins; i++) {
            for (int64_t k = 0; k < packing->kernel_size; k++)
                *elements++ = packed[place(packing, o, i, k)];
        }
    }
}
