/*
 * IsNaN-20, IsInf-20: y = is x not a number, is x infinite
 *
 *   input   x   float or double (float16, bfloat16 as float)
 *   output  y   bool, shape of x
 *   attr    IsInf only: detect_positive  int = 1, count +inf
 *                       detect_negative  int = 1, count -inf
 *   errors  ERR_MODEL_INVALID: an attribute other than 0 and 1
 *   source  ONNX operator list
 */
#include <math.h>
#include <string.h>

#include "op.h"

struct predicate_state {
    bool nan, positive, negative; /* what counts */
};

static bool predicate_infer(struct op_node *op, struct error *err)
{
    struct predicate_state *state = op_alloc(op, sizeof *state, err);

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err))
        return false;
    op->state = state;
    op_like(op->out[0], op->in[0]);
    op->out[0]->dtype = ENG_BOOL;
    state->nan = strcmp(op->node->op, "IsNaN") == 0;
    if (state->nan)
        return true;
    state->positive = state->negative = true;
    return op_attr_bool(op, "detect_positive", &state->positive, err) &&
           op_attr_bool(op, "detect_negative", &state->negative, err);
}

static bool counts(const struct predicate_state *state, double x)
{
    if (isnan(x))
        return state->nan;
    return isinf(x) && (x > 0 ? state->positive : state->negative);
}

static bool predicate_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct predicate_state *state = op->state;
    const void *x = op_in(op, frame, 0);
    bool is_f32 = op->in[0]->dtype == ENG_F32;
    uint8_t *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t i = 0; i < eng_tensor_count(op->out[0]); i++)
        y[i] = counts(state, is_f32 ? (double)((const float *)x)[i]
                                    : ((const double *)x)[i]);
    return true;
}

const struct op_impl op_predicate = {.name = "predicate",
                                     .in_min = 1,
                                     .in_max = 1,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .flags = OP_WIDEN,
                                     .infer = predicate_infer,
                                     .run = predicate_run};
