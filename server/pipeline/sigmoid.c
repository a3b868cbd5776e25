/*
 * Step sigmoid (postprocess): y = 1 / (1 + exp(-x)), for each element.
 *
 *   value, output  as vectors.h
 */
#include <math.h>

#include "vectors.h"

static void sigmoid(const float *in, float *out, size_t width)
{
    for (size_t i = 0; i < width; i++)
        out[i] = (float)(1.0 / (1.0 + exp(-(double)in[i])));
}

static bool apply_sigmoid(const void *state, struct pipeline_call *call,
                          struct error *err)
{
    return vectors_apply(state, call, sigmoid, err);
}

const struct step_type step_sigmoid = {.name = "sigmoid",
                                       .stage = STEP_POST,
                                       .open = vectors_open,
                                       .apply = apply_sigmoid};
