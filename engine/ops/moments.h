/*
 * Moments: mean and variance of a row, for the normalisations.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_MOMENTS_H
#define ENGINE_OPS_MOMENTS_H

#include "op.h"

struct op_moments {
    double mean, variance; /* of all elements; divided by their number */
};

/*
 * Of `count` > 0 elements of float or double. The variance is taken around the
 * mean in a second pass, so that a large mean does not swallow it.
 */
struct op_moments op_moments_of(enum eng_dtype dtype, const void *x,
                                int64_t count);

/* y[i] = x[i] * factor + shift; y may be x. Float or double. */
void op_scale_row(enum eng_dtype dtype, const void *x, void *y, int64_t count,
                  const double scale[2]);

#endif
