/*
 * Fuse attention: softmax(scale q k' + masks) v, spelled out, becomes one
 * AttentionCore.
 *
 *   Transpose(MatMul(Softmax(s), v), 0 2 1 3)
 *   s = Add(x, mask), or Where(condition, x, number), or both, or neither
 *   x = MatMul(q, k'), divided or multiplied by numbers; so may q and k be;
 *       or FusedMatMul(q, k) of com.microsoft with transB and a factor
 *
 * The closing Transpose has four axes, so nothing before it has more. q, k and
 * v are read before their own Transposes, which nobody needs any more; k' must
 * come out of one (0 2 3 1, or 0 1 3 2, on top of another or not). Where q or v
 * has no Transpose of its own, its rank must be known to be 4.
 *
 * The products of one head and the softmax between them happen in cache;
 * otherwise three passes over the scores and four copies go through memory.
 */
#include <string.h>

#include "facts.h"
#include "passes.h"
#include "rewrite.h"

enum { Q, K, V, ADD, KEEP, INPUTS };

struct match {
    uint32_t input[INPUTS];
    int64_t layout[3]; /* of q, k, v */
    float scale, fill;
    bool drops, adds_first;
};

static bool has_perm(const struct eng_node *node, const int64_t *perm)
{
    const struct eng_attr *attr = node ? rewrite_attr(node, "perm") : NULL;

    if (!attr || attr->type != ENG_ATTR_INTS || attr->count != 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        if (attr->ints[i] != perm[i])
            return false;
    }
    return true;
}

static const int64_t swap_heads[] = {0, 2, 1, 3};

/* Nobody else wants the elements of `value`. Its shape may be asked for: a plan
 * answers that without computing it. */
static bool vanishes(const struct rewrite *rw, uint32_t value)
{
    const struct eng_graph *graph = rw->graph;
    uint32_t readers = rw->readers[value];

    for (size_t i = 0; readers > 1 && i < graph->node_count; i++)
        readers -= rewrite_is(&graph->nodes[i], "Shape") &&
                   graph->nodes[i].inputs[0] == value;
    for (size_t i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == value)
            return false;
    }
    return readers == 1;
}

/* The other operand of a product with a number. */
static bool take_factor(const struct rewrite *rw, uint32_t *value, float *scale)
{
    const struct eng_node *mul = rewrite_maker(rw, *value, "Mul");
    const struct eng_node *div = rewrite_maker(rw, *value, "Div");
    float x;

    if (!vanishes(rw, *value))
        return false;
    if (div && rewrite_scalar(rw, div->inputs[1], &x)) {
        *value = div->inputs[0];
        *scale /= x;
        return true;
    }
    for (size_t i = 0; mul && i < 2; i++) {
        if (!rewrite_scalar(rw, mul->inputs[i], &x))
            continue;
        *value = mul->inputs[1 - i];
        *scale *= x;
        return true;
    }
    return false;
}

/* q or v: [batch, heads, rows, size], or that before its Transpose. */
static bool take_rows(const struct rewrite *rw, const struct facts *facts,
                      uint32_t value, size_t side, struct match *match)
{
    const struct eng_node *transpose = rewrite_maker(rw, value, "Transpose");
    bool swaps = has_perm(transpose, swap_heads);

    match->input[side] = swaps ? transpose->inputs[0] : value;
    match->layout[side] = !swaps;
    return swaps || facts_rank(facts, value) == 4;
}

/* k of FusedMatMul(q, k): its rows are rows, not columns. */
static bool take_key_rows(const struct rewrite *rw, const struct facts *facts,
                          uint32_t value, struct match *match)
{
    while (take_factor(rw, &value, &match->scale))
        ;
    return take_rows(rw, facts, value, K, match);
}

static bool take_keys(const struct rewrite *rw, uint32_t value,
                      struct match *match)
{
    static const int64_t to_columns[] = {0, 2, 3, 1};
    static const int64_t turn[] = {0, 1, 3, 2};
    const struct eng_node *transpose, *inner;

    while (take_factor(rw, &value, &match->scale))
        ;
    transpose = rewrite_maker(rw, value, "Transpose");
    if (has_perm(transpose, to_columns)) {
        match->input[K] = transpose->inputs[0];
        match->layout[K] = 0;
        return true;
    }
    if (!has_perm(transpose, turn))
        return false;
    value = transpose->inputs[0];
    while (take_factor(rw, &value, &match->scale))
        ;
    inner = rewrite_maker(rw, value, "Transpose");
    match->layout[K] = !has_perm(inner, swap_heads);
    match->input[K] = match->layout[K] ? value : inner->inputs[0];
    return true;
}

/* The product q k': MatMul, or with a factor FusedMatMul, that takes k itself
 * with transB. NULL: there is none. */
static const struct eng_node *find_product(const struct rewrite *rw,
                                           uint32_t value, struct match *match)
{
    const struct eng_node *product = rewrite_maker(rw, value, "MatMul");
    uint32_t producer = rw->graph->values[value].producer;
    const struct eng_attr *alpha;

    if (product || producer == ENG_NO_VALUE)
        return product;
    product = &rw->graph->nodes[producer];
    if (strcmp(product->op, "FusedMatMul") != 0 ||
        strcmp(product->domain, "com.microsoft") != 0 ||
        rewrite_int(product, "transA", 0) ||
        rewrite_int(product, "transBatchA", 0) ||
        rewrite_int(product, "transBatchB", 0))
        return NULL;
    alpha = rewrite_attr(product, "alpha");
    match->scale *= alpha && alpha->type == ENG_ATTR_FLOAT ? alpha->f : 1;
    return product;
}

/* Scores without masks. */
static bool take_scores(const struct rewrite *rw, const struct facts *facts,
                        uint32_t value, struct match *match)
{
    const struct eng_node *product;
    uint32_t q;

    match->scale = 1;
    while (take_factor(rw, &value, &match->scale))
        ;
    product = find_product(rw, value, match);
    if (!product || !vanishes(rw, value))
        return false;
    q = product->inputs[0];
    while (take_factor(rw, &q, &match->scale))
        ;
    return (rewrite_int(product, "transB", 0)
                ? take_key_rows(rw, facts, product->inputs[1], match)
                : take_keys(rw, product->inputs[1], match)) &&
           take_rows(rw, facts, q, Q, match);
}

static bool take_masked(const struct rewrite *rw, const struct facts *facts,
                        uint32_t value, struct match *match);

static bool take_add(const struct rewrite *rw, const struct facts *facts,
                     const struct eng_node *add, struct match *match)
{
    if (match->input[ADD] != ENG_NO_VALUE)
        return false;
    for (size_t i = 0; i < 2; i++) {
        struct match tried = *match;

        tried.input[ADD] = add->inputs[1 - i];
        tried.adds_first = match->input[KEEP] != ENG_NO_VALUE;
        if (take_masked(rw, facts, add->inputs[i], &tried)) {
            *match = tried;
            return true;
        }
    }
    return false;
}

/* A condition that was made as large as the scores without need. */
static uint32_t unexpanded(const struct rewrite *rw, uint32_t value,
                           uint32_t scores)
{
    const struct eng_node *expand = rewrite_maker(rw, value, "Expand");
    const struct eng_node *shape =
        expand ? rewrite_maker(rw, expand->inputs[1], "Shape") : NULL;

    return shape && shape->inputs[0] == scores && !shape->attr_count
               ? expand->inputs[0]
               : value;
}

static bool take_where(const struct rewrite *rw, const struct facts *facts,
                       const struct eng_node *where, struct match *match)
{
    if (match->input[KEEP] != ENG_NO_VALUE)
        return false;
    for (size_t i = 1; i < 3; i++) {
        struct match tried = *match;

        tried.input[KEEP] = unexpanded(rw, where->inputs[0], where->inputs[i]);
        tried.drops = i == 2;
        if (rewrite_scalar(rw, where->inputs[3 - i], &tried.fill) &&
            take_masked(rw, facts, where->inputs[i], &tried)) {
            *match = tried;
            return true;
        }
    }
    return false;
}

static bool take_masked(const struct rewrite *rw, const struct facts *facts,
                        uint32_t value, struct match *match)
{
    const struct eng_node *add = rewrite_maker(rw, value, "Add");
    const struct eng_node *where = rewrite_maker(rw, value, "Where");

    if (value == ENG_NO_VALUE || !vanishes(rw, value))
        return false;
    if (add)
        return take_add(rw, facts, add, match);
    if (where)
        return take_where(rw, facts, where, match);
    return take_scores(rw, facts, value, match);
}

/* The softmax runs over the last of four axes. */
static bool is_last_axis(const struct eng_node *softmax)
{
    int64_t axis = rewrite_int(softmax, "axis", softmax->version < 13 ? 1 : -1);

    return axis == -1 || axis == 3;
}

static bool find(const struct rewrite *rw, const struct facts *facts,
                 const struct eng_node *node, struct match *match)
{
    const struct eng_node *product, *softmax;

    *match = (struct match){.layout = {0}};
    for (size_t i = 0; i < INPUTS; i++)
        match->input[i] = ENG_NO_VALUE;
    if (!rewrite_is(node, "Transpose") || !has_perm(node, swap_heads))
        return false;
    product = rewrite_maker(rw, node->inputs[0], "MatMul");
    if (!product || !vanishes(rw, node->inputs[0]))
        return false;
    softmax = rewrite_maker(rw, product->inputs[0], "Softmax");
    return softmax && is_last_axis(softmax) &&
           vanishes(rw, product->inputs[0]) &&
           take_rows(rw, facts, product->inputs[1], V, match) &&
           take_masked(rw, facts, softmax->inputs[0], match);
}

static bool replace(struct rewrite *rw, struct eng_node *node,
                    const struct match *match, struct error *err)
{
    static const int64_t layouts[8][4] = {
        {0, 0, 0, 0}, {0, 0, 1, 0}, {0, 1, 0, 0}, {0, 1, 1, 0},
        {1, 0, 0, 0}, {1, 0, 1, 0}, {1, 1, 0, 0}, {1, 1, 1, 0}};
    const struct eng_attr attrs[] = {
        {"layout",
         ENG_ATTR_INTS,
         4,
         {.ints = layouts[match->layout[Q] * 4 + match->layout[K] * 2 +
                          match->layout[V]]}},
        {"scale", ENG_ATTR_FLOAT, 1, {.f = match->scale}},
        {"fill", ENG_ATTR_FLOAT, 1, {.f = match->fill}},
        {"drops", ENG_ATTR_INT, 1, {.i = match->drops}},
        {"adds_first", ENG_ATTR_INT, 1, {.i = match->adds_first}}};
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = "AttentionCore",
                                .version = 1,
                                .inputs = match->input,
                                .input_count = INPUTS,
                                .attrs = attrs,
                                .attr_count = sizeof attrs / sizeof attrs[0]};

    while (spec.inputs[spec.input_count - 1] == ENG_NO_VALUE)
        spec.input_count--;
    return rewrite_replace(rw, node, &spec, err);
}

static bool fuse_one(struct rewrite *rw, const struct facts *facts,
                     struct eng_node *node, struct error *err)
{
    struct match match;

    return !find(rw, facts, node, &match) || replace(rw, node, &match, err);
}

bool pass_fuse_attention(struct eng_graph *graph, struct op_packs *packs,
                         struct error *err)
{
    (void)packs;
    return facts_each(graph, fuse_one, err);
}
