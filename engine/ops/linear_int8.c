/*
 * MatMul and Gemm with precision int8: y = a' w' + c, where w' and a' are w and
 * a in 8 bits
 *
 *   w'  int8, a scale for each column: its largest magnitude / 127; made once
 *   a'  uint8, scale and zero point for each row by its own range, in each run
 *
 *   input   a  float [..., k];  w  constant float matrix;  c  constant float [n]
 *   output  y  float [..., n]
 *   source  the usual scheme of dynamic quantisation, rows instead of one range
 *           for all of a: a request's answer does not depend on what else is
 *           in its batch
 *   check   within (127 + 255) / 2 roundings: relative to the norms of a row
 *           and a column below 0.01 (tests/unit/test_engine_int8.c)
 */
#include <string.h>

#include "gemm.h"
#include "qgemm.h"

/* Smaller products cost little and lose as much accuracy: last layers with few
 * classes, gates, embeddings of single numbers. */
enum { WEIGHTS_MIN = 4096, DEPTH_MIN = 16 };

static const struct eng_attr *find_attr(const struct eng_node *node,
                                        const char *name)
{
    for (size_t i = 0; i < node->attr_count; i++) {
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    }
    return NULL;
}

static int64_t int_of(const struct eng_node *node, const char *name)
{
    const struct eng_attr *attr = find_attr(node, name);

    return attr ? attr->i : 0;
}

static float float_of(const struct eng_node *node, const char *name)
{
    const struct eng_attr *attr = find_attr(node, name);

    return attr ? attr->f : 1;
}

static bool is_gemm(const struct eng_node *node)
{
    return strcmp(node->op, "Gemm") == 0;
}

static bool is_transposed(const struct eng_node *node)
{
    return is_gemm(node) && int_of(node, "transB") != 0;
}

/* What Gemm adds is nothing, or one number for each column. */
static bool adds_columns(const struct eng_graph *graph,
                         const struct eng_node *node, int64_t n)
{
    const struct eng_tensor *c;

    if (node->input_count < 3 || node->inputs[2] == ENG_NO_VALUE)
        return true;
    c = &graph->values[node->inputs[2]].constant;
    return c->data && c->dtype == ENG_F32 && eng_tensor_count(c) == n &&
           float_of(node, "beta") == 1 &&
           (c->rank == 1 || (c->rank == 2 && c->dims[0] == 1));
}

bool op_int8_fits(const struct eng_graph *graph, const struct eng_node *node)
{
    const struct eng_tensor *w;
    int64_t k, n;

    if (node->domain[0] ||
        (!is_gemm(node) && strcmp(node->op, "MatMul") != 0) ||
        node->input_count < 2 || node->inputs[1] == ENG_NO_VALUE)
        return false;
    w = &graph->values[node->inputs[1]].constant;
    if (!w->data || w->dtype != ENG_F32 || w->rank != 2)
        return false;
    k = w->dims[is_transposed(node) ? 1 : 0];
    n = w->dims[is_transposed(node) ? 0 : 1];
    if (k < DEPTH_MIN || n == 0 || k * n < WEIGHTS_MIN)
        return false;
    return !is_gemm(node) ||
           (int_of(node, "transA") == 0 && float_of(node, "alpha") == 1 &&
            adds_columns(graph, node, n));
}

static bool int8_accepts(const struct op_node *op)
{
    return op->graph->precision == ENG_PRECISION_INT8 &&
           op->in[0]->dtype == ENG_F32 && eng_tensor_count(op->in[0]) > 0 &&
           op_int8_fits(op->graph, op->node);
}

static bool int8_prepare(struct op_node *op, struct error *err)
{
    struct op_qgemm *q = op_alloc(op, sizeof *q, err);

    op->state = q;
    if (!q)
        return false;
    *q = (struct op_qgemm){.in = {.a = 0,
                                  .b = 1,
                                  .a_scale = OP_NO_INPUT,
                                  .a_zero = OP_NO_INPUT,
                                  .b_scale = OP_NO_INPUT,
                                  .b_zero = OP_NO_INPUT},
                           .left = QGEMM_ROWS,
                           .transposed = is_transposed(op->node)};
    return op_qgemm_prepare(op, q, err);
}

static bool int8_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    struct gemm_i8 g = {.out = GEMM_I8_FLOAT, .y = op_out(op, frame, 0)};

    (void)err;
    if (op_has(op, 2))
        g.bias = op_in(op, frame, 2);
    op_qgemm_run(op, frame, op->state, &g);
    return true;
}

const struct op_impl op_matmul_int8 = {.name = "matmul.int8",
                                       .in_min = 2,
                                       .in_max = 2,
                                       .out_min = 1,
                                       .out_max = 1,
                                       .flags = OP_WIDEN,
                                       .infer = op_matmul_infer,
                                       .accepts = int8_accepts,
                                       .prepare = int8_prepare,
                                       .run = int8_run};

const struct op_impl op_gemm_int8 = {.name = "gemm.int8",
                                     .in_min = 2,
                                     .in_max = 3,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .flags = OP_WIDEN,
                                     .infer = op_gemm_infer,
                                     .accepts = int8_accepts,
                                     .prepare = int8_prepare,
                                     .run = int8_run};
