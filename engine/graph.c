/*
 * Graph: topological order, and the binding of nodes to operators.
 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "ops/op.h"

const char *eng_node_label(const struct eng_graph *graph,
                           const struct eng_node *node)
{
    if (node->name[0])
        return node->name;
    return node->output_count ? graph->values[node->outputs[0]].name : "";
}

void eng_graph_release(struct eng_graph *graph)
{
    arena_release(&graph->arena);
    *graph = (struct eng_graph){0};
}

/* --- order: a depth-first walk with its own stack --- */

enum node_state { NEW, OPEN, DONE };

struct sorter {
    struct eng_graph *graph;
    unsigned char *state; /* enum node_state, by node */
    uint32_t *stack;      /* nodes that wait for their inputs */
    size_t *next;         /* by stack place: next input to look at */
    size_t depth;
    uint32_t *order; /* result: old index of the i-th node */
    size_t count;
};

static uint32_t producer_of(const struct eng_graph *graph, uint32_t value)
{
    return value == ENG_NO_VALUE ? ENG_NO_VALUE : graph->values[value].producer;
}

/* The next input of the top node whose producer is not placed yet. */
static uint32_t next_missing(struct sorter *sorter)
{
    const struct eng_graph *graph = sorter->graph;
    const struct eng_node *node =
        &graph->nodes[sorter->stack[sorter->depth - 1]];
    size_t *next = &sorter->next[sorter->depth - 1];

    while (*next < node->input_count) {
        uint32_t producer = producer_of(graph, node->inputs[(*next)++]);

        if (producer != ENG_NO_VALUE && sorter->state[producer] != DONE)
            return producer;
    }
    return ENG_NO_VALUE;
}

static void push_node(struct sorter *sorter, uint32_t node)
{
    sorter->state[node] = OPEN;
    sorter->stack[sorter->depth] = node;
    sorter->next[sorter->depth++] = 0;
}

static bool place_node(struct sorter *sorter, uint32_t first, struct error *err)
{
    const struct eng_graph *graph = sorter->graph;

    push_node(sorter, first);
    while (sorter->depth) {
        uint32_t missing = next_missing(sorter);

        if (missing == ENG_NO_VALUE) {
            uint32_t node = sorter->stack[--sorter->depth];

            sorter->state[node] = DONE;
            sorter->order[sorter->count++] = node;
        } else if (sorter->state[missing] == OPEN) {
            return fail(err, ERR_MODEL_INVALID, "node '%s' is part of a cycle",
                        eng_node_label(graph, &graph->nodes[missing]));
        } else {
            push_node(sorter, missing);
        }
    }
    return true;
}

/* Moves the nodes into the order found and renames the producers. */
static bool apply_order(struct eng_graph *graph, const uint32_t *order)
{
    struct eng_node *nodes =
        arena_zalloc(&graph->arena, graph->node_count, sizeof *nodes);

    if (!nodes)
        return false;
    for (size_t i = 0; i < graph->node_count; i++) {
        nodes[i] = graph->nodes[order[i]];
        for (size_t k = 0; k < nodes[i].output_count; k++)
            graph->values[nodes[i].outputs[k]].producer = (uint32_t)i;
    }
    graph->nodes = nodes;
    return true;
}

bool eng_graph_sort(struct eng_graph *graph, struct error *err)
{
    size_t count = graph->node_count;
    struct sorter sorter = {.graph = graph};
    bool ok = false;

    sorter.state = calloc(count + 1, 1);
    sorter.stack = calloc(count + 1, sizeof *sorter.stack);
    sorter.next = calloc(count + 1, sizeof *sorter.next);
    sorter.order = calloc(count + 1, sizeof *sorter.order);
    if (!sorter.state || !sorter.stack || !sorter.next || !sorter.order) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory to order %zu nodes", count);
        goto out;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (sorter.state[i] == NEW && !place_node(&sorter, i, err))
            goto out;
    }
    ok = apply_order(graph, sorter.order) ||
         fail(err, ERR_OUT_OF_MEMORY, "no memory to order %zu nodes", count);
out:
    free(sorter.state);
    free(sorter.stack);
    free(sorter.next);
    free(sorter.order);
    return ok;
}

/* --- binding --- */

static const char *domain_text(const char *domain)
{
    return domain[0] ? domain : "ai.onnx";
}

static bool check_counts(const struct eng_graph *graph,
                         const struct eng_node *node, struct error *err)
{
    const struct op_impl *impl = node->rows[0].impl;
    const char *label = eng_node_label(graph, node);

    if (node->input_count < impl->in_min ||
        (impl->in_max != OP_MANY && node->input_count > impl->in_max))
        return fail(err, ERR_MODEL_INVALID,
                    "node '%s' (%s): %zu inputs, expected %d to %d", label,
                    node->op, node->input_count, impl->in_min, impl->in_max);
    if (node->output_count < impl->out_min ||
        (impl->out_max != OP_MANY && node->output_count > impl->out_max))
        return fail(err, ERR_MODEL_INVALID,
                    "node '%s' (%s): %zu outputs, expected %d to %d", label,
                    node->op, node->output_count, impl->out_min, impl->out_max);
    for (size_t i = 0; i < impl->in_min; i++) {
        if (node->inputs[i] == ENG_NO_VALUE)
            return fail(err, ERR_MODEL_INVALID,
                        "node '%s' (%s): input %zu is required", label,
                        node->op, i);
    }
    return true;
}

static bool bind_node(const struct eng_graph *graph, struct eng_node *node,
                      struct error *err)
{
    const char *label = eng_node_label(graph, node);

    node->rows =
        op_find(node->domain, node->op, node->version, &node->row_count);
    if (!node->rows)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "node '%s': operator %s (domain %s, opset %lld) is not "
                    "supported",
                    label, node->op, domain_text(node->domain),
                    (long long)node->version);
    return check_counts(graph, node, err);
}

/* Marks what node `index` needs to know for its own infer, and, if one of its
 * outputs must be known, every input. */
static void mark_plan_inputs(struct eng_graph *graph, size_t index)
{
    const struct eng_node *node = &graph->nodes[index];
    const struct op_impl *impl = node->rows[0].impl;
    bool all = false;

    for (size_t i = 0; i < node->output_count; i++)
        all |= graph->values[node->outputs[i]].plan_value;
    if (impl->flags & OP_SHAPE_ONLY)
        all = false;
    for (size_t i = 0; i < node->input_count; i++) {
        bool read = i < 32 && (impl->value_inputs >> i & 1);

        if (node->inputs[i] != ENG_NO_VALUE && (all || read))
            graph->values[node->inputs[i]].plan_value = true;
    }
}

bool eng_graph_bind(struct eng_graph *graph, struct error *err)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        if (!bind_node(graph, &graph->nodes[i], err))
            return false;
    }
    /* Backwards: every reader of a value comes after its producer. */
    for (size_t i = graph->node_count; i-- > 0;)
        mark_plan_inputs(graph, i);
    return true;
}
