/*
 * AttributeProto -> struct eng_attr: values are copied. A graph inside an
 * attribute (If, Loop, Scan) becomes a struct eng_graph of its own; what it
 * reads from outside becomes inputs of both, behind those of the operator.
 */
#include <stdlib.h>
#include <string.h>

#include "onnx_load_parts.h"

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the graph");
}

static const struct eng_string *keep_strings(struct onnx_loader *loader,
                                             const ProtobufCBinaryData *from,
                                             size_t count)
{
    struct arena *arena = &loader->graph->arena;
    struct eng_string *strings = arena_zalloc(arena, count, sizeof *strings);

    for (size_t i = 0; strings && i < count; i++) {
        strings[i].text = arena_copy(arena, from[i].data, from[i].len);
        strings[i].size = from[i].len;
        if (!strings[i].text)
            return NULL;
    }
    return strings;
}

static const void *keep_list(struct onnx_loader *loader, const void *from,
                             size_t count, size_t size)
{
    void *list = arena_zalloc(&loader->graph->arena, count, size);

    if (list && count)
        memcpy(list, from, count * size);
    return list;
}

static bool keep_tensor(struct onnx_loader *loader,
                        const struct Onnx__AttributeProto *from,
                        struct eng_attr *attr, struct error *err)
{
    struct eng_tensor *tensor =
        arena_zalloc(&loader->graph->arena, 1, sizeof *tensor);
    struct onnx_tensor_source source = {from->t, NULL, -1, attr->name};

    if (!tensor)
        return no_memory(err);
    if (!from->t)
        return fail(err, ERR_MODEL_INVALID, "attribute '%.80s' has no tensor",
                    attr->name);
    attr->tensor = tensor;
    return onnx_load_tensor(&source, &loader->graph->arena, tensor, err);
}

/* Files of IR 1 leave the type out; the value that is there tells it. */
static int attr_type(const struct Onnx__AttributeProto *from)
{
    if (from->has_type && from->type)
        return (int)from->type;
    if (from->has_f)
        return ENG_ATTR_FLOAT;
    if (from->has_i)
        return ENG_ATTR_INT;
    if (from->has_s)
        return ENG_ATTR_STRING;
    if (from->t)
        return ENG_ATTR_TENSOR;
    if (from->g)
        return ENG_ATTR_GRAPH;
    if (from->n_floats)
        return ENG_ATTR_FLOATS;
    if (from->n_ints)
        return ENG_ATTR_INTS;
    return from->n_strings ? ENG_ATTR_STRINGS : 0;
}

/* --- graphs inside --- */

/* What the inner graph reads from outside follows the node's own inputs. */
static bool append_inputs(struct onnx_loader *loader, struct eng_node *node,
                          const struct onnx_loader *inner, struct error *err)
{
    size_t count = node->input_count + inner->captured_count;
    uint32_t *inputs =
        arena_zalloc(&loader->graph->arena, count, sizeof *inputs);

    if (!inputs)
        return no_memory(err);
    for (size_t i = 0; i < node->input_count; i++)
        inputs[i] = node->inputs[i];
    for (size_t i = 0; i < inner->captured_count; i++)
        inputs[node->input_count + i] = inner->captured[i];
    inner->graph->captured_first = node->input_count;
    node->inputs = inputs;
    node->input_count = count;
    node->captured_count += inner->captured_count;
    return true;
}

static bool load_inner(struct onnx_loader *inner,
                       const struct Onnx__GraphProto *proto, struct error *err)
{
    bool ok = onnx_load_graph(inner, proto, NULL, 0, err) &&
              eng_graph_sort(inner->graph, err);

    free(inner->names);
    inner->names = NULL;
    return ok;
}

static bool keep_graph(struct onnx_loader *loader, struct eng_node *node,
                       const struct Onnx__AttributeProto *from,
                       struct eng_attr *attr, struct error *err)
{
    struct eng_graph *graph =
        arena_zalloc(&loader->graph->arena, 1, sizeof *graph);
    struct onnx_loader inner = {.graph = graph,
                                .outer = loader,
                                .folder = loader->folder,
                                .opsets = loader->opsets,
                                .opset_count = loader->opset_count};

    if (!graph)
        return no_memory(err);
    if (!from->g)
        return fail(err, ERR_MODEL_INVALID, "attribute '%.80s' has no graph",
                    attr->name);
    arena_init(&graph->arena, 0);
    graph->next_inner = loader->graph->inner;
    loader->graph->inner = graph;
    loader->graph->shares_constants = graph->shares_constants = true;
    graph->is_inner = true;
    graph->file_bytes = loader->graph->file_bytes;
    attr->graph = graph;
    if (!load_inner(&inner, from->g, err) ||
        !append_inputs(loader, node, &inner, err))
        return false;
    loader->graph->initializer_count += graph->initializer_count;
    loader->graph->weight_bytes += graph->weight_bytes;
    return true;
}

/* --- attributes --- */

static bool keep_attr(struct onnx_loader *loader, struct eng_node *node,
                      const struct Onnx__AttributeProto *from,
                      struct eng_attr *attr, struct error *err)
{
    int type = attr_type(from);

    if (!from->name || !*from->name)
        return fail(err, ERR_MODEL_INVALID, "an attribute has no name");
    if (!onnx_name_check(from->name, "attribute", err))
        return false;
    *attr = (struct eng_attr){.name = onnx_keep_text(loader, from->name),
                              .type = (enum eng_attr_type)type,
                              .count = 1};
    if (!attr->name)
        return no_memory(err);
    switch (type) {
    case ENG_ATTR_FLOAT:
        attr->f = from->f;
        return true;
    case ENG_ATTR_INT:
        attr->i = from->i;
        return true;
    case ENG_ATTR_TENSOR:
        return keep_tensor(loader, from, attr, err);
    case ENG_ATTR_GRAPH:
        return keep_graph(loader, node, from, attr, err);
    case ENG_ATTR_STRING:
        attr->s.text =
            arena_copy(&loader->graph->arena, from->s.data, from->s.len);
        attr->s.size = from->s.len;
        return attr->s.text || no_memory(err);
    case ENG_ATTR_FLOATS:
        attr->count = from->n_floats;
        attr->floats =
            keep_list(loader, from->floats, from->n_floats, sizeof(float));
        return attr->floats || no_memory(err);
    case ENG_ATTR_INTS:
        attr->count = from->n_ints;
        attr->ints =
            keep_list(loader, from->ints, from->n_ints, sizeof(int64_t));
        return attr->ints || no_memory(err);
    case ENG_ATTR_STRINGS:
        attr->count = from->n_strings;
        attr->strings = keep_strings(loader, from->strings, from->n_strings);
        return attr->strings || no_memory(err);
    default:
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "attribute '%.80s' has the rare type %d", attr->name, type);
    }
}

bool onnx_keep_attrs(struct onnx_loader *loader,
                     const struct Onnx__NodeProto *from, struct eng_node *node,
                     struct error *err)
{
    struct eng_attr *attrs =
        arena_zalloc(&loader->graph->arena, from->n_attribute, sizeof *attrs);

    if (!attrs)
        return no_memory(err);
    if (from->n_attribute > ONNX_ATTRS_MAX)
        return fail(err, ERR_MODEL_INVALID, "%zu attributes, limit %d",
                    from->n_attribute, ONNX_ATTRS_MAX);
    node->attrs = attrs;
    for (size_t i = 0; i < from->n_attribute; i++) {
        if (!keep_attr(loader, node, from->attribute[i], &attrs[i], err))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(attrs[k].name, attrs[i].name) == 0)
                return fail(err, ERR_MODEL_INVALID,
                            "attribute '%.80s' is given twice", attrs[i].name);
        }
        node->attr_count++;
    }
    return true;
}
