/*
 * ai.onnx.ml OneHotEncoder-1: y[..., c] = 1 if x is category c, else 0
 *
 *   input   x   string, int64, int32, float or double, any shape
 *   output  y   float, shape of x and one dimension more: the categories
 *   attr    cats_strings or cats_int64s; zeros int = 1
 *   errors  ERR_MODEL_INVALID: categories are missing or of another kind
 *           ERR_VALIDATION_ERROR: an unknown category when zeros is 0
 *   source  ONNX ML operator list; floats are cut to integers
 */
#include <string.h>

#include "ml_common.h"
#include "ml_keys.h"

struct onehot_state {
    struct op_ml_keys keys;
    struct eng_tensor cats;
    bool zeros;
};

static bool onehot_infer(struct op_node *op, struct error *err)
{
    enum {
        TYPES = OP_TYPES_REAL | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) |
                OP_TYPE(ENG_STRING)
    };
    struct onehot_state *state = op_alloc(op, sizeof *state, err);
    struct eng_tensor *y = op->out[0];

    op->state = state;
    if (!state || !op_want_type(op, 0, TYPES, err) ||
        !op_ml_labels(op, "cats_int64s", "cats_strings", &state->cats, err))
        return false;
    state->zeros = true;
    if (!op_attr_bool(op, "zeros", &state->zeros, err))
        return false;
    if ((state->cats.dtype == ENG_STRING) != (op->in[0]->dtype == ENG_STRING))
        return fail(err, ERR_MODEL_INVALID, "input 0 is %s, categories are %s",
                    eng_dtype_name(op->in[0]->dtype),
                    eng_dtype_name(state->cats.dtype));
    if (op->in[0]->rank == ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "the output has rank %d",
                    ENG_RANK_MAX + 1);
    op_like(y, op->in[0]);
    y->dtype = ENG_F32;
    y->dims[y->rank++] = state->cats.dims[0];
    return op_ml_keys_make(op, &state->cats, &state->keys, err);
}

static int64_t category(const struct op_node *op, const void *x, int64_t i)
{
    const struct onehot_state *state = op->state;
    int64_t number;

    if (op->in[0]->dtype == ENG_STRING)
        return op_ml_keys_find(&state->keys, (const struct eng_string *)x + i);
    return op_ml_integer(op->in[0]->dtype, x, i, &number)
               ? op_ml_keys_find(&state->keys, &number)
               : -1;
}

static bool onehot_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct onehot_state *state = op->state;
    int64_t count = eng_tensor_count(op->in[0]), cats = state->cats.dims[0];
    float *y = op_out(op, frame, 0);

    memset(y, 0, (size_t)(count * cats) * sizeof *y);
    for (int64_t i = 0; i < count; i++) {
        int64_t place = category(op, op_in(op, frame, 0), i);

        if (place < 0 && !state->zeros)
            return fail(err, ERR_VALIDATION_ERROR,
                        "element %lld is none of the categories", (long long)i);
        if (place >= 0)
            y[i * cats + place] = 1;
    }
    return true;
}

const struct op_impl op_onehot_encoder = {.name = "onehot_encoder",
                                          .in_min = 1,
                                          .in_max = 1,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = onehot_infer,
                                          .run = onehot_run};
