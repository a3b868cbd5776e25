/*
 * Skip norm: one row of the layer normalisations that ONNX Runtime fuses.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_SKIP_NORM_H
#define ENGINE_OPS_SKIP_NORM_H

#include "real.h"

struct op_norm {
    int64_t width;
    float epsilon;
    bool rms; /* no mean: y = x / sqrt(mean(x^2) + epsilon) * gamma */
    const float *gamma, *beta; /* [width]; beta may be NULL */
};

/* row [width] is normalised in place; returns 1 / sqrt(variance + epsilon). */
float op_norm_row(const struct op_norm *norm, float *row);

/* `count` elements of input i as float, in `to`; NULL if it is left out. */
const float *op_norm_weight(const struct op_node *op,
                            const struct op_frame *frame, size_t i, float *to);

/* Input i is left out or is [width] of input 0's type. ERR_MODEL_INVALID. */
bool op_norm_check(const struct op_node *op, size_t i, int64_t width,
                   enum eng_dtype dtype, struct error *err);

#endif
