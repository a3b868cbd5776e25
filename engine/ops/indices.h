/*
 * Indices: elements of an int32 or int64 input that point into a dimension;
 * negative ones count from its end.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_INDICES_H
#define ENGINE_OPS_INDICES_H

#include "op.h"

enum { OP_TYPES_INDEX = OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) };

/* Element i of `data` as a place in [0, dim), or -1 when it is outside. */
static inline int64_t op_index_at(const struct eng_tensor *indices,
                                  const void *data, int64_t i, int64_t dim)
{
    int64_t index = indices->dtype == ENG_I64 ? ((const int64_t *)data)[i]
                                              : ((const int32_t *)data)[i];

    if (index < 0)
        index += dim;
    return index >= 0 && index < dim ? index : -1;
}

/*
 * Elements i .. i + k - 1 as the coordinates of one place among dims[k], in
 * row-major order; -1 when one of them is outside.
 */
static inline int64_t op_index_tuple(const struct eng_tensor *indices,
                                     const void *data, int64_t i,
                                     const int64_t *dims, int k)
{
    int64_t place = 0;

    for (int d = 0; d < k; d++) {
        int64_t index = op_index_at(indices, data, i + d, dims[d]);

        if (index < 0)
            return -1;
        place = place * dims[d] + index;
    }
    return place;
}

/* ERR_VALIDATION_ERROR: element i is outside a dimension of `dim`. */
static inline bool op_index_outside(int64_t i, int64_t dim, struct error *err)
{
    return fail(err, ERR_VALIDATION_ERROR,
                "index %lld is outside a dimension of %lld", (long long)i,
                (long long)dim);
}

#endif
