/*
 * Activations of vectors, see act.h. NaN stays.
 *
 * For files of this folder only.
 */
#ifndef ENGINE_KERNEL_VEC_ACT_H
#define ENGINE_KERNEL_VEC_ACT_H

#include "act.h"
#include "vec_math.h"

/* Between low and high. */
static inline vf vf_clip(vf x, float low, float high)
{
    return vf_min(vf_set(high), vf_max(vf_set(low), x));
}

/* `kind` is a constant where it is called: only one case is left. */
static inline __attribute__((always_inline)) vf vf_act(vf x, enum act_kind kind,
                                                       const struct act *act)
{
    switch (kind) {
    case ACT_RELU:
        return vf_max(vf_set(0), x);
    case ACT_LEAKY_RELU:
        return vf_below(x, vf_set(0), act->alpha * x, x);
    case ACT_CLIP:
        return vf_clip(x, act->alpha, act->beta);
    case ACT_HARD_SIGMOID:
        return vf_clip(act->alpha * x + act->beta, 0, 1);
    case ACT_HARD_SWISH:
        return x * vf_clip(x * (1.0F / 6) + 0.5F, 0, 1);
    case ACT_SIGMOID:
        return vf_sigmoid(x);
    case ACT_SILU:
        return x * vf_sigmoid(act->alpha * x);
    case ACT_TANH:
        return vf_tanh(x);
    case ACT_GELU:
        return vf_gelu(x);
    case ACT_GELU_TANH:
        return vf_gelu_tanh(x);
    case ACT_NONE:
        return x;
    }
    return x;
}

/* A case for each kind but ACT_NONE, in a switch over kinds that are known only
 * at run time: X(kind). */
#define VEC_ACT_EACH(X)                                                        \
    X(ACT_RELU)                                                                \
    X(ACT_LEAKY_RELU)                                                          \
    X(ACT_CLIP)                                                                \
    X(ACT_HARD_SIGMOID)                                                        \
    X(ACT_HARD_SWISH)                                                          \
    X(ACT_SIGMOID)                                                             \
    X(ACT_SILU)                                                                \
    X(ACT_TANH)                                                                \
    X(ACT_GELU)                                                                \
    X(ACT_GELU_TANH)

#endif
