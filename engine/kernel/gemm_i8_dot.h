/*
 * Dot: four products of uint8 and int8, added to 32 bits, in every lane.
 *
 * With VNNI one instruction (vpdpbusd). vpmaddubsw would be the obvious
 * substitute, but it saturates at 16 bits and is wrong for weights beyond 64:
 * elsewhere both sides are widened to 16 bits, even and odd bytes apart, and
 * vpmaddwd adds two products exactly. What is loaded once and used several
 * times (a for all vectors of a row, w for all rows) is widened once.
 *
 * For gemm_i8_tile.c only.
 */
#ifndef ENGINE_KERNEL_GEMM_I8_DOT_H
#define ENGINE_KERNEL_GEMM_I8_DOT_H

#include "vec.h"

#if defined(__AVX512VNNI__) || !defined(__x86_64__)
struct dot_side {
    vi bytes;
};
#else
struct dot_side {
    vi even, odd; /* 16-bit halves */
};
#endif

#define DOT_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512VNNI__)
DOT_INLINE struct dot_side dot_a(int32_t four)
{
    return (struct dot_side){vi_set(four)};
}

DOT_INLINE struct dot_side dot_w(const void *p)
{
    return (struct dot_side){*(const vi *)p};
}

DOT_INLINE vi dot_add(vi sum, struct dot_side a, struct dot_side w)
{
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a.bytes,
                                   (__m512i)w.bytes);
}
#elif defined(__x86_64__)
typedef int16_t vh __attribute__((vector_size(VF * 4), may_alias));

DOT_INLINE struct dot_side dot_a(int32_t four)
{
    vi x = vi_set(four), low = vi_set(0x00FF00FF);

    return (struct dot_side){x & low, (x >> 8) & low};
}

DOT_INLINE struct dot_side dot_w(const void *p)
{
    vh x = *(const vh *)p;

    return (struct dot_side){(vi)((x << 8) >> 8), (vi)(x >> 8)};
}

/* Sums of neighbouring 16-bit products. */
DOT_INLINE vi dot_pairs(vi a, vi b)
{
#if defined(__AVX512BW__)
    return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return (vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
#endif
}

DOT_INLINE vi dot_add(vi sum, struct dot_side a, struct dot_side w)
{
    return sum + dot_pairs(a.even, w.even) + dot_pairs(a.odd, w.odd);
}
#else
DOT_INLINE struct dot_side dot_a(int32_t four)
{
    return (struct dot_side){vi_set(four)};
}

DOT_INLINE struct dot_side dot_w(const void *p)
{
    return (struct dot_side){*(const vi *)p};
}

DOT_INLINE vi dot_add(vi sum, struct dot_side a, struct dot_side w)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        sum += ((a.bytes >> (24 - shift)) & 0xFF) * ((w.bytes << shift) >> 24);
    return sum;
}
#endif

#endif
