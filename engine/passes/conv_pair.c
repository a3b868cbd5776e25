/*
 * Conv pair: a 1x1 convolution that only a depthwise one reads (the wide middle
 * of an inverted residual) becomes ConvPairBlocked with it, so that what is in
 * between need not leave the cache.
 */
#include <string.h>

#include "passes.h"
#include "rewrite.h"

static bool is_conv(const struct eng_node *node)
{
    return strcmp(node->domain, REWRITE_DOMAIN) == 0 &&
           strcmp(node->op, "ConvBlocked") == 0 &&
           (node->input_count < 4 || node->inputs[3] == ENG_NO_VALUE);
}

static const struct eng_tensor *filter_of(const struct rewrite *rw,
                                          const struct eng_node *node)
{
    const struct eng_tensor *w = rewrite_constant(rw, node->inputs[1]);

    return w && w->rank == 4 ? w : NULL;
}

/* Absent, or a list of `want` alone. */
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

static bool is_depthwise(const struct rewrite *rw, const struct eng_node *node)
{
    const struct eng_tensor *w = is_conv(node) ? filter_of(rw, node) : NULL;

    return w && w->dims[0] > 1 && w->dims[1] == 1 &&
           rewrite_int(node, "group", 1) == w->dims[0];
}

static bool is_pointwise(const struct rewrite *rw, const struct eng_node *node)
{
    const struct eng_tensor *w = is_conv(node) ? filter_of(rw, node) : NULL;

    return w && w->dims[2] == 1 && w->dims[3] == 1 &&
           rewrite_int(node, "group", 1) == 1 && all_are(node, "strides", 1) &&
           all_are(node, "pads", 0);
}

static uint32_t bias_of(const struct eng_node *node)
{
    return node->input_count > 2 ? node->inputs[2] : ENG_NO_VALUE;
}

/* The second's attributes, and the first's activation under another name. */
static size_t join_attrs(const struct eng_node *first,
                         const struct eng_node *second, struct eng_attr *to)
{
    static const char *const names[][2] = {
        {"activation", "first_activation"},
        {"activation_params", "first_params"}};
    size_t count = second->attr_count;

    memcpy(to, second->attrs, count * sizeof *to);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct eng_attr *attr = rewrite_attr(first, names[i][0]);

        if (!attr)
            continue;
        to[count] = *attr;
        to[count++].name = names[i][1];
    }
    return count;
}

static bool fuse_one(struct rewrite *rw, struct eng_node *node,
                     struct error *err)
{
    const struct eng_node *first;
    uint32_t producer, inputs[5];
    struct eng_attr *attrs;
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = "ConvPairBlocked",
                                .version = 1,
                                .inputs = inputs,
                                .input_count = 5};

    if (!is_depthwise(rw, node) || !rewrite_is_private(rw, node->inputs[0]))
        return true;
    producer = rw->graph->values[node->inputs[0]].producer;
    if (producer == ENG_NO_VALUE)
        return true;
    first = &rw->graph->nodes[producer];
    if (!is_pointwise(rw, first))
        return true;
    attrs =
        arena_alloc(&rw->graph->arena, (node->attr_count + 2) * sizeof *attrs);
    if (!attrs)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
    inputs[0] = first->inputs[0];
    inputs[1] = first->inputs[1];
    inputs[2] = node->inputs[1];
    inputs[3] = bias_of(first);
    inputs[4] = bias_of(node);
    spec.attrs = attrs;
    spec.attr_count = join_attrs(first, node, attrs);
    return rewrite_replace(rw, node, &spec, err);
}

bool pass_conv_pair(struct eng_graph *graph, struct op_packs *packs,
                    struct error *err)
{
    (void)packs;
    return rewrite_each(graph, fuse_one, err);
}
