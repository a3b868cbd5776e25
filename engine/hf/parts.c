/*
 * Parts: values, nodes and constants; the parts of a transformer layer.
 */
#include "parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor.h"

enum { NODES_PER_LAYER = 24, NODES_AROUND = 64 };

bool hf_failed(const struct hf_build *build)
{
    return build->err->code != ERR_NONE;
}

static uint32_t no_memory(struct hf_build *build)
{
    (void)fail(build->err, ERR_OUT_OF_MEMORY, "no memory for the graph");
    return ENG_NO_VALUE;
}

void hf_build_begin(struct hf_build *build)
{
    struct eng_graph *graph = build->graph;
    struct arena *arena = &graph->arena;
    size_t layers = (size_t)build->config->layers;

    enum { PORTS = 4 };
    *build->err = (struct error){0};
    build->node_room = layers * NODES_PER_LAYER + NODES_AROUND;
    /* Every node has one output and at most three constants of its own. */
    build->value_room = 4 * build->node_room;
    build->port_room = PORTS;
    graph->nodes = arena_zalloc(arena, build->node_room, sizeof *graph->nodes);
    graph->values =
        arena_zalloc(arena, build->value_room, sizeof *graph->values);
    graph->inputs = arena_zalloc(arena, PORTS, sizeof *graph->inputs);
    graph->outputs = arena_zalloc(arena, PORTS, sizeof *graph->outputs);
    graph->input_ports = arena_zalloc(arena, PORTS, sizeof(struct eng_port));
    graph->output_ports = arena_zalloc(arena, PORTS, sizeof(struct eng_port));
    if (!graph->nodes || !graph->values || !graph->inputs || !graph->outputs ||
        !graph->input_ports || !graph->output_ports)
        (void)no_memory(build);
}

static uint32_t add_value(struct hf_build *build, const char *name)
{
    struct eng_graph *graph = build->graph;
    uint32_t value = (uint32_t)graph->value_count;
    const char *copy;

    if (hf_failed(build))
        return ENG_NO_VALUE;
    copy = arena_strdup(&graph->arena, name);
    if (!copy || graph->value_count == build->value_room)
        return no_memory(build);
    graph->values[value] =
        (struct eng_value){.name = copy, .producer = ENG_NO_VALUE};
    graph->value_count++;
    return value;
}

/* --- ports --- */

uint32_t hf_input(struct hf_build *build, const char *name)
{
    struct eng_graph *graph = build->graph;
    uint32_t value = add_value(build, name);

    if (value == ENG_NO_VALUE)
        return value;
    graph->input_ports[graph->input_count] =
        (struct eng_port){.name = graph->values[value].name,
                          .dtype = ENG_I64,
                          .rank = 2,
                          .dims = {-1, -1},
                          .symbol = {"batch", "sequence"}};
    graph->inputs[graph->input_count++] = value;
    graph->formal_count = graph->input_count;
    return value;
}

void hf_output(struct hf_build *build, const char *name, uint32_t value,
               const struct eng_port *port)
{
    struct eng_graph *graph = build->graph;
    struct eng_port *made = &graph->output_ports[graph->output_count];

    if (hf_failed(build))
        return;
    /* The value is called what the output is. */
    graph->values[value].name = arena_strdup(&graph->arena, name);
    if (!graph->values[value].name) {
        (void)no_memory(build);
        return;
    }
    *made = *port;
    made->name = graph->values[value].name;
    made->dtype = ENG_F32;
    graph->outputs[graph->output_count++] = value;
}

/* --- constants --- */

static uint32_t add_constant(struct hf_build *build, const char *name,
                             const struct eng_tensor *constant)
{
    uint32_t value = add_value(build, name);

    if (value != ENG_NO_VALUE)
        build->graph->values[value].constant = *constant;
    return value;
}

/* ".x" is x behind the prefix. */
static struct hf_weight *find_weight(const struct hf_build *build,
                                     const char *name, char full[HF_NAME_SIZE])
{
    bool inner = name[0] == '.';

    (void)snprintf(full, HF_NAME_SIZE, "%s%s", inner ? build->prefix : "",
                   name + inner);
    return hf_weights_find(build->weights, full);
}

bool hf_has_weight(const struct hf_build *build, const char *name)
{
    char full[HF_NAME_SIZE];

    return find_weight(build, name, full) != NULL;
}

int64_t hf_weight_rows(const struct hf_build *build, const char *name)
{
    char full[HF_NAME_SIZE];
    const struct hf_weight *weight = find_weight(build, name, full);

    return weight && weight->item->form.rank > 0 ? weight->item->form.dims[0]
                                                 : 0;
}

static bool check_shape(const struct safetensor *item, int64_t rows,
                        int64_t columns, struct error *err)
{
    struct eng_tensor want = {0};
    const struct eng_tensor *form = &item->form;
    int64_t dims[] = {rows, columns};
    int rank = rows ? 2 : 1;
    char have_text[ENG_SHAPE_TEXT], want_text[ENG_SHAPE_TEXT];
    bool fits = form->rank == rank;

    eng_shape_set(&want, rank, rows ? dims : dims + 1);
    for (int i = 0; fits && i < rank; i++)
        fits = form->dims[i] > 0 &&
               (want.dims[i] < 0 || form->dims[i] == want.dims[i]);
    return fits || fail(err, ERR_MODEL_INVALID,
                        "tensor '%.80s' has shape %.60s, expected %.60s",
                        item->name, eng_shape_text(form, have_text),
                        eng_shape_text(&want, want_text));
}

static uint32_t take_weight(struct hf_build *build, struct hf_weight *weight)
{
    struct eng_graph *graph = build->graph;
    struct eng_tensor constant;

    if (!safetensors_read(weight->file, weight->item, &graph->arena, &constant,
                          build->err))
        return ENG_NO_VALUE;
    weight->value = add_constant(build, weight->item->name, &constant);
    graph->initializer_count++;
    graph->weight_bytes += eng_tensor_size(&constant);
    return weight->value;
}

uint32_t hf_weight(struct hf_build *build, const char *name, int64_t rows,
                   int64_t columns)
{
    char full[HF_NAME_SIZE];
    struct hf_weight *weight = find_weight(build, name, full);

    if (hf_failed(build))
        return ENG_NO_VALUE;
    if (!weight) {
        (void)fail(build->err, ERR_MODEL_INVALID, "tensor '%s' is missing",
                   full);
        return ENG_NO_VALUE;
    }
    if (!check_shape(weight->item, rows, columns, build->err))
        return ENG_NO_VALUE;
    return weight->value != ENG_NO_VALUE ? weight->value
                                         : take_weight(build, weight);
}

/* One element of `size` bytes. */
static uint32_t add_number(struct hf_build *build, enum eng_dtype dtype,
                           const void *number, int rank)
{
    struct eng_tensor constant = {.dtype = dtype, .rank = rank, .dims = {1}};
    size_t size = eng_dtype_size(dtype);

    if (hf_failed(build))
        return ENG_NO_VALUE;
    constant.data = arena_copy(&build->graph->arena, number, size);
    if (!constant.data)
        return no_memory(build);
    return add_constant(build, "number", &constant);
}

uint32_t hf_int(struct hf_build *build, int64_t number, int rank)
{
    return add_number(build, ENG_I64, &number, rank);
}

uint32_t hf_float(struct hf_build *build, float number)
{
    return add_number(build, ENG_F32, &number, 0);
}

/* A list of integers. */
static uint32_t add_ints(struct hf_build *build, const int64_t *ints,
                         size_t count)
{
    struct eng_tensor constant = {
        .dtype = ENG_I64, .rank = 1, .dims = {(int64_t)count}};

    if (hf_failed(build))
        return ENG_NO_VALUE;
    constant.data =
        arena_copy(&build->graph->arena, ints, count * sizeof *ints);
    if (!constant.data)
        return no_memory(build);
    return add_constant(build, "shape", &constant);
}

/* --- nodes --- */

/* Attributes with their lists and texts, in the graph's arena. */
static bool keep_attrs(struct hf_build *build, const struct hf_node *from,
                       struct eng_node *node)
{
    struct arena *arena = &build->graph->arena;
    struct eng_attr *attrs =
        arena_zalloc(arena, from->attr_count + 1, sizeof *attrs);

    node->attrs = attrs;
    if (!attrs)
        return false;
    for (size_t i = 0; i < from->attr_count; i++) {
        attrs[i] = from->attrs[i];
        if (attrs[i].type != ENG_ATTR_INTS)
            continue;
        attrs[i].ints = (const int64_t *)(void *)arena_copy(
            arena, attrs[i].ints, attrs[i].count * sizeof(int64_t));
        if (!attrs[i].ints)
            return false;
    }
    node->attr_count = from->attr_count;
    return true;
}

uint32_t hf_node(struct hf_build *build, const struct hf_node *from,
                 const char *name)
{
    struct eng_graph *graph = build->graph;
    uint32_t value = add_value(build, name);
    struct eng_node *node;

    if (value == ENG_NO_VALUE)
        return value;
    if (graph->node_count == build->node_room)
        return no_memory(build);
    node = &graph->nodes[graph->node_count];
    *node = (struct eng_node){
        .name = graph->values[value].name,
        .op = from->op,
        .domain = from->domain,
        .version = from->version,
        .output_count = 1,
        .inputs = arena_zalloc(&graph->arena, 5, sizeof(uint32_t)),
        .outputs = arena_zalloc(&graph->arena, 1, sizeof(uint32_t))};
    if (!node->inputs || !node->outputs || !keep_attrs(build, from, node))
        return no_memory(build);
    node->input_count = from->input_count;
    memcpy(node->inputs, from->inputs, from->input_count * sizeof(uint32_t));
    while (node->input_count &&
           node->inputs[node->input_count - 1] == ENG_NO_VALUE)
        node->input_count--;
    node->outputs[0] = value;
    graph->values[value].producer = (uint32_t)graph->node_count++;
    return value;
}

uint32_t hf_op(struct hf_build *build, const char *op, uint32_t a, uint32_t b)
{
    const struct hf_node node = {.domain = "",
                                 .op = op,
                                 .version = HF_OPSET,
                                 .inputs = {a, b},
                                 .input_count = 2};

    return hf_node(build, &node, op);
}

/* --- parts --- */

uint32_t hf_lookup(struct hf_build *build, const char *table, int64_t rows,
                   uint32_t ids)
{
    uint32_t weight = hf_weight(build, table, rows, build->config->hidden);

    return hf_op(build, "Gather", weight, ids);
}

/* NAME.SUFFIX */
static uint32_t part(struct hf_build *build, const char *name,
                     const char *suffix, int64_t rows, int64_t columns)
{
    char text[HF_NAME_SIZE];

    (void)snprintf(text, sizeof text, "%s.%s", name, suffix);
    return hf_weight(build, text, rows, columns);
}

static bool has_part(const struct hf_build *build, const char *name,
                     const char *suffix)
{
    char text[HF_NAME_SIZE];

    (void)snprintf(text, sizeof text, "%s.%s", name, suffix);
    return hf_has_weight(build, text);
}

uint32_t hf_linear(struct hf_build *build, const struct hf_linear *l)
{
    const char *act = l->activates ? build->config->activation : l->act;
    float alpha = l->activates ? build->config->activation_alpha : 0;
    const struct eng_attr attrs[] = {
        {"transB", ENG_ATTR_INT, 1, {.i = 1}},
        {"activation", ENG_ATTR_STRING, 1, {.s = {act, strlen(act)}}},
        {"activation_alpha", ENG_ATTR_FLOAT, 1, {.f = alpha}}};
    struct hf_node node = {.domain = "specserve",
                           .op = "Linear",
                           .version = 1,
                           .inputs = {l->x},
                           .input_count = 4,
                           .attrs = attrs,
                           .attr_count = alpha != 0 ? 3
                                         : *act     ? 2
                                                    : 1};

    node.inputs[1] = part(build, l->name, "weight", l->out, l->in);
    node.inputs[2] = part(build, l->name, "bias", 0, l->out);
    node.inputs[3] = l->residual;
    return hf_node(build, &node, l->name);
}

uint32_t hf_norm(struct hf_build *build, const char *name, uint32_t x)
{
    const struct eng_attr epsilon = {
        "epsilon", ENG_ATTR_FLOAT, 1, {.f = (float)build->config->epsilon}};
    /* TensorFlow's names, which old folders have */
    bool old =
        !has_part(build, name, "weight") && has_part(build, name, "gamma");
    struct hf_node node = {.domain = "",
                           .op = "LayerNormalization",
                           .version = HF_OPSET,
                           .inputs = {x},
                           .input_count = 3,
                           .attrs = &epsilon,
                           .attr_count = 1};

    node.inputs[1] =
        part(build, name, old ? "gamma" : "weight", 0, build->config->hidden);
    node.inputs[2] =
        part(build, name, old ? "beta" : "bias", 0, build->config->hidden);
    return hf_node(build, &node, name);
}

uint32_t hf_first_token(struct hf_build *build, uint32_t x)
{
    const struct eng_attr axis = {"axis", ENG_ATTR_INT, 1, {.i = 1}};
    const struct hf_node node = {.domain = "",
                                 .op = "Gather",
                                 .version = HF_OPSET,
                                 .inputs = {x, hf_int(build, 0, 0)},
                                 .input_count = 2,
                                 .attrs = &axis,
                                 .attr_count = 1};

    return hf_node(build, &node, "first_token");
}

uint32_t hf_attention(struct hf_build *build, const uint32_t qkv[3],
                      uint32_t mask, const char *name)
{
    const struct hf_config *config = build->config;
    const int64_t size = config->hidden / config->heads;
    const int64_t apart[] = {0, 0, config->heads, size};
    const int64_t joined[] = {0, 0, config->hidden};
    const struct eng_attr scale = {
        "scale", ENG_ATTR_FLOAT, 1, {.f = 1 / sqrtf((float)size)}};
    struct hf_node node = {.domain = "specserve",
                           .op = "AttentionCore",
                           .version = 1,
                           .input_count = 4,
                           .attrs = &scale,
                           .attr_count = 1};
    uint32_t shape = add_ints(build, apart, 4); /* [b, s, heads, size] */

    for (size_t i = 0; i < 3; i++)
        node.inputs[i] = hf_op(build, "Reshape", qkv[i], shape);
    node.inputs[3] = mask;
    return hf_op(build, "Reshape", hf_node(build, &node, name),
                 add_ints(build, joined, 3));
}
