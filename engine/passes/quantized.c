/*
 * Quantized: operators between DequantizeLinear and QuantizeLinear, which is
 * how most tools write quantised models, compute with integers.
 *
 *   Q(act(Conv(DQ(x), DQ(w), b)))   QConv, which is QLinearConv but that b may
 *                                   be float; act is Relu or Clip where the
 *                                   range of the result says the same
 *   Q(MatMul(DQ(x), DQ(w)))         QLinearMatMul
 *   Q(Add or Mul(DQ(a), DQ(b)))     QLinearAdd, QLinearMul
 *   Q(op(DQ(x))), op moves elements and both steps are the same: op(x)
 *   what is left of MatMul(DQ(x), DQ(w)) and Gemm: LinearInteger
 *
 * Steps of activations are constants, one for each tensor; those of weights may
 * be one for each output channel. A result may differ by one step: a float may
 * round to the other side of a half. Weights that nothing here takes become
 * floats in fold_quantized.
 */
#include "quantized.h"

#include <math.h>
#include <string.h>

#include "integer_product.h"
#include "passes.h"

/* --- what is between --- */

/* The levels of `y` lie in [low, high] or next to it. */
static bool stays_within(const struct rewrite *rw, const struct quantized *y,
                         float low, float high)
{
    float scale = quantized_scale(rw, y->scale);
    int32_t zero = quantized_zero(rw, y->zero);
    int32_t first = y->dtype == ENG_I8 ? INT8_MIN : 0;
    float half = scale / 2;

    return (float)(first - zero) * scale >= low - half &&
           (float)(first + UINT8_MAX - zero) * scale <= high + half;
}

/* A constant bound of Clip; absent: `fallback`. */
static bool read_bound(const struct rewrite *rw, const struct eng_node *clip,
                       size_t input, float *bound)
{
    const struct eng_attr *attr =
        rewrite_attr(clip, input == 1 ? "min" : "max");

    if (attr && attr->type == ENG_ATTR_FLOAT)
        *bound = attr->f;
    if (input >= clip->input_count || clip->inputs[input] == ENG_NO_VALUE)
        return true;
    return rewrite_scalar(rw, clip->inputs[input], bound);
}

/* The value in front of an activation that saturation does anyhow. */
static uint32_t before_activation(const struct rewrite *rw, uint32_t value,
                                  const struct quantized *y)
{
    const struct eng_node *act = rewrite_maker(rw, value, "Relu");
    float low = 0, high = INFINITY;

    if (!act) {
        act = rewrite_maker(rw, value, "Clip");
        low = -INFINITY;
        if (!act || !read_bound(rw, act, 1, &low) ||
            !read_bound(rw, act, 2, &high))
            return value;
    }
    if (!rewrite_is_private(rw, act->inputs[0]) ||
        !stays_within(rw, y, low, high))
        return value;
    return act->inputs[0];
}

/* --- convolutions --- */

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS, INPUTS };

/* Scale of the sums of channel `o`. */
static double sum_scale(const struct rewrite *rw, const uint32_t *inputs,
                        int64_t o)
{
    const struct eng_tensor *w = rewrite_constant(rw, inputs[W_SCALE]);
    const float *list = w->data;

    return (double)quantized_scale(rw, inputs[X_SCALE]) *
           (double)list[eng_tensor_count(w) == 1 ? 0 : o];
}

/* A bias that is int32 in steps of the sums already. */
static bool is_integer_bias(const struct rewrite *rw, const uint32_t *inputs,
                            uint32_t value, int64_t count)
{
    const struct eng_node *node = rewrite_maker(rw, value, "DequantizeLinear");
    const struct eng_tensor *bias, *scale;

    if (!node)
        return false;
    bias = rewrite_constant(rw, node->inputs[0]);
    scale = rewrite_constant(rw, node->inputs[1]);
    if (!bias || !scale || bias->dtype != ENG_I32 || scale->dtype != ENG_F32 ||
        bias->rank != 1 || bias->dims[0] != count ||
        (eng_tensor_count(scale) != 1 && eng_tensor_count(scale) != count))
        return false;
    if (node->input_count > 2) { /* only 0 is allowed; do not trust it */
        const struct eng_tensor *zero = rewrite_constant(rw, node->inputs[2]);

        for (int64_t o = 0; !zero || o < eng_tensor_count(zero); o++) {
            if (!zero || ((const int32_t *)zero->data)[o] != 0)
                return false;
        }
    }
    for (int64_t o = 0; o < count; o++) {
        const float *list = scale->data;
        double have = (double)list[eng_tensor_count(scale) == 1 ? 0 : o];

        if (fabs(have / sum_scale(rw, inputs, o) - 1) > 1e-5)
            return false;
    }
    return true;
}

/* The bias of a convolution: floats, or steps of the sums. False: it is
 * neither, or no constant. */
static bool find_conv_bias(const struct rewrite *rw,
                           const struct eng_node *conv, uint32_t *inputs)
{
    int64_t count = rewrite_constant(rw, inputs[W])->dims[0];
    uint32_t value = conv->input_count > 2 ? conv->inputs[2] : ENG_NO_VALUE;
    const struct eng_tensor *bias;

    inputs[BIAS] = value;
    if (value == ENG_NO_VALUE)
        return true;
    if (is_integer_bias(rw, inputs, value, count)) {
        inputs[BIAS] = rewrite_maker(rw, value, "DequantizeLinear")->inputs[0];
        return true;
    }
    bias = rewrite_constant(rw, value);
    return bias && bias->dtype == ENG_F32 && bias->rank == 1 &&
           bias->dims[0] == count;
}

/* All inputs but the bias, for a result in the steps of `y`. */
static void set_inputs(uint32_t *inputs, const struct quantized *x,
                       const struct quantized *w, const struct quantized *y)
{
    inputs[X] = x->q;
    inputs[X_SCALE] = x->scale;
    inputs[X_ZERO] = x->zero;
    inputs[W] = w->q;
    inputs[W_SCALE] = w->scale;
    inputs[W_ZERO] = w->zero;
    inputs[Y_SCALE] = y->scale;
    inputs[Y_ZERO] = y->zero;
}

static bool fuse_conv(struct rewrite *rw, struct eng_node *node,
                      const struct eng_node *conv, const struct quantized *y,
                      struct error *err)
{
    struct quantized x, w;
    uint32_t inputs[INPUTS];
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = "QConv",
                                .version = 1,
                                .inputs = inputs,
                                .attrs = conv->attrs,
                                .attr_count = conv->attr_count};

    if (!quantized_find(rw, conv->inputs[0], &x) ||
        !quantized_weight(rw, conv->inputs[1], 0, &w) ||
        rewrite_constant(rw, w.q)->rank < 3)
        return true;
    if (!quantized_add_zero(rw, &w, err))
        return false;
    set_inputs(inputs, &x, &w, y);
    if (!find_conv_bias(rw, conv, inputs))
        return true;
    spec.input_count = inputs[BIAS] == ENG_NO_VALUE ? BIAS : INPUTS;
    return rewrite_replace(rw, node, &spec, err);
}

/* --- products --- */

static bool fuse_matmul(struct rewrite *rw, struct eng_node *node,
                        const struct eng_node *product,
                        const struct quantized *y, struct error *err)
{
    struct quantized x, w;
    uint32_t inputs[BIAS];

    if (!quantized_find(rw, product->inputs[0], &x) ||
        !quantized_weight(rw, product->inputs[1], -1, &w) ||
        rewrite_constant(rw, w.q)->rank != 2)
        return true;
    if (!quantized_add_zero(rw, &w, err))
        return false;
    set_inputs(inputs, &x, &w, y);
    return rewrite_replace(rw, node,
                           &(struct rewrite_spec){.domain = "",
                                                  .op = "QLinearMatMul",
                                                  .version = 10,
                                                  .inputs = inputs,
                                                  .input_count = BIAS},
                           err);
}

static bool fuse_binary(struct rewrite *rw, struct eng_node *node,
                        const struct eng_node *binary,
                        const struct quantized *y, struct error *err)
{
    struct quantized a, b;
    uint32_t inputs[BIAS];

    if (!quantized_find(rw, binary->inputs[0], &a) ||
        !quantized_find(rw, binary->inputs[1], &b) || a.dtype != b.dtype ||
        a.dtype != y->dtype)
        return true;
    set_inputs(inputs, &a, &b, y);
    return rewrite_replace(
        rw, node,
        &(struct rewrite_spec){.domain = "com.microsoft",
                               .op = rewrite_is(binary, "Add") ? "QLinearAdd"
                                                               : "QLinearMul",
                               .version = 1,
                               .inputs = inputs,
                               .input_count = BIAS},
        err);
}

/* --- what moves elements --- */

static bool moves_elements(const struct eng_node *node)
{
    static const char *const names[] = {"Flatten", "MaxPool",   "Reshape",
                                        "Squeeze", "Transpose", "Unsqueeze"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (rewrite_is(node, names[i]))
            return node->output_count == 1 && node->input_count <= 2;
    }
    return false;
}

static bool fuse_move(struct rewrite *rw, struct eng_node *node,
                      const struct eng_node *move, const struct quantized *y,
                      struct error *err)
{
    struct quantized x;
    uint32_t inputs[2];
    struct rewrite_spec spec = {.domain = move->domain,
                                .op = move->op,
                                .version = move->version,
                                .inputs = inputs,
                                .input_count = move->input_count,
                                .attrs = move->attrs,
                                .attr_count = move->attr_count};

    if (!quantized_find(rw, move->inputs[0], &x) || x.dtype != y->dtype ||
        quantized_scale(rw, x.scale) != quantized_scale(rw, y->scale) ||
        quantized_zero(rw, x.zero) != quantized_zero(rw, y->zero))
        return true;
    inputs[0] = x.q;
    if (move->input_count > 1)
        inputs[1] = move->inputs[1];
    return rewrite_replace(rw, node, &spec, err);
}

/* --- walks --- */

static bool fuse_made(struct rewrite *rw, struct eng_node *node,
                      struct error *err)
{
    struct quantized y;
    const struct eng_node *maker;
    uint32_t value;

    if (!quantized_made(rw, node, &y) || !rewrite_is_private(rw, y.q))
        return true;
    value = before_activation(rw, y.q, &y);
    maker = rewrite_maker(rw, value, "Conv");
    if (maker)
        return fuse_conv(rw, node, maker, &y, err);
    maker = rewrite_maker(rw, value, "MatMul");
    if (maker)
        return fuse_matmul(rw, node, maker, &y, err);
    for (int i = 0; i < 2; i++) {
        maker = rewrite_maker(rw, value, i ? "Mul" : "Add");
        if (maker)
            return fuse_binary(rw, node, maker, &y, err);
    }
    if (value != y.q || rw->graph->values[value].producer == ENG_NO_VALUE)
        return true;
    maker = &rw->graph->nodes[rw->graph->values[value].producer];
    return !moves_elements(maker) || fuse_move(rw, node, maker, &y, err);
}

/* A weight [n, k] as [k, n]. ENG_NO_VALUE: ERR_OUT_OF_MEMORY. */
static uint32_t turn_weight(struct rewrite *rw, uint32_t value,
                            struct error *err)
{
    struct eng_tensor turned = *rewrite_constant(rw, value);
    int64_t n = turned.dims[0], k = turned.dims[1];
    const uint8_t *from = turned.data;
    uint8_t *to = arena_zalloc(&rw->graph->arena, (size_t)(n * k) + 1, 1);

    if (!to) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for a weight");
        return ENG_NO_VALUE;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < k; j++)
            to[j * n + i] = from[i * k + j];
    }
    turned.dims[0] = k;
    turned.dims[1] = n;
    turned.data = to;
    return rewrite_add_constant(rw, rw->graph->values[value].name, &turned,
                                err);
}

/* A Gemm that is x w + c, or a MatMul. */
static bool is_plain_product(const struct eng_node *node)
{
    const struct eng_attr *alpha = rewrite_attr(node, "alpha");
    const struct eng_attr *beta = rewrite_attr(node, "beta");

    if (rewrite_is(node, "MatMul"))
        return true;
    return rewrite_is(node, "Gemm") && !rewrite_int(node, "transA", 0) &&
           (!alpha || alpha->f == 1) && (!beta || beta->f == 1);
}

/* The bias of a Gemm is a list of its columns: LinearInteger takes no other. */
static bool find_bias(const struct rewrite *rw, const struct eng_node *node,
                      int64_t n, uint32_t *bias)
{
    const struct eng_node *steps;
    const struct eng_tensor *list;

    *bias = node->input_count > 2 ? node->inputs[2] : ENG_NO_VALUE;
    if (*bias == ENG_NO_VALUE)
        return true;
    list = rewrite_constant(rw, *bias);
    steps = rewrite_maker(rw, *bias, "DequantizeLinear");
    if (!list && steps)
        list = rewrite_constant(rw, steps->inputs[0]);
    return list && list->rank == 1 && list->dims[0] == n;
}

static bool fuse_product(struct rewrite *rw, struct eng_node *node,
                         struct error *err)
{
    bool turned = rewrite_int(node, "transB", 0) != 0;
    struct quantized x, w;
    uint32_t inputs[LINEAR_INTEGER_INPUTS];
    uint32_t bias;

    if (!is_plain_product(node) || !quantized_find(rw, node->inputs[0], &x) ||
        !quantized_weight(rw, node->inputs[1], turned ? 0 : -1, &w) ||
        rewrite_constant(rw, w.q)->rank != 2 ||
        !find_bias(rw, node, rewrite_constant(rw, w.q)->dims[!turned], &bias))
        return true;
    if (turned)
        w.q = turn_weight(rw, w.q, err);
    if (w.q == ENG_NO_VALUE)
        return false;
    inputs[0] = x.q;
    inputs[1] = w.q;
    inputs[2] = bias;
    inputs[3] = ENG_NO_VALUE; /* residual */
    inputs[4] = x.scale;
    inputs[5] = w.scale;
    inputs[6] = x.zero;
    inputs[7] = w.zero;
    return linear_integer_replace(rw, node, inputs, err);
}

bool pass_quantized(struct eng_graph *graph, struct op_packs *packs,
                    struct error *err)
{
    (void)packs;
    return rewrite_each(graph, fuse_made, err) &&
           rewrite_each(graph, fuse_product, err);
}
