/*
 * com.microsoft FusedMatMul-1: y = alpha a' b', a' = a or its transpose
 *
 *   input   a, b  as MatMul, float or double
 *   output  y     as MatMul
 *   attr    alpha float = 1; transA, transB int = 0: the last two dimensions
 *   errors  what matmul.c says; ERR_MODEL_UNSUPPORTED: transBatchA, transBatchB
 *   source  ONNX Runtime, ContribOperators; a vector is never transposed
 */
#include "fgemm.h"

struct fused_matmul {
    struct op_matmul matmul;
    float alpha;
};

/* `tensor` as it is multiplied. */
static struct eng_tensor transposed(const struct eng_tensor *tensor,
                                    bool *transpose)
{
    struct eng_tensor result = *tensor;

    *transpose = *transpose && tensor->rank > 1;
    if (*transpose) {
        result.dims[tensor->rank - 2] = tensor->dims[tensor->rank - 1];
        result.dims[tensor->rank - 1] = tensor->dims[tensor->rank - 2];
    }
    return result;
}

static bool read_flags(const struct op_node *op, bool *a, bool *b,
                       struct error *err)
{
    bool batch_a = false, batch_b = false;

    if (!op_attr_bool(op, "transA", a, err) ||
        !op_attr_bool(op, "transB", b, err) ||
        !op_attr_bool(op, "transBatchA", &batch_a, err) ||
        !op_attr_bool(op, "transBatchB", &batch_b, err))
        return false;
    if (batch_a || batch_b)
        return fail(err, ERR_MODEL_UNSUPPORTED, "transBatchA or transBatchB");
    return true;
}

static bool fused_matmul_infer(struct op_node *op, struct error *err)
{
    struct fused_matmul *state = op_alloc(op, sizeof *state, err);
    bool trans_a = false, trans_b = false;
    struct op_product *product;
    struct eng_tensor a, b;

    op->state = state;
    if (!state)
        return false;
    state->alpha = 1;
    if (!op_want_type(op, 0, OP_TYPES_REAL, err) ||
        !op_same_type(op, 0, 1, err) ||
        !read_flags(op, &trans_a, &trans_b, err) ||
        !op_attr_float(op, "alpha", &state->alpha, err))
        return false;
    a = transposed(op->in[0], &trans_a);
    b = transposed(op->in[1], &trans_b);
    if (!op_matmul_shape(&a, &b, &state->matmul, op->out[0], err))
        return false;
    op->out[0]->dtype = op->in[0]->dtype;
    product = &state->matmul.product;
    if (!trans_a)
        op_matmul_join(&state->matmul);
    if (trans_a) {
        product->a_row = 1;
        product->a_col = product->m;
    }
    if (trans_b) {
        product->b_row = 1;
        product->b_col = product->k;
    }
    return true;
}

static bool fused_matmul_run(const struct op_node *op,
                             const struct op_frame *frame, struct error *err)
{
    const struct fused_matmul *state = op->state;
    int64_t count = eng_tensor_count(op->out[0]);
    void *y = op_out(op, frame, 0);

    (void)err;
    op_matmul_products(&state->matmul, op->out[0]->dtype, op_in(op, frame, 0),
                       op_in(op, frame, 1), y);
    for (int64_t i = 0; state->alpha != 1 && i < count; i++) {
        if (op->out[0]->dtype == ENG_F32)
            ((float *)y)[i] *= state->alpha;
        else
            ((double *)y)[i] *= (double)state->alpha;
    }
    return true;
}

const struct op_impl op_fused_matmul = {.name = "fused_matmul",
                                        .in_min = 2,
                                        .in_max = 2,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .infer = fused_matmul_infer,
                                        .run = fused_matmul_run};

/* --- b is a constant matrix of float --- */

static bool packed_accepts(const struct op_node *op)
{
    const struct fused_matmul *state = op->state;

    return op_matmul_is_one(&state->matmul) &&
           op_fgemm_fits(op, 1, &state->matmul.product);
}

static bool packed_prepare(struct op_node *op, struct error *err)
{
    const struct fused_matmul *state = op->state;
    struct op_fgemm *fgemm = op_alloc(op, sizeof *fgemm, err);

    op->state = fgemm;
    return fgemm && op_fgemm_prepare(op, 1, &state->matmul.product,
                                     state->alpha, fgemm, err);
}

const struct op_impl op_fused_matmul_packed = {.name = "fused_matmul.packed",
                                               .in_min = 2,
                                               .in_max = 2,
                                               .out_min = 1,
                                               .out_max = 1,
                                               .flags = OP_PACKED,
                                               .infer = fused_matmul_infer,
                                               .accepts = packed_accepts,
                                               .prepare = packed_prepare,
                                               .run = op_fgemm_run_one};
