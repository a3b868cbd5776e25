/*
 * Blocked: activations of convolutional networks as [n, c / block, h, w,
 * block], the channels of a block side by side, which is what vectors of 8 or
 * 16 lanes want. Channels that fill up the last block hold finite numbers of
 * no meaning; whoever reads them must not let them matter (weights of 0).
 *
 * Element-wise operators, Concat of whole blocks and broadcasting of
 * [n, c / block, 1, 1, block] need no forms of their own.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_BLOCKED_H
#define ENGINE_OPS_BLOCKED_H

#include "conv.h"
#include "fused.h"

enum {
    OP_BLOCK_MAX = 64,
    OP_BLOCKED_SHARE = 1 << 16 /* elements from which helpers are worth it */
};

static inline int64_t op_blocks(int64_t channels, int64_t block)
{
    return (channels + block - 1) / block;
}

/*
 * Input i is blocked float32.
 *   ERR_MODEL_INVALID  another rank, or a block outside [1, OP_BLOCK_MAX]
 *   ERR_MODEL_UNSUPPORTED  another type
 */
bool op_blocked_input(const struct op_node *op, size_t i, struct error *err);

/* The plain shape [n, channels, h, w] of a blocked tensor; no elements. */
struct eng_tensor op_blocked_plain(const struct eng_tensor *x,
                                   int64_t channels);

/* op_node.state of ConvBlocked after infer. */
struct op_conv_blocked {
    struct op_conv conv; /* channels as the weights have them */
    struct op_fused fused;
    int64_t block;
    bool plain_input; /* x is [n, c, h, w] */
    bool winograd;    /* may round as Winograd's algorithm does */
};

/* The infer of every ConvBlocked row. Errors: see conv_blocked.c. */
bool op_conv_blocked_infer(struct op_node *op, struct error *err);

/* The reference; the fast form falls back on it. */
extern const struct op_impl op_conv_blocked;

#endif
