/*
 * com.microsoft DynamicQuantizeMatMul-1: y = a' (b - b_zero) b_scale + bias, a'
 * = a quantised to uint8 by the rule of DynamicQuantizeLinear
 *
 *   input   a        float [..., m, k]
 *           b        uint8 or int8 [..., k, n]
 *           b_scale  float [] or [n];  b_zero  likewise = 0;  bias  float [n] = 0
 *   output  y        float [..., m, n]
 *   errors  ERR_MODEL_INVALID: shapes, scales or zero points do not fit
 *   source  ONNX Runtime, ContribOperators; a has one scale for all of it
 */
#include "qmatmul.h"

enum { A, B, B_SCALE, B_ZERO, BIAS };

bool op_qmatmul_dynamic_infer(struct op_node *op, struct error *err)
{
    struct op_matmul *matmul = op_alloc(op, sizeof *matmul, err);

    op->state = matmul;
    if (!matmul || !op_want_type(op, A, OP_TYPE(ENG_F32), err) ||
        !op_want_type(op, B, OP_TYPES_QUANT8, err) ||
        !op_matmul_shape(op->in[A], op->in[B], matmul, op->out[0], err) ||
        !op_quant_check(op, B_SCALE, B_ZERO, op->in[B]->dtype,
                        matmul->product.n, err))
        return false;
    op->out[0]->dtype = ENG_F32;
    if (!op_has(op, BIAS))
        return true;
    if (op->in[BIAS]->rank != 1 || op->in[BIAS]->dims[0] != matmul->product.n)
        return fail(err, ERR_MODEL_INVALID, "the bias has rank %d",
                    op->in[BIAS]->rank);
    return op_want_type(op, BIAS, OP_TYPE(ENG_F32), err);
}

/* a and b as int32. */
static bool dynamic_prepare(struct op_node *op, struct error *err)
{
    size_t a = (size_t)eng_tensor_count(op->in[A]);
    size_t b = (size_t)eng_tensor_count(op->in[B]);

    /* Both tensors exist, so neither sum nor product is near the limit. */
    if (__builtin_mul_overflow(a + b, sizeof(int32_t), &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the product is too large");
    return true;
}

static float quantize_a(const struct op_node *op, const struct op_frame *frame,
                        int32_t *to)
{
    const float *a = op_in(op, frame, A);
    int64_t count = eng_tensor_count(op->in[A]);
    uint8_t zero, value;
    float scale = op_quant_range(a, count, &zero);

    for (int64_t i = 0; i < count; i++) {
        op_quant_put(ENG_U8, &value, 0, a[i] / scale, zero);
        to[i] = value - zero;
    }
    return scale;
}

static void load_b(const struct op_node *op, const struct op_frame *frame,
                   int32_t *to)
{
    const struct op_matmul *matmul = op->state;
    int64_t count = eng_tensor_count(op->in[B]), n = matmul->product.n;
    const void *b = op_in(op, frame, B);

    for (int64_t i = 0; i < count; i++)
        to[i] = op_quant_at(op->in[B]->dtype, b, i) -
                op_zero_of(op, frame, B_ZERO, i % n);
}

static bool dynamic_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct op_matmul *matmul = op->state;
    int64_t count = eng_tensor_count(op->out[0]), n = matmul->product.n;
    int32_t *a = frame->scratch, *b = a + eng_tensor_count(op->in[A]);
    const float *bias = op_has(op, BIAS) ? op_in(op, frame, BIAS) : NULL;
    float *y = op_out(op, frame, 0);
    float scale = quantize_a(op, frame, a);

    (void)err;
    load_b(op, frame, b);
    /* The sums are as wide as y: they turn into it in place. */
    op_matmul_products(matmul, ENG_I32, a, b, y);
    for (int64_t i = 0; i < count; i++) {
        int32_t sum = ((const int32_t *)(const void *)y)[i];

        y[i] = (float)sum * (scale * op_scale_of(op, frame, B_SCALE, i % n)) +
               (bias ? bias[i % n] : 0);
    }
    return true;
}

const struct op_impl op_qmatmul_dynamic = {.name = "qmatmul.dynamic",
                                           .in_min = 3,
                                           .in_max = 5,
                                           .out_min = 1,
                                           .out_max = 1,
                                           .infer = op_qmatmul_dynamic_infer,
                                           .prepare = dynamic_prepare,
                                           .run = dynamic_run};
