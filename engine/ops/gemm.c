/*
 * Gemm, opset 13: y = alpha * A' B' + beta * C, A' = A or its transpose
 * com.microsoft FusedGemm-1: the same for float, and an activation after it
 *
 *   input   a   [m, k], or [k, m] with transA; float, double, 32/64-bit integer
 *           b   [k, n], or [n, k] with transB
 *           c   broadcasts to [m, n]; may be left out (required below opset 11)
 *   output  y   [m, n], type of a
 *   attr    alpha, beta  float = 1
 *           transA, transB  int = 0
 *           activation, activation_alpha, activation_beta: fused.h (FusedGemm)
 *   errors  ERR_MODEL_INVALID: rank not 2, k differs, c does not broadcast
 *   source  ONNX operator list, Gemm-13
 *   check   float with a constant b through fgemm.h, otherwise oneDNN or own
 *           rows (product.c): 1e-5 relative
 */
#include "fgemm.h"

#include <string.h>

#include "binary.h"
#include "fused.h"

struct gemm_state {
    struct op_product product;
    float alpha, beta;
    struct op_fused fused;
    op_binary_fn add;
    struct op_walk walk; /* y, c -> y */
};

static bool read_attrs(const struct op_node *op, struct gemm_state *state,
                       bool *trans_a, bool *trans_b, struct error *err)
{
    int64_t a = 0, b = 0;

    state->alpha = 1;
    state->beta = 1;
    if (!op_attr_float(op, "alpha", &state->alpha, err) ||
        !op_attr_float(op, "beta", &state->beta, err) ||
        !op_attr_int(op, "transA", &a, err) ||
        !op_attr_int(op, "transB", &b, err))
        return false;
    *trans_a = a != 0;
    *trans_b = b != 0;
    return strcmp(op->node->op, "FusedGemm") != 0 ||
           (op_want_type(op, 0, OP_TYPE(ENG_F32), err) &&
            op_fused_read(op, &state->fused, err));
}

static bool set_product(const struct op_node *op, struct op_product *product,
                        bool trans_a, bool trans_b, struct error *err)
{
    const struct eng_tensor *a = op->in[0], *b = op->in[1];
    char left[ENG_SHAPE_TEXT], right[ENG_SHAPE_TEXT];

    if (a->rank != 2 || b->rank != 2 ||
        a->dims[trans_a ? 0 : 1] != b->dims[trans_b ? 1 : 0])
        return fail(err, ERR_MODEL_INVALID, "shapes %.60s and %.60s do not fit",
                    eng_shape_text(a, left), eng_shape_text(b, right));
    product->m = a->dims[trans_a ? 1 : 0];
    product->k = a->dims[trans_a ? 0 : 1];
    product->n = b->dims[trans_b ? 0 : 1];
    product->a_row = trans_a ? 1 : a->dims[1];
    product->a_col = trans_a ? a->dims[1] : 1;
    product->b_row = trans_b ? 1 : b->dims[1];
    product->b_col = trans_b ? b->dims[1] : 1;
    return true;
}

static bool add_c(struct op_node *op, struct gemm_state *state,
                  struct error *err)
{
    struct eng_tensor sum = {0};
    const struct eng_tensor *operands[] = {op->out[0], op->in[2]};
    bool to_bool;

    if (!op_same_type(op, 0, 2, err) ||
        !op_broadcast(op->out[0], op->in[2], &sum, err))
        return false;
    if (!eng_shape_equal(&sum, op->out[0]))
        return fail(err, ERR_MODEL_INVALID,
                    "input 2 is larger than the product");
    state->add = op_binary_find("Add", op->out[0]->dtype, &to_bool);
    op_walk_broadcast(&state->walk, op->out[0], 2, operands);
    return true;
}

bool op_gemm_infer(struct op_node *op, struct error *err)
{
    enum {
        TYPES = OP_TYPES_REAL | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) |
                OP_TYPE(ENG_U32) | OP_TYPE(ENG_U64)
    };
    struct gemm_state *state = op_alloc(op, sizeof *state, err);
    bool trans_a, trans_b;

    if (!state || !op_want_type(op, 0, TYPES, err) ||
        !op_same_type(op, 0, 1, err) ||
        !read_attrs(op, state, &trans_a, &trans_b, err) ||
        !set_product(op, &state->product, trans_a, trans_b, err))
        return false;
    op->state = state;
    op->out[0]->dtype = op->in[0]->dtype;
    eng_shape_set(op->out[0], 2,
                  (const int64_t[]){state->product.m, state->product.n});
    return !op_has(op, 2) || add_c(op, state, err);
}

static void scale(void *data, enum eng_dtype dtype, int64_t count, float factor)
{
    for (int64_t i = 0; i < count; i++) {
        if (dtype == ENG_F32)
            ((float *)data)[i] *= factor;
        else if (dtype == ENG_F64)
            ((double *)data)[i] *= (double)factor;
        else if (dtype == ENG_I32 || dtype == ENG_U32)
            ((int32_t *)data)[i] =
                (int32_t)((double)((int32_t *)data)[i] * (double)factor);
        else
            ((int64_t *)data)[i] =
                (int64_t)((double)((int64_t *)data)[i] * (double)factor);
    }
}

static bool add_c_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct gemm_state *state = op->state;
    size_t size = eng_dtype_size(op->out[0]->dtype);
    void *y = op_out(op, frame, 0);
    struct op_binary_data data = {y, op_in(op, frame, 2), y, size, size};

    /* beta * c: c is scaled in scratch memory when beta is not 1. */
    if (state->beta != 1) {
        memcpy(frame->scratch, data.b, eng_tensor_size(op->in[2]));
        scale(frame->scratch, op->out[0]->dtype, eng_tensor_count(op->in[2]),
              state->beta);
        data.b = frame->scratch;
    }
    return op_binary_run(state->add, &state->walk, &data, err);
}

static bool gemm_prepare(struct op_node *op, struct error *err)
{
    const struct gemm_state *state = op->state;

    (void)err;
    if (op_has(op, 2) && state->beta != 1)
        op->scratch_bytes = eng_tensor_size(op->in[2]);
    return true;
}

static bool gemm_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct gemm_state *state = op->state;
    void *y = op_out(op, frame, 0);

    (void)op_product_run(op->in[0]->dtype, &state->product, op_in(op, frame, 0),
                         op_in(op, frame, 1), y);
    if (state->alpha != 1)
        scale(y, op->out[0]->dtype, eng_tensor_count(op->out[0]), state->alpha);
    if (op_has(op, 2) && state->beta != 0 && !add_c_run(op, frame, err))
        return false;
    op_fused_run(&state->fused, y, eng_tensor_count(op->out[0]));
    return true;
}

const struct op_impl op_gemm = {.name = "gemm",
                                .in_min = 2,
                                .in_max = 3,
                                .out_min = 1,
                                .out_max = 1,
                                .flags = OP_WIDEN,
                                .infer = op_gemm_infer,
                                .prepare = gemm_prepare,
                                .run = gemm_run};

/* --- b is a constant matrix of float, c one row or all of y --- */

struct packed_gemm {
    struct op_fgemm fgemm;
    bool bias, residual; /* what c is */
};

static bool c_is_row(const struct op_node *op)
{
    const struct eng_tensor *c = op->in[2];

    return eng_tensor_count(c) == op->out[0]->dims[1] &&
           (c->rank == 1 || (c->rank == 2 && c->dims[0] == 1));
}

static bool packed_accepts(const struct op_node *op)
{
    const struct gemm_state *state = op->state;

    if (!op_fgemm_fits(op, 1, &state->product))
        return false;
    if (!op_has(op, 2) || state->beta == 0)
        return true;
    /* What follows the activation could not come before it. */
    return state->beta == 1 &&
           (c_is_row(op) || (op_fused_act(&state->fused).kind == ACT_NONE &&
                             eng_shape_equal(op->in[2], op->out[0])));
}

static bool packed_prepare(struct op_node *op, struct error *err)
{
    const struct gemm_state *state = op->state;
    struct packed_gemm *packed = op_alloc(op, sizeof *packed, err);
    bool adds = op_has(op, 2) && state->beta != 0;

    op->state = packed;
    if (!packed || !op_fgemm_prepare(op, 1, &state->product, state->alpha,
                                     &packed->fgemm, err))
        return false;
    packed->bias = adds && c_is_row(op);
    packed->residual = adds && !packed->bias;
    packed->fgemm.act = op_fused_act(&state->fused);
    return true;
}

static bool packed_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct packed_gemm *packed = op->state;
    struct op_fgemm_data data = {.x = op_in(op, frame, 0),
                                 .y = op_out(op, frame, 0)};

    (void)err;
    if (packed->bias)
        data.bias = op_in(op, frame, 2);
    if (packed->residual)
        data.residual = op_in(op, frame, 2);
    op_fgemm_run(op, frame->seat, &packed->fgemm, &data);
    return true;
}

const struct op_impl op_gemm_packed = {.name = "gemm.packed",
                                       .in_min = 2,
                                       .in_max = 3,
                                       .out_min = 1,
                                       .out_max = 1,
                                       .flags = OP_WIDEN | OP_PACKED,
                                       .infer = op_gemm_infer,
                                       .accepts = packed_accepts,
                                       .prepare = packed_prepare,
                                       .run = packed_run};
