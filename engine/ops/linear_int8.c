/*
 * Linear with precision int8: y = act(x' w' + bias) + residual, where w' and x'
 * are w and x in 8 bits
 *
 *   w'  int8, a scale for each column: its largest magnitude / 127; made once
 *   x'  uint8, scale and zero point for each row by its own range, in each run
 *
 *   inputs, output, attributes, errors: see linear.c
 *   source  the usual scheme of dynamic quantisation, rows instead of one range
 *           for all of x: a request's answer does not depend on what else is
 *           in its batch
 *   check   0.0096 of the norm for a block of a transformer
 *           (tests/unit/test_engine_int8.c)
 */
#include <string.h>

#include "linear.h"
#include "passes/rewrite.h"
#include "qgemm.h"

/* Smaller products cost little and lose as much accuracy: last layers with few
 * classes, gates, embeddings of single numbers. */
enum { WEIGHTS_MIN = 4096, DEPTH_MIN = 16 };

struct linear_int8 {
    struct op_linear shared; /* as infer left it */
    struct op_qgemm q;
    size_t product_at; /* in scratch memory, with shared.add */
};

static bool is_transposed(const struct eng_node *node)
{
    for (size_t i = 0; i < node->attr_count; i++) {
        if (strcmp(node->attrs[i].name, "transB") == 0)
            return node->attrs[i].i != 0;
    }
    return false;
}

bool op_int8_fits(const struct eng_graph *graph, const struct eng_node *node)
{
    const struct eng_tensor *w;
    int64_t k, n;

    if (strcmp(node->domain, REWRITE_DOMAIN) != 0 ||
        strcmp(node->op, "Linear") != 0 || node->input_count <= LINEAR_W ||
        node->inputs[LINEAR_W] == ENG_NO_VALUE)
        return false;
    w = &graph->values[node->inputs[LINEAR_W]].constant;
    if (!w->data || w->dtype != ENG_F32 || w->rank != 2)
        return false;
    k = w->dims[is_transposed(node) ? 1 : 0];
    n = w->dims[is_transposed(node) ? 0 : 1];
    return k >= DEPTH_MIN && n > 0 && k * n >= WEIGHTS_MIN;
}

static bool int8_accepts(const struct op_node *op)
{
    return op->graph->precision == ENG_PRECISION_INT8 &&
           eng_tensor_count(op->in[LINEAR_X]) > 0 &&
           op_int8_fits(op->graph, op->node);
}

static bool int8_prepare(struct op_node *op, struct error *err)
{
    struct linear_int8 *state = op_alloc(op, sizeof *state, err);

    if (!state)
        return false;
    memcpy(&state->shared, op->state, sizeof state->shared);
    op->state = state;
    state->q = (struct op_qgemm){.in = {.a = LINEAR_X,
                                        .b = LINEAR_W,
                                        .a_scale = OP_NO_INPUT,
                                        .a_zero = OP_NO_INPUT,
                                        .b_scale = OP_NO_INPUT,
                                        .b_zero = OP_NO_INPUT},
                                 .left = QGEMM_ROWS,
                                 .transposed = state->shared.transposed,
                                 .alpha = state->shared.alpha};
    if (!op_qgemm_prepare(op, &state->q, err))
        return false;
    state->product_at = op->scratch_bytes;
    op->scratch_bytes += op_linear_scratch(&state->shared);
    return true;
}

static bool int8_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct linear_int8 *state = op->state;
    unsigned char *scratch = frame->scratch;
    struct gemm_i8 g = {.out = GEMM_I8_FLOAT,
                        .y = state->shared.add ? scratch + state->product_at
                                               : op_out(op, frame, 0),
                        .act = state->shared.act};

    if (op_has(op, LINEAR_BIAS))
        g.bias = op_in(op, frame, LINEAR_BIAS);
    if (op_has(op, LINEAR_RESIDUAL) && !state->shared.add)
        g.residual = op_in(op, frame, LINEAR_RESIDUAL);
    op_qgemm_run(op, frame, &state->q, &g);
    return !state->shared.add ||
           op_linear_add(op, frame, &state->shared, g.y, err);
}

const struct op_impl op_linear_int8 = {.name = "linear.int8",
                                       .in_min = 2,
                                       .in_max = 4,
                                       .out_min = 1,
                                       .out_max = 1,
                                       .infer = op_linear_infer,
                                       .accepts = int8_accepts,
                                       .prepare = int8_prepare,
                                       .run = int8_run};
