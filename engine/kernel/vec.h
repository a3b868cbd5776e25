/*
 * Vectors of the build at hand: as many floats as one register holds.
 *
 * The types are the compilers' own vectors, so + - * / and comparisons work on
 * them, a * b + c becomes one instruction where there is one, and the same
 * source serves SSE2, AVX2, AVX-512 and other machines. What has no operator is
 * a function here.
 *
 * For files of this folder only.
 */
#ifndef ENGINE_KERNEL_VEC_H
#define ENGINE_KERNEL_VEC_H

#include <math.h>
#include <string.h>

#include "isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { VF = 16 };
#elif defined(__AVX2__)
enum { VF = 8 };
#else
enum { VF = 4 };
#endif

#if defined(__AVX512F__)
typedef float vf __attribute__((vector_size(64), may_alias));
typedef int32_t vi __attribute__((vector_size(64), may_alias));
typedef float vf_loose __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t vi_loose
    __attribute__((vector_size(64), aligned(4), may_alias));
#elif defined(__AVX2__)
typedef float vf __attribute__((vector_size(32), may_alias));
typedef int32_t vi __attribute__((vector_size(32), may_alias));
typedef float vf_loose __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t vi_loose
    __attribute__((vector_size(32), aligned(4), may_alias));
#else
typedef float vf __attribute__((vector_size(16), may_alias));
typedef int32_t vi __attribute__((vector_size(16), may_alias));
typedef float vf_loose __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t vi_loose
    __attribute__((vector_size(16), aligned(4), may_alias));
#endif

static inline vf vf_set(float x)
{
    return x - (vf){0};
}

static inline vi vi_set(int32_t x)
{
    return x - (vi){0};
}

static inline vf vf_load(const float *p)
{
    return *(const vf_loose *)p;
}

static inline void vf_store(float *p, vf x)
{
    *(vf_loose *)p = x;
}

/* The first `count` (0 to VF) elements; the others are 0. */
static inline vf vf_load_part(const float *p, int64_t count)
{
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1U << count) - 1), p);
#else
    vf x = {0};

    memcpy(&x, p, (size_t)count * sizeof *p);
    return x;
#endif
}

static inline void vf_store_part(float *p, vf x, int64_t count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1U << count) - 1), (__m512)x);
#else
    memcpy(p, &x, (size_t)count * sizeof *p);
#endif
}

/* yes where `mask` is all ones, no where it is 0 (as comparisons give it). */
static inline vf vf_choose(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

/* a < b ? yes : no; no where one of them is NaN. */
static inline vf vf_below(vf a, vf b, vf yes, vf no)
{
#if defined(__AVX512F__)
    __mmask16 less = _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);

    return (vf)_mm512_mask_blend_ps(less, (__m512)no, (__m512)yes);
#else
    return vf_choose(a < b, yes, no);
#endif
}

static inline vf vf_abs(vf x)
{
    return (vf)((vi)x & vi_set(INT32_MAX));
}

/* `size` >= 0 with the sign of `x`. */
static inline vf vf_with_sign(vf size, vf x)
{
    return (vf)((vi)size | ((vi)x & vi_set(INT32_MIN)));
}

/* The larger one; b where one of them is NaN. */
static inline vf vf_max(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vf_choose(a > b, a, b);
#endif
}

/* The smaller one; b where one of them is NaN. */
static inline vf vf_min(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return vf_choose(a < b, a, b);
#endif
}

/* Before a loop of few constant rounds: all of them side by side, so that arrays
 * indexed by it live in registers. */
#if defined(__clang__)
#define VEC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VEC_UNROLL _Pragma("GCC unroll 16")
#endif

/* The compiler may not look through `x`. */
#if defined(__AVX512F__)
#define VF_KEEP(x) __asm__("" : "+v"(x))
#elif defined(__x86_64__)
#define VF_KEEP(x) __asm__("" : "+x"(x))
#else
#define VF_KEEP(x) __asm__("" : "+w"(x))
#endif

/* Nearest integer, halves to even; |x| < 2^22. */
static inline vf vf_round(vf x)
{
    const vf shift = vf_set(0x1.8p23F);

    /* The sum has no room for a fraction. */
    vf sum = x + shift;
    VF_KEEP(sum);
    return sum - shift;
}

static inline vi vf_to_int(vf x)
{
    return __builtin_convertvector(x, vi);
}

static inline float vf_sum(vf x)
{
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)x);
#else
    float sum = 0;

    for (int i = 0; i < VF; i++)
        sum += x[i];
    return sum;
#endif
}

static inline float vf_largest(vf x)
{
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)x);
#else
    float max = x[0];

    for (int i = 1; i < VF; i++)
        max = x[i] > max ? x[i] : max;
    return max;
#endif
}

#endif
