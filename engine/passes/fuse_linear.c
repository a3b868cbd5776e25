/*
 * Fuse linear: a product with constant weights and what follows it become one
 * node.
 *
 *   MatMul, Gemm, FusedMatMul   with a constant matrix: Linear
 *   Mul, Div by a number        of a bare Linear: alpha
 *   Add of a constant row       of one without activation or residual: bias
 *   Relu, Tanh, Clip, Gelu ...  of one without activation or residual
 *   Add of anything else        of one without residual: residual
 *
 * in this order along the graph, each time the product's result has no other
 * reader. GELUs that are spelled out are nodes by now. What integer_product has made
 * (LinearInteger) takes what follows it in the same way. See ops/linear.c.
 */
#include <math.h>
#include <string.h>

#include "integer_product.h"
#include "passes.h"
#include "rewrite.h"

enum { X, W, BIAS, RESIDUAL, INPUTS = 8 };

static const char linear_op[] = "Linear", ms_domain[] = "com.microsoft";

/* A Linear or LinearInteger as it is or will be. */
struct linear {
    const char *op;
    uint32_t inputs[INPUTS];
    float alpha;
    bool transposed;
    const char *act; /* "" = none */
    float act_alpha, act_beta;
};

static uint32_t input_at(const struct eng_node *node, size_t i)
{
    return i < node->input_count ? node->inputs[i] : ENG_NO_VALUE;
}

static float float_attr(const struct eng_node *node, const char *name,
                        float fallback)
{
    const struct eng_attr *attr = rewrite_attr(node, name);

    return attr && attr->type == ENG_ATTR_FLOAT ? attr->f : fallback;
}

/* --- reading and writing --- */

/* Adds a number that is not `absent`. */
static void put_float(struct rewrite_spec *spec, struct eng_attr *attrs,
                      const char *name, float x, float absent)
{
    if (x != absent)
        attrs[spec->attr_count++] = (struct eng_attr){
            .name = name, .type = ENG_ATTR_FLOAT, .count = 1, .f = x};
}

static bool write_linear(struct rewrite *rw, struct eng_node *node,
                         const struct linear *l, struct error *err)
{
    struct eng_attr attrs[5];
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = l->op,
                                .version = 1,
                                .inputs = l->inputs,
                                .input_count = INPUTS,
                                .attrs = attrs};

    while (l->inputs[spec.input_count - 1] == ENG_NO_VALUE)
        spec.input_count--;
    put_float(&spec, attrs, "alpha", l->alpha, 1);
    if (l->transposed)
        attrs[spec.attr_count++] = (struct eng_attr){
            .name = "transB", .type = ENG_ATTR_INT, .count = 1, .i = 1};
    if (*l->act)
        attrs[spec.attr_count++] =
            (struct eng_attr){.name = "activation",
                              .type = ENG_ATTR_STRING,
                              .count = 1,
                              .s = {l->act, strlen(l->act)}};
    put_float(&spec, attrs, "activation_alpha", l->act_alpha, 0);
    put_float(&spec, attrs, "activation_beta", l->act_beta, 0);
    return rewrite_replace(rw, node, &spec, err);
}

/* The Linear that a pass made for `value`, which nobody else reads. */
static bool find_linear(const struct rewrite *rw, uint32_t value,
                        struct linear *l)
{
    uint32_t producer =
        value == ENG_NO_VALUE ? value : rw->graph->values[value].producer;
    const struct eng_node *node;
    const struct eng_attr *act;

    if (producer == ENG_NO_VALUE || !rewrite_is_private(rw, value))
        return false;
    node = &rw->graph->nodes[producer];
    if (node->op != linear_op && node->op != linear_integer_op)
        return false;
    l->op = node->op;
    for (size_t i = 0; i < INPUTS; i++)
        l->inputs[i] = input_at(node, i);
    act = rewrite_attr(node, "activation");
    l->act = act ? act->s.text : "";
    l->alpha = float_attr(node, "alpha", 1);
    l->transposed = rewrite_int(node, "transB", 0) != 0;
    l->act_alpha = float_attr(node, "activation_alpha", 0);
    l->act_beta = float_attr(node, "activation_beta", 0);
    return true;
}

/* Nothing follows the product and its bias yet. */
static bool is_open(const struct linear *l)
{
    return !*l->act && l->inputs[RESIDUAL] == ENG_NO_VALUE;
}

static bool is_bare(const struct linear *l)
{
    return is_open(l) && l->inputs[BIAS] == ENG_NO_VALUE;
}

static int64_t columns_of(const struct rewrite *rw, const struct linear *l)
{
    return rewrite_constant(rw, l->inputs[W])->dims[l->transposed ? 0 : 1];
}

/* --- products --- */

static bool is_matrix(const struct rewrite *rw, uint32_t value)
{
    const struct eng_tensor *w = rewrite_constant(rw, value);

    return w && w->dtype == ENG_F32 && w->rank == 2 && w->dims[0] > 0 &&
           w->dims[1] > 0;
}

/* One row: [n], [1, n] ... */
static bool is_bias(const struct rewrite *rw, const struct linear *l,
                    uint32_t value)
{
    const struct eng_tensor *bias = rewrite_constant(rw, value);

    return bias && bias->dtype == ENG_F32 && bias->rank > 0 &&
           bias->dims[bias->rank - 1] == columns_of(rw, l) &&
           eng_tensor_count(bias) == columns_of(rw, l);
}

/* Gemm's c: a row is the bias, anything else (it broadcasts) the residual. */
static void take_c(const struct rewrite *rw, uint32_t c, struct linear *l)
{
    l->inputs[is_bias(rw, l, c) ? BIAS : RESIDUAL] = c;
}

static bool fuse_product(struct rewrite *rw, struct eng_node *node,
                         struct error *err)
{
    struct linear l = {.op = linear_op,
                       .inputs = {node->inputs[0], node->inputs[1],
                                  ENG_NO_VALUE, ENG_NO_VALUE, ENG_NO_VALUE,
                                  ENG_NO_VALUE, ENG_NO_VALUE, ENG_NO_VALUE},
                       .alpha = float_attr(node, "alpha", 1),
                       .transposed = rewrite_int(node, "transB", 0) != 0,
                       .act = ""};
    uint32_t c = input_at(node, 2);

    if (!is_matrix(rw, node->inputs[1]) || rewrite_constant(rw, l.inputs[X]) ||
        rewrite_int(node, "transA", 0) || rewrite_int(node, "transBatchA", 0) ||
        rewrite_int(node, "transBatchB", 0))
        return true;
    if (c != ENG_NO_VALUE) {
        if (float_attr(node, "beta", 1) != 1)
            return true;
        take_c(rw, c, &l);
    }
    return write_linear(rw, node, &l, err);
}

/* --- what follows --- */

static bool fuse_scale(struct rewrite *rw, struct eng_node *node,
                       struct error *err)
{
    bool divides = rewrite_is(node, "Div");
    struct linear l;
    float factor;

    for (int i = 0; i < (divides ? 1 : 2); i++) {
        const struct eng_tensor *number =
            rewrite_constant(rw, node->inputs[!i]);

        if (!number || number->rank > 1 ||
            !rewrite_scalar(rw, node->inputs[!i], &factor) ||
            !find_linear(rw, node->inputs[i], &l) || !is_bare(&l))
            continue;
        l.alpha = divides ? l.alpha / factor : l.alpha * factor;
        return !isfinite(l.alpha) || write_linear(rw, node, &l, err);
    }
    return true;
}

static bool fuse_add(struct rewrite *rw, struct eng_node *node,
                     struct error *err)
{
    struct linear l;

    for (int i = 0; i < 2; i++) {
        uint32_t other = node->inputs[!i];

        if (!find_linear(rw, node->inputs[i], &l))
            continue;
        if (!*l.act && l.inputs[BIAS] == ENG_NO_VALUE && is_bias(rw, &l, other))
            l.inputs[BIAS] = other;
        else if (l.inputs[RESIDUAL] == ENG_NO_VALUE)
            l.inputs[RESIDUAL] = other;
        else
            continue;
        return write_linear(rw, node, &l, err);
    }
    return true;
}

/* A bound of Clip that is missing, or a number; false for anything else. */
static bool read_bound(const struct rewrite *rw, const struct eng_node *node,
                       size_t input, const char *attr, float *bound)
{
    uint32_t value = input_at(node, input);

    if (node->version < 11)
        *bound = float_attr(node, attr, *bound);
    return value == ENG_NO_VALUE || rewrite_scalar(rw, value, bound);
}

static bool read_clip(const struct rewrite *rw, const struct eng_node *node,
                      struct linear *l)
{
    l->act = "Clip";
    l->act_alpha = -INFINITY;
    l->act_beta = INFINITY;
    return read_bound(rw, node, 1, "min", &l->act_alpha) &&
           read_bound(rw, node, 2, "max", &l->act_beta);
}

static bool says_tanh(const struct eng_node *node)
{
    const struct eng_attr *attr = rewrite_attr(node, "approximate");

    return attr && attr->type == ENG_ATTR_STRING && attr->s.size == 4 &&
           memcmp(attr->s.text, "tanh", 4) == 0;
}

/* The activation of a node with one input; false: it is none. */
static bool read_act(const struct rewrite *rw, const struct eng_node *node,
                     struct linear *l)
{
    static const struct {
        const char *domain, *op, *act;
        float alpha, beta; /* when the attributes are missing */
    } acts[] = {{"", "Relu", "Relu", 0, 0},
                {"", "LeakyRelu", "LeakyRelu", 0.01F, 0},
                {"", "HardSigmoid", "HardSigmoid", 0.2F, 0.5F},
                {"", "HardSwish", "HardSwish", 0, 0},
                {"", "Sigmoid", "Sigmoid", 0, 0},
                {"", "Tanh", "Tanh", 0, 0},
                {"", "Gelu", "Gelu", 0, 0},
                {ms_domain, "Gelu", "Gelu", 0, 0},
                {ms_domain, "BiasGelu", "Gelu", 0, 0},
                {ms_domain, "FastGelu", "GeluTanh", 0, 0},
                {ms_domain, "QuickGelu", "Silu", 1.702F, 0}};

    if (rewrite_is(node, "Clip"))
        return read_clip(rw, node, l);
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (strcmp(node->domain, acts[i].domain) != 0 ||
            strcmp(node->op, acts[i].op) != 0)
            continue;
        l->act = says_tanh(node) ? "GeluTanh" : acts[i].act;
        l->act_alpha = float_attr(node, "alpha", acts[i].alpha);
        l->act_beta = float_attr(node, "beta", acts[i].beta);
        return true;
    }
    return false;
}

static bool fuse_act(struct rewrite *rw, struct eng_node *node,
                     struct error *err)
{
    uint32_t bias = rewrite_is(node, "Clip") ? ENG_NO_VALUE : input_at(node, 1);
    struct linear l;

    if (!find_linear(rw, input_at(node, 0), &l) || !is_open(&l) ||
        !read_act(rw, node, &l))
        return true;
    if (bias != ENG_NO_VALUE) { /* BiasGelu, FastGelu */
        if (l.inputs[BIAS] != ENG_NO_VALUE || !is_bias(rw, &l, bias))
            return true;
        l.inputs[BIAS] = bias;
    }
    return write_linear(rw, node, &l, err);
}

static bool is_product(const struct eng_node *node)
{
    return rewrite_is(node, "MatMul") || rewrite_is(node, "Gemm") ||
           (strcmp(node->domain, ms_domain) == 0 &&
            strcmp(node->op, "FusedMatMul") == 0);
}

static bool fuse_one(struct rewrite *rw, struct eng_node *node,
                     struct error *err)
{
    if (is_product(node))
        return fuse_product(rw, node, err);
    if (rewrite_is(node, "Add"))
        return fuse_add(rw, node, err);
    if (rewrite_is(node, "Mul") || rewrite_is(node, "Div"))
        return fuse_scale(rw, node, err);
    return fuse_act(rw, node, err);
}

bool pass_fuse_linear(struct eng_graph *graph, struct op_packs *packs,
                      struct error *err)
{
    (void)packs;
    return rewrite_each(graph, fuse_one, err);
}
