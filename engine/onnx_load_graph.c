/*
 * GraphProto -> struct eng_graph: every name becomes a value index, defined
 * once; what the operators mean is not looked at here. Attributes, and with
 * them the graphs inside If, Loop and Scan, are onnx_load_attr.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "onnx_load_parts.h"
#include "tensor.h"

const char *onnx_keep_text(struct onnx_loader *loader, const char *text)
{
    return text && *text ? arena_strdup(&loader->graph->arena, text) : "";
}

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the graph");
}

bool onnx_name_check(const char *name, const char *what, struct error *err)
{
    size_t size = strlen(name);

    if (size > ONNX_NAME_MAX)
        return fail(err, ERR_MODEL_INVALID,
                    "the name of a %s has %zu bytes, limit %d", what, size,
                    ONNX_NAME_MAX);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return fail(err, ERR_MODEL_INVALID,
                        "the name of a %s holds a control character", what);
    }
    return true;
}

/* --- names --- */

static uint32_t *find_slot(const struct onnx_loader *loader, const char *name)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    size_t mask = loader->name_slots - 1;
    size_t slot;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211U;
    slot = (size_t)(hash ^ hash >> 32) & mask;
    while (loader->names[slot] &&
           strcmp(loader->graph->values[loader->names[slot] - 1].name, name) !=
               0)
        slot = (slot + 1) & mask;
    return &loader->names[slot];
}

/* The value of this name, or ENG_NO_VALUE. */
static uint32_t find_value(const struct onnx_loader *loader, const char *name)
{
    return *find_slot(loader, name) - 1; /* 0 - 1 is ENG_NO_VALUE */
}

static void fill_slots(struct onnx_loader *loader)
{
    const struct eng_graph *graph = loader->graph;

    for (uint32_t i = 0; i < graph->value_count; i++) {
        if (graph->values[i].name[0])
            *find_slot(loader, graph->values[i].name) = i + 1;
    }
}

/* Room for one more value; only captured ones were not counted before. */
static bool grow_values(struct onnx_loader *loader, struct error *err)
{
    struct eng_graph *graph = loader->graph;
    size_t room = loader->value_room * 2;
    struct eng_value *values;

    if (graph->value_count < loader->value_room)
        return true;
    values = arena_zalloc(&graph->arena, room, sizeof *values);
    free(loader->names);
    loader->name_slots *= 2;
    loader->names = calloc(loader->name_slots, sizeof *loader->names);
    if (!values || !loader->names)
        return no_memory(err);
    memcpy(values, graph->values, graph->value_count * sizeof *values);
    graph->values = values;
    loader->value_room = room;
    fill_slots(loader);
    return true;
}

/* A new value; unnamed ones ("") may be many. */
static bool add_value(struct onnx_loader *loader, const char *name,
                      const char *what, uint32_t *value, struct error *err)
{
    struct eng_graph *graph = loader->graph;
    uint32_t *slot;

    if (!onnx_name_check(name, what, err) || !grow_values(loader, err))
        return false;
    *value = (uint32_t)graph->value_count++;
    graph->values[*value] = (struct eng_value){
        .name = onnx_keep_text(loader, name), .producer = ENG_NO_VALUE};
    if (!graph->values[*value].name)
        return no_memory(err);
    if (!*name)
        return true;
    slot = find_slot(loader, name);
    if (*slot)
        return fail(err, ERR_MODEL_INVALID, "value '%.80s' is defined twice",
                    name);
    *slot = *value + 1;
    return true;
}

/* `value` of the inner graph is `outside` of the graph around it. */
static bool add_captured(struct onnx_loader *loader, uint32_t value,
                         uint32_t outside, struct error *err)
{
    enum { ROOM_FIRST = 8 };
    struct eng_graph *graph = loader->graph;
    size_t n = loader->captured_count;

    if (n >= ROOM_FIRST ? (n & (n - 1)) == 0 : n == 0) {
        size_t room = n ? 2 * n : ROOM_FIRST;
        uint32_t *inputs = arena_zalloc(
            &graph->arena, graph->formal_count + room, sizeof *inputs);
        uint32_t *captured =
            arena_zalloc(&graph->arena, room, sizeof *captured);

        if (!inputs || !captured)
            return no_memory(err);
        memcpy(inputs, graph->inputs, graph->input_count * sizeof *inputs);
        if (n)
            memcpy(captured, loader->captured, n * sizeof *captured);
        graph->inputs = inputs;
        loader->captured = captured;
    }
    graph->inputs[graph->input_count++] = value;
    loader->captured[loader->captured_count++] = outside;
    return true;
}

/*
 * The value of this name, in this graph or, as an input more, in those around
 * it. *value = ENG_NO_VALUE: nobody defines it.
 */
static bool find_or_capture(struct onnx_loader *loader, const char *name,
                            uint32_t *value, struct error *err)
{
    const struct eng_tensor *constant;
    uint32_t outside;

    *value = find_value(loader, name);
    if (*value != ENG_NO_VALUE || !loader->outer)
        return true;
    if (!find_or_capture(loader->outer, name, &outside, err))
        return false;
    if (outside == ENG_NO_VALUE)
        return true;
    if (!add_value(loader, name, "value", value, err))
        return false;
    constant = &loader->outer->graph->values[outside].constant;
    if (!constant->data)
        return add_captured(loader, *value, outside, err);
    loader->graph->values[*value].constant = *constant;
    return true;
}

/* Room for every value the message can define. */
static bool make_room(struct onnx_loader *loader,
                      const struct Onnx__GraphProto *proto, size_t weight_count,
                      struct error *err)
{
    struct eng_graph *graph = loader->graph;
    size_t room = proto->n_input + proto->n_initializer + weight_count + 1;

    for (size_t i = 0; i < proto->n_node; i++)
        room += proto->node[i]->n_output;
    loader->value_room = room;
    loader->name_slots = 16;
    while (loader->name_slots < room * 2)
        loader->name_slots *= 2;
    loader->names = calloc(loader->name_slots, sizeof *loader->names);
    graph->values = arena_zalloc(&graph->arena, room, sizeof *graph->values);
    graph->nodes =
        arena_zalloc(&graph->arena, proto->n_node + 1, sizeof *graph->nodes);
    graph->inputs =
        arena_zalloc(&graph->arena, proto->n_input + 1, sizeof(uint32_t));
    graph->outputs =
        arena_zalloc(&graph->arena, proto->n_output + 1, sizeof(uint32_t));
    graph->input_ports = arena_zalloc(&graph->arena, proto->n_input + 1,
                                      sizeof(struct eng_port));
    graph->output_ports = arena_zalloc(&graph->arena, proto->n_output + 1,
                                       sizeof(struct eng_port));
    if (!loader->names || !graph->values || !graph->nodes || !graph->inputs ||
        !graph->outputs || !graph->input_ports || !graph->output_ports)
        return no_memory(err);
    return true;
}

/* --- initialisers --- */

/*
 * Lets the pages of the mapped file go up to `to`: what came from them was
 * copied. They come back from the file if somebody looks again.
 */
static void let_go(struct onnx_loader *loader, const uint8_t *to)
{
    enum { PAGE = 4096, WORTH_IT = 1 << 20 };
    uintptr_t first = (uintptr_t)loader->let_go & ~(uintptr_t)(PAGE - 1);
    uintptr_t last = (uintptr_t)to & ~(uintptr_t)(PAGE - 1);

    if (!loader->let_go || last < first + WORTH_IT)
        return;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): page arithmetic */
    (void)madvise((void *)first, last - first, MADV_DONTNEED);
    loader->let_go = to;
}

static bool name_weight(struct onnx_loader *loader, const char *name,
                        const struct eng_tensor *tensor, struct error *err)
{
    struct eng_graph *graph = loader->graph;
    uint32_t value;

    if (!*name)
        return fail(err, ERR_MODEL_INVALID, "an initializer has no name");
    if (!add_value(loader, name, "initializer", &value, err))
        return false;
    graph->values[value].constant = *tensor;
    graph->initializer_count++;
    graph->weight_bytes += eng_tensor_size(tensor);
    return true;
}

static bool add_weight(struct onnx_loader *loader, struct wire_span span,
                       struct error *err)
{
    struct eng_tensor tensor;
    const char *name = "";

    if (!onnx_load_tensor_bytes(span, loader->folder, &loader->graph->arena,
                                &tensor, &name, err))
        return false;
    let_go(loader, span.bytes + span.size);
    return name_weight(loader, name, &tensor, err);
}

/* Of an inner graph: parsed already with the attribute that holds it. */
static bool add_inner_weight(struct onnx_loader *loader,
                             const struct Onnx__TensorProto *proto,
                             struct error *err)
{
    struct onnx_tensor_source source = {proto, NULL, loader->folder,
                                        proto->name ? proto->name : ""};
    struct eng_tensor tensor;

    return onnx_name_check(source.name, "tensor", err) &&
           onnx_load_tensor(&source, &loader->graph->arena, &tensor, err) &&
           name_weight(loader, source.name, &tensor, err);
}

/* --- inputs and outputs --- */

static bool read_dims(struct onnx_loader *loader,
                      const struct Onnx__TensorShapeProto *shape,
                      struct eng_port *port, struct error *err)
{
    if (shape->n_dim > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "'%.80s' has rank %zu, limit %d", port->name, shape->n_dim,
                    ENG_RANK_MAX);
    port->rank = (int)shape->n_dim;
    for (int i = 0; i < port->rank; i++) {
        const struct Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];

        port->dims[i] = -1;
        if (dim->value_case ==
            ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
            /* 0 and below mean "open" in the files of some exporters. */
            port->dims[i] = dim->dim_value > 0 ? dim->dim_value : -1;
        } else if (dim->value_case ==
                   ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) {
            if (!onnx_name_check(dim->dim_param, "dimension", err))
                return false;
            port->symbol[i] = onnx_keep_text(loader, dim->dim_param);
        }
    }
    return true;
}

static bool is_map_list(const struct Onnx__TypeProto *type)
{
    return type->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE &&
           type->sequence_type->elem_type &&
           type->sequence_type->elem_type->value_case ==
               ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
}

static bool read_port(struct onnx_loader *loader,
                      const struct Onnx__ValueInfoProto *info,
                      struct eng_port *port, struct error *err)
{
    const struct Onnx__TypeProto *type = info->type;

    *port = (struct eng_port){.rank = -1};
    if (!info->name || !*info->name)
        return fail(err, ERR_MODEL_INVALID, "an input or output has no name");
    if (!onnx_name_check(info->name, "value", err))
        return false;
    port->name = onnx_keep_text(loader, info->name);
    if (!port->name)
        return no_memory(err);
    if (!type || type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return true;
    port->is_map = is_map_list(type);
    if (port->is_map) {
        port->dtype = ENG_F32;
        return true;
    }
    if (type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return fail(err, ERR_MODEL_UNSUPPORTED, "'%.80s' is not a tensor",
                    port->name);
    port->dtype = (enum eng_dtype)type->tensor_type->elem_type;
    if (!eng_dtype_size(port->dtype))
        return fail(err, ERR_MODEL_UNSUPPORTED, "'%.80s' has data type %d",
                    port->name, type->tensor_type->elem_type);
    return !type->tensor_type->shape ||
           read_dims(loader, type->tensor_type->shape, port, err);
}

/* Up to IR 3 initialisers are listed as inputs too; later such an input is
 * optional. Either way its value is the initialiser's. */
static bool add_input(struct onnx_loader *loader,
                      const struct Onnx__ValueInfoProto *info,
                      struct error *err)
{
    struct eng_graph *graph = loader->graph;
    struct eng_port *port = &graph->input_ports[graph->input_count];
    uint32_t known = info->name ? find_value(loader, info->name) : ENG_NO_VALUE;
    uint32_t value;

    if (known != ENG_NO_VALUE && graph->values[known].constant.data)
        return true;
    if (!read_port(loader, info, port, err))
        return false;
    if ((!port->dtype && !loader->outer) || port->is_map)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "input '%.80s' is not a tensor of a known type",
                    port->name);
    if (!port->name)
        return no_memory(err);
    if (!add_value(loader, port->name, "input", &value, err))
        return false;
    graph->inputs[graph->input_count++] = value;
    return true;
}

static bool add_output(struct onnx_loader *loader,
                       const struct Onnx__ValueInfoProto *info,
                       struct error *err)
{
    struct eng_graph *graph = loader->graph;
    struct eng_port *port = &graph->output_ports[graph->output_count];
    uint32_t value;

    if (!read_port(loader, info, port, err))
        return false;
    if (!find_or_capture(loader, port->name, &value, err))
        return false;
    if (value == ENG_NO_VALUE)
        return fail(err, ERR_MODEL_INVALID,
                    "output '%.80s' is not computed by any node", port->name);
    graph->outputs[graph->output_count++] = value;
    return true;
}

/* --- nodes --- */

static bool find_opset(const struct onnx_loader *loader, const char *label,
                       struct eng_node *node, struct error *err)
{
    for (size_t i = 0; i < loader->opset_count; i++) {
        if (strcmp(loader->opsets[i].domain, node->domain) == 0) {
            node->version = loader->opsets[i].version;
            return true;
        }
    }
    /* ONNX Runtime forgives graphs that use its operators without an import;
     * there is one version of them. */
    if (strcmp(node->domain, "com.microsoft") == 0) {
        node->version = 1;
        return true;
    }
    return fail(err, ERR_MODEL_INVALID,
                "node '%.80s' (%.80s): domain '%.40s' is not imported", label,
                node->op, node->domain);
}

static bool name_node(struct onnx_loader *loader,
                      const struct Onnx__NodeProto *from, struct eng_node *node,
                      struct error *err)
{
    const char *domain = from->domain ? from->domain : "";
    const char *label;

    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    if (!from->op_type || !*from->op_type)
        return fail(err, ERR_MODEL_INVALID, "a node has no operator");
    if (!onnx_name_check(from->op_type, "operator", err) ||
        !onnx_name_check(domain, "domain", err) ||
        !onnx_name_check(from->name ? from->name : "", "node", err))
        return false;
    node->name = onnx_keep_text(loader, from->name);
    node->op = onnx_keep_text(loader, from->op_type);
    node->domain = onnx_keep_text(loader, domain);
    if (!node->name || !node->op || !node->domain)
        return no_memory(err);
    label = *node->name || !from->n_output ? node->name : from->output[0];
    return find_opset(loader, label, node, err);
}

/* First pass: nodes and the values they define. */
static bool add_node(struct onnx_loader *loader,
                     const struct Onnx__NodeProto *from, struct error *err)
{
    struct eng_graph *graph = loader->graph;
    uint32_t index = (uint32_t)graph->node_count;
    struct eng_node *node = &graph->nodes[graph->node_count++];

    *node = (struct eng_node){0};
    if (!name_node(loader, from, node, err))
        return false;
    node->outputs =
        arena_zalloc(&graph->arena, from->n_output, sizeof(uint32_t));
    if (!node->outputs)
        return no_memory(err);
    for (size_t i = 0; i < from->n_output; i++) {
        if (!add_value(loader, from->output[i], "value", &node->outputs[i],
                       err))
            return false;
        graph->values[node->outputs[i]].producer = index;
        node->output_count++;
    }
    return true;
}

/* Second pass: inputs, now that every value has its index; attributes. */
static bool link_node(struct onnx_loader *loader,
                      const struct Onnx__NodeProto *from, struct eng_node *node,
                      struct error *err)
{
    struct eng_graph *graph = loader->graph;
    struct error cause;

    node->inputs = arena_zalloc(&graph->arena, from->n_input, sizeof(uint32_t));
    if (!node->inputs)
        return no_memory(err);
    for (size_t i = 0; i < from->n_input; i++) {
        const char *name = from->input[i];

        node->inputs[i] = ENG_NO_VALUE;
        if (*name && !find_or_capture(loader, name, &node->inputs[i], err))
            return false;
        if (*name && node->inputs[i] == ENG_NO_VALUE)
            return fail(err, ERR_MODEL_INVALID,
                        "node '%.60s' (%.60s): input '%.60s' is not defined",
                        eng_node_label(graph, node), node->op, name);
    }
    node->input_count = from->n_input;
    while (node->input_count &&
           node->inputs[node->input_count - 1] == ENG_NO_VALUE)
        node->input_count--;
    return onnx_keep_attrs(loader, from, node, &cause) ||
           fail(err, cause.code, "node '%.60s' (%.60s): %s",
                eng_node_label(graph, node), node->op, cause.msg);
}

static bool check_extent(const struct Onnx__GraphProto *proto,
                         size_t weight_count, struct error *err)
{
    weight_count += proto->n_initializer;
    if (proto->n_node > ONNX_NODES_MAX || weight_count > ONNX_NODES_MAX)
        return fail(err, ERR_MODEL_INVALID,
                    "%zu nodes and %zu initializers, limit %d each",
                    proto->n_node, weight_count, ONNX_NODES_MAX);
    if (proto->n_sparse_initializer)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "sparse initializers are not supported");
    if (!proto->n_output)
        return fail(err, ERR_MODEL_INVALID, "the graph has no outputs");
    return true;
}

bool onnx_load_graph(struct onnx_loader *loader,
                     const struct Onnx__GraphProto *proto,
                     const struct wire_span *weights, size_t weight_count,
                     struct error *err)
{
    struct eng_graph *graph = loader->graph;

    if (!check_extent(proto, weight_count, err) ||
        !make_room(loader, proto, weight_count, err))
        return false;
    for (size_t i = 0; i < weight_count; i++) {
        if (!add_weight(loader, weights[i], err))
            return false;
    }
    for (size_t i = 0; i < proto->n_initializer; i++) {
        if (!add_inner_weight(loader, proto->initializer[i], err))
            return false;
    }
    for (size_t i = 0; i < proto->n_input; i++) {
        if (!add_input(loader, proto->input[i], err))
            return false;
    }
    graph->formal_count = graph->input_count;
    for (size_t i = 0; i < proto->n_node; i++) {
        if (!add_node(loader, proto->node[i], err))
            return false;
    }
    for (size_t i = 0; i < proto->n_node; i++) {
        if (!link_node(loader, proto->node[i], &graph->nodes[i], err))
            return false;
    }
    for (size_t i = 0; i < proto->n_output; i++) {
        if (!add_output(loader, proto->output[i], err))
            return false;
    }
    return true;
}
