/*
 * Step softmax (postprocess): y = exp(x - m) / sum(exp(x - m)), m = max(x), for
 * each row.
 *
 *   value, output  as vectors.h
 */
#include <math.h>

#include "vectors.h"

static void softmax(const float *in, float *out, size_t width)
{
    float most = -INFINITY;
    double sum = 0.0;

    for (size_t i = 0; i < width; i++)
        most = fmaxf(most, in[i]);
    for (size_t i = 0; i < width; i++) {
        out[i] = expf(in[i] - most);
        sum += (double)out[i];
    }
    for (size_t i = 0; i < width; i++)
        out[i] = (float)((double)out[i] / sum);
}

static bool apply_softmax(const void *state, struct pipeline_call *call,
                          struct error *err)
{
    return vectors_apply(state, call, softmax, err);
}

const struct step_type step_softmax = {.name = "softmax",
                                       .stage = STEP_POST,
                                       .open = vectors_open,
                                       .apply = apply_softmax};
