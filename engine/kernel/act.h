/*
 * Act: activations that a kernel applies to what it has just computed.
 *
 * Threads: no state.
 */
#ifndef ENGINE_KERNEL_ACT_H
#define ENGINE_KERNEL_ACT_H

enum act_kind {
    ACT_NONE,         /* x */
    ACT_RELU,         /* max(x, 0) */
    ACT_LEAKY_RELU,   /* x < 0 ? alpha x : x */
    ACT_CLIP,         /* min(max(x, alpha), beta) */
    ACT_HARD_SIGMOID, /* min(max(alpha x + beta, 0), 1) */
    ACT_HARD_SWISH,   /* x min(max(x / 6 + 1 / 2, 0), 1) */
    ACT_SIGMOID,      /* 1 / (1 + exp(-x)) */
    ACT_SILU,         /* x / (1 + exp(-alpha x)) */
    ACT_TANH,         /* tanh(x) */
    ACT_GELU,         /* x / 2 (1 + erf(x / sqrt(2))) */
    ACT_GELU_TANH     /* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
};

struct act {
    enum act_kind kind;
    float alpha, beta;
};

#endif
