/*
 * QMatMul: see qmatmul.h.
 */
#include "qmatmul.h"

/* One row of a, one of the result and all of b as int32. */
static bool set_scratch(struct op_node *op, const struct op_product *product,
                        struct error *err)
{
    size_t words;

    if (__builtin_mul_overflow((size_t)product->k, (size_t)product->n,
                               &words) ||
        __builtin_add_overflow(words, (size_t)product->k, &words) ||
        __builtin_add_overflow(words, (size_t)product->n, &words) ||
        __builtin_mul_overflow(words, sizeof(int32_t), &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the product is too large");
    return true;
}

bool op_qmatmul_shape(struct op_node *op, struct op_qmatmul *q,
                      struct error *err)
{
    const struct op_product *product = &q->matmul.product;

    return op_want_type(op, q->a, OP_TYPES_QUANT8, err) &&
           op_want_type(op, q->b, OP_TYPES_QUANT8, err) &&
           op_matmul_shape(op->in[q->a], op->in[q->b], &q->matmul, op->out[0],
                           err) &&
           op_zero_check(op, q->a_zero, op->in[q->a]->dtype, product->m, err) &&
           op_zero_check(op, q->b_zero, op->in[q->b]->dtype, product->n, err) &&
           set_scratch(op, product, err);
}

struct operands {
    const struct op_node *op;
    const struct op_frame *frame;
    const struct op_qmatmul *q;
    int32_t *a, *acc, *b; /* scratch: [k], [n], [k, n] */
};

static void load_b(const struct operands *in, int64_t first)
{
    const struct op_node *op = in->op;
    const struct op_product *product = &in->q->matmul.product;
    const void *b = op_in(op, in->frame, in->q->b);
    bool many = op_has(op, in->q->b_zero) &&
                eng_tensor_count(op->in[in->q->b_zero]) > 1;
    struct op_quant_row row = {
        .dtype = op->in[in->q->b]->dtype,
        .first = first,
        .step = 1,
        .count = product->k * product->n,
        .zero = many ? 0 : op_zero_of(op, in->frame, in->q->b_zero, 0)};

    op_quant_load(&row, b, in->b);
    for (int64_t i = 0; many && i < product->k * product->n; i++)
        in->b[i] -= op_zero_of(op, in->frame, in->q->b_zero, i % product->n);
}

static void load_a(const struct operands *in, int64_t first, int64_t row)
{
    const struct op_node *op = in->op;
    int64_t k = in->q->matmul.product.k;
    struct op_quant_row from = {
        .dtype = op->in[in->q->a]->dtype,
        .first = first + row * k,
        .step = 1,
        .count = k,
        .zero = op_zero_of(op, in->frame, in->q->a_zero, row)};

    op_quant_load(&from, op_in(op, in->frame, in->q->a), in->a);
}

void op_qmatmul_run(const struct op_node *op, const struct op_frame *frame,
                    const struct op_qmatmul *q, op_qmatmul_row_fn put)
{
    const struct op_walk *batch = &q->matmul.batch;
    struct op_product product = q->matmul.product;
    int32_t *scratch = frame->scratch;
    struct operands in = {op,
                          frame,
                          q,
                          scratch,
                          scratch + product.k,
                          scratch + product.k + product.n};
    int64_t rows = product.m, loaded = -1;
    struct op_place at;

    product.m = 1;
    for (bool more = op_walk_first(batch, &at); more;
         more = op_walk_next(batch, &at)) {
        for (int64_t i = 0; i < batch->inner * rows; i++) {
            int64_t matrix = i / rows, row = i % rows;
            int64_t b = at.offset[1] + matrix * batch->inner_step[1];

            if (b != loaded)
                load_b(&in, b);
            loaded = b;
            load_a(&in, at.offset[0] + matrix * batch->inner_step[0], row);
            (void)op_product_run(ENG_I32, &product, in.a, in.b, in.acc);
            put(op, frame, in.acc, row,
                at.offset[2] + matrix * batch->inner_step[2]);
        }
    }
}
