/*
 * Real: rows of any 16- or 32-bit floating-point type as float, so that an
 * operator computes in float whatever its tensors hold.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_REAL_H
#define ENGINE_OPS_REAL_H

#include "op.h"

enum {
    OP_TYPES_HALF = OP_TYPE(ENG_F16) | OP_TYPE(ENG_BF16),
    OP_TYPES_SHORT_REAL = OP_TYPES_HALF | OP_TYPE(ENG_F32)
};

/* Elements [first, first + count) of `data` as float. */
void op_real_load(enum eng_dtype dtype, const void *data, int64_t first,
                  int64_t count, float *to);
void op_real_store(enum eng_dtype dtype, const float *from, int64_t first,
                   int64_t count, void *data);

/* One element. */
static inline float op_real_at(enum eng_dtype dtype, const void *data,
                               int64_t i)
{
    float value;

    if (dtype == ENG_F32)
        return ((const float *)data)[i];
    op_real_load(dtype, data, i, 1, &value);
    return value;
}

#endif
