/*
 * Numbers: see numbers.h.
 */
#include "numbers.h"

#include <math.h>
#include <string.h>

#include "half.h"

/* The bounds of an integer type; false: it is none. */
static bool bounds_of(enum eng_dtype dtype, double *low, double *high)
{
    static const struct {
        enum eng_dtype dtype;
        double low, high;
    } types[] = {{ENG_I64, -0x1p63, 0x1p63},
                 {ENG_I32, -0x1p31, 0x1p31},
                 {ENG_I16, -0x1p15, 0x1p15},
                 {ENG_I8, -0x1p7, 0x1p7},
                 {ENG_U64, 0, 0x1p64},
                 {ENG_U32, 0, 0x1p32},
                 {ENG_U16, 0, 0x1p16},
                 {ENG_U8, 0, 0x1p8},
                 {ENG_BOOL, 0, 2}};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].dtype != dtype)
            continue;
        *low = types[i].low;
        *high = types[i].high;
        return true;
    }
    return false;
}

/* One whole number, little endian, in as many bytes as its type has. */
static bool put_integer(enum eng_dtype dtype, double number, void *to)
{
    double low = 0, high = 0;
    uint64_t bits;

    if (!bounds_of(dtype, &low, &high) || number != floor(number) ||
        number < low || number >= high)
        return false;
    bits = number < 0 ? (uint64_t)(int64_t)number : (uint64_t)number;
    memcpy(to, &bits, eng_dtype_size(dtype));
    return true;
}

bool numbers_put(enum eng_dtype dtype, double number, void *to)
{
    float narrow = (float)number;
    bool is_f16 = dtype == ENG_F16;
    uint16_t half;

    switch (dtype) {
    case ENG_F32:
        memcpy(to, &narrow, sizeof narrow);
        return true;
    case ENG_F64:
        memcpy(to, &number, sizeof number);
        return true;
    case ENG_F16:
    case ENG_BF16:
        half = is_f16 ? half_f16_of_float(narrow) : half_bf16_of_float(narrow);
        memcpy(to, &half, sizeof half);
        return isfinite(is_f16 ? half_f16_to_float(half)
                               : half_bf16_to_float(half));
    case ENG_U8:
    case ENG_I8:
    case ENG_U16:
    case ENG_I16:
    case ENG_I32:
    case ENG_I64:
    case ENG_BOOL:
    case ENG_U32:
    case ENG_U64:
        return put_integer(dtype, number, to);
    case ENG_NONE:
    case ENG_STRING:
        break;
    }
    return false;
}
