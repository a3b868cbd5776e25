/*
 * com.microsoft FusedConv-1: y = activation(Conv(x, w, b) + z)
 *
 *   input   x, w, b  as Conv, float; b may be left out
 *           z        shape of y; may be left out
 *   output  y        as Conv
 *   attr    as Conv; activation, activation_params: fused.h
 *   errors  what conv.c says; ERR_MODEL_INVALID: z of another shape
 *   source  ONNX Runtime, ContribOperators
 */
#include "conv.h"
#include "fused.h"

struct fused_conv {
    struct op_conv conv; /* first: this is what the Conv forms expect */
    struct op_fused fused;
};

static bool fused_conv_infer(struct op_node *op, struct error *err)
{
    struct fused_conv *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *bias = op_has(op, 2) ? op->in[2] : NULL;

    op->state = state;
    if (!state || !op_want_type(op, 0, OP_TYPE(ENG_F32), err) ||
        !op_same_type(op, 0, 1, err) ||
        (bias && !op_same_type(op, 0, 2, err)) ||
        !op_conv_shape(op, op->in[1], bias, &state->conv, err) ||
        !op_fused_read(op, &state->fused, err))
        return false;
    op->out[0]->dtype = ENG_F32;
    if (op_has(op, 3) && (!op_same_type(op, 0, 3, err) ||
                          !eng_shape_equal(op->in[3], op->out[0])))
        return fail(err, ERR_MODEL_INVALID, "input 3 differs from the output");
    return true;
}

/* The product form where it can, else the reference. */
static const struct op_impl *form(const struct op_node *op)
{
    return op_conv_gemm.accepts(op) ? &op_conv_gemm : &op_conv;
}

static bool fused_conv_prepare(struct op_node *op, struct error *err)
{
    const struct op_impl *impl = form(op);

    return !impl->prepare || impl->prepare(op, err);
}

static bool fused_conv_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct fused_conv *state = op->state;
    int64_t count = eng_tensor_count(op->out[0]);
    float *y = op_out(op, frame, 0);
    const float *z = op_has(op, 3) ? op_in(op, frame, 3) : NULL;

    if (!form(op)->run(op, frame, err))
        return false;
    for (int64_t i = 0; z && i < count; i++)
        y[i] += z[i];
    op_fused_run(&state->fused, y, count);
    return true;
}

const struct op_impl op_fused_conv = {.name = "fused_conv",
                                      .in_min = 2,
                                      .in_max = 4,
                                      .out_min = 1,
                                      .out_max = 1,
                                      .infer = fused_conv_infer,
                                      .prepare = fused_conv_prepare,
                                      .run = fused_conv_run};
