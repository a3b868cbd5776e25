/*
 * MatMul, opset 13: y = a b, numpy's rules
 *
 *   input   a   [..., m, k] or [k]; float, double, 32- and 64-bit integers
 *           b   [..., k, n] or [k]
 *   output  y   [..., m, n], leading dimensions broadcast; m or n is gone where
 *               the input had one dimension
 *   errors  ERR_MODEL_INVALID: a scalar, k differs, leading dimensions do not
 *           broadcast, types differ
 *   source  ONNX operator list, MatMul-13
 *   check   float with a constant b through fgemm.h, otherwise oneDNN or own
 *           rows (product.c): 1e-5 relative
 */
#include "fgemm.h"

/* a or b as a stack of matrices. */
static void as_matrices(const struct eng_tensor *tensor, bool is_left,
                        struct eng_tensor *matrices)
{
    *matrices = *tensor;
    if (tensor->rank > 1)
        return;
    matrices->rank = 2;
    matrices->dims[0] = is_left ? 1 : tensor->dims[0];
    matrices->dims[1] = is_left ? tensor->dims[0] : 1;
}

/* a and b as stacks of matrices in `full`; y without the dimensions that a
 * vector lacks. */
static bool set_shape(const struct eng_tensor *const *in,
                      const struct eng_tensor *a, const struct eng_tensor *b,
                      struct eng_tensor *full, struct eng_tensor *y,
                      struct error *err)
{
    struct eng_tensor lead_a = *a, lead_b = *b;
    int64_t m = a->dims[a->rank - 2], n = b->dims[b->rank - 1];

    lead_a.rank -= 2;
    lead_b.rank -= 2;
    if (!op_broadcast(&lead_a, &lead_b, full, err))
        return false;
    eng_shape_set(y, full->rank, full->dims);
    if (in[0]->rank > 1)
        y->dims[y->rank++] = m;
    if (in[1]->rank > 1)
        y->dims[y->rank++] = n;
    full->dims[full->rank++] = m;
    full->dims[full->rank++] = n;
    return true;
}

/* How to step from matrix to matrix in a, b and y. */
static void make_batch(struct op_matmul *state, const struct eng_tensor *a,
                       const struct eng_tensor *b,
                       const struct eng_tensor *full)
{
    int64_t steps[3][ENG_RANK_MAX];
    struct eng_tensor stacked = *full;

    /* Broadcast over the leading dimensions only: these steps come out right
     * because the last two are those of a, b or y themselves. */
    stacked.dims[full->rank - 2] = a->dims[a->rank - 2];
    stacked.dims[full->rank - 1] = a->dims[a->rank - 1];
    op_broadcast_steps(a, &stacked, steps[0]);
    stacked.dims[full->rank - 2] = b->dims[b->rank - 2];
    stacked.dims[full->rank - 1] = b->dims[b->rank - 1];
    op_broadcast_steps(b, &stacked, steps[1]);
    op_steps(full, steps[2]);
    op_walk_make(&state->batch, full->rank - 2, full->dims, 3, steps);
}

void op_matmul_join(struct op_matmul *matmul)
{
    const struct op_walk *batch = &matmul->batch;

    if (batch->rank || batch->inner == 1 || batch->inner_step[1] != 0 ||
        batch->inner_step[0] != matmul->product.m * matmul->product.k)
        return;
    matmul->product.m *= batch->inner;
    matmul->batch.inner = 1;
}

bool op_matmul_shape(const struct eng_tensor *left,
                     const struct eng_tensor *right, struct op_matmul *matmul,
                     struct eng_tensor *y, struct error *err)
{
    const struct eng_tensor *in[] = {left, right};
    struct eng_tensor a, b, full = {0};
    char left_text[ENG_SHAPE_TEXT], right_text[ENG_SHAPE_TEXT];

    as_matrices(left, true, &a);
    as_matrices(right, false, &b);
    if (!left->rank || !right->rank || a.dims[a.rank - 1] != b.dims[b.rank - 2])
        return fail(err, ERR_MODEL_INVALID, "shapes %.60s and %.60s do not fit",
                    eng_shape_text(left, left_text),
                    eng_shape_text(right, right_text));
    if (!set_shape(in, &a, &b, &full, y, err))
        return false;
    matmul->product = (struct op_product){.m = a.dims[a.rank - 2],
                                          .n = b.dims[b.rank - 1],
                                          .k = a.dims[a.rank - 1],
                                          .a_row = a.dims[a.rank - 1],
                                          .a_col = 1,
                                          .b_row = b.dims[b.rank - 1],
                                          .b_col = 1};
    make_batch(matmul, &a, &b, &full);
    return true;
}

bool op_matmul_infer(struct op_node *op, struct error *err)
{
    enum {
        TYPES = OP_TYPES_REAL | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) |
                OP_TYPE(ENG_U32) | OP_TYPE(ENG_U64)
    };
    struct op_matmul *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state || !op_want_type(op, 0, TYPES, err) ||
        !op_same_type(op, 0, 1, err) ||
        !op_matmul_shape(op->in[0], op->in[1], state, op->out[0], err))
        return false;
    op->out[0]->dtype = op->in[0]->dtype;
    op_matmul_join(state);
    return true;
}

void op_matmul_products(const struct op_matmul *matmul, enum eng_dtype dtype,
                        const void *a, const void *b, void *y)
{
    const struct op_walk *batch = &matmul->batch;
    int64_t size = (int64_t)eng_dtype_size(dtype);
    struct op_place at;

    for (bool more = op_walk_first(batch, &at); more;
         more = op_walk_next(batch, &at)) {
        for (int64_t i = 0; i < batch->inner; i++) {
            const int64_t *step = batch->inner_step;

            (void)op_product_run(
                dtype, &matmul->product,
                (const char *)a + (at.offset[0] + i * step[0]) * size,
                (const char *)b + (at.offset[1] + i * step[1]) * size,
                (char *)y + (at.offset[2] + i * step[2]) * size);
        }
    }
}

static bool matmul_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    (void)err;
    op_matmul_products(op->state, op->out[0]->dtype, op_in(op, frame, 0),
                       op_in(op, frame, 1), op_out(op, frame, 0));
    return true;
}

const struct op_impl op_matmul = {.name = "matmul",
                                  .in_min = 2,
                                  .in_max = 2,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_WIDEN,
                                  .infer = op_matmul_infer,
                                  .run = matmul_run};

/* --- b is a constant matrix of float --- */

static bool packed_accepts(const struct op_node *op)
{
    const struct op_matmul *state = op->state;

    return op_matmul_is_one(state) && op_fgemm_fits(op, 1, &state->product);
}

static bool packed_prepare(struct op_node *op, struct error *err)
{
    const struct op_matmul *state = op->state;
    struct op_fgemm *fgemm = op_alloc(op, sizeof *fgemm, err);

    op->state = fgemm;
    return fgemm && op_fgemm_prepare(op, 1, &state->product, 1, fgemm, err);
}

const struct op_impl op_matmul_packed = {.name = "matmul.packed",
                                         .in_min = 2,
                                         .in_max = 2,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .flags = OP_WIDEN | OP_PACKED,
                                         .infer = op_matmul_infer,
                                         .accepts = packed_accepts,
                                         .prepare = packed_prepare,
                                         .run = op_fgemm_run_one};
