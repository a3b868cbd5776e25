/*
 * Blocked: operators that work on blocks as they are, and pooling. See
 * blocked.c.
 */
#include <stdlib.h>
#include <string.h>

#include "blocked_parts.h"
#include "passes.h"
#include "rewrite.h"

static bool is_in(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(name, *list) == 0)
            return true;
    }
    return false;
}

/* The output's form behind a node that has been emitted as `spec`. */
static bool emit_like(struct blocked *b, const struct eng_node *node,
                      const char *op, const uint32_t *inputs,
                      const struct blocked_value *shape, struct error *err)
{
    uint32_t form = blocked_add_value(b, node->outputs[0]);

    blocked_set(b, node->outputs[0], form, shape->channels, shape->space);
    return blocked_emit(b,
                        &(struct blocked_spec){.like = node,
                                               .op = op,
                                               .inputs = inputs,
                                               .input_count = node->input_count,
                                               .output = form},
                        err);
}

/* --- one input --- */

static bool unary(struct blocked *b, const struct eng_node *node, bool *done,
                  struct error *err)
{
    static const char *const names[] = {"Abs",
                                        "Celu",
                                        "Clip",
                                        "Dropout",
                                        "Elu",
                                        "Gelu",
                                        "HardSwish",
                                        "Identity",
                                        "HardSigmoid",
                                        "LeakyRelu",
                                        "Mish",
                                        "Neg",
                                        "Relu",
                                        "Selu",
                                        "Sigmoid",
                                        "Softplus",
                                        "Softsign",
                                        "Tanh",
                                        "ThresholdedRelu",
                                        NULL};
    struct blocked_value shape = b->values[node->inputs[0]];
    uint32_t inputs[3] = {shape.form, ENG_NO_VALUE, ENG_NO_VALUE};

    if (!is_in(node->op, names) || node->input_count > 3)
        return true;
    /* Bounds, ratios: scalars. */
    for (size_t i = 1; i < node->input_count; i++) {
        inputs[i] = node->inputs[i];
        if (inputs[i] != ENG_NO_VALUE && !blocked_need_plain(b, inputs[i], err))
            return false;
    }
    *done = true;
    shape.space = blocked_space_of(b, node->inputs[0]);
    return emit_like(b, node, NULL, inputs, &shape, err);
}

/* --- two inputs and more --- */

/* A constant [c, 1, 1] or [1, c, 1, 1] as [1, c / block, 1, 1, block]. */
static uint32_t reorder_constant(struct blocked *b, uint32_t plain,
                                 int64_t channels)
{
    const struct eng_tensor *constant = blocked_constant(b, plain);
    int64_t blocks = (channels + b->block - 1) / b->block;
    struct eng_tensor form = {
        .dtype = ENG_F32, .rank = 5, .dims = {1, blocks, 1, 1, b->block}};
    uint32_t value;

    form.data = arena_zalloc(&b->graph->arena, (size_t)(blocks * b->block),
                             sizeof(float));
    if (!form.data)
        return ENG_NO_VALUE;
    memcpy(form.data, constant->data, (size_t)channels * sizeof(float));
    value = blocked_add_value(b, plain);
    b->graph->values[value].constant = form;
    return value;
}

static bool is_by_channel(const struct eng_tensor *constant, int64_t channels)
{
    int place = constant->rank - 3;

    return (place == 0 || place == 1) && constant->dims[place] == channels &&
           eng_tensor_count(constant) == channels;
}

/* Can input i stand beside blocks of `channels`? */
static bool fits(const struct blocked *b, const struct eng_node *node, size_t i,
                 int64_t channels)
{
    uint32_t value = node->inputs[i];
    const struct eng_tensor *constant = blocked_constant(b, value);

    if (value == ENG_NO_VALUE)
        return false;
    if (!constant)
        return b->values[value].form != ENG_NO_VALUE &&
               b->values[value].channels == channels;
    if (eng_tensor_count(constant) == 1)
        return constant->rank <= 4;
    /* The channels that fill up a block would divide by 0. */
    return strcmp(node->op, "Div") != 0 && is_by_channel(constant, channels);
}

/* The space of the result, if all agree; a new one otherwise. */
static uint32_t common_space(struct blocked *b, const struct eng_node *node)
{
    uint32_t space = 0;

    for (size_t i = 0; i < node->input_count; i++) {
        uint32_t own;

        if (blocked_constant(b, node->inputs[i]))
            continue;
        own = blocked_space_of(b, node->inputs[i]);
        if (space && own != space)
            return blocked_space_new(b);
        space = own;
    }
    return space;
}

static int64_t channels_of(const struct blocked *b, const struct eng_node *node)
{
    for (size_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] != ENG_NO_VALUE &&
            b->values[node->inputs[i]].form != ENG_NO_VALUE)
            return b->values[node->inputs[i]].channels;
    }
    return 0;
}

static bool all_fit(const struct blocked *b, const struct eng_node *node,
                    int64_t channels)
{
    bool is_div = strcmp(node->op, "Div") == 0;

    if (!channels || (is_div && !blocked_constant(b, node->inputs[1])))
        return false;
    for (size_t i = 0; i < node->input_count; i++) {
        if (!fits(b, node, i, channels))
            return false;
    }
    return true;
}

enum { INPUTS_MAX = 32 };

static bool several(struct blocked *b, const struct eng_node *node, bool *done,
                    struct error *err)
{
    static const char *const names[] = {"Add", "Div",   "Max", "Mean", "Min",
                                        "Mul", "PRelu", "Sub", "Sum",  NULL};
    uint32_t inputs[INPUTS_MAX];
    struct blocked_value shape = {0};

    if (!is_in(node->op, names) || node->input_count > INPUTS_MAX)
        return true;
    shape.channels = channels_of(b, node);
    if (!all_fit(b, node, shape.channels))
        return true;
    for (size_t i = 0; i < node->input_count; i++) {
        const struct eng_tensor *constant =
            blocked_constant(b, node->inputs[i]);

        inputs[i] = b->values[node->inputs[i]].form;
        if (constant && eng_tensor_count(constant) == 1)
            inputs[i] = node->inputs[i];
        else if (constant)
            inputs[i] = reorder_constant(b, node->inputs[i], shape.channels);
        if (inputs[i] == ENG_NO_VALUE)
            return fail(err, ERR_OUT_OF_MEMORY,
                        "no memory to rewrite the graph");
    }
    shape.space = common_space(b, node);
    *done = true;
    return emit_like(b, node, NULL, inputs, &shape, err);
}

/* Channels behind each other: whole blocks, but for the last part. */
static bool concat(struct blocked *b, const struct eng_node *node, bool *done,
                   struct error *err)
{
    uint32_t inputs[INPUTS_MAX];
    struct blocked_value shape = {0};
    struct eng_attr axis = {
        .name = "axis", .type = ENG_ATTR_INT, .count = 1, .i = 1};
    struct eng_node like = *node;

    if (strcmp(node->op, "Concat") != 0 || node->input_count > INPUTS_MAX ||
        (rewrite_int(node, "axis", 1) != 1 &&
         rewrite_int(node, "axis", 1) != -3))
        return true;
    for (size_t i = 0; i < node->input_count; i++) {
        const struct blocked_value *v;

        if (node->inputs[i] == ENG_NO_VALUE)
            return true;
        v = &b->values[node->inputs[i]];
        if (v->form == ENG_NO_VALUE || shape.channels % b->block != 0)
            return true;
        inputs[i] = v->form;
        shape.channels += v->channels;
    }
    shape.space = common_space(b, node);
    *done = true;
    like.attrs = (const void *)arena_copy(&b->graph->arena, &axis, sizeof axis);
    like.attr_count = 1;
    if (!like.attrs)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
    return emit_like(b, &like, NULL, inputs, &shape, err);
}

/* --- pooling --- */

static bool pooling(struct blocked *b, const struct eng_node *node, bool *done,
                    struct error *err)
{
    static const char *const names[][2] = {
        {"MaxPool", "MaxPoolBlocked"},
        {"AveragePool", "AveragePoolBlocked"},
        {"GlobalMaxPool", "GlobalMaxPoolBlocked"},
        {"GlobalAveragePool", "GlobalAveragePoolBlocked"}};
    struct blocked_value shape = b->values[node->inputs[0]];
    const char *op = NULL;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(node->op, names[i][0]) == 0)
            op = names[i][1];
    }
    if (!op || node->input_count != 1)
        return true;
    shape.space = blocked_space_of(b, node->inputs[0]);
    shape.space = op[0] == 'G'
                      ? blocked_space_new(b)
                      : blocked_space_after(b, node, shape.space, NULL);
    *done = true;
    return emit_like(b, node, op, &shape.form, &shape, err);
}

bool blocked_elementwise(struct blocked *b, const struct eng_node *node,
                         bool *done, struct error *err)
{
    bool has_form = node->input_count > 0 && node->inputs[0] != ENG_NO_VALUE &&
                    b->values[node->inputs[0]].form != ENG_NO_VALUE;

    if (node->domain[0])
        return true;
    return (!has_form || unary(b, node, done, err)) &&
           (*done || several(b, node, done, err)) &&
           (*done || concat(b, node, done, err)) &&
           (*done || !has_form || pooling(b, node, done, err));
}
