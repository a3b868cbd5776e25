/*
 * Max-8 Min-8 Sum-8 Mean-8: element-wise over any number of inputs
 *
 *   input   any number >= 1, one numeric type (Sum, Mean: float or double),
 *           shapes that broadcast together
 *   output  y   broadcast shape
 *   errors  ERR_MODEL_INVALID: shapes do not broadcast, types differ
 *   source  ONNX operator list
 */
#include <string.h>

#include "binary.h"

struct variadic_state {
    op_binary_fn fn;
    struct op_walk *walks; /* i: (y, input i) -> y; 0: input 0 -> y */
    bool is_mean;
};

static bool variadic_infer(struct op_node *op, struct error *err)
{
    struct variadic_state *state = op_alloc(op, sizeof *state, err);
    struct eng_tensor *y = op->out[0];
    bool to_bool;

    if (!state)
        return false;
    op->state = state;
    state->walks = op_alloc(op, op->in_count * sizeof *state->walks, err);
    state->is_mean = strcmp(op->node->op, "Mean") == 0;
    state->fn = op_binary_find(op->node->op, op->in[0]->dtype, &to_bool);
    if (!state->walks || (!state->fn && !op_want_type(op, 0, 0, err)))
        return false;
    op_like(y, op->in[0]);
    for (size_t i = 1; i < op->in_count; i++) {
        if (!op->in[i])
            return fail(err, ERR_MODEL_INVALID, "input %zu is left out", i);
        if (!op_same_type(op, 0, i, err) || !op_broadcast(y, op->in[i], y, err))
            return false;
    }
    op_walk_broadcast(&state->walks[0], y, 1, op->in);
    for (size_t i = 1; i < op->in_count; i++)
        op_walk_broadcast(&state->walks[i], y, 2,
                          (const struct eng_tensor *[]){y, op->in[i]});
    return true;
}

static void divide(const struct op_node *op, void *y)
{
    double factor = 1.0 / (double)op->in_count;

    for (int64_t i = 0; i < eng_tensor_count(op->out[0]); i++) {
        if (op->out[0]->dtype == ENG_F32)
            ((float *)y)[i] *= (float)factor;
        else
            ((double *)y)[i] *= factor;
    }
}

static bool variadic_run(const struct op_node *op, const struct op_frame *frame,
                         struct error *err)
{
    const struct variadic_state *state = op->state;
    size_t size = eng_dtype_size(op->out[0]->dtype);
    void *y = op_out(op, frame, 0);

    op_walk_copy(&state->walks[0], size, op_in(op, frame, 0), y);
    for (size_t i = 1; i < op->in_count; i++) {
        struct op_binary_data data = {y, op_in(op, frame, i), y, size, size};

        if (!op_binary_run(state->fn, &state->walks[i], &data, err))
            return false;
    }
    if (state->is_mean)
        divide(op, y);
    return true;
}

const struct op_impl op_variadic = {.name = "variadic",
                                    .in_min = 1,
                                    .in_max = OP_MANY,
                                    .out_min = 1,
                                    .out_max = 1,
                                    .flags = OP_WIDEN,
                                    .infer = variadic_infer,
                                    .run = variadic_run};
