/*
 * com.microsoft MatMulIntegerToFloat-1:
 *   y = (a - a_zero) (b - b_zero) a_scale b_scale + bias
 *
 *   input   a  uint8 or int8 [..., m, k];  b  uint8 or int8 [..., k, n]
 *           a_scale  float [] or [m];  b_scale  float [] or [n]
 *           a_zero, b_zero  like their scales = 0;  bias  float [n] = 0
 *   output  y  float [..., m, n]
 *   errors  ERR_MODEL_INVALID: shapes, scales or zero points do not fit
 *   source  ONNX Runtime, ContribOperators
 */
#include "qmatmul.h"

struct to_float {
    struct op_qmatmul q; /* first: op_qmatmul_run's callback finds it here */
    size_t a_scale, b_scale, bias;
};

static bool check_bias(const struct op_node *op, const struct to_float *state,
                       struct error *err)
{
    const struct eng_tensor *bias;

    if (!op_has(op, state->bias))
        return true;
    bias = op->in[state->bias];
    if (bias->rank != 1 || bias->dims[0] != state->q.matmul.product.n)
        return fail(err, ERR_MODEL_INVALID, "the bias has rank %d", bias->rank);
    return op_want_type(op, state->bias, OP_TYPE(ENG_F32), err);
}

static void put_row(const struct op_node *op, const struct op_frame *frame,
                    const int32_t *acc, int64_t row, int64_t first)
{
    const struct to_float *state = op->state;
    int64_t n = state->q.matmul.product.n;
    float *y = (float *)op_out(op, frame, 0) + first + row * n;
    const float *bias =
        op_has(op, state->bias) ? op_in(op, frame, state->bias) : NULL;
    float a_scale = op_scale_of(op, frame, state->a_scale, row);

    for (int64_t i = 0; i < n; i++)
        y[i] = (float)acc[i] *
                   (a_scale * op_scale_of(op, frame, state->b_scale, i)) +
               (bias ? bias[i] : 0);
}

enum { A, B, A_SCALE, B_SCALE, A_ZERO, B_ZERO, BIAS };

bool op_qmatmul_float_infer(struct op_node *op, struct error *err)
{
    struct to_float *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state)
        return false;
    *state = (struct to_float){
        .q = {.a = A, .b = B, .a_zero = A_ZERO, .b_zero = B_ZERO},
        .a_scale = A_SCALE,
        .b_scale = B_SCALE,
        .bias = BIAS};
    op->out[0]->dtype = ENG_F32;
    return op_qmatmul_shape(op, &state->q, err) &&
           op_quant_check(op, A_SCALE, A_ZERO, op->in[A]->dtype,
                          state->q.matmul.product.m, err) &&
           op_quant_check(op, B_SCALE, B_ZERO, op->in[B]->dtype,
                          state->q.matmul.product.n, err) &&
           check_bias(op, state, err);
}

static bool to_float_run(const struct op_node *op, const struct op_frame *frame,
                         struct error *err)
{
    const struct to_float *state = op->state;

    (void)err;
    op_qmatmul_run(op, frame, &state->q, put_row);
    return true;
}

const struct op_impl op_qmatmul_float = {.name = "qmatmul.float",
                                         .in_min = 4,
                                         .in_max = 7,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .infer = op_qmatmul_float_infer,
                                         .run = to_float_run};
