/*
 * Fused: see fused.h.
 */
#include "fused.h"

#include <math.h>

static bool read_params(const struct op_node *op, struct op_fused *fused,
                        struct error *err)
{
    const float *params = NULL;
    size_t count = 0;

    if (!op_attr_float(op, "activation_alpha", &fused->alpha, err) ||
        !op_attr_float(op, "activation_beta", &fused->beta, err) ||
        !op_attr_floats(op, "activation_params", &params, &count, err))
        return false;
    if (count > 2)
        return fail(err, ERR_MODEL_INVALID, "%zu activation_params", count);
    if (count > 0)
        fused->alpha = params[0];
    if (count > 1)
        fused->beta = params[1];
    return true;
}

bool op_fused_read(const struct op_node *op, struct op_fused *fused,
                   struct error *err)
{
    static const char *const words[] = {
        "",     "Relu",        "Tanh",      "Sigmoid", "LeakyRelu",
        "Clip", "HardSigmoid", "HardSwish", "Swish",   NULL};

    *fused = (struct op_fused){.kind = OP_FUSED_NONE};
    if (!op_attr_word(op, "activation", words, &fused->kind, err))
        return false;
    if (fused->kind == OP_FUSED_LEAKY_RELU)
        fused->alpha = 0.01F;
    if (fused->kind == OP_FUSED_CLIP) {
        fused->alpha = -INFINITY;
        fused->beta = INFINITY;
    }
    if (fused->kind == OP_FUSED_HARD_SIGMOID) {
        fused->alpha = 0.2F;
        fused->beta = 0.5F;
    }
    return read_params(op, fused, err);
}

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static float activate(const struct op_fused *fused, float x)
{
    switch (fused->kind) {
    case OP_FUSED_RELU:
        return x < 0 ? 0 : x;
    case OP_FUSED_TANH:
        return tanhf(x);
    case OP_FUSED_SIGMOID:
        return 1 / (1 + expf(-x));
    case OP_FUSED_LEAKY_RELU:
        return x < 0 ? fused->alpha * x : x;
    case OP_FUSED_CLIP:
        return clamp(x, fused->alpha, fused->beta);
    case OP_FUSED_HARD_SIGMOID:
        return clamp(fused->alpha * x + fused->beta, 0, 1);
    case OP_FUSED_HARD_SWISH:
        return x * clamp(x / 6 + 0.5F, 0, 1);
    case OP_FUSED_SWISH:
        return x / (1 + expf(-x));
    default:
        return x;
    }
}

void op_fused_run(const struct op_fused *fused, float *y, int64_t count)
{
    for (int64_t i = 0; fused->kind != OP_FUSED_NONE && i < count; i++)
        y[i] = activate(fused, y[i]);
}

struct act op_fused_act(const struct op_fused *fused)
{
    static const enum act_kind kinds[] = {
        [OP_FUSED_NONE] = ACT_NONE,
        [OP_FUSED_RELU] = ACT_RELU,
        [OP_FUSED_TANH] = ACT_TANH,
        [OP_FUSED_SIGMOID] = ACT_SIGMOID,
        [OP_FUSED_LEAKY_RELU] = ACT_LEAKY_RELU,
        [OP_FUSED_CLIP] = ACT_CLIP,
        [OP_FUSED_HARD_SIGMOID] = ACT_HARD_SIGMOID,
        [OP_FUSED_HARD_SWISH] = ACT_HARD_SWISH,
        [OP_FUSED_SWISH] = ACT_SILU};
    bool scales = fused->kind != OP_FUSED_SWISH;

    return (struct act){kinds[fused->kind], scales ? fused->alpha : 1,
                        fused->beta};
}
