/*
 * Blocked: convolutional networks compute in blocks of channels from end to
 * end.
 *
 * Convolutions over two dimensions with constant weights become ConvBlocked,
 * whose output is [n, c / block, h, w, block]. Pooling, element-wise operators
 * and Concat of whole blocks follow them; ToBlocked and FromBlocked stand where
 * blocked meets plain, at most once for each value. An Add of two values that
 * must have the same shape and an activation go into the convolution in front
 * of them.
 *
 * The pass writes a new list of nodes in the order of the old one. It sees no
 * shapes: channels follow from weights, and two values have the same height and
 * width if the same arithmetic of window sizes leads to them from one value
 * (struct blocked_space).
 *
 * Nothing changes where this CPU has no blocked convolution worth using.
 */
#include <stdlib.h>
#include <string.h>

#include "blocked_parts.h"
#include "onednn/conv.h"
#include "passes.h"
#include "rewrite.h"

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
}

/* --- spaces --- */

uint32_t blocked_space_new(struct blocked *b)
{
    b->spaces[b->space_count] = (struct blocked_space){0};
    return ++b->space_count;
}

uint32_t blocked_space_of(struct blocked *b, uint32_t value)
{
    struct blocked_value *v = &b->values[value];

    if (!v->space)
        v->space = blocked_space_new(b);
    return v->space;
}

/* Numbers of a list attribute; false: the list has another length. */
static bool read_pair(const struct eng_node *node, const char *name,
                      size_t count, int64_t *to)
{
    const struct eng_attr *attr = rewrite_attr(node, name);

    if (!attr)
        return true;
    if (attr->type != ENG_ATTR_INTS || attr->count != count)
        return false;
    memcpy(to, attr->ints, count * sizeof *to);
    return true;
}

/* 0: SAME, 1: pads as given, 2: no pads; -1: unknown. */
static int padding_of(const struct eng_node *node)
{
    const struct eng_attr *attr = rewrite_attr(node, "auto_pad");

    if (!attr)
        return 1;
    if (attr->type != ENG_ATTR_STRING)
        return -1;
    if (attr->s.size == 6 && memcmp(attr->s.text, "NOTSET", 6) == 0)
        return 1;
    if (attr->s.size == 5 && memcmp(attr->s.text, "VALID", 5) == 0)
        return 2;
    return attr->s.size > 4 && memcmp(attr->s.text, "SAME", 4) == 0 ? 0 : -1;
}

static bool read_space(const struct eng_node *node, const int64_t *kernel,
                       struct blocked_space *space)
{
    int64_t pads[4] = {0}, dilation[2] = {1, 1}, size[2] = {0, 0};
    int padding = padding_of(node);

    space->stride[0] = space->stride[1] = 1;
    if (padding < 0 || rewrite_int(node, "ceil_mode", 0) != 0 ||
        !read_pair(node, "pads", 4, pads) ||
        !read_pair(node, "dilations", 2, dilation) ||
        !read_pair(node, "strides", 2, space->stride) ||
        !read_pair(node, "kernel_shape", 2, size))
        return false;
    for (int i = 0; i < 2; i++) {
        int64_t k = kernel ? kernel[i] : size[i];

        if (k < 1 || k > INT32_MAX || dilation[i] < 1 ||
            dilation[i] > INT32_MAX || pads[i] < 0 || pads[2 + i] < 0 ||
            pads[i] > INT32_MAX || pads[2 + i] > INT32_MAX)
            return false;
        /* SAME gives ceil(in / stride) = floor((in - 1) / stride) + 1 */
        space->total[i] = -1;
        if (padding != 0)
            space->total[i] = (padding == 1 ? pads[i] + pads[2 + i] : 0) -
                              ((k - 1) * dilation[i] + 1);
    }
    return true;
}

static bool is_same_space(const struct blocked_space *a,
                          const struct blocked_space *b)
{
    return a->from == b->from && a->total[0] == b->total[0] &&
           a->total[1] == b->total[1] && a->stride[0] == b->stride[0] &&
           a->stride[1] == b->stride[1];
}

uint32_t blocked_space_after(struct blocked *b, const struct eng_node *node,
                             uint32_t from, const int64_t *kernel)
{
    struct blocked_space space = {.from = from};

    if (!read_space(node, kernel, &space))
        return blocked_space_new(b);
    if (space.total[0] == -1 && space.total[1] == -1 && space.stride[0] == 1 &&
        space.stride[1] == 1)
        return from;
    for (uint32_t i = 0; i < b->space_count; i++) {
        if (is_same_space(&b->spaces[i], &space))
            return i + 1;
    }
    b->spaces[b->space_count] = space;
    return ++b->space_count;
}

/* --- building --- */

uint32_t blocked_add_value(struct blocked *b, uint32_t value)
{
    const char *name = b->graph->values[value].name;
    uint32_t form = (uint32_t)b->graph->value_count++;

    /* Names are for people: without memory there is none. */
    name = arena_printf(&b->graph->arena, "%s.blocked", name);
    b->graph->values[form] =
        (struct eng_value){.name = name ? name : "", .producer = ENG_NO_VALUE};
    return form;
}

struct blocked_value *blocked_set(struct blocked *b, uint32_t value,
                                  uint32_t form, int64_t channels,
                                  uint32_t space)
{
    struct blocked_value *v = &b->values[value];

    v->form = form;
    v->channels = channels;
    v->space = space;
    return v;
}

const struct eng_tensor *blocked_constant(const struct blocked *b,
                                          uint32_t value)
{
    const struct eng_tensor *constant;

    if (value == ENG_NO_VALUE)
        return NULL;
    constant = &b->graph->values[value].constant;
    return constant->data && constant->dtype == ENG_F32 ? constant : NULL;
}

/* `list` and `more` behind each other in the graph's arena. */
static void *joined(struct blocked *b, const void *list, size_t size,
                    const void *more, size_t more_size)
{
    char *to = arena_alloc(&b->graph->arena, size + more_size);

    if (to && size)
        memcpy(to, list, size);
    if (to && more_size)
        memcpy(to + size, more, more_size);
    return to;
}

bool blocked_emit(struct blocked *b, const struct blocked_spec *spec,
                  struct error *err)
{
    struct eng_node node = *spec->like;

    if (spec->op) {
        node.domain = REWRITE_DOMAIN;
        node.op = spec->op;
        node.version = 1;
        node.rows = op_find(node.domain, node.op, 1, &node.row_count);
    }
    node.inputs = joined(b, spec->inputs,
                         spec->input_count * sizeof *node.inputs, NULL, 0);
    node.input_count = spec->input_count;
    node.attrs = joined(b, node.attrs, node.attr_count * sizeof *node.attrs,
                        spec->more, spec->more_count * sizeof *node.attrs);
    node.attr_count += spec->more_count;
    if (spec->output != ENG_NO_VALUE) {
        node.outputs = joined(b, &spec->output, sizeof spec->output, NULL, 0);
        node.output_count = 1;
    }
    if (!node.inputs || !node.attrs || !node.outputs)
        return no_memory(err);
    b->nodes[b->count++] = node;
    return true;
}

/* A node that changes the order of one value. */
static bool emit_order(struct blocked *b, const char *op, uint32_t from,
                       uint32_t to, const struct eng_attr *attr,
                       struct error *err)
{
    struct eng_node like = {.name = b->graph->values[from].name};

    return blocked_emit(b,
                        &(struct blocked_spec){.like = &like,
                                               .op = op,
                                               .inputs = &from,
                                               .input_count = 1,
                                               .more = attr,
                                               .more_count = 1,
                                               .output = to},
                        err);
}

bool blocked_need_plain(struct blocked *b, uint32_t value, struct error *err)
{
    struct blocked_value *v = &b->values[value];
    struct eng_attr attr = {
        .name = "channels", .type = ENG_ATTR_INT, .count = 1, .i = v->channels};

    if (v->is_plain)
        return true;
    v->is_plain = true;
    return emit_order(b, "FromBlocked", v->form, value, &attr, err);
}

uint32_t blocked_need_form(struct blocked *b, uint32_t value, int64_t channels,
                           struct error *err)
{
    struct blocked_value *v = &b->values[value];
    struct eng_attr attr = {
        .name = "block", .type = ENG_ATTR_INT, .count = 1, .i = b->block};

    if (v->form != ENG_NO_VALUE)
        return v->form;
    v->form = blocked_add_value(b, value);
    v->channels = channels;
    return emit_order(b, "ToBlocked", value, v->form, &attr, err)
               ? v->form
               : ENG_NO_VALUE;
}

/* The node as it is, with all it reads in its own form. */
static bool keep(struct blocked *b, const struct eng_node *node,
                 struct error *err)
{
    for (size_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] != ENG_NO_VALUE &&
            !blocked_need_plain(b, node->inputs[i], err))
            return false;
    }
    b->nodes[b->count++] = *node;
    return true;
}

/* --- the walk --- */

/* Values that shapes depend on stay as they are. */
static bool is_ordinary(const struct blocked *b, const struct eng_node *node)
{
    for (size_t i = 0; i < node->output_count; i++) {
        if (b->graph->values[node->outputs[i]].plan_value)
            return false;
    }
    return node->output_count == 1;
}

/* The first that knows the operator takes it. */
static bool take(struct blocked *b, const struct eng_node *node, bool *done,
                 struct error *err)
{
    return blocked_conv(b, node, done, err) &&
           (*done || blocked_norm(b, node, done, err)) &&
           (*done || blocked_fuse(b, node, done, err)) &&
           (*done || blocked_elementwise(b, node, done, err));
}

static bool rewrite_node(struct blocked *b, const struct eng_node *node,
                         struct error *err)
{
    bool done = false;

    if (is_ordinary(b, node) && !take(b, node, &done, err))
        return false;
    if (done) {
        b->values[node->outputs[0]].is_plain = false;
        return true;
    }
    return keep(b, node, err);
}

static bool begin(struct blocked *b, struct error *err)
{
    struct eng_graph *graph = b->graph;
    size_t reads = graph->output_count, room;
    struct eng_value *values;

    for (size_t i = 0; i < graph->node_count; i++)
        reads += graph->nodes[i].input_count;
    /* At most two new nodes and values for each read, one for each node. */
    room = 2 * reads + graph->node_count + 1;
    b->nodes = arena_zalloc(&graph->arena, room, sizeof *b->nodes);
    values =
        arena_zalloc(&graph->arena, graph->value_count + room, sizeof *values);
    b->values = calloc(graph->value_count + 1, sizeof *b->values);
    b->readers = calloc(graph->value_count + 1, sizeof *b->readers);
    b->producer = calloc(graph->value_count + 1, sizeof *b->producer);
    b->is_dead = calloc(room, sizeof *b->is_dead);
    b->spaces = calloc(room + graph->value_count, sizeof *b->spaces);
    if (!b->nodes || !values || !b->values || !b->readers || !b->producer ||
        !b->is_dead || !b->spaces)
        return no_memory(err);
    memcpy(values, graph->values, graph->value_count * sizeof *values);
    graph->values = values;
    for (size_t i = 0; i < graph->value_count; i++)
        b->values[i] = (struct blocked_value){
            .form = ENG_NO_VALUE, .is_plain = true, .maker = SIZE_MAX};
    return true;
}

static void count_reads(struct blocked *b)
{
    const struct eng_graph *graph = b->graph;

    for (size_t i = 0; i < graph->value_count; i++)
        b->producer[i] = SIZE_MAX;
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct eng_node *node = &graph->nodes[i];

        for (size_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k] != ENG_NO_VALUE)
                b->readers[node->inputs[k]]++;
        }
        for (size_t k = 0; k < node->output_count; k++)
            b->producer[node->outputs[k]] = i;
    }
    /* Twice: what leaves the graph may never vanish. */
    for (size_t i = 0; i < graph->output_count; i++)
        b->readers[graph->outputs[i]] += 2;
}

static void finish(struct blocked *b)
{
    struct eng_graph *graph = b->graph;

    graph->nodes = b->nodes;
    graph->node_count = 0;
    for (size_t i = 0; i < graph->value_count; i++)
        graph->values[i].producer = ENG_NO_VALUE;
    for (size_t i = 0; i < b->count; i++) {
        const struct eng_node *node = &b->nodes[i];

        if (b->is_dead[i])
            continue;
        for (size_t k = 0; k < node->output_count; k++)
            graph->values[node->outputs[k]].producer =
                (uint32_t)graph->node_count;
        graph->nodes[graph->node_count++] = *node;
    }
}

static void end(struct blocked *b)
{
    free(b->values);
    free(b->readers);
    free(b->producer);
    free(b->is_dead);
    free(b->spaces);
}

static bool has_convolution(const struct eng_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        if (strcmp(graph->nodes[i].op, "Conv") == 0 ||
            strcmp(graph->nodes[i].op, "FusedConv") == 0)
            return true;
    }
    return false;
}

bool pass_blocked(struct eng_graph *graph, struct op_packs *packs,
                  struct error *err)
{
    struct blocked b = {.graph = graph, .block = onednn_block()};
    bool ok;

    (void)packs;
    if (!b.block || !has_convolution(graph))
        return true;
    ok = begin(&b, err);
    if (ok)
        count_reads(&b);
    for (size_t i = 0; ok && i < graph->node_count; i++)
        ok = rewrite_node(&b, &graph->nodes[i], err);
    for (size_t i = 0; ok && i < graph->output_count; i++)
        ok = blocked_need_plain(&b, graph->outputs[i], err);
    if (ok)
        finish(&b);
    end(&b);
    return ok;
}
