/*
 * Norm: rows [rows, width] normalised, after what is added to them.
 *
 *   v = x + skip + bias
 *   y = (v - mean(v)) / sqrt(mean((v - mean(v))^2) + epsilon) * gamma + beta
 *   with `rms`: y = v / sqrt(mean(v^2) + epsilon) * gamma + beta
 *
 * The variance is taken around the mean in a second pass over a row that is in
 * the first cache, so that a large mean does not swallow it.
 */
#ifndef ENGINE_KERNEL_NORM_H
#define ENGINE_KERNEL_NORM_H

#include "kernel.h"

struct kernel_norm {
    int64_t rows, width; /* width >= 1 */
    float epsilon;
    bool rms;
    const float *x;
    const float *skip;         /* [rows, width]; NULL: none */
    const float *bias;         /* [width]; NULL: 0 */
    const float *gamma, *beta; /* [width]; NULL: 1, 0 */
    float *y;                  /* may be x or skip */
    float *sum;        /* [rows, width] receives v; NULL: nobody wants it */
    float *mean, *inv; /* [rows] receive mean and 1 / sqrt(...); or NULL */
};

#endif
