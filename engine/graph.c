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
    /* As deep as graphs are nested, which the wire walk bounds. */
    for (struct eng_graph *i = graph->inner; i;) {
        struct eng_graph *next = i->next_inner; /* lies in graph->arena */

        eng_graph_release(i);
        i = next;
    }
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
    size_t inputs = node->input_count - node->captured_count;

    if (inputs < impl->in_min ||
        (impl->in_max != OP_MANY && inputs > impl->in_max))
        return fail(err, ERR_MODEL_INVALID,
                    "node '%s' (%s): %zu inputs, expected %d to %d", label,
                    node->op, inputs, impl->in_min, impl->in_max);
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

/* Tells who wants to know; the first failure is the one that counts. */
static void note_obstacle(const struct eng_graph *outermost,
                          const struct eng_graph *graph,
                          const struct eng_node *node,
                          const struct error *cause, struct error *err)
{
    const struct eng_obstacle obstacle = {.node = eng_node_label(graph, node),
                                          .op = node->op,
                                          .reason = cause->msg};

    if (err->code == ERR_NONE)
        *err = *cause;
    if (outermost->obstacle)
        outermost->obstacle(outermost->obstacle_context, &obstacle);
}

/* Binds what can be bound; `err` is empty if that is everything. */
static void bind_all(const struct eng_graph *outermost, struct eng_graph *graph,
                     struct error *err)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        struct error cause;

        if (!bind_node(graph, &graph->nodes[i], &cause))
            note_obstacle(outermost, graph, &graph->nodes[i], &cause, err);
    }
    for (struct eng_graph *i = graph->inner; i; i = i->next_inner)
        bind_all(outermost, i, err);
}

/* --- plan values --- */

/*
 * Few elements, whatever the run: known to be few, or a scalar or list of
 * integers (the shape that a caller sends).
 */
static bool port_is_small(const struct eng_port *port)
{
    enum { ELEMENTS_MAX = 64 };
    bool whole = port->dtype != ENG_F32 && port->dtype != ENG_F64 &&
                 port->dtype != ENG_F16 && port->dtype != ENG_BF16;
    int64_t count = 1;

    if (port->rank < 0)
        return whole && port->dtype != ENG_NONE;
    for (int i = 0; i < port->rank; i++) {
        if (port->dims[i] < 0)
            return whole && port->rank == 1;
        if (port->dims[i] > ELEMENTS_MAX)
            return false;
        count *= port->dims[i];
        if (count > ELEMENTS_MAX)
            return false;
    }
    return true;
}

static bool all_keyable(const struct eng_graph *graph,
                        const struct eng_node *node)
{
    uint8_t flags = node->rows[0].impl->flags;

    if (flags & OP_SHAPE_ONLY)
        return true;
    if (flags & OP_RANDOM)
        return false;
    for (size_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] != ENG_NO_VALUE &&
            !graph->values[node->inputs[i]].keyable)
            return false;
    }
    return true;
}

static void find_keyable(struct eng_graph *graph, bool is_inner);

/* What is captured is as cheap inside as it is outside. */
static void find_keyable_inside(const struct eng_graph *graph,
                                const struct eng_node *node)
{
    for (size_t a = 0; a < node->attr_count; a++) {
        struct eng_graph *inner = node->attrs[a].graph;

        if (node->attrs[a].type != ENG_ATTR_GRAPH)
            continue;
        for (size_t i = inner->formal_count; i < inner->input_count; i++) {
            uint32_t outside =
                node->inputs[inner->captured_first + i - inner->formal_count];

            inner->values[inner->inputs[i]].keyable =
                graph->values[outside].keyable;
        }
        find_keyable(inner, true);
    }
}

/* Forwards. What a loop hands to its body is other in every iteration: a plan
 * for each of them would be too many. */
static void find_keyable(struct eng_graph *graph, bool is_inner)
{
    for (size_t i = 0; i < graph->value_count; i++) {
        if (graph->values[i].constant.data)
            graph->values[i].keyable = true;
    }
    for (size_t i = 0; i < graph->formal_count; i++)
        graph->values[graph->inputs[i]].keyable =
            !is_inner && port_is_small(&graph->input_ports[i]);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct eng_node *node = &graph->nodes[i];
        bool keyable = all_keyable(graph, node);

        for (size_t k = 0; k < node->output_count; k++)
            graph->values[node->outputs[k]].keyable = keyable;
        find_keyable_inside(graph, node);
    }
}

static void mark(const struct eng_graph *graph, uint32_t value)
{
    if (value != ENG_NO_VALUE && graph->values[value].keyable)
        graph->values[value].plan_value = true;
}

static void mark_all(struct eng_graph *graph);

/* A branch's outputs are those of the node; what it needs is needed outside. */
static void mark_inside(struct eng_graph *graph, const struct eng_node *node)
{
    bool is_branch = node->rows[0].impl->flags & OP_BRANCHES;

    for (size_t a = 0; a < node->attr_count; a++) {
        struct eng_graph *inner = node->attrs[a].graph;

        if (node->attrs[a].type != ENG_ATTR_GRAPH)
            continue;
        for (size_t i = 0;
             is_branch && i < inner->output_count && i < node->output_count;
             i++) {
            if (graph->values[node->outputs[i]].plan_value)
                mark(inner, inner->outputs[i]);
        }
        mark_all(inner);
        for (size_t i = inner->formal_count; i < inner->input_count; i++) {
            if (inner->values[inner->inputs[i]].plan_value)
                mark(graph, node->inputs[inner->captured_first + i -
                                         inner->formal_count]);
        }
    }
}

/* Marks what node `index` needs to know for its own infer, and, if one of its
 * outputs must be known, every input. */
static void mark_plan_inputs(struct eng_graph *graph, size_t index)
{
    const struct eng_node *node = &graph->nodes[index];
    const struct op_impl *impl = node->rows[0].impl;
    size_t own = node->input_count - node->captured_count;
    bool all = false;

    for (size_t i = 0; i < node->output_count; i++)
        all |= graph->values[node->outputs[i]].plan_value;
    if (impl->flags & OP_SHAPE_ONLY)
        all = false;
    mark_inside(graph, node);
    for (size_t i = 0; i < own; i++) {
        if (all || (i < 32 && (impl->value_inputs >> i & 1)))
            mark(graph, node->inputs[i]);
    }
    for (size_t i = own; all && i < node->input_count; i++) {
        if (!(impl->flags & OP_BRANCHES))
            mark(graph, node->inputs[i]);
    }
}

/* Backwards: every reader of a value comes after its producer. */
static void mark_all(struct eng_graph *graph)
{
    for (size_t i = graph->node_count; i-- > 0;)
        mark_plan_inputs(graph, i);
}

bool eng_graph_bind(struct eng_graph *graph, struct error *err)
{
    struct error first = {0};

    bind_all(graph, graph, &first);
    if (first.code != ERR_NONE) {
        *err = first;
        return false;
    }
    find_keyable(graph, false);
    mark_all(graph);
    return true;
}

/* --- constants that inner graphs read --- */

/* Moves the constants among the captured inputs into `inner`; `kept` receives
 * the node's inputs that stay. */
static void sink_into(const struct eng_graph *graph,
                      const struct eng_node *node, struct eng_graph *inner,
                      uint32_t *kept, size_t *count)
{
    size_t first = *count, stay = inner->formal_count;

    for (size_t i = inner->formal_count; i < inner->input_count; i++) {
        uint32_t inside = inner->inputs[i];
        uint32_t outside =
            node->inputs[inner->captured_first + i - inner->formal_count];

        if (graph->values[outside].constant.data) {
            inner->values[inside].constant = graph->values[outside].constant;
            continue;
        }
        inner->inputs[stay++] = inside;
        kept[(*count)++] = outside;
    }
    inner->input_count = stay;
    inner->captured_first = first;
}

bool eng_graph_sink(struct eng_graph *graph, struct error *err)
{
    for (size_t n = 0; n < graph->node_count; n++) {
        struct eng_node *node = &graph->nodes[n];
        size_t count = node->input_count - node->captured_count;
        uint32_t *kept;

        if (!node->captured_count)
            continue;
        kept = arena_zalloc(&graph->arena, node->input_count, sizeof *kept);
        if (!kept)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for the graph");
        memcpy(kept, node->inputs, count * sizeof *kept);
        node->captured_count = 0;
        for (size_t a = 0; a < node->attr_count; a++) {
            size_t before = count;

            if (node->attrs[a].type == ENG_ATTR_GRAPH)
                sink_into(graph, node, node->attrs[a].graph, kept, &count);
            node->captured_count += count - before;
        }
        node->inputs = kept;
        node->input_count = count;
    }
    return true;
}
