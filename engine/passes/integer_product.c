/*
 * Integer product: a product of integers and what turns it into floats become
 * one node. ONNX Runtime's dynamic quantisation writes a linear layer so:
 *
 *   q, s, z = DynamicQuantizeLinear(x)
 *   Add(Mul(Cast(MatMulInteger(q, w, z, wz), float), Mul(s, ws)), bias)
 *
 * and it becomes MatMulIntegerToFloat(q, w, s, ws, z, wz, bias). w, ws, wz and
 * bias are constants, w is a matrix, and ws is one number or one for each
 * column, as are wz and bias. Sums are the same; a float may differ by one
 * rounding, since product and sum may be one instruction.
 */
#include "passes.h"
#include "rewrite.h"

enum { A, B, A_ZERO, B_ZERO };                     /* of MatMulInteger */
enum { F_A_SCALE = 2, F_B_SCALE = 3, F_BIAS = 6 }; /* of the result */

static const char ms_domain[] = "com.microsoft",
                  to_float[] = "MatMulIntegerToFloat";

static uint32_t input_at(const struct eng_node *node, size_t i)
{
    return i < node->input_count ? node->inputs[i] : ENG_NO_VALUE;
}

/* One number, or a list of `n`. */
static bool is_column_list(const struct rewrite *rw, uint32_t value, int64_t n)
{
    const struct eng_tensor *list = rewrite_constant(rw, value);

    return list && list->rank <= 1 &&
           (eng_tensor_count(list) == 1 || eng_tensor_count(list) == n);
}

/* Columns of a constant matrix; 0 for anything else. */
static int64_t columns_of(const struct rewrite *rw, uint32_t value)
{
    const struct eng_tensor *w = rewrite_constant(rw, value);

    return w && w->rank == 2 ? w->dims[1] : 0;
}

/* The scale of `integers` is one number: the second output of the node whose
 * first they are. */
static bool is_dynamic_scale(const struct rewrite *rw, uint32_t scale,
                             uint32_t integers)
{
    const struct eng_node *node =
        rewrite_maker(rw, integers, "DynamicQuantizeLinear");

    return node && node->output_count == 3 && node->outputs[0] == integers &&
           node->outputs[1] == scale;
}

/* Mul(s, ws) in either order: *s, *ws. */
static bool find_scales(const struct rewrite *rw, uint32_t value,
                        const struct eng_node *product, uint32_t scales[2])
{
    const struct eng_node *mul = rewrite_maker(rw, value, "Mul");
    int64_t n = columns_of(rw, product->inputs[B]);

    for (int i = 0; mul && i < 2; i++) {
        const struct eng_tensor *list = rewrite_constant(rw, mul->inputs[!i]);

        scales[0] = mul->inputs[i];
        scales[1] = mul->inputs[!i];
        if (list && list->dtype == ENG_F32 &&
            is_column_list(rw, scales[1], n) &&
            is_dynamic_scale(rw, scales[0], product->inputs[A]))
            return true;
    }
    return false;
}

/* The product behind a cast to float; both have no other reader. */
static const struct eng_node *find_product(const struct rewrite *rw,
                                           uint32_t value)
{
    const struct eng_node *cast = rewrite_maker(rw, value, "Cast"), *product;

    if (!cast || !rewrite_is_private(rw, value) ||
        rewrite_int(cast, "to", ENG_NONE) != ENG_F32 ||
        !rewrite_is_private(rw, cast->inputs[0]))
        return NULL;
    product = rewrite_maker(rw, cast->inputs[0], "MatMulInteger");
    if (!product || !columns_of(rw, product->inputs[B]))
        return NULL;
    if (input_at(product, B_ZERO) != ENG_NO_VALUE &&
        !is_column_list(rw, product->inputs[B_ZERO],
                        columns_of(rw, product->inputs[B])))
        return NULL;
    return product;
}

/* Mul(Cast(MatMulInteger), scales) */
static bool fuse_scales(struct rewrite *rw, struct eng_node *node,
                        struct error *err)
{
    for (int i = 0; i < 2; i++) {
        const struct eng_node *product = find_product(rw, node->inputs[i]);
        uint32_t scales[2];
        uint32_t inputs[6];

        if (!product || !find_scales(rw, node->inputs[!i], product, scales))
            continue;
        inputs[0] = product->inputs[A];
        inputs[1] = product->inputs[B];
        inputs[F_A_SCALE] = scales[0];
        inputs[F_B_SCALE] = scales[1];
        inputs[4] = input_at(product, A_ZERO);
        inputs[5] = input_at(product, B_ZERO);
        return rewrite_replace(rw, node,
                               &(struct rewrite_spec){.domain = ms_domain,
                                                      .op = to_float,
                                                      .version = 1,
                                                      .inputs = inputs,
                                                      .input_count = 6},
                               err);
    }
    return true;
}

static const struct eng_node *find_to_float(const struct rewrite *rw,
                                            uint32_t value)
{
    uint32_t producer =
        value == ENG_NO_VALUE ? value : rw->graph->values[value].producer;
    const struct eng_node *node;

    if (producer == ENG_NO_VALUE || !rewrite_is_private(rw, value))
        return NULL;
    node = &rw->graph->nodes[producer];
    return node->op == to_float && node->input_count == F_BIAS ? node : NULL;
}

/* Add(product, bias): only of a product that this pass made, so that the last
 * dimension is known to be its columns. */
static bool fuse_bias(struct rewrite *rw, struct eng_node *node,
                      struct error *err)
{
    for (int i = 0; i < 2; i++) {
        const struct eng_node *product = find_to_float(rw, node->inputs[i]);
        const struct eng_tensor *bias = rewrite_constant(rw, node->inputs[!i]);
        uint32_t inputs[F_BIAS + 1];

        if (!product || !bias || bias->dtype != ENG_F32 || bias->rank != 1 ||
            bias->dims[0] != columns_of(rw, product->inputs[B]))
            continue;
        for (size_t k = 0; k < F_BIAS; k++)
            inputs[k] = product->inputs[k];
        inputs[F_BIAS] = node->inputs[!i];
        return rewrite_replace(
            rw, node,
            &(struct rewrite_spec){.domain = ms_domain,
                                   .op = to_float,
                                   .version = 1,
                                   .inputs = inputs,
                                   .input_count = F_BIAS + 1},
            err);
    }
    return true;
}

bool pass_integer_product(struct eng_graph *graph, struct op_packs *packs,
                          struct error *err)
{
    struct rewrite rw;
    bool ok = true;

    (void)packs;
    if (!rewrite_begin(&rw, graph, err))
        return false;
    for (size_t i = 0; ok && i < graph->node_count; i++) {
        struct eng_node *node = &graph->nodes[i];

        if (rewrite_is(node, "Mul"))
            ok = fuse_scales(&rw, node, err);
        else if (rewrite_is(node, "Add"))
            ok = fuse_bias(&rw, node, err);
    }
    rewrite_end(&rw);
    return ok;
}
