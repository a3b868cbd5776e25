/*
 * Depthwise convolution of 8-bit integers whose channels lie together.
 *
 *   sum[p, c] = shift[c] + sum over t of x[p, t, c] (w[c, t] - w_zero[c])
 *   y[p, c]   = saturate(round(sum * scale[c] + bias[c]) + y_zero); halves go
 *               to even
 *
 * x[p, t] is a pointer to the pixel that tap t of position p sees; what lies in
 * the border points to a pixel of zero points. Sums are exact and wrap at 32
 * bits; every build gives the same.
 *
 *   depth_i8_packed_size(taps, channels)   bytes of packed weights
 *   depth_i8_pack(source, packed)          packed: 64-byte aligned
 *   depth_i8(d)
 */
#ifndef ENGINE_KERNEL_DEPTH_I8_H
#define ENGINE_KERNEL_DEPTH_I8_H

#include "kernel.h"

/* Pointers of a position: taps rounded up to a multiple of this; the rest
 * points anywhere that may be read. */
enum { DEPTH_I8_GROUP = 4 };

struct depth_i8_source {
    const void *w;     /* [channels, taps], int8 or uint8 */
    const void *zeros; /* of the same type */
    int64_t zero_step; /* 0 = one for all, 1 = one for each channel */
    int64_t taps, channels;
    bool is_signed;
};

/* In front of packed weights. */
struct depth_i8_head {
    _Alignas(64) int64_t taps, channels;
    bool narrow;    /* every w - w_zero is an int8 */
    int32_t sums[]; /* [channels], of w - w_zero */
};

struct depth_i8 {
    const struct depth_i8_head *weights;
    const uint8_t *const *x; /* [positions, taps rounded up] */
    int64_t positions;
    uint8_t flip; /* 0x80 makes int8 x uint8, of which shift speaks */
    const int32_t *shift;
    const float *scale, *bias;
    uint8_t *y;            /* rows of channels, one behind the other */
    int32_t y_zero, y_low; /* y_low: 0 for uint8, -128 for int8 */
};

#endif
