/*
 * Functions of vectors: exp, log, erf, tanh and what is made of them.
 *
 * Errors are the largest seen over dense samples of all floats
 * (tests/unit/test_kernel_map.c holds them to it). NaN gives NaN; infinities
 * give the functions' limits. Results below the smallest normal float may be 0.
 *
 * For files of this folder only.
 */
#ifndef ENGINE_KERNEL_VEC_MATH_H
#define ENGINE_KERNEL_VEC_MATH_H

#include "vec.h"

/* c[0] + c[1] x + ... + c[degree] x^degree; constant degrees unroll. */
static inline vf vf_polynomial(vf x, const float *c, int degree)
{
    vf y = vf_set(c[degree]);

    for (int i = degree - 1; i >= 0; i--)
        y = y * x + c[i];
    return y;
}

/* Splits x = n ln 2 + r, |r| <= ln 2 / 2; |x| < 2^20. */
static inline vf vf_exp_split(vf x, vf *n)
{
    vf r;

    *n = vf_round(x * 0x1.715476p0F);
    r = x - *n * 0x1.62e400p-1F; /* ln 2 in two parts */
    return r - *n * 0x1.7f7d1cp-20F;
}

/* y 2^n */
static inline vf vf_scale(vf y, vf n)
{
#if defined(__AVX512F__)
    return (vf)_mm512_scalef_ps((__m512)y, (__m512)n);
#else
    return (vf)((vi)y + (vf_to_int(n) << 23));
#endif
}

/*
 * e^x within 3e-7 relative: e^r by its Taylor series to the 7th power, times
 * 2^n. Below -87.33 it is 0 without AVX-512.
 */
static inline vf vf_exp(vf x)
{
    static const float c[] = {1,         1,          0.5F,       1.0F / 6,
                              1.0F / 24, 1.0F / 120, 1.0F / 720, 1.0F / 5040};
    vf n, r, y;

#if defined(__AVX512F__)
    r = vf_exp_split(vf_min(vf_set(90), vf_max(vf_set(-105), x)), &n);
    y = vf_scale(vf_polynomial(r, c, 7), n);
#else
    const vf low = vf_set(-87.33F), high = vf_set(88.7228F);

    r = vf_exp_split(vf_min(high, vf_max(low, x)), &n);
    y = vf_scale(vf_polynomial(r, c, 7), n);
    y = vf_below(x, low, vf_set(0), y);
    y = vf_below(high, x, vf_set(INFINITY), y);
#endif
    return y;
}

/* e^x - 1 within 4e-7 relative: 2^n (e^r - 1) + (2^n - 1). */
static inline vf vf_expm1(vf x)
{
    static const float c[] = {0.5F,       1.0F / 6,   1.0F / 24,
                              1.0F / 120, 1.0F / 720, 1.0F / 5040};
    const vf high = vf_set(88.37F); /* from here on 2^n is no float */
    vf n, r, scale, y;

    r = vf_exp_split(vf_min(high, vf_max(vf_set(-25), x)), &n);
    scale = vf_scale(vf_set(1), n);
    y = scale * (r + r * r * vf_polynomial(r, c, 5)) + (scale - 1.0F);
    return vf_below(high, x, vf_exp(x), y);
}

/* ln x within 2e-7 relative: x = 2^n m, m in [sqrt(1/2), sqrt(2)), and a
 * polynomial in m - 1. */
static inline vf vf_log(vf x)
{
    static const float c[] = {0x1.555548p-2F,  -0x1.000006p-2F, 0x1.99a4b6p-3F,
                              -0x1.555c4ep-3F, 0x1.233768p-3F,  -0x1.fc2208p-4F,
                              0x1.e6f06cp-4F,  -0x1.de3c14p-4F, 0x1.1457a2p-4F};
    const vf least = vf_set(0x1p-126F);
    vf normal = vf_below(x, least, x * 0x1p23F, x);
    vi bits = (vi)normal, n = (bits - 0x3f3504f3) >> 23;
    vf scale = __builtin_convertvector(n, vf);
    vf f = (vf)(bits - (n << 23)) - 1.0F, square = f * f, y;

    scale -= vf_below(x, least, vf_set(23), vf_set(0));
    y = square * f * vf_polynomial(f, c, 8) - 0.5F * square;
    y += scale * 0x1.7f7d1cp-20F;
    y = y + f + scale * 0x1.62e400p-1F;
    y = vf_below(x, vf_set(INFINITY), y, x); /* infinity and NaN stay */
    y = vf_below(vf_set(0), x, y, x - vf_set(INFINITY));
    return vf_below(x, vf_set(0), vf_set(NAN), y);
}

/* ln(1 + x) for x >= 0 within 4e-7 relative. */
static inline vf vf_log1p(vf x)
{
    vf u = 1.0F + x, lost;

    VF_KEEP(u);
    lost = x - (u - 1.0F); /* what the sum had no room for */
    return vf_log(u) + vf_below(x, vf_set(0x1p24F), lost / u, vf_set(0));
}

/*
 * erf x within 4e-7 relative: an odd rational function fitted to it up to 3.93,
 * 1 beyond (as it rounds there).
 */
static inline vf vf_erf(vf x)
{
    static const float p[] = {0x1.20dd74p+0F, 0x1.86b92ep-3F,  0x1.b074fep-5F,
                              0x1.ef6548p-9F, 0x1.2aa47cp-12F, 0x1.1211d6p-19F};
    static const float q[] = {1,
                              0x1.013bd6p-1F,
                              0x1.d3ff4ap-4F,
                              0x1.eb6ef2p-7F,
                              0x1.317370p-10F,
                              0x1.3ecd32p-15F};
    vf square = x * x;
    vf y = x * vf_polynomial(square, p, 5) / vf_polynomial(square, q, 5);

    return vf_below(vf_set(3.93F), vf_abs(x), vf_with_sign(vf_set(1), x), y);
}

/* tanh x within 4e-7 relative: as erf, up to 9.02. */
static inline vf vf_tanh(vf x)
{
    static const float p[] = {1, 0x1.120448p-3F, 0x1.c9f88ap-9F,
                              0x1.5955c2p-16F, 0x1.c9a4c4p-27F};
    static const float q[] = {1, 0x1.de576ep-2F, 0x1.a7df3ep-6F,
                              0x1.584218p-12F, 0x1.a0b90ap-21F};
    vf square = x * x;
    vf y = x * vf_polynomial(square, p, 4) / vf_polynomial(square, q, 4);

    return vf_below(vf_set(9.02F), vf_abs(x), vf_with_sign(vf_set(1), x), y);
}

/* 1 / (1 + e^-x) within 4e-7 relative. */
static inline vf vf_sigmoid(vf x)
{
    return 1.0F / (1.0F + vf_exp(-x));
}

/* max(x, 0) + ln(1 + e^-|x|) */
static inline vf vf_softplus(vf x)
{
    return vf_max(vf_set(0), x) + vf_log1p(vf_exp(-vf_abs(x)));
}

/* 2^x for -126 <= x <= 126 within 2e-7 relative. */
static inline vf vf_exp2(vf x)
{
    static const float c[] = {0x1.0p+0F,       0x1.62e43p-1F,  0x1.ebfbep-3F,
                              0x1.c6b08ep-5F,  0x1.3b2ab6p-7F, 0x1.5d87fep-10F,
                              0x1.430912p-13F, 0x1.ffcbfcp-17F};
    vf n = vf_round(x);

    return vf_scale(vf_polynomial(x - n, c, 7), n);
}

/*
 * x / 2 (1 + erf(x / sqrt(2))) within 1.2e-7, or 3e-6 relative. It is max(x, 0)
 * - |x| h, h the normal distribution at -|x|: small results do not suffer from
 * 1 - erf. log2 h is a polynomial in |x| up to 7; beyond, |x| h is below 1e-11.
 */
static inline vf vf_gelu(vf x)
{
    static const float p[] = {
        -0x1.fffff2p-1F,  -0x1.26afdep+0F,  -0x1.d61fd2p-2F,  -0x1.b00fa6p-5F,
        0x1.e1080ep-8F,   -0x1.30f7c6p-12F, -0x1.3bd162p-13F, 0x1.5c182ep-15F,
        -0x1.64c194p-18F, 0x1.812cbep-22F,  -0x1.5eceb8p-27F};
    vf size = vf_abs(x), tail;

    tail = size * vf_exp2(vf_polynomial(size, p, 10));
    tail = vf_below(vf_set(7), size, vf_set(0), tail);
    return vf_max(vf_set(0), x) - tail;
}

/* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); (1 + tanh u) / 2 is
 * 1 / (1 + e^-2u), without cancellation. */
static inline vf vf_gelu_tanh(vf x)
{
    vf u = x * (1.5957691216F + 0.0713548163F * x * x);

    return x * vf_sigmoid(u);
}

#endif
