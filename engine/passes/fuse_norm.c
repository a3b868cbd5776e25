/*
 * Fuse norm: layer normalisation and RMS normalisation over the last axis,
 * spelled out, become LayerNormalization and RMSNormalization.
 *
 *   d = x - ReduceMean(x)           (layer norm; once, or once for each use)
 *   d = x                           (RMS norm)
 *   s = Sqrt(ReduceMean(d^2) + epsilon),  d^2 = Pow(d, 2) or d * d
 *   n = d / s, or d * Reciprocal(s), or d * (1 / s)
 *   y = n * scale [+ bias]          scale and bias constants of rank 1
 */
#include "facts.h"
#include "passes.h"
#include "rewrite.h"

struct match {
    uint32_t x, scale, bias; /* bias: may be ENG_NO_VALUE */
    float epsilon;
    bool centred;
};

struct search {
    const struct rewrite *rw;
    const struct facts *facts;
};

/* A constant list of floats. */
static bool is_weight(const struct rewrite *rw, uint32_t value)
{
    const struct eng_tensor *constant = rewrite_constant(rw, value);

    return constant && constant->dtype == ENG_F32 && constant->rank == 1;
}

/* Splits a sum or product into a weight and the rest. */
static bool split_weight(const struct rewrite *rw, const struct eng_node *node,
                         uint32_t *weight, uint32_t *rest)
{
    for (size_t i = 0; i < 2; i++) {
        if (!is_weight(rw, node->inputs[i]))
            continue;
        *weight = node->inputs[i];
        *rest = node->inputs[1 - i];
        return true;
    }
    return false;
}

static bool is_number(const struct rewrite *rw, uint32_t value, float want)
{
    float x;

    return rewrite_scalar(rw, value, &x) && x == want;
}

/* The mean over the last axis, which stays as 1. */
static bool is_last_mean(const struct search *s, const struct eng_node *mean)
{
    const struct eng_attr *attr = rewrite_attr(mean, "axes");
    const struct eng_tensor *input =
        mean->input_count > 1 ? rewrite_constant(s->rw, mean->inputs[1]) : NULL;
    int rank = facts_rank(s->facts, mean->inputs[0]);
    int64_t axis;

    if (!rewrite_int(mean, "keepdims", 1))
        return false;
    if (attr && attr->type == ENG_ATTR_INTS && attr->count == 1)
        axis = attr->ints[0];
    else if (input && input->dtype == ENG_I64 && eng_tensor_count(input) == 1)
        axis = *(const int64_t *)input->data;
    else
        return false;
    return axis == -1 || (rank > 0 && axis == rank - 1);
}

/* What a ReduceMean over the last axis takes; ENG_NO_VALUE: it is none. */
static uint32_t averaged(const struct search *s, uint32_t value)
{
    const struct eng_node *mean = rewrite_maker(s->rw, value, "ReduceMean");

    return mean && is_last_mean(s, mean) ? mean->inputs[0] : ENG_NO_VALUE;
}

/* x of x - ReduceMean(x); ENG_NO_VALUE: it is something else. */
static uint32_t centred(const struct search *s, uint32_t value)
{
    const struct eng_node *sub = rewrite_maker(s->rw, value, "Sub");

    return sub && averaged(s, sub->inputs[1]) == sub->inputs[0] ? sub->inputs[0]
                                                                : ENG_NO_VALUE;
}

static bool is_two(const struct rewrite *rw, uint32_t value)
{
    const struct eng_tensor *constant = rewrite_constant(rw, value);

    if (constant && constant->dtype == ENG_I64 &&
        eng_tensor_count(constant) == 1)
        return *(const int64_t *)constant->data == 2;
    return is_number(rw, value, 2);
}

/* d of d^2 */
static uint32_t squared(const struct rewrite *rw, uint32_t value)
{
    const struct eng_node *pow = rewrite_maker(rw, value, "Pow");
    const struct eng_node *mul = rewrite_maker(rw, value, "Mul");

    if (pow && is_two(rw, pow->inputs[1]))
        return pow->inputs[0];
    return mul && mul->inputs[0] == mul->inputs[1] ? mul->inputs[0]
                                                   : ENG_NO_VALUE;
}

/* d of Sqrt(ReduceMean(d^2) + epsilon) */
static uint32_t deviation(const struct search *s, uint32_t value,
                          float *epsilon)
{
    const struct eng_node *root = rewrite_maker(s->rw, value, "Sqrt");
    const struct eng_node *add =
        root ? rewrite_maker(s->rw, root->inputs[0], "Add") : NULL;
    uint32_t mean;

    for (size_t i = 0; add && i < 2; i++) {
        if (!rewrite_scalar(s->rw, add->inputs[i], epsilon) ||
            rewrite_constant(s->rw, add->inputs[i])->rank > 1)
            continue;
        mean = averaged(s, add->inputs[1 - i]);
        return mean == ENG_NO_VALUE ? mean : squared(s->rw, mean);
    }
    return ENG_NO_VALUE;
}

/* s of Reciprocal(s) or 1 / s */
static uint32_t inverted(const struct rewrite *rw, uint32_t value)
{
    const struct eng_node *node = rewrite_maker(rw, value, "Reciprocal");

    if (node)
        return node->inputs[0];
    node = rewrite_maker(rw, value, "Div");
    return node && is_number(rw, node->inputs[0], 1) ? node->inputs[1]
                                                     : ENG_NO_VALUE;
}

/* `above` / deviation(below) is a normalisation of x. */
static bool take_quotient(const struct search *s, uint32_t above,
                          uint32_t divisor, struct match *match)
{
    uint32_t below = deviation(s, divisor, &match->epsilon);

    if (below == ENG_NO_VALUE)
        return false;
    match->x = centred(s, above);
    match->centred = match->x != ENG_NO_VALUE;
    if (match->centred && (below == above || centred(s, below) == match->x))
        return true;
    match->x = above;
    match->centred = false;
    return below == above;
}

static bool take_normal(const struct search *s, uint32_t value,
                        struct match *match)
{
    const struct eng_node *div = rewrite_maker(s->rw, value, "Div");
    const struct eng_node *mul = rewrite_maker(s->rw, value, "Mul");

    if (!rewrite_is_private(s->rw, value))
        return false;
    if (div)
        return take_quotient(s, div->inputs[0], div->inputs[1], match);
    for (size_t i = 0; mul && i < 2; i++) {
        if (take_quotient(s, mul->inputs[1 - i],
                          inverted(s->rw, mul->inputs[i]), match))
            return true;
    }
    return false;
}

/* A bias will follow: the match starts there. */
static bool has_bias(const struct rewrite *rw, const struct eng_node *mul)
{
    const struct eng_node *add = rewrite_reader(rw, mul->outputs[0], "Add");
    uint32_t bias, rest;

    return add && split_weight(rw, add, &bias, &rest);
}

static bool find(const struct search *s, const struct eng_node *node,
                 struct match *match)
{
    const struct eng_node *mul = node;
    uint32_t rest;

    match->bias = ENG_NO_VALUE;
    if (rewrite_is(node, "Add")) {
        if (!split_weight(s->rw, node, &match->bias, &rest) ||
            !rewrite_is_private(s->rw, rest))
            return false;
        mul = rewrite_maker(s->rw, rest, "Mul");
    } else if (!rewrite_is(node, "Mul")) {
        return false;
    }
    if (!mul || !split_weight(s->rw, mul, &match->scale, &rest) ||
        !take_normal(s, rest, match))
        return false;
    /* RMSNormalization has no bias: the sum stays. */
    return match->centred ? mul != node || !has_bias(s->rw, mul) : mul == node;
}

static bool replace(struct rewrite *rw, struct eng_node *node,
                    const struct match *match, struct error *err)
{
    const uint32_t inputs[] = {match->x, match->scale, match->bias};
    const struct eng_attr epsilon = {
        "epsilon", ENG_ATTR_FLOAT, 1, {.f = match->epsilon}};
    const struct rewrite_spec spec = {
        .domain = "",
        .op = match->centred ? "LayerNormalization" : "RMSNormalization",
        .version = match->centred ? 17 : 23,
        .inputs = inputs,
        .input_count = match->bias == ENG_NO_VALUE ? 2 : 3,
        .attrs = &epsilon,
        .attr_count = 1};

    return rewrite_replace(rw, node, &spec, err);
}

static bool fuse_one(struct rewrite *rw, const struct facts *facts,
                     struct eng_node *node, struct error *err)
{
    const struct search s = {rw, facts};
    struct match match;

    return !find(&s, node, &match) || replace(rw, node, &match, err);
}

bool pass_fuse_norm(struct eng_graph *graph, struct op_packs *packs,
                    struct error *err)
{
    (void)packs;
    return facts_each(graph, fuse_one, err);
}
