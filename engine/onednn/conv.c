/*
 * Convolution by oneDNN: see conv.h. How filters are packed is conv_pack.c.
 */
#include "conv.h"

#include <stdlib.h>
#include <string.h>

#include "conv_impl.h"

int onednn_block(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();

    /* A set of bits: each instruction set has those of what it extends. */
    if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core)
        return 16;
    return (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2 ? 8 : 0;
}

/* --- what the primitive computes --- */

static bool append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind,
                           float alpha, float beta)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, beta) == dnnl_success;
#else
    return dnnl_post_ops_append_eltwise(ops, 1, kind, alpha, beta) ==
           dnnl_success;
#endif
}

static bool append_sum(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_f32) == dnnl_success;
#else
    return dnnl_post_ops_append_sum(ops, 1) == dnnl_success;
#endif
}

static bool append_hard_swish(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR >= 3
    return append_eltwise(ops, dnnl_eltwise_hardswish, 1.0F / 6, 0.5F);
#else
    return append_eltwise(ops, dnnl_eltwise_hardswish, 0, 0);
#endif
}

static bool append_activation(dnnl_post_ops_t ops,
                              const struct onednn_conv_shape *shape)
{
    switch (shape->activation) {
    case ONEDNN_RELU:
        return append_eltwise(ops, dnnl_eltwise_relu, shape->alpha, 0);
    case ONEDNN_CLIP:
        return append_eltwise(ops, dnnl_eltwise_clip, shape->alpha,
                              shape->beta);
    case ONEDNN_TANH:
        return append_eltwise(ops, dnnl_eltwise_tanh, 0, 0);
    case ONEDNN_SIGMOID:
        return append_eltwise(ops, dnnl_eltwise_logistic, 0, 0);
    case ONEDNN_HARD_SIGMOID:
        return append_eltwise(ops, dnnl_eltwise_linear, shape->alpha,
                              shape->beta) &&
               append_eltwise(ops, dnnl_eltwise_clip, 0, 1);
    case ONEDNN_HARD_SWISH:
        return append_hard_swish(ops);
    case ONEDNN_SWISH:
        return append_eltwise(ops, dnnl_eltwise_swish, shape->alpha, 0);
    case ONEDNN_NO_ACTIVATION:
        break;
    }
    return true;
}

static bool make_attr(const struct onednn_conv_shape *shape,
                      dnnl_primitive_attr_t *attr)
{
    dnnl_post_ops_t ops = NULL;
    bool ok = dnnl_primitive_attr_create(attr) == dnnl_success &&
              dnnl_primitive_attr_set_scratchpad_mode(
                  *attr, dnnl_scratchpad_mode_user) == dnnl_success &&
              dnnl_post_ops_create(&ops) == dnnl_success &&
              (!shape->adds || append_sum(ops)) &&
              append_activation(ops, shape) &&
              dnnl_primitive_attr_set_post_ops(*attr, ops) == dnnl_success;

    if (ops)
        (void)dnnl_post_ops_destroy(ops);
    return ok;
}

/* --- descriptors --- */

struct descriptors {
    onednn_desc x, w, bias, y;
};

static bool init_descriptors(const struct onednn_conv_shape *s,
                             struct descriptors *d)
{
    dnnl_format_tag_t blocked = s->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    dnnl_dims_t x = {s->batch, s->in_channels, s->in[0], s->in[1]};
    dnnl_dims_t y = {s->batch, s->out_channels, s->out[0], s->out[1]};
    dnnl_dims_t bias = {s->out_channels};
    dnnl_dims_t w = {s->groups, s->out_channels / s->groups,
                     s->in_channels / s->groups, s->kernel[0], s->kernel[1]};
    bool ok =
        onednn_desc_init(&d->x, 4, x, s->plain_input ? dnnl_nchw : blocked) &&
        onednn_desc_init(&d->y, 4, y, blocked) &&
        onednn_desc_init(&d->bias, 1, bias, dnnl_a);

    if (s->groups == 1)
        return ok && onednn_desc_init(&d->w, 4, w + 1, dnnl_format_tag_any);
    return ok && onednn_desc_init(&d->w, 5, w, dnnl_format_tag_any);
}

static void release_descriptors(struct descriptors *d)
{
    onednn_desc_release(&d->x);
    onednn_desc_release(&d->w);
    onednn_desc_release(&d->bias);
    onednn_desc_release(&d->y);
}

static bool describe(struct onednn_conv *conv, const struct descriptors *d,
                     const_dnnl_primitive_attr_t attr)
{
    const struct onednn_conv_shape *s = &conv->shape;
    dnnl_alg_kind_t algorithm =
        s->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
    const dnnl_dims_t strides = {s->stride[0], s->stride[1]};
    const dnnl_dims_t dilates = {s->dilation[0] - 1, s->dilation[1] - 1};
    const dnnl_dims_t pads = {s->pad[0], s->pad[1]};
    const dnnl_dims_t pads_end = {s->pad_end[0], s->pad_end[1]};
    onednn_desc_view bias = s->has_bias ? onednn_desc_of(&d->bias) : NULL;

#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(
               &conv->pd, conv->engine, dnnl_forward_inference, algorithm,
               onednn_desc_of(&d->x), onednn_desc_of(&d->w), bias,
               onednn_desc_of(&d->y), strides, dilates, pads, pads_end,
               attr) == dnnl_success;
#else
    dnnl_convolution_desc_t desc;

    return dnnl_dilated_convolution_forward_desc_init(
               &desc, dnnl_forward_inference, algorithm, onednn_desc_of(&d->x),
               onednn_desc_of(&d->w), bias, onednn_desc_of(&d->y), strides,
               dilates, pads, pads_end) == dnnl_success &&
           dnnl_primitive_desc_create(&conv->pd, &desc, attr, conv->engine,
                                      NULL) == dnnl_success;
#endif
}

/* Slow implementations are as good as none. */
static bool is_fast(struct onednn_conv *conv)
{
    return dnnl_primitive_desc_query(conv->pd, dnnl_query_impl_info_str, 0,
                                     &conv->name) == dnnl_success &&
           strncmp(conv->name, "jit", 3) == 0;
}

static bool init(struct onednn_conv *conv)
{
    struct descriptors descriptors = {0};
    dnnl_primitive_attr_t attr = NULL;
    bool ok = dnnl_engine_create(&conv->engine, dnnl_cpu, 0) == dnnl_success &&
              make_attr(&conv->shape, &attr) &&
              init_descriptors(&conv->shape, &descriptors) &&
              describe(conv, &descriptors, attr) && is_fast(conv) &&
              onednn_conv_find_order(conv) &&
              dnnl_primitive_create(&conv->primitive, conv->pd) == dnnl_success;

    release_descriptors(&descriptors);
    if (attr)
        (void)dnnl_primitive_attr_destroy(attr);
    return ok;
}

struct onednn_conv *onednn_conv_new(const struct onednn_conv_shape *shape)
{
    struct onednn_conv *conv = calloc(1, sizeof *conv);

    if (!conv)
        return NULL;
    conv->shape = *shape;
    if (init(conv))
        return conv;
    onednn_conv_free(conv);
    return NULL;
}

void onednn_conv_free(struct onednn_conv *conv)
{
    if (!conv)
        return;
    if (conv->primitive)
        (void)dnnl_primitive_destroy(conv->primitive);
    if (conv->pd)
        (void)dnnl_primitive_desc_destroy(conv->pd);
    if (conv->engine)
        (void)dnnl_engine_destroy(conv->engine);
    free(conv);
}

const struct onednn_conv_shape *
onednn_conv_shape_of(const struct onednn_conv *conv)
{
    return &conv->shape;
}

const char *onednn_conv_name(const struct onednn_conv *conv)
{
    return conv->name;
}

size_t onednn_conv_scratch_bytes(const struct onednn_conv *conv)
{
    return onednn_desc_size(
        onednn_desc_query(conv->pd, dnnl_query_scratchpad_md));
}

/* --- running --- */

enum { ARGS_MAX = 5 };

struct onednn_conv_args {
    dnnl_stream_t stream;
    dnnl_exec_arg_t list[ARGS_MAX];
    int count;
};

static bool add_arg(const struct onednn_conv *conv,
                    struct onednn_conv_args *args, int arg, dnnl_query_t what)
{
    dnnl_exec_arg_t *to = &args->list[args->count];
    onednn_desc_view desc =
        arg == DNNL_ARG_BIAS ? dnnl_primitive_desc_query_md(conv->pd, what, 1)
                             : onednn_desc_query(conv->pd, what);

    to->arg = arg;
    if (dnnl_memory_create(&to->memory, desc, conv->engine, DNNL_MEMORY_NONE) !=
        dnnl_success)
        return false;
    args->count++;
    return true;
}

struct onednn_conv_args *onednn_conv_args_new(const struct onednn_conv *conv)
{
    struct onednn_conv_args *args = calloc(1, sizeof *args);

    if (args &&
        dnnl_stream_create(&args->stream, conv->engine,
                           dnnl_stream_default_flags) == dnnl_success &&
        add_arg(conv, args, DNNL_ARG_SRC, dnnl_query_src_md) &&
        add_arg(conv, args, DNNL_ARG_WEIGHTS, dnnl_query_weights_md) &&
        add_arg(conv, args, DNNL_ARG_DST, dnnl_query_dst_md) &&
        add_arg(conv, args, DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md) &&
        (!conv->shape.has_bias ||
         add_arg(conv, args, DNNL_ARG_BIAS, dnnl_query_weights_md)))
        return args;
    onednn_conv_args_free(args);
    return NULL;
}

void onednn_conv_args_free(struct onednn_conv_args *args)
{
    if (!args)
        return;
    for (int i = 0; i < args->count; i++)
        (void)dnnl_memory_destroy(args->list[i].memory);
    if (args->stream)
        (void)dnnl_stream_destroy(args->stream);
    free(args);
}

/* The library takes all pointers as writable; it writes y and scratch only. */
static void *writable(const void *data)
{
    void *result;

    memcpy(&result, &data, sizeof result);
    return result;
}

static void *data_of(int arg, const struct onednn_conv_data *data)
{
    switch (arg) {
    case DNNL_ARG_SRC:
        return writable(data->x);
    case DNNL_ARG_WEIGHTS:
        return writable(data->w);
    case DNNL_ARG_BIAS:
        return writable(data->bias);
    case DNNL_ARG_SCRATCHPAD:
        return data->scratch;
    default:
        return data->y;
    }
}

bool onednn_conv_run(const struct onednn_conv *conv,
                     struct onednn_conv_args *args,
                     const struct onednn_conv_data *data)
{
    for (int i = 0; i < args->count; i++) {
        if (dnnl_memory_set_data_handle(args->list[i].memory,
                                        data_of(args->list[i].arg, data)) !=
            dnnl_success)
            return false;
    }
    return dnnl_primitive_execute(conv->primitive, args->stream, args->count,
                                  args->list) == dnnl_success;
}
