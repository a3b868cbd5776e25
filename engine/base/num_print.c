/*
 * Num, printing: Schubfach (R. Giulietti, "The Schubfach way to render
 * doubles", 2020): of all decimals that round to the value, one with the
 * fewest digits, and of those the nearest.
 */
#include "num.h"

#include <stdlib.h>
#include <string.h>

#include "num_pow10.h"

/* floor(log10(2^q)), or of 3/4 * 2^q at the lower end of a binade */
static int floor_log10_pow2(int q, bool closer)
{
    return (q * 1262611 - (closer ? 524031 : 0)) >> 22;
}

/* What Schubfach compares, all scaled by 4 * 10^-k. */
struct interval {
    uint64_t lower, value, upper; /* inclusive */
    int exponent;                 /* k */
};

/* The product's high word, its last bit set if anything was cut off. */
static uint64_t round_to_odd(int exponent, uint64_t factor)
{
    uint64_t high = num_pow10[exponent - POW10_MIN].high;
    uint64_t low = num_pow10[exponent - POW10_MIN].low;
    wide product = (wide)high * factor + (uint64_t)(((wide)low * factor) >> 64);

    return (uint64_t)(product >> 64) | ((uint64_t)product > 1);
}

/* The same with a 64-bit power, enough for a float. */
static uint64_t round_to_odd_float(int exponent, uint64_t factor)
{
    /* the table rounds up; so does its first half, if anything follows */
    uint64_t power = num_pow10[exponent - POW10_MIN].high +
                     (num_pow10[exponent - POW10_MIN].low != 0);
    wide product = (wide)power * factor;

    return (uint64_t)(product >> 64) |
           ((uint32_t)((uint64_t)product >> 32) > 1);
}

/* Everything that rounds to significand * 2^q; see section 9 of the paper. */
static struct interval rounding_interval(uint64_t significand, int q,
                                         bool closer,
                                         uint64_t (*scale)(int, uint64_t))
{
    int k = floor_log10_pow2(q, closer);
    int shift = q + floor_log2_pow10(-k) + 1;
    bool open = significand % 2 != 0;

    return (struct interval){
        .lower =
            scale(-k, (4 * significand - 2 + (closer ? 1 : 0)) << shift) + open,
        .value = scale(-k, (4 * significand) << shift),
        .upper = scale(-k, (4 * significand + 2) << shift) - open,
        .exponent = k};
}

/* The shortest decimal in the interval, and of those the nearest. */
static uint64_t shortest(const struct interval *in, int *exponent)
{
    uint64_t s = in->value / 4;
    uint64_t tenth = s / 10;
    bool below = in->lower <= 40 * tenth;
    bool above = 40 * tenth + 40 <= in->upper;
    bool round_up;

    *exponent = in->exponent;
    if (s >= 10 && below != above) {
        *exponent += 1;
        return tenth + above;
    }
    below = in->lower <= 4 * s;
    above = 4 * s + 4 <= in->upper;
    round_up = in->value > 4 * s + 2 || (in->value == 4 * s + 2 && s % 2);
    return s + (below != above ? above : round_up);
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021"
                                  "22232425262728293031323334353637383940414243"
                                  "44454647484950515253545556575859606162636465"
                                  "66676869707172737475767778798081828384858687"
                                  "888990919293949596979899";

enum { DIGITS_MAX = 20 }; /* of a uint64_t */

/* Writes the digits at the end of the buffer; returns the first. */
static char *put_digits(uint64_t value, char digits[DIGITS_MAX])
{
    char *at = digits + DIGITS_MAX;

    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(at, digit_pairs + 2 * (value % 100), 2);
    }
    if (value < 10) {
        *--at = (char)('0' + value);
        return at;
    }
    at -= 2;
    memcpy(at, digit_pairs + 2 * value, 2);
    return at;
}

/* 0.0, and what stands before the digits of a number below 1 */
static const char zero[] = {'0', '.', '0'};
static const char small[] = {'0', '.', '0', '0', '0', '0'};

static size_t put_integer(bool negative, uint64_t value, char *out)
{
    char buffer[DIGITS_MAX];
    const char *digits = put_digits(value, buffer);
    size_t count = (size_t)(buffer + DIGITS_MAX - digits);

    out[0] = '-';
    memcpy(out + negative, digits, count);
    return count + negative;
}

/* "1.5e-7": for numbers whose zeros would be longer. */
static size_t put_scientific(const char *digits, size_t count, int exponent,
                             char *out)
{
    size_t size = 1;

    out[0] = digits[0];
    if (count > 1) {
        out[1] = '.';
        memcpy(out + 2, digits + 1, count - 1);
        size = count + 1;
    }
    out[size++] = 'e';
    return size +
           put_integer(exponent < 0, (uint64_t)abs(exponent), out + size);
}

/* Writes value * 10^exponent, which has no trailing zero digit. */
static size_t put_decimal(uint64_t value, int exponent, char *out)
{
    char buffer[DIGITS_MAX];
    const char *digits = put_digits(value, buffer);
    size_t count = (size_t)(buffer + DIGITS_MAX - digits);
    int point = (int)count + exponent; /* digits before the point */

    if (point > 16 || point < -4)
        return put_scientific(digits, count, point - 1, out);
    if (point <= 0) {
        memcpy(out, small, sizeof small);
        memcpy(out + 2 - point, digits, count);
        return count + 2 - (size_t)point;
    }
    if (exponent >= 0) {
        memcpy(out, digits, count);
        memset(out + count, '0', (size_t)exponent);
        out[point] = '.';
        out[point + 1] = '0';
        return (size_t)point + 2;
    }
    memcpy(out, digits, (size_t)point);
    out[point] = '.';
    memcpy(out + point + 1, digits + point, count - (size_t)point);
    return count + 1;
}

/* significand * 2^q, not zero */
static size_t put_binary(uint64_t significand, int q, bool closer,
                         uint64_t (*scale)(int, uint64_t), char *out)
{
    struct interval in = rounding_interval(significand, q, closer, scale);
    int exponent = 0;
    uint64_t digits = shortest(&in, &exponent);

    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    return put_decimal(digits, exponent, out);
}

size_t num_print_double(double value, char out[NUM_TEXT_MAX])
{
    uint64_t bits, fraction;
    int exponent;
    size_t sign;

    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 63;
    fraction = bits & 0xfffffffffffffU;
    exponent = (int)(bits >> 52 & 0x7ff);
    out[0] = '-';
    if (fraction == 0 && exponent == 0) {
        memcpy(out + sign, zero, sizeof zero);
        return sign + sizeof zero;
    }
    if (exponent == 0)
        return sign +
               put_binary(fraction, -1074, false, round_to_odd, out + sign);
    return sign + put_binary(fraction | (uint64_t)1 << 52, exponent - 1075,
                             fraction == 0 && exponent > 1, round_to_odd,
                             out + sign);
}

size_t num_print_float(float value, char out[NUM_TEXT_MAX])
{
    uint32_t bits, fraction;
    int exponent;
    size_t sign;

    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 31;
    fraction = bits & 0x7fffffU;
    exponent = (int)(bits >> 23 & 0xff);
    out[0] = '-';
    if (fraction == 0 && exponent == 0) {
        memcpy(out + sign, zero, sizeof zero);
        return sign + sizeof zero;
    }
    if (exponent == 0)
        return sign + put_binary(fraction, -149, false, round_to_odd_float,
                                 out + sign);
    return sign + put_binary(fraction | (uint32_t)1 << 23, exponent - 150,
                             fraction == 0 && exponent > 1, round_to_odd_float,
                             out + sign);
}

size_t num_print_u64(uint64_t value, char out[NUM_TEXT_MAX])
{
    return put_integer(false, value, out);
}

size_t num_print_i64(int64_t value, char out[NUM_TEXT_MAX])
{
    return put_integer(value < 0,
                       value < 0 ? 0 - (uint64_t)value : (uint64_t)value, out);
}
