/*
 * Fused: the activation that ONNX Runtime puts into FusedConv and FusedGemm.
 *
 * Threads: immutable after reading.
 */
#ifndef ENGINE_OPS_FUSED_H
#define ENGINE_OPS_FUSED_H

#include "kernel/act.h"
#include "op.h"

enum op_fused_kind {
    OP_FUSED_NONE,
    OP_FUSED_RELU,
    OP_FUSED_TANH,
    OP_FUSED_SIGMOID,
    OP_FUSED_LEAKY_RELU,   /* alpha */
    OP_FUSED_CLIP,         /* alpha to beta */
    OP_FUSED_HARD_SIGMOID, /* alpha x + beta into [0, 1] */
    OP_FUSED_HARD_SWISH,   /* x hard_sigmoid(x), alpha = 1 / 6, beta = 1 / 2 */
    OP_FUSED_SWISH         /* x sigmoid(x) */
};

struct op_fused {
    int kind; /* enum op_fused_kind */
    float alpha, beta;
};

/*
 * Attributes activation, and activation_params (Conv) or activation_alpha and
 * activation_beta (Gemm); no activation = the identity.
 *   ERR_MODEL_UNSUPPORTED  another function
 *   ERR_MODEL_INVALID      a wrong number of parameters
 */
bool op_fused_read(const struct op_node *op, struct op_fused *fused,
                   struct error *err);

/* y = activation(y), in place. */
void op_fused_run(const struct op_fused *fused, float *y, int64_t count);

/* The same for a kernel. */
struct act op_fused_act(const struct op_fused *fused);

#endif
