/*
 * Facts: see facts.h. One walk over the nodes, in their order.
 */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "rewrite.h"

static const struct fact nothing = {ENG_NONE, -1, -1};

static struct fact fact_of(const struct facts *facts, uint32_t value)
{
    return value < facts->count ? facts->of[value] : nothing;
}

static struct fact input(const struct facts *facts, const struct eng_node *node,
                         size_t i)
{
    return i < node->input_count ? fact_of(facts, node->inputs[i]) : nothing;
}

static struct fact of_tensor(const struct eng_tensor *tensor)
{
    return (struct fact){tensor->dtype, tensor->rank,
                         tensor->rank == 1 ? tensor->dims[0] : -1};
}

/* --- one rule each; `in` is input 0 --- */

typedef struct fact (*rule_fn)(const struct facts *facts,
                               const struct eng_node *node, struct fact in);

static struct fact same(const struct facts *facts, const struct eng_node *node,
                        struct fact in)
{
    (void)facts;
    (void)node;
    return in;
}

/* Type and rank stay, the length does not. */
static struct fact resized(const struct facts *facts,
                           const struct eng_node *node, struct fact in)
{
    (void)facts;
    (void)node;
    in.length = -1;
    return in;
}

static struct fact cast(const struct facts *facts, const struct eng_node *node,
                        struct fact in)
{
    (void)facts;
    in.dtype = (enum eng_dtype)rewrite_int(node, "to", ENG_NONE);
    return in;
}

static struct fact broadcast_from(const struct facts *facts,
                                  const struct eng_node *node, size_t first)
{
    struct fact all = {input(facts, node, first).dtype, 0, -1};

    for (size_t i = 0; i < node->input_count; i++) {
        int rank = input(facts, node, i).rank;

        if (rank < 0)
            return (struct fact){all.dtype, -1, -1};
        all.rank = rank > all.rank ? rank : all.rank;
    }
    return all;
}

static struct fact broadcast(const struct facts *facts,
                             const struct eng_node *node, struct fact in)
{
    (void)in;
    return broadcast_from(facts, node, 0);
}

static struct fact where(const struct facts *facts, const struct eng_node *node,
                         struct fact in)
{
    (void)in;
    return broadcast_from(facts, node, 1);
}

static struct fact compare(const struct facts *facts,
                           const struct eng_node *node, struct fact in)
{
    in = broadcast_from(facts, node, 0);
    in.dtype = ENG_BOOL;
    return in;
}

static struct fact matmul(const struct facts *facts,
                          const struct eng_node *node, struct fact in)
{
    int a = in.rank, b = input(facts, node, 1).rank;

    in.rank = a < 2 || b < 2 ? -1 : a > b ? a : b;
    in.length = -1;
    return in;
}

static struct fact matmul_integer(const struct facts *facts,
                                  const struct eng_node *node, struct fact in)
{
    in = matmul(facts, node, in);
    in.dtype = ENG_I32;
    return in;
}

static struct fact matmul_to_float(const struct facts *facts,
                                   const struct eng_node *node, struct fact in)
{
    in = matmul(facts, node, in);
    in.dtype = ENG_F32;
    return in;
}

static struct fact dequantize(const struct facts *facts,
                              const struct eng_node *node, struct fact in)
{
    in.dtype = input(facts, node, 1).dtype;
    return in;
}

/* Of the first output; the others are numbers, see learn(). */
static struct fact quantize_dynamic(const struct facts *facts,
                                    const struct eng_node *node, struct fact in)
{
    (void)facts;
    (void)node;
    in.dtype = ENG_U8;
    return in;
}

static struct fact transpose(const struct facts *facts,
                             const struct eng_node *node, struct fact in)
{
    const struct eng_attr *perm = rewrite_attr(node, "perm");

    (void)facts;
    if (perm && perm->type == ENG_ATTR_INTS)
        in.rank = (int)perm->count;
    return in;
}

static struct fact shape(const struct facts *facts, const struct eng_node *node,
                         struct fact in)
{
    (void)facts;
    return (struct fact){ENG_I64, 1, node->attr_count ? -1 : in.rank};
}

/* The target is a list; its length is the rank. */
static struct fact reshape(const struct facts *facts,
                           const struct eng_node *node, struct fact in)
{
    in.rank = (int)input(facts, node, 1).length;
    in.length = -1;
    return in;
}

/* How many axes an attribute or input 1 names; -1: not known. */
static int axes_of(const struct facts *facts, const struct eng_node *node)
{
    const struct eng_attr *axes = rewrite_attr(node, "axes");

    if (axes && axes->type == ENG_ATTR_INTS)
        return (int)axes->count;
    return (int)input(facts, node, 1).length;
}

static struct fact unsqueeze(const struct facts *facts,
                             const struct eng_node *node, struct fact in)
{
    int axes = axes_of(facts, node);

    in.rank = in.rank < 0 || axes < 0 ? -1 : in.rank + axes;
    in.length = in.rank == 1 ? 1 : -1;
    return in;
}

static struct fact squeeze(const struct facts *facts,
                           const struct eng_node *node, struct fact in)
{
    int axes = axes_of(facts, node);

    in.rank = in.rank < axes || axes < 0 ? -1 : in.rank - axes;
    in.length = -1;
    return in;
}

static struct fact gather(const struct facts *facts,
                          const struct eng_node *node, struct fact in)
{
    int indices = input(facts, node, 1).rank;

    in.length = -1;
    in.rank = in.rank < 0 || indices < 0 ? -1 : in.rank + indices - 1;
    return in;
}

static struct fact concat(const struct facts *facts,
                          const struct eng_node *node, struct fact in)
{
    int64_t length = 0;

    for (size_t i = 0; i < node->input_count; i++) {
        int64_t part = input(facts, node, i).length;

        length = length < 0 || part < 0 ? -1 : length + part;
    }
    in.length = in.rank == 1 ? length : -1;
    return in;
}

static struct fact reduce(const struct facts *facts,
                          const struct eng_node *node, struct fact in)
{
    (void)facts;
    in.length = -1;
    in.rank = rewrite_int(node, "keepdims", 1) ? in.rank : -1;
    return in;
}

static const struct rule {
    const char *op;
    rule_fn fn;
} rules[] = {
    {"Abs", same},
    {"Add", broadcast},
    {"And", compare},
    {"Cast", cast},
    {"Clip", same},
    {"Concat", concat},
    {"Cos", same},
    {"CumSum", same},
    {"DequantizeLinear", dequantize},
    {"Div", broadcast},
    {"Dropout", same},
    {"DynamicQuantizeLinear", quantize_dynamic},
    {"Equal", compare},
    {"Erf", same},
    {"Exp", same},
    {"Gather", gather},
    {"Gelu", same},
    {"Greater", compare},
    {"Identity", same},
    {"LayerNormalization", same},
    {"Less", compare},
    {"LinearInteger", matmul_to_float},
    {"Log", same},
    {"MatMul", matmul},
    {"MatMulInteger", matmul_integer},
    {"Max", broadcast},
    {"Min", broadcast},
    {"Mul", broadcast},
    {"Neg", same},
    {"Not", same},
    {"Or", compare},
    {"Pow", broadcast},
    {"ReduceMean", reduce},
    {"ReduceSum", reduce},
    {"Relu", same},
    {"Reshape", reshape},
    {"Shape", shape},
    {"Sigmoid", same},
    {"Sin", same},
    {"Slice", resized},
    {"Softmax", same},
    {"Split", resized},
    {"Sqrt", same},
    {"Squeeze", squeeze},
    {"Sub", broadcast},
    {"Tanh", same},
    {"Transpose", transpose},
    {"Trilu", same},
    {"Unsqueeze", unsqueeze},
    {"Where", where},
};

static int by_name(const void *name, const void *rule)
{
    return strcmp(name, ((const struct rule *)rule)->op);
}

static void learn(struct facts *facts, const struct eng_node *node)
{
    const struct rule *rule = NULL;
    struct fact fact = nothing;
    size_t outputs = 1;

    if (node->domain[0] == '\0' || strcmp(node->domain, REWRITE_DOMAIN) == 0)
        rule = bsearch(node->op, rules, sizeof rules / sizeof rules[0],
                       sizeof rules[0], by_name);
    if (rule)
        fact = rule->fn(facts, node, input(facts, node, 0));
    if (strcmp(node->op, "Split") == 0)
        outputs = node->output_count;
    for (size_t i = 0; i < outputs && i < node->output_count; i++)
        facts->of[node->outputs[i]] = fact;
    if (strcmp(node->op, "DynamicQuantizeLinear") == 0 &&
        node->output_count == 3) {
        facts->of[node->outputs[1]] = (struct fact){ENG_F32, 0, -1};
        facts->of[node->outputs[2]] = (struct fact){ENG_U8, 0, -1};
    }
}

bool facts_init(struct facts *facts, const struct eng_graph *graph,
                struct error *err)
{
    facts->count = graph->value_count;
    facts->of = calloc(facts->count + 1, sizeof *facts->of);
    if (!facts->of)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
    for (size_t i = 0; i < facts->count; i++) {
        const struct eng_tensor *constant = &graph->values[i].constant;

        facts->of[i] = constant->data ? of_tensor(constant) : nothing;
    }
    /* Nobody checks what an inner graph says of its inputs. */
    for (size_t i = 0; i < graph->input_count && !graph->is_inner; i++)
        facts->of[graph->inputs[i]] = (struct fact){
            graph->input_ports[i].dtype, graph->input_ports[i].rank, -1};
    for (size_t i = 0; i < graph->node_count; i++)
        learn(facts, &graph->nodes[i]);
    return true;
}

void facts_release(struct facts *facts)
{
    free(facts->of);
    *facts = (struct facts){0};
}

enum eng_dtype facts_dtype(const struct facts *facts, uint32_t value)
{
    return fact_of(facts, value).dtype;
}

int facts_rank(const struct facts *facts, uint32_t value)
{
    return fact_of(facts, value).rank;
}

bool facts_each(struct eng_graph *graph, facts_fn fn, struct error *err)
{
    struct facts facts;
    struct rewrite rw;
    bool ok = true;

    if (!facts_init(&facts, graph, err))
        return false;
    if (!rewrite_begin(&rw, graph, err)) {
        facts_release(&facts);
        return false;
    }
    for (size_t i = 0; ok && i < graph->node_count; i++)
        ok = fn(&rw, &facts, &graph->nodes[i], err);
    rewrite_end(&rw);
    facts_release(&facts);
    return ok;
}
