/*
 * specserve Linear-1: y = act(alpha x W' + bias) + residual, W' = W or its
 * transpose; what passes make of products and what follows them.
 *
 *   input   x         float [..., k]
 *           w         a constant, [k, n], or [n, k] with transB
 *           bias      [n], or more dimensions of 1 in front; may be left out
 *           residual  broadcasts with [..., n]; may be left out
 *   output  y         float; [..., n], or what that broadcasts to with the bias
 *                     and the residual
 *   attr    alpha       float = 1
 *           transB      int = 0
 *           activation  "" or "Relu", "LeakyRelu", "Clip", "HardSigmoid",
 *                       "HardSwish", "Sigmoid", "Silu", "Tanh", "Gelu",
 *                       "GeluTanh": act.h
 *           activation_alpha, activation_beta  float = 0: its numbers
 *   errors  ERR_MODEL_INVALID: shapes do not fit; ERR_MODEL_UNSUPPORTED: w is
 *           not a constant
 *   check   1e-5 of the sum of the terms' magnitudes
 */
#include "linear.h"

#include "fgemm.h"

enum {
    X = LINEAR_X,
    W = LINEAR_W,
    BIAS = LINEAR_BIAS,
    RESIDUAL = LINEAR_RESIDUAL
};

struct linear {
    struct op_linear shared; /* first: other rows find it there */
    struct op_fgemm fgemm;
};

static bool read_attrs(const struct op_node *op, struct op_linear *state,
                       struct error *err)
{
    /* in the order of enum act_kind */
    static const char *const words[] = {
        "",        "Relu", "LeakyRelu", "Clip", "HardSigmoid", "HardSwish",
        "Sigmoid", "Silu", "Tanh",      "Gelu", "GeluTanh",    NULL};
    int kind = ACT_NONE;

    state->alpha = 1;
    if (!op_attr_float(op, "alpha", &state->alpha, err) ||
        !op_attr_bool(op, "transB", &state->transposed, err) ||
        !op_attr_word(op, "activation", words, &kind, err) ||
        !op_attr_float(op, "activation_alpha", &state->act.alpha, err) ||
        !op_attr_float(op, "activation_beta", &state->act.beta, err))
        return false;
    state->act.kind = (enum act_kind)kind;
    return true;
}

static bool set_product(const struct op_node *op, struct op_linear *state,
                        struct error *err)
{
    bool transposed = state->transposed;
    const struct eng_tensor *x = op->in[X], *w = op->in[W];
    char left[ENG_SHAPE_TEXT], right[ENG_SHAPE_TEXT];
    int64_t k, n;

    if (x->rank < 1 || w->rank != 2 ||
        x->dims[x->rank - 1] != w->dims[transposed ? 1 : 0])
        return fail(err, ERR_MODEL_INVALID, "shapes %.60s and %.60s do not fit",
                    eng_shape_text(x, left), eng_shape_text(w, right));
    k = w->dims[transposed ? 1 : 0];
    n = w->dims[transposed ? 0 : 1];
    state->product = (struct op_product){.m = k ? eng_tensor_count(x) / k : 0,
                                         .n = n,
                                         .k = k,
                                         .a_row = k,
                                         .a_col = 1,
                                         .b_row = transposed ? 1 : n,
                                         .b_col = transposed ? k : 1};
    return k > 0 || fail(err, ERR_MODEL_INVALID, "weights have shape %s",
                         eng_shape_text(w, right));
}

/* [..., n]; a bias may have more dimensions than x, of 1 all of them. */
static bool product_shape(const struct op_node *op,
                          const struct op_linear *state, struct eng_tensor *y,
                          struct error *err)
{
    const struct eng_tensor *bias = op_has(op, BIAS) ? op->in[BIAS] : NULL;
    struct eng_tensor shape = *op->in[X];
    int64_t n = state->product.n;
    char text[ENG_SHAPE_TEXT];

    shape.dims[shape.rank - 1] = n;
    if (!bias) {
        eng_shape_set(y, shape.rank, shape.dims);
        return true;
    }
    if (bias->rank < 1 || bias->dims[bias->rank - 1] != n ||
        eng_tensor_count(bias) != n)
        return fail(err, ERR_MODEL_INVALID, "the bias has shape %s",
                    eng_shape_text(bias, text));
    return op_broadcast(&shape, bias, y, err);
}

/* The output's shape; how a residual of another shape is added. */
static bool add_residual(struct op_node *op, struct op_linear *state,
                         const struct eng_tensor *product, struct error *err)
{
    const struct eng_tensor *operands[] = {product, op->in[RESIDUAL]};
    bool to_bool;

    if (!op_broadcast(product, op->in[RESIDUAL], op->out[0], err))
        return false;
    if (eng_shape_equal(product, op->in[RESIDUAL]))
        return true;
    state->add = op_binary_find("Add", ENG_F32, &to_bool);
    op_walk_broadcast(&state->walk, op->out[0], 2, operands);
    return true;
}

static bool set_output(struct op_node *op, struct op_linear *state,
                       struct error *err)
{
    struct eng_tensor product = {.dtype = ENG_F32};

    if (!product_shape(op, state, &product, err))
        return false;
    op_like(op->out[0], &product);
    return !op_has(op, RESIDUAL) || add_residual(op, state, &product, err);
}

bool op_linear_read(struct op_node *op, struct op_linear *linear,
                    struct error *err)
{
    return read_attrs(op, linear, err) && set_product(op, linear, err) &&
           set_output(op, linear, err);
}

bool op_linear_infer(struct op_node *op, struct error *err)
{
    struct linear *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state)
        return false;
    for (size_t i = X; i <= RESIDUAL; i++) {
        if (op_has(op, i) && !op_want_type(op, i, OP_TYPE(ENG_F32), err))
            return false;
    }
    return op_linear_read(op, &state->shared, err);
}

size_t op_linear_scratch(const struct op_linear *linear)
{
    return linear->add ? (size_t)linear->product.m * (size_t)linear->product.n *
                             sizeof(float)
                       : 0;
}

bool op_linear_add(const struct op_node *op, const struct op_frame *frame,
                   const struct op_linear *linear, const float *product,
                   struct error *err)
{
    struct op_binary_data data = {product, op_in(op, frame, RESIDUAL),
                                  op_out(op, frame, 0), sizeof(float),
                                  sizeof(float)};

    return op_binary_run(linear->add, &linear->walk, &data, err);
}

static bool is_empty(const struct op_linear *linear)
{
    return linear->product.m == 0 || linear->product.n == 0;
}

static bool linear_prepare(struct op_node *op, struct error *err)
{
    struct linear *state = op->state;
    const struct op_linear *shared = &state->shared;

    if (!op_is_weight(op, W))
        return fail(err, ERR_MODEL_UNSUPPORTED, "the weights are no constant");
    op->scratch_bytes = op_linear_scratch(shared);
    if (is_empty(shared))
        return true;
    if (!op_fgemm_prepare(op, W, &shared->product, shared->alpha, &state->fgemm,
                          err))
        return false;
    state->fgemm.act = shared->act;
    return true;
}

static bool linear_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct linear *state = op->state;
    struct op_fgemm_data data = {.x = op_in(op, frame, X),
                                 .y = op_out(op, frame, 0)};

    if (is_empty(&state->shared))
        return true;
    if (op_has(op, BIAS))
        data.bias = op_in(op, frame, BIAS);
    if (state->shared.add)
        data.y = frame->scratch;
    else if (op_has(op, RESIDUAL))
        data.residual = op_in(op, frame, RESIDUAL);
    op_fgemm_run(op, frame->seat, &state->fgemm, &data);
    return !state->shared.add ||
           op_linear_add(op, frame, &state->shared, data.y, err);
}

const struct op_impl op_linear = {.name = "linear",
                                  .in_min = 2,
                                  .in_max = 4,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_PACKED,
                                  .infer = op_linear_infer,
                                  .prepare = linear_prepare,
                                  .run = linear_run};
