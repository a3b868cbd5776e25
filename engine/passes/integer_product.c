/*
 * Integer product: a product of integers and what turns it into floats become
 * one node. ONNX Runtime's dynamic quantisation writes a linear layer so:
 *
 *   q, s, z = DynamicQuantizeLinear(x)
 *   Mul(Cast(MatMulInteger(q, w, z, wz), float), Mul(s, ws))
 *
 * and it becomes LinearInteger(q, w, -, -, s, ws, z, wz), which takes bias,
 * activation and residual in fuse_linear. w, ws and wz are constants, w is a
 * matrix, and ws is one number or one for each column, as is wz. The result is
 * the same bit by bit.
 */
#include "integer_product.h"

#include "passes.h"
#include "rewrite.h"

enum { A, B, A_ZERO, B_ZERO }; /* of MatMulInteger */

const char linear_integer_op[] = "LinearInteger";

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

bool linear_integer_replace(struct rewrite *rw, struct eng_node *node,
                            const uint32_t inputs[LINEAR_INTEGER_INPUTS],
                            struct error *err)
{
    return rewrite_replace(
        rw, node,
        &(struct rewrite_spec){.domain = REWRITE_DOMAIN,
                               .op = linear_integer_op,
                               .version = 1,
                               .inputs = inputs,
                               .input_count = LINEAR_INTEGER_INPUTS},
        err);
}

/* Mul(Cast(MatMulInteger), scales) */
static bool fuse_scales(struct rewrite *rw, struct eng_node *node,
                        struct error *err)
{
    if (!rewrite_is(node, "Mul"))
        return true;
    for (int i = 0; i < 2; i++) {
        const struct eng_node *product = find_product(rw, node->inputs[i]);
        uint32_t scales[2];
        uint32_t inputs[LINEAR_INTEGER_INPUTS];

        if (!product || !find_scales(rw, node->inputs[!i], product, scales))
            continue;
        inputs[0] = product->inputs[A];
        inputs[1] = product->inputs[B];
        inputs[2] = inputs[3] = ENG_NO_VALUE; /* bias, residual */
        inputs[4] = scales[0];
        inputs[5] = scales[1];
        inputs[6] = input_at(product, A_ZERO);
        inputs[7] = input_at(product, B_ZERO);
        return linear_integer_replace(rw, node, inputs, err);
    }
    return true;
}

bool pass_integer_product(struct eng_graph *graph, struct op_packs *packs,
                          struct error *err)
{
    (void)packs;
    return rewrite_each(graph, fuse_scales, err);
}
