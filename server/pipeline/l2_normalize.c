/*
 * Step l2_normalize (postprocess): y = x / max(|x|, 1e-12), for each row.
 *
 *   value, output  as vectors.h
 */
#include <math.h>

#include "vectors.h"

/* What other implementations divide a vector of zeros by. */
static const double norm_min = 1e-12;

static void normalize(const float *in, float *out, size_t width)
{
    double sum = 0.0, norm;

    for (size_t i = 0; i < width; i++)
        sum += (double)in[i] * (double)in[i];
    norm = fmax(sqrt(sum), norm_min);
    for (size_t i = 0; i < width; i++)
        out[i] = (float)((double)in[i] / norm);
}

static bool apply_normalize(const void *state, struct pipeline_call *call,
                            struct error *err)
{
    return vectors_apply(state, call, normalize, err);
}

const struct step_type step_l2_normalize = {.name = "l2_normalize",
                                            .stage = STEP_POST,
                                            .open = vectors_open,
                                            .apply = apply_normalize};
