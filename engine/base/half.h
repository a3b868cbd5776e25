/*
 * Half: float16 (IEEE binary16) and bfloat16 to and from float.
 *
 * Both are storage types here: arithmetic is done in float. Narrowing rounds to
 * the nearest value, ties to even; what is too large becomes infinite, NaN
 * stays NaN. Widening is exact.
 *
 * Threads: no state.
 */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t half_bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float half_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* float16 -> float */
static inline float half_f16_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    uint32_t exponent = half >> 10 & 0x1fU, mantissa = half & 0x3ffU;

    if (exponent == 0x1f)
        return half_of_bits(sign | 0x7f800000U | mantissa << 13);
    if (exponent == 0) /* a multiple of the smallest subnormal, 2^-24 */
        return (sign ? -1.0F : 1.0F) * (float)mantissa * 0x1p-24F;
    return half_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* float -> float16 */
static inline uint16_t half_f16_of_float(float value)
{
    uint32_t bits = half_bits_of(value), size = bits & 0x7fffffffU;
    uint32_t sign = bits >> 16 & 0x8000U;

    if (size > 0x7f800000U)
        return (uint16_t)(sign | 0x7e00U);
    if (size >= 0x477ff000U) /* 65520 and more */
        return (uint16_t)(sign | 0x7c00U);
    /* Below 2^-14 the steps are 2^-24, which is what a float at 0.5 has. */
    if (size < 0x38800000U)
        return (uint16_t)(sign | (half_bits_of(half_of_bits(size) + 0.5F) -
                                  half_bits_of(0.5F)));
    size += 0xfffU + (size >> 13 & 1);
    return (uint16_t)(sign | (size - 0x38000000U) >> 13);
}

/* bfloat16 -> float */
static inline float half_bf16_to_float(uint16_t half)
{
    return half_of_bits((uint32_t)half << 16);
}

/* float -> bfloat16 */
static inline uint16_t half_bf16_of_float(float value)
{
    uint32_t bits = half_bits_of(value);

    if ((bits & 0x7fffffffU) > 0x7f800000U)
        return (uint16_t)(bits >> 16 | 0x40U);
    return (uint16_t)((bits + 0x7fffU + (bits >> 16 & 1)) >> 16);
}

/*
 * double -> float for narrowing further: what is lost sets the last bit
 * ("round to odd"), so that the second rounding sees it.
 */
static inline float half_step_down(double value)
{
    float near = (float)value;
    double size = value < 0 ? -value : value;
    double near_size = (double)(near < 0 ? -near : near);
    uint32_t bits = half_bits_of(near);

    if (value != value || near_size == size)
        return near;
    return half_of_bits((near_size > size ? bits - 1 : bits) | 1);
}

#endif
