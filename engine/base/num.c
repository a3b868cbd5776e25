/*
 * Num, reading: decimal text to binary floating point.
 *
 * The first 19 digits as an integer, times a power of ten that is known to 128
 * bits. The product's error is below two units of its 128th bit; only if that
 * could change the rounding - an exact tie, or one number in 2^60 - and for
 * subnormals, the C library decides.
 */
#include "num.h"

#include <endian.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num_pow10.h"

/* The parameters of a binary format. */
struct format {
    int bits;        /* of the significand, with the hidden one */
    int max;         /* largest exponent of 1.xxx * 2^e */
    int min;         /* smallest exponent of a normal number */
    uint64_t smooth; /* significand without the hidden bit */
};

static const struct format float_format = {
    .bits = 24, .max = 127, .min = -126, .smooth = 0x7fffffU};
static const struct format double_format = {
    .bits = 53, .max = 1023, .min = -1022, .smooth = 0xfffffffffffffU};

enum { DIGITS_KEPT = 19 }; /* 10^19 - 1 < 2^64 */

/* digits * 10^exponent, and where it stands in the text. */
struct decimal {
    bool negative;
    bool cut;        /* more significant digits than `digits` holds */
    uint64_t digits; /* the first DIGITS_KEPT at most */
    int64_t exponent;
    int64_t written_exponent; /* behind the 'e' */
    const char *first, *last; /* digits and point in the text */
};

/* Eight ASCII digits at once; false if one is not a digit. */
static bool take_eight(const char *at, uint64_t *value)
{
    uint64_t eight;

    memcpy(&eight, at, sizeof eight);
    eight = le64toh(eight);
    if (((eight & 0xf0f0f0f0f0f0f0f0U) |
         (((eight + 0x0606060606060606U) & 0xf0f0f0f0f0f0f0f0U) >> 4)) !=
        0x3333333333333333U)
        return false;
    eight -= 0x3030303030303030U;
    eight = eight * 10 + (eight >> 8); /* pairs, in every other byte */
    eight = (((eight & 0x000000ff000000ffU) * 0x000f424000000064U) +
             (((eight >> 16) & 0x000000ff000000ffU) * 0x0000271000000001U)) >>
            32;
    *value = *value * 100000000 + eight;
    return true;
}

/* Takes digits; `value` wraps silently when there are too many. */
static const char *take_digits(const char *at, const char *end, uint64_t *value)
{
    while (end - at >= 8 && take_eight(at, value))
        at += 8;
    while (at < end && *at >= '0' && *at <= '9')
        *value = *value * 10 + (uint64_t)(*at++ - '0');
    return at;
}

/* Takes "e+12"; NULL when the digits are missing. */
static const char *take_exponent(const char *at, const char *end,
                                 int64_t *exponent)
{
    bool negative = false;
    int64_t value = 0;
    const char *first;

    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    first = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (value < 1000000000) /* larger is as good as this */
            value = value * 10 + (*at - '0');
    *exponent = negative ? -value : value;
    return at > first ? at : NULL;
}

/* Reads the digits again, slowly: there are too many for one word. */
static void keep_first_digits(struct decimal *d)
{
    int kept = 0;

    d->digits = 0;
    for (const char *at = d->first; at < d->last; at++) {
        if (*at == '.')
            continue;
        if (kept == DIGITS_KEPT) {
            d->exponent++;
            d->cut = true;
            continue;
        }
        d->digits = d->digits * 10 + (uint64_t)(*at - '0');
        kept += d->digits != 0;
    }
}

/* Splits a JSON number; returns the byte behind it or NULL. */
static const char *read_decimal(const char *at, const char *end,
                                struct decimal *d)
{
    const char *point;

    *d = (struct decimal){0};
    if (at < end && *at == '-') {
        d->negative = true;
        at++;
    }
    d->first = at;
    at = at < end && *at == '0' ? at + 1 : take_digits(at, end, &d->digits);
    if (at == d->first)
        return NULL;
    if (at < end && *at == '.') {
        point = ++at;
        at = take_digits(at, end, &d->digits);
        if (at == point)
            return NULL;
        d->exponent = point - at;
    }
    d->last = at;
    if (at < end && (*at == 'e' || *at == 'E'))
        at = take_exponent(at + 1, end, &d->written_exponent);
    d->exponent += d->written_exponent;
    if (d->last - d->first > DIGITS_KEPT)
        keep_first_digits(d);
    return at;
}

/*
 * Rounds digits * 10^exponent to the format: significand and exponent of
 * significand * 2^(exponent - bits + 1). False where the 128 bits of the power
 * do not decide; `digits` is not 0 and `exponent` is within the table.
 */
static bool round_product(uint64_t digits, int exponent,
                          const struct format *format, uint64_t *significand,
                          int *binary_exponent)
{
    uint64_t high = num_pow10[exponent - POW10_MIN].high;
    uint64_t low = num_pow10[exponent - POW10_MIN].low;
    int shift = __builtin_clzll(digits);
    uint64_t w = digits << shift;
    wide product = (wide)w * high + (uint64_t)(((wide)w * low) >> 64);
    int e = floor_log2_pow10(exponent) - shift + 64;
    uint64_t half = (uint64_t)1 << (63 - format->bits);
    uint64_t top, rest;

    if (!(product >> 127)) {
        product <<= 1;
        e--;
    }
    top = (uint64_t)(product >> 64) >> (64 - format->bits);
    rest = (uint64_t)(product >> 64) & (2 * half - 1);
    /* the product is wrong by at most 2 in its last bit, either way */
    if ((rest == half && (uint64_t)product <= 2) ||
        (rest == half - 1 && (uint64_t)product >= UINT64_MAX - 2))
        return false;
    top += rest >= half;
    if (top >> format->bits) {
        top >>= 1;
        e++;
    }
    *significand = top;
    *binary_exponent = e;
    return e >= format->min; /* a subnormal is rounded elsewhere */
}

/* As round_product(), also when digits were cut: both ends must agree. */
static bool round_decimal(const struct decimal *d, const struct format *format,
                          uint64_t *significand, int *exponent)
{
    uint64_t other = 0;
    int other_exponent = 0;

    if (d->exponent < POW10_MIN || d->exponent > POW10_MAX)
        return false;
    if (!round_product(d->digits, (int)d->exponent, format, significand,
                       exponent))
        return false;
    if (!d->cut)
        return true;
    return round_product(d->digits + 1, (int)d->exponent, format, &other,
                         &other_exponent) &&
           other == *significand && other_exponent == *exponent;
}

/*
 * More digits than any tie between two doubles has (767); one more digit that
 * is not zero stands for all that were left out.
 */
enum { SLOW_DIGITS = 770, SLOW_TEXT = SLOW_DIGITS + 32 };

/* The number without a point, for strtod() and strtof() in any locale. */
static void write_plain(const struct decimal *d, char text[SLOW_TEXT])
{
    int64_t exponent = d->written_exponent;
    size_t size = 0;
    bool behind_point = false, rest = false;

    for (const char *at = d->first; at < d->last; at++) {
        if (*at == '.') {
            behind_point = true;
            continue;
        }
        exponent -= behind_point;
        if (size < SLOW_DIGITS) {
            size += size > 0 || *at != '0';
            text[size ? size - 1 : 0] = *at;
        } else {
            exponent++;
            rest = rest || *at != '0';
        }
    }
    if (rest) {
        text[size++] = '1';
        exponent--;
    }
    if (size == 0)
        text[size++] = '0';
    (void)snprintf(text + size, SLOW_TEXT - size, "e%" PRId64, exponent);
}

static double scan_slowly(const struct decimal *d)
{
    char text[SLOW_TEXT];

    write_plain(d, text);
    return strtod(text, NULL);
}

static float scan_slowly_float(const struct decimal *d)
{
    char text[SLOW_TEXT];

    write_plain(d, text);
    return strtof(text, NULL);
}

const char *num_scan_double(const char *text, const char *end, double *value)
{
    struct decimal d;
    const char *behind = read_decimal(text, end, &d);
    uint64_t bits = 0;
    int exponent = 0;

    if (!behind)
        return NULL;
    if (d.digits == 0) {
        *value = 0;
    } else if (!round_decimal(&d, &double_format, &bits, &exponent)) {
        *value = scan_slowly(&d);
    } else if (exponent > double_format.max) {
        *value = (double)INFINITY;
    } else {
        bits = (bits & double_format.smooth) | (uint64_t)(exponent + 1023)
                                                   << 52;
        memcpy(value, &bits, sizeof bits);
    }
    if (d.negative)
        *value = -*value;
    return behind;
}

const char *num_scan_float(const char *text, const char *end, float *value)
{
    struct decimal d;
    const char *behind = read_decimal(text, end, &d);
    uint64_t bits = 0;
    int exponent = 0;

    if (!behind)
        return NULL;
    if (d.digits == 0) {
        *value = 0;
    } else if (!round_decimal(&d, &float_format, &bits, &exponent)) {
        *value = scan_slowly_float(&d);
    } else if (exponent > float_format.max) {
        *value = INFINITY;
    } else {
        uint32_t word = (uint32_t)(bits & float_format.smooth) |
                        (uint32_t)(exponent + 127) << 23;

        memcpy(value, &word, sizeof word);
    }
    if (d.negative)
        *value = -*value;
    return behind;
}

/* The last digit of the text that is not zero; NULL for zero. */
static const char *last_nonzero(const struct decimal *d)
{
    for (const char *at = d->last; at > d->first; at--)
        if (at[-1] != '0' && at[-1] != '.')
            return at - 1;
    return NULL;
}

const char *num_scan_integer(const char *text, const char *end,
                             struct num_integer *value)
{
    struct decimal d;
    const char *behind = read_decimal(text, end, &d);
    const char *last = behind ? last_nonzero(&d) : NULL;
    int64_t zeros = d.written_exponent; /* to append to the digits */
    uint64_t magnitude = 0;
    bool too_large = false, behind_point = false;

    if (!behind)
        return NULL;
    *value = (struct num_integer){.fit = NUM_INTEGER};
    if (!last)
        return behind;
    for (const char *at = d.first; at < d.last; at++) {
        if (*at == '.')
            behind_point = true;
        else if (at > last)
            zeros += !behind_point;
        else {
            zeros -= behind_point;
            too_large |= __builtin_mul_overflow(magnitude, 10, &magnitude);
            too_large |= __builtin_add_overflow(
                magnitude, (uint64_t)(*at - '0'), &magnitude);
        }
    }
    for (; zeros > 0 && !too_large; zeros--)
        too_large = __builtin_mul_overflow(magnitude, 10, &magnitude);
    value->negative = d.negative;
    value->magnitude = magnitude;
    if (zeros < 0)
        value->fit = NUM_FRACTION;
    else if (too_large)
        value->fit = NUM_TOO_LARGE;
    return behind;
}
