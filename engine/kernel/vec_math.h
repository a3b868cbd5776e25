/*
 * Functions of vectors: exp and what is made of it.
 *
 * Relative errors are the largest seen over all floats of the range
 * (tests/unit/test_kernel_rows.c checks them).
 *
 * For files of this folder only.
 */
#ifndef ENGINE_KERNEL_VEC_MATH_H
#define ENGINE_KERNEL_VEC_MATH_H

#include "vec.h"

/*
 * e^x within 3e-7 relative for x in [-87, 88]; outside it stays at the ends'
 * values (above the smallest normal float, below infinity). x = n ln 2 + r,
 * |r| <= ln 2 / 2; e^r by its Taylor series to the 7th power; 2^n is put into
 * the exponent's bits.
 */
static inline vf vf_exp(vf x)
{
    vf n, r, y;

    x = vf_max(x, vf_set(-87.3F));
    x = vf_min(x, vf_set(88.3F));
    n = vf_round(x * 0x1.715476p0F);
    r = x - n * 0x1.62e400p-1F; /* ln 2 in two parts */
    r = r - n * 0x1.7f7d1cp-20F;
    y = vf_set(1.0F / 5040);
    y = y * r + 1.0F / 720;
    y = y * r + 1.0F / 120;
    y = y * r + 1.0F / 24;
    y = y * r + 1.0F / 6;
    y = y * r + 0.5F;
    y = y * r + 1.0F;
    y = y * r + 1.0F;
    return (vf)((vi)y + (vf_to_int(n) << 23));
}

#endif
