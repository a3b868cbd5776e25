/*
 * Rewrite: see rewrite.h.
 */
#include "rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
}

/* --- readers --- */

static void count_reads(struct rewrite *rw, uint32_t index)
{
    const struct eng_node *node = &rw->graph->nodes[index];

    for (size_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] == ENG_NO_VALUE)
            continue;
        rw->readers[node->inputs[i]]++;
        rw->reader[node->inputs[i]] = index;
    }
}

bool rewrite_begin(struct rewrite *rw, struct eng_graph *graph,
                   struct error *err)
{
    *rw = (struct rewrite){.graph = graph, .value_room = graph->value_count};
    rw->readers = calloc(graph->value_count + 1, sizeof *rw->readers);
    rw->reader = calloc(graph->value_count + 1, sizeof *rw->reader);
    if (!rw->readers || !rw->reader) {
        free(rw->readers);
        free(rw->reader);
        no_memory(err);
        return false;
    }
    for (uint32_t i = 0; i < graph->node_count; i++)
        count_reads(rw, i);
    for (size_t i = 0; i < graph->output_count; i++)
        rw->readers[graph->outputs[i]]++;
    return true;
}

static bool is_dead(const struct rewrite *rw, const struct eng_node *node)
{
    for (size_t i = 0; i < node->output_count; i++) {
        if (rw->readers[node->outputs[i]])
            return false;
    }
    return true;
}

/* `node` does not read its inputs any more; nor do the nodes that only it had
 * as a reader. */
static void drop_reads(struct rewrite *rw, const struct eng_node *node)
{
    for (size_t i = 0; i < node->input_count; i++) {
        uint32_t value = node->inputs[i], producer;

        if (value == ENG_NO_VALUE || --rw->readers[value])
            continue;
        producer = rw->graph->values[value].producer;
        if (producer != ENG_NO_VALUE &&
            is_dead(rw, &rw->graph->nodes[producer]))
            drop_reads(rw, &rw->graph->nodes[producer]);
    }
}

static void name_producers(struct eng_graph *graph, size_t from)
{
    for (size_t i = from; i < graph->node_count; i++) {
        for (size_t k = 0; k < graph->nodes[i].output_count; k++)
            graph->values[graph->nodes[i].outputs[k]].producer = (uint32_t)i;
    }
}

void rewrite_end(struct rewrite *rw)
{
    struct eng_graph *graph = rw->graph;
    size_t kept = 0;

    for (size_t i = 0; i < graph->node_count; i++) {
        if (!is_dead(rw, &graph->nodes[i]))
            graph->nodes[kept++] = graph->nodes[i];
    }
    graph->node_count = kept;
    name_producers(graph, 0);
    free(rw->readers);
    free(rw->reader);
}

bool rewrite_each(struct eng_graph *graph, rewrite_fn fn, struct error *err)
{
    struct rewrite rw;
    bool ok = true;

    if (!rewrite_begin(&rw, graph, err))
        return false;
    for (size_t i = 0; ok && i < graph->node_count; i++)
        ok = fn(&rw, &graph->nodes[i], err);
    rewrite_end(&rw);
    return ok;
}

/* --- looking --- */

bool rewrite_is(const struct eng_node *node, const char *op)
{
    return strcmp(node->op, op) == 0 && node->domain[0] == '\0';
}

struct eng_node *rewrite_maker(const struct rewrite *rw, uint32_t value,
                               const char *op)
{
    struct eng_node *node;

    if (value == ENG_NO_VALUE ||
        rw->graph->values[value].producer == ENG_NO_VALUE)
        return NULL;
    node = &rw->graph->nodes[rw->graph->values[value].producer];
    return rewrite_is(node, op) ? node : NULL;
}

bool rewrite_is_private(const struct rewrite *rw, uint32_t value)
{
    if (rw->readers[value] != 1)
        return false;
    for (size_t i = 0; i < rw->graph->output_count; i++) {
        if (rw->graph->outputs[i] == value)
            return false;
    }
    return true;
}

struct eng_node *rewrite_reader(const struct rewrite *rw, uint32_t value,
                                const char *op)
{
    struct eng_node *node;

    if (!rewrite_is_private(rw, value))
        return NULL;
    /* rw->reader may be a node that is dead now: look for one that reads. */
    for (size_t i = rw->reader[value]; i < rw->graph->node_count; i++) {
        node = &rw->graph->nodes[i];
        if (is_dead(rw, node))
            continue;
        for (size_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k] == value)
                return rewrite_is(node, op) ? node : NULL;
        }
    }
    return NULL;
}

const struct eng_tensor *rewrite_constant(const struct rewrite *rw,
                                          uint32_t value)
{
    const struct eng_tensor *constant;

    if (value == ENG_NO_VALUE)
        return NULL;
    constant = &rw->graph->values[value].constant;
    return constant->data ? constant : NULL;
}

bool rewrite_scalar(const struct rewrite *rw, uint32_t value, float *x)
{
    const struct eng_tensor *constant = rewrite_constant(rw, value);

    if (!constant || constant->dtype != ENG_F32 ||
        eng_tensor_count(constant) != 1)
        return false;
    *x = *(const float *)constant->data;
    return true;
}

bool rewrite_is_scalar(const struct rewrite *rw, uint32_t value, float want)
{
    float x;

    return rewrite_scalar(rw, value, &x) &&
           fabsf(x - want) <= 1e-4F * fabsf(want);
}

const struct eng_attr *rewrite_attr(const struct eng_node *node,
                                    const char *name)
{
    for (size_t i = 0; i < node->attr_count; i++) {
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    }
    return NULL;
}

int64_t rewrite_int(const struct eng_node *node, const char *name,
                    int64_t fallback)
{
    const struct eng_attr *attr = rewrite_attr(node, name);

    return attr && attr->type == ENG_ATTR_INT ? attr->i : fallback;
}

/* --- changing --- */

/* A copy in the graph's arena; NULL when memory is out. */
static void *keep(struct rewrite *rw, const void *list, size_t size)
{
    void *copy = arena_alloc(&rw->graph->arena, size);

    if (copy && size)
        memcpy(copy, list, size);
    return copy;
}

/* `node` with the operator, inputs and attributes of `spec`. */
static bool fill_node(struct rewrite *rw, struct eng_node *node,
                      const struct rewrite_spec *spec, struct error *err)
{
    uint32_t *inputs =
        keep(rw, spec->inputs, spec->input_count * sizeof *inputs);
    struct eng_attr *attrs =
        keep(rw, spec->attrs, spec->attr_count * sizeof *attrs);

    if (!inputs || !attrs)
        return no_memory(err);
    node->domain = spec->domain;
    node->op = spec->op;
    node->version = spec->version;
    node->inputs = inputs;
    node->input_count = spec->input_count;
    node->attrs = attrs;
    node->attr_count = spec->attr_count;
    node->rows =
        op_find(node->domain, node->op, node->version, &node->row_count);
    return node->rows || fail(err, ERR_MODEL_UNSUPPORTED,
                              "operator %s is not supported", node->op);
}

bool rewrite_replace(struct rewrite *rw, struct eng_node *node,
                     const struct rewrite_spec *spec, struct error *err)
{
    struct eng_node old = *node, made = *node;

    if (!fill_node(rw, &made, spec, err))
        return false;
    *node = made;
    /* New reads first: what both read must not die in between. */
    count_reads(rw, (uint32_t)(node - rw->graph->nodes));
    drop_reads(rw, &old);
    return true;
}

void rewrite_rename(struct rewrite *rw, uint32_t from, uint32_t to)
{
    struct eng_graph *graph = rw->graph;

    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct eng_node *node = &graph->nodes[i];
        bool reads = !is_dead(rw, node);

        for (size_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k] != from)
                continue;
            node->inputs[k] = to;
            rw->readers[to] += reads;
            rw->readers[from] -= reads;
            if (reads)
                rw->reader[to] = i;
        }
    }
}

/* One more value. */
static bool grow_values(struct rewrite *rw)
{
    struct eng_graph *graph = rw->graph;
    size_t room = rw->value_room + rw->value_room / 2 + 16;
    uint32_t *readers, *reader;
    struct eng_value *values;

    if (graph->value_count < rw->value_room)
        return true;
    values = arena_zalloc(&graph->arena, room, sizeof *values);
    readers = realloc(rw->readers, room * sizeof *readers);
    if (readers)
        rw->readers = readers;
    reader = realloc(rw->reader, room * sizeof *reader);
    if (reader)
        rw->reader = reader;
    if (!values || !readers || !reader)
        return false;
    memcpy(values, graph->values, graph->value_count * sizeof *values);
    graph->values = values;
    rw->value_room = room;
    return true;
}

uint32_t rewrite_add_value(struct rewrite *rw, const char *name,
                           struct error *err)
{
    uint32_t value = (uint32_t)rw->graph->value_count;

    if (!grow_values(rw)) {
        no_memory(err);
        return ENG_NO_VALUE;
    }
    rw->graph->values[value] =
        (struct eng_value){.name = name, .producer = ENG_NO_VALUE};
    rw->readers[value] = 0;
    rw->reader[value] = 0;
    rw->graph->value_count++;
    return value;
}

uint32_t rewrite_add_constant(struct rewrite *rw, const char *name,
                              const struct eng_tensor *constant,
                              struct error *err)
{
    uint32_t value = rewrite_add_value(rw, name, err);

    if (value != ENG_NO_VALUE)
        rw->graph->values[value].constant = *constant;
    return value;
}

/* Room for one more node, in a new list. */
static bool open_gap(struct eng_graph *graph, size_t at)
{
    struct eng_node *nodes =
        arena_zalloc(&graph->arena, graph->node_count + 1, sizeof *nodes);

    if (!nodes)
        return false;
    memcpy(nodes, graph->nodes, at * sizeof *nodes);
    memcpy(nodes + at + 1, graph->nodes + at,
           (graph->node_count - at) * sizeof *nodes);
    graph->nodes = nodes;
    graph->node_count++;
    return true;
}

bool rewrite_insert(struct rewrite *rw, size_t at,
                    const struct rewrite_spec *spec, uint32_t output,
                    struct error *err)
{
    struct eng_graph *graph = rw->graph;
    struct eng_node made = {.name = graph->values[output].name,
                            .output_count = 1};

    made.outputs = keep(rw, &output, sizeof output);
    if (!made.outputs)
        return no_memory(err);
    if (!fill_node(rw, &made, spec, err))
        return false;
    if (!open_gap(graph, at))
        return no_memory(err);
    graph->nodes[at] = made;
    name_producers(graph, at);
    for (size_t i = 0; i < graph->value_count; i++)
        rw->reader[i] += rw->reader[i] >= at;
    count_reads(rw, (uint32_t)at);
    return true;
}
