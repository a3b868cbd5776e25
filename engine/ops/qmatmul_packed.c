/*
 * MatMulInteger, QLinearMatMul, MatMulIntegerToFloat and DynamicQuantizeMatMul
 * with a constant right side: see qgemm.h. What they compute is said where
 * their references are; sums are the same, floats differ by rounding alone.
 */
#include "qgemm.h"
#include "qmatmul.h"

static bool prepare(struct op_node *op, struct op_qgemm q, struct error *err)
{
    struct op_qgemm *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state)
        return false;
    *state = q;
    return op_qgemm_prepare(op, state, err);
}

/* --- MatMulInteger --- */

static const struct op_qgemm_inputs integer_inputs = {.a = 0,
                                                      .b = 1,
                                                      .a_zero = 2,
                                                      .b_zero = 3,
                                                      .a_scale = OP_NO_INPUT,
                                                      .b_scale = OP_NO_INPUT};

static bool integer_accepts(const struct op_node *op)
{
    return op_qgemm_fits(op, &integer_inputs);
}

static bool integer_prepare(struct op_node *op, struct error *err)
{
    return prepare(op, (struct op_qgemm){.in = integer_inputs}, err);
}

static bool integer_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    struct gemm_i8 g = {.out = GEMM_I8_SUM, .y = op_out(op, frame, 0)};

    (void)err;
    op_qgemm_run(op, frame, op->state, &g);
    return true;
}

const struct op_impl op_matmul_integer_packed = {
    .name = "matmul.integer.packed",
    .in_min = 2,
    .in_max = 4,
    .out_min = 1,
    .out_max = 1,
    .infer = op_matmul_integer_infer,
    .accepts = integer_accepts,
    .prepare = integer_prepare,
    .run = integer_run};

/* --- QLinearMatMul --- */

static const struct op_qgemm_inputs linear_inputs = {
    .a = 0, .a_scale = 1, .a_zero = 2, .b = 3, .b_scale = 4, .b_zero = 5};
enum { LINEAR_Y_SCALE = 6, LINEAR_Y_ZERO = 7 };

static bool linear_accepts(const struct op_node *op)
{
    return op_qgemm_fits(op, &linear_inputs) &&
           eng_tensor_count(op->in[linear_inputs.a_scale]) == 1;
}

static bool linear_prepare(struct op_node *op, struct error *err)
{
    return prepare(op, (struct op_qgemm){.in = linear_inputs}, err);
}

static bool linear_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    struct gemm_i8 g = {.out = op->out[0]->dtype == ENG_U8 ? GEMM_I8_U8
                                                           : GEMM_I8_S8,
                        .y = op_out(op, frame, 0),
                        .y_scale = op_scale_of(op, frame, LINEAR_Y_SCALE, 0),
                        .y_zero = op_zero_of(op, frame, LINEAR_Y_ZERO, 0)};

    (void)err;
    op_qgemm_run(op, frame, op->state, &g);
    return true;
}

const struct op_impl op_qlinear_matmul_packed = {
    .name = "qlinear_matmul.packed",
    .in_min = 8,
    .in_max = 8,
    .out_min = 1,
    .out_max = 1,
    .infer = op_qlinear_matmul_infer,
    .accepts = linear_accepts,
    .prepare = linear_prepare,
    .run = linear_run};

/* --- MatMulIntegerToFloat --- */

static const struct op_qgemm_inputs float_inputs = {
    .a = 0, .b = 1, .a_scale = 2, .b_scale = 3, .a_zero = 4, .b_zero = 5};
enum { FLOAT_BIAS = 6 };

static bool float_accepts(const struct op_node *op)
{
    return op_qgemm_fits(op, &float_inputs);
}

static bool float_prepare(struct op_node *op, struct error *err)
{
    return prepare(op, (struct op_qgemm){.in = float_inputs}, err);
}

static bool float_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    struct gemm_i8 g = {.out = GEMM_I8_FLOAT, .y = op_out(op, frame, 0)};

    (void)err;
    if (op_has(op, FLOAT_BIAS))
        g.bias = op_in(op, frame, FLOAT_BIAS);
    op_qgemm_run(op, frame, op->state, &g);
    return true;
}

const struct op_impl op_qmatmul_float_packed = {.name = "qmatmul.float.packed",
                                                .in_min = 4,
                                                .in_max = 7,
                                                .out_min = 1,
                                                .out_max = 1,
                                                .infer = op_qmatmul_float_infer,
                                                .accepts = float_accepts,
                                                .prepare = float_prepare,
                                                .run = float_run};

/* --- DynamicQuantizeMatMul --- */

static const struct op_qgemm_inputs dynamic_inputs = {.a = 0,
                                                      .b = 1,
                                                      .b_scale = 2,
                                                      .b_zero = 3,
                                                      .a_scale = OP_NO_INPUT,
                                                      .a_zero = OP_NO_INPUT};
enum { DYNAMIC_BIAS = 4 };

static bool dynamic_accepts(const struct op_node *op)
{
    return op_qgemm_fits(op, &dynamic_inputs);
}

static bool dynamic_prepare(struct op_node *op, struct error *err)
{
    return prepare(
        op, (struct op_qgemm){.in = dynamic_inputs, .left = QGEMM_WHOLE}, err);
}

static bool dynamic_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    struct gemm_i8 g = {.out = GEMM_I8_FLOAT, .y = op_out(op, frame, 0)};

    (void)err;
    if (op_has(op, DYNAMIC_BIAS))
        g.bias = op_in(op, frame, DYNAMIC_BIAS);
    op_qgemm_run(op, frame, op->state, &g);
    return true;
}

const struct op_impl op_qmatmul_dynamic_packed = {
    .name = "qmatmul.dynamic.packed",
    .in_min = 3,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .infer = op_qmatmul_dynamic_infer,
    .accepts = dynamic_accepts,
    .prepare = dynamic_prepare,
    .run = dynamic_run};
