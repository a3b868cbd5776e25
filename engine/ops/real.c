/*
 * Real: see real.h.
 */
#include "real.h"

#include <string.h>

#include "half.h"

void op_real_load(enum eng_dtype dtype, const void *data, int64_t first,
                  int64_t count, float *to)
{
    if (dtype == ENG_F32 && count)
        memcpy(to, (const float *)data + first, (size_t)count * sizeof *to);
    for (int64_t i = 0; dtype == ENG_F16 && i < count; i++)
        to[i] = half_f16_to_float(((const uint16_t *)data)[first + i]);
    for (int64_t i = 0; dtype == ENG_BF16 && i < count; i++)
        to[i] = half_bf16_to_float(((const uint16_t *)data)[first + i]);
}

void op_real_store(enum eng_dtype dtype, const float *from, int64_t first,
                   int64_t count, void *data)
{
    if (dtype == ENG_F32 && count)
        memcpy((float *)data + first, from, (size_t)count * sizeof *from);
    for (int64_t i = 0; dtype == ENG_F16 && i < count; i++)
        ((uint16_t *)data)[first + i] = half_f16_of_float(from[i]);
    for (int64_t i = 0; dtype == ENG_BF16 && i < count; i++)
        ((uint16_t *)data)[first + i] = half_bf16_of_float(from[i]);
}
