/*
 * What conv.c and conv_pack.c share.
 *
 * Threads: see conv.h.
 */
#ifndef ENGINE_ONEDNN_CONV_IMPL_H
#define ENGINE_ONEDNN_CONV_IMPL_H

#include "conv.h"
#include "descriptor.h"

/* Orders of packed weights, b = block. */
enum onednn_order {
    ONEDNN_DENSE,     /* [g, o / b, i / b, h, w, b of i, b of o] */
    ONEDNN_FIRST,     /* [o / b, h, w, i, b of o] */
    ONEDNN_DEPTHWISE, /* [g / b, h, w, b of g] */
    ONEDNN_OPAQUE     /* only oneDNN knows */
};

struct onednn_conv {
    struct onednn_conv_shape shape;
    enum onednn_order order;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    const char *name;
};

/* Sets conv->order from conv->pd; false: an order that nobody packs. */
bool onednn_conv_find_order(struct onednn_conv *conv);

#endif
