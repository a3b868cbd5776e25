/*
 * MatMulInteger, opset 10: y = (a - a_zero) (b - b_zero)
 * QLinearMatMul, opset 21: y = saturate(round(that * a_scale * b_scale /
 *                              y_scale) + y_zero)
 *
 *   MatMulInteger
 *   input   a, b    uint8 or int8 [..., m, k], [..., k, n] (MatMul's rules)
 *           a_zero  [] or [m] = 0, b_zero  [] or [n] = 0
 *   output  y       int32
 *   QLinearMatMul
 *   input   a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero
 *           scales  float, float16 or bfloat16; b's may be [n], a's [m]
 *   output  y       uint8 or int8, type of y_zero
 *   errors  ERR_MODEL_INVALID: shapes or zero points do not fit
 *   source  ONNX operator list; rounding is half to even
 */
#include "qmatmul.h"

#include <string.h>

static struct op_qmatmul *new_state(struct op_node *op,
                                    struct op_qmatmul inputs, struct error *err)
{
    struct op_qmatmul *q = op_alloc(op, sizeof *q, err);

    op->state = q;
    if (!q)
        return NULL;
    *q = inputs;
    return op_qmatmul_shape(op, q, err) ? q : NULL;
}

bool op_matmul_integer_infer(struct op_node *op, struct error *err)
{
    struct op_qmatmul inputs = {.a = 0, .b = 1, .a_zero = 2, .b_zero = 3};

    op->out[0]->dtype = ENG_I32;
    return new_state(op, inputs, err) != NULL;
}

static void integer_put(const struct op_node *op, const struct op_frame *frame,
                        const int32_t *acc, int64_t row, int64_t first)
{
    const struct op_qmatmul *q = op->state;
    int64_t n = q->matmul.product.n;

    memcpy((int32_t *)op_out(op, frame, 0) + first + row * n, acc,
           (size_t)n * sizeof *acc);
}

static bool integer_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    (void)err;
    op_qmatmul_run(op, frame, op->state, integer_put);
    return true;
}

const struct op_impl op_matmul_integer = {.name = "matmul.integer",
                                          .in_min = 2,
                                          .in_max = 4,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = op_matmul_integer_infer,
                                          .run = integer_run};

/* --- QLinearMatMul --- */

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

bool op_qlinear_matmul_infer(struct op_node *op, struct error *err)
{
    struct op_qmatmul inputs = {
        .a = A, .b = B, .a_zero = A_ZERO, .b_zero = B_ZERO};
    struct op_qmatmul *q;
    enum eng_dtype type = op->in[Y_ZERO]->dtype;

    if (!op_want_type(op, Y_ZERO, OP_TYPES_QUANT8, err))
        return false;
    q = new_state(op, inputs, err);
    op->out[0]->dtype = type;
    return q &&
           op_quant_check(op, A_SCALE, A_ZERO, op->in[A]->dtype,
                          q->matmul.product.m, err) &&
           op_quant_check(op, B_SCALE, B_ZERO, op->in[B]->dtype,
                          q->matmul.product.n, err) &&
           op_quant_check(op, Y_SCALE, Y_ZERO, type, 0, err);
}

static void linear_put(const struct op_node *op, const struct op_frame *frame,
                       const int32_t *acc, int64_t row, int64_t first)
{
    const struct op_qmatmul *q = op->state;
    int64_t n = q->matmul.product.n;
    float a_scale = op_scale_of(op, frame, A_SCALE, row);
    float y_scale = op_scale_of(op, frame, Y_SCALE, 0);
    int32_t zero = op_zero_of(op, frame, Y_ZERO, 0);

    for (int64_t i = 0; i < n; i++) {
        float scale = a_scale * op_scale_of(op, frame, B_SCALE, i) / y_scale;

        op_quant_put(op->out[0]->dtype, op_out(op, frame, 0),
                     first + row * n + i, (float)acc[i] * scale, zero);
    }
}

static bool linear_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    (void)err;
    op_qmatmul_run(op, frame, op->state, linear_put);
    return true;
}

const struct op_impl op_qlinear_matmul = {.name = "qlinear_matmul",
                                          .in_min = 8,
                                          .in_max = 8,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = op_qlinear_matmul_infer,
                                          .run = linear_run};
