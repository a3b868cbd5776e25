/*
 * Winograd: marks the blocked convolutions that may round as Winograd's
 * algorithm does: 3x3, stride 1, no groups. Where it pays is decided for each
 * shape (conv_blocked_fast.c).
 *
 * Errors of outputs grow from about 1e-6 to 1e-5 of the largest magnitude;
 * without this pass every convolution sums directly.
 */
#include <string.h>

#include "passes.h"
#include "rewrite.h"

static bool all_are(const struct eng_node *node, const char *name, int64_t want)
{
    const struct eng_attr *attr = rewrite_attr(node, name);

    if (attr && attr->type != ENG_ATTR_INTS)
        return false;
    for (size_t i = 0; attr && i < attr->count; i++) {
        if (attr->ints[i] != want)
            return false;
    }
    return true;
}

static bool is_suitable(const struct eng_graph *graph,
                        const struct eng_node *node)
{
    const struct eng_tensor *w;

    if (strcmp(node->domain, REWRITE_DOMAIN) != 0 ||
        strcmp(node->op, "ConvBlocked") != 0)
        return false;
    w = &graph->values[node->inputs[1]].constant;
    return w->rank == 4 && w->dims[2] == 3 && w->dims[3] == 3 &&
           rewrite_int(node, "group", 1) == 1 &&
           !rewrite_attr(node, "winograd") && all_are(node, "strides", 1) &&
           all_are(node, "dilations", 1);
}

static bool mark(struct eng_graph *graph, struct eng_node *node,
                 struct error *err)
{
    struct eng_attr *attrs =
        arena_alloc(&graph->arena, (node->attr_count + 1) * sizeof *attrs);

    if (!attrs)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
    memcpy(attrs, node->attrs, node->attr_count * sizeof *attrs);
    attrs[node->attr_count] = (struct eng_attr){
        .name = "winograd", .type = ENG_ATTR_INT, .count = 1, .i = 1};
    node->attrs = attrs;
    node->attr_count++;
    return true;
}

bool pass_winograd(struct eng_graph *graph, struct op_packs *packs,
                   struct error *err)
{
    (void)packs;
    for (size_t i = 0; i < graph->node_count; i++) {
        if (is_suitable(graph, &graph->nodes[i]) &&
            !mark(graph, &graph->nodes[i], err))
            return false;
    }
    return true;
}
