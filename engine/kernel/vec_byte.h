/*
 * Bytes: what becomes of a vector of numbers that fit into 8 bits.
 *
 * For files of this folder only.
 */
#ifndef ENGINE_KERNEL_VEC_BYTE_H
#define ENGINE_KERNEL_VEC_BYTE_H

#include "vec.h"

typedef uint8_t vq __attribute__((vector_size(VF)));

/* The low byte of each lane. */
static inline vq vq_from(vi x)
{
    vq bytes = __builtin_convertvector(x, vq);

#if defined(__AVX512F__)
    /* Narrowing straight into memory is microcode on some CPUs: six times the
     * time of narrowing into a register. */
    VF_KEEP(bytes);
#endif
    return bytes;
}

/* low + 0 .. low + 255 steps: rounded (halves to even), moved by `zero`,
 * saturated; NaN gives the lowest. */
static inline vi vi_quantize(vf steps, int32_t zero, int32_t low)
{
    /* Both ends are whole numbers, so saturating first changes nothing. */
    steps = vf_max(steps, vf_set((float)(low - zero)));
    steps = vf_min(steps, vf_set((float)(low + UINT8_MAX - zero)));
    /* As vf_round: behind the sum's exponent stands the whole number. */
    steps += vf_set(0x1.8p23F);
    return (vi)steps - vi_set(0x4B400000 - zero);
}

static inline vq vq_quantize(vf steps, int32_t zero, int32_t low)
{
    return vq_from(vi_quantize(steps, zero, low));
}

#endif
