/*
 * Fused: the activation that ONNX Runtime puts into FusedConv and FusedGemm.
 *
 * Threads: immutable after reading.
 */
#ifndef ENGINE_OPS_FUSED_H
#define ENGINE_OPS_FUSED_H

#include "op.h"

struct op_fused {
    int kind;
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

#endif
