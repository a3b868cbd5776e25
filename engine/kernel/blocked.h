/*
 * Blocked: loops over activations in blocks of channels, see ops/blocked.h.
 *
 *   to_blocked(order, x, y)     x [channels, size] -> y [size, block], the
 *                               channels behind `channels` 0
 *   from_blocked(order, x, y)   the way back
 *   pool_blocked(pool, x, y)    one block of one image: x [in0, in1, block],
 *                               y [out0, out1, block]; maximum or mean of each
 *                               window, 0 for a window in the border alone
 */
#ifndef ENGINE_KERNEL_BLOCKED_H
#define ENGINE_KERNEL_BLOCKED_H

#include "kernel.h"

struct kernel_order {
    int64_t size, channels, block;
};

struct kernel_pool {
    int64_t in[2], out[2], kernel[2], stride[2], dilation[2], pad[2];
    int64_t pad_end[2], block;
    bool is_max;
    bool count_pad; /* the mean counts the border's zeros */
};

#endif
