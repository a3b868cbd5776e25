/*
 * Convolution over two dimensions by oneDNN, float32.
 *
 * Activations are blocked: [n, c / block, h, w, block], the order oneDNN calls
 * nChw16c and nChw8c. The first layer of a network may read plain [n, c, h, w]
 * instead. Channel counts are those of blocked tensors, multiples of the block;
 * weights are padded with zeros when they are packed.
 *
 * A convolution is made for exact sizes. It holds no pointers to data and no
 * scratch memory, so that one object serves all threads; what carries pointers
 * is struct onednn_conv_args, one for each thread.
 *
 * Threads: a convolution is immutable; arguments belong to one thread.
 */
#ifndef ENGINE_ONEDNN_CONV_H
#define ENGINE_ONEDNN_CONV_H

#include <stddef.h>

#include "error.h"
#include "onednn.h"

/* Channels of a block that suit this CPU: 16 or 8; 0 = oneDNN has no blocked
 * convolution for it that is worth using. */
int onednn_block(void);

enum onednn_activation {
    ONEDNN_NO_ACTIVATION,
    ONEDNN_RELU,         /* x < 0 ? alpha x : x */
    ONEDNN_CLIP,         /* into [alpha, beta] */
    ONEDNN_TANH,         /* */
    ONEDNN_SIGMOID,      /* */
    ONEDNN_HARD_SIGMOID, /* alpha x + beta into [0, 1] */
    ONEDNN_HARD_SWISH,   /* x times clip(x + 3, 0, 6) / 6 */
    ONEDNN_SWISH         /* x times sigmoid(alpha x) */
};

struct onednn_conv_shape {
    int64_t batch, groups, in_channels, out_channels;
    int64_t in[2], out[2], kernel[2], stride[2], dilation[2];
    int64_t pad[2], pad_end[2];
    int block;
    bool plain_input; /* x is [n, c, h, w] */
    bool winograd;    /* the minimal filtering algorithm: rounds differently */
    bool has_bias;
    bool adds; /* y += what y holds before, then the activation */
    enum onednn_activation activation;
    float alpha, beta;
};

/* A filter as ONNX has it, [outs, ins / groups, h, w], without padding. */
struct onednn_filter {
    const float *elements;
    int64_t outs, ins;   /* ins: of one group */
    int64_t padded_outs; /* to fill, a multiple of the block */
};

struct onednn_conv;

/* NULL with `err` empty of meaning: oneDNN has no fast form for this shape. */
struct onednn_conv *onednn_conv_new(const struct onednn_conv_shape *shape);
void onednn_conv_free(struct onednn_conv *conv);

const struct onednn_conv_shape *
onednn_conv_shape_of(const struct onednn_conv *conv);

/* "jit:avx512_core": for profiles. */
const char *onednn_conv_name(const struct onednn_conv *conv);

/* Bytes of this convolution's packed weights, and of scratch memory in each
 * thread. */
size_t onednn_conv_weight_bytes(const struct onednn_conv *conv);
size_t onednn_conv_scratch_bytes(const struct onednn_conv *conv);

/* Names the order of packed weights: convolutions of the same filter and the
 * same order may share them. */
uint64_t onednn_conv_order(const struct onednn_conv *conv);

/*
 * Packs a filter. Without winograd each block of output channels is a
 * contiguous part of the result (groups = 1 or depthwise), and `padded_outs`
 * may exceed the convolution's own channels: one filter serves its parts.
 * False: memory is out (winograd only).
 */
bool onednn_conv_pack(const struct onednn_conv *conv,
                      const struct onednn_filter *filter, float *packed);

/* A packed filter of one of the known orders (not of winograd). */
struct onednn_packing {
    uint64_t order; /* onednn_conv_order() */
    int64_t kernel_size, block;
    int64_t outs, ins;  /* of the filter */
    int64_t padded_ins; /* of one group, as packed */
};

/* The filter [outs, ins, kernel_size] again, bit by bit. */
void onednn_conv_unpack(const struct onednn_packing *packing,
                        const float *packed, float *elements);

struct onednn_conv_args;

/* NULL: memory is out. */
struct onednn_conv_args *onednn_conv_args_new(const struct onednn_conv *conv);
void onednn_conv_args_free(struct onednn_conv_args *args);

struct onednn_conv_data {
    const float *x, *w, *bias; /* bias: NULL without has_bias */
    float *y;
    void *scratch; /* 64-byte aligned; not read when its size is 0 */
};
bool onednn_conv_run(const struct onednn_conv *conv,
                     struct onednn_conv_args *args,
                     const struct onednn_conv_data *data);

#endif
