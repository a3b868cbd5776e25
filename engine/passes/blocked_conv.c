/*
 * Blocked: convolutions, and what goes into them. See blocked.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blocked_parts.h"
#include "norm.h"
#include "passes.h"
#include "rewrite.h"

/* --- convolutions --- */

static bool is_op(const struct eng_node *node, const char *domain,
                  const char *op)
{
    return strcmp(node->op, op) == 0 && strcmp(node->domain, domain) == 0;
}

static uint32_t input_of(const struct eng_node *node, size_t i)
{
    return i < node->input_count ? node->inputs[i] : ENG_NO_VALUE;
}

/* Weights [o, c, h, w] and the groups, if blocks suit them. */
static const struct eng_tensor *
filter_of(const struct blocked *b, const struct eng_node *node, int64_t *groups)
{
    const struct eng_tensor *w = blocked_constant(b, input_of(node, 1));
    uint32_t bias = input_of(node, 2);
    int64_t outs;

    if (!w || w->rank != 4 ||
        (bias != ENG_NO_VALUE && !blocked_constant(b, bias)))
        return NULL;
    *groups = rewrite_int(node, "group", 1);
    if (*groups < 1 || *groups > w->dims[0] || w->dims[0] % *groups != 0 ||
        w->dims[1] < 1 || w->dims[1] > INT32_MAX / *groups)
        return NULL;
    outs = w->dims[0] / *groups;
    if (*groups == 1 || (w->dims[1] == 1 && outs == 1))
        return w;
    return w->dims[1] % b->block == 0 && outs % b->block == 0 ? w : NULL;
}

/* oneDNN reads so few channels in their plain order. */
enum { PLAIN_CHANNELS_MAX = 3 };

/* What the convolution reads: the blocked form, or x itself. */
static uint32_t conv_input(struct blocked *b, uint32_t x, int64_t channels,
                           bool may_be_plain, struct error *err)
{
    if (b->values[x].form == ENG_NO_VALUE && may_be_plain &&
        channels <= PLAIN_CHANNELS_MAX)
        return x;
    return blocked_need_form(b, x, channels, err);
}

/* FusedConv's addend must be known to have the output's shape. */
static bool addend_fits(struct blocked *b, uint32_t z, int64_t channels,
                        uint32_t space)
{
    return z == ENG_NO_VALUE || (b->values[z].form != ENG_NO_VALUE &&
                                 b->values[z].channels == channels &&
                                 blocked_space_of(b, z) == space);
}

bool blocked_conv(struct blocked *b, const struct eng_node *node, bool *done,
                  struct error *err)
{
    struct eng_attr block = {
        .name = "block", .type = ENG_ATTR_INT, .count = 1, .i = b->block};
    bool fused = is_op(node, "com.microsoft", "FusedConv");
    uint32_t x = input_of(node, 0), z = input_of(node, 3), space, form;
    const struct eng_tensor *w;
    struct blocked_value *out;
    int64_t groups;

    if ((!fused && !is_op(node, "", "Conv")) || x == ENG_NO_VALUE)
        return true;
    w = filter_of(b, node, &groups);
    if (!w)
        return true;
    space = blocked_space_after(b, node, blocked_space_of(b, x), &w->dims[2]);
    if (!addend_fits(b, z, w->dims[0], space))
        return true;
    form = conv_input(b, x, w->dims[1] * groups, groups == 1, err);
    if (form == ENG_NO_VALUE)
        return false;
    out =
        blocked_set(b, node->outputs[0], blocked_add_value(b, node->outputs[0]),
                    w->dims[0], space);
    out->maker = b->count;
    *done = true;
    return blocked_emit(
        b,
        &(struct blocked_spec){
            .like = node,
            .op = "ConvBlocked",
            .inputs = (uint32_t[]){form, node->inputs[1], input_of(node, 2),
                                   z == ENG_NO_VALUE ? z : b->values[z].form},
            .input_count = 4,
            .more = &block,
            .more_count = 1,
            .output = out->form},
        err);
}

/* --- normalization by itself --- */

/* A constant of these numbers. ENG_NO_VALUE: memory is out. */
static uint32_t add_list(struct blocked *b, uint32_t name, const double *list,
                         const struct eng_tensor *shape)
{
    struct eng_tensor constant = *shape;
    uint32_t value;

    constant.data = arena_alloc(&b->graph->arena, eng_tensor_size(&constant));
    if (!constant.data)
        return ENG_NO_VALUE;
    for (int64_t i = 0; i < constant.dims[0]; i++)
        ((float *)constant.data)[i] = (float)list[i];
    value = blocked_add_value(b, name);
    b->graph->values[value].constant = constant;
    return value;
}

/* A convolution of each channel by itself, into which an activation may go. */
bool blocked_norm(struct blocked *b, const struct eng_node *node, bool *done,
                  struct error *err)
{
    uint32_t x = input_of(node, 0), inputs[3];
    struct blocked_value *out;
    struct eng_node like = *node;
    struct affine affine;
    struct eng_tensor shape = {.dtype = ENG_F32, .rank = 4};
    struct eng_attr more[] = {
        {.name = "block", .type = ENG_ATTR_INT, .count = 1, .i = b->block},
        {.name = "group", .type = ENG_ATTR_INT, .count = 1}};

    if (!is_op(node, "", "BatchNormalization") || x == ENG_NO_VALUE ||
        b->values[x].form == ENG_NO_VALUE)
        return true;
    if (!affine_init(&affine, b->graph, b->values[x].channels, err))
        return false;
    if (!affine_of_norm(b->graph, node, &affine))
        return true;
    more[1].i = affine.channels;
    eng_shape_set(&shape, 4, (const int64_t[]){affine.channels, 1, 1, 1});
    inputs[0] = b->values[x].form;
    inputs[1] = add_list(b, node->inputs[1], affine.scale, &shape);
    shape.rank = 1;
    inputs[2] = add_list(b, node->inputs[2], affine.shift, &shape);
    if (inputs[1] == ENG_NO_VALUE || inputs[2] == ENG_NO_VALUE)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for folded weights");
    out =
        blocked_set(b, node->outputs[0], blocked_add_value(b, node->outputs[0]),
                    affine.channels, blocked_space_of(b, x));
    out->maker = b->count;
    like.attr_count = 0;
    *done = true;
    return blocked_emit(b,
                        &(struct blocked_spec){.like = &like,
                                               .op = "ConvBlocked",
                                               .inputs = inputs,
                                               .input_count = 3,
                                               .more = more,
                                               .more_count = 2,
                                               .output = out->form},
                        err);
}

/* --- what goes into them --- */

/* The convolution that makes the blocked form of `value` for `reads` readers
 * alone, and has no activation yet. */
static struct eng_node *open_conv(struct blocked *b, uint32_t value,
                                  uint32_t reads)
{
    struct eng_node *conv;

    if (value == ENG_NO_VALUE || b->values[value].maker == SIZE_MAX ||
        b->readers[value] != reads || b->values[value].is_plain)
        return NULL;
    conv = &b->nodes[b->values[value].maker];
    return rewrite_attr(conv, "activation") ? NULL : conv;
}

static bool add_attr(struct blocked *b, struct eng_node *conv,
                     const char *activation, const float *params,
                     struct error *err)
{
    const struct eng_attr more[] = {
        {.name = "activation",
         .type = ENG_ATTR_STRING,
         .count = 1,
         .s = {activation, strlen(activation)}},
        {.name = "activation_params",
         .type = ENG_ATTR_FLOATS,
         .count = 2,
         .floats = arena_alloc(&b->graph->arena, 2 * sizeof *params)}};
    struct eng_attr *attrs =
        arena_alloc(&b->graph->arena, (conv->attr_count + 2) * sizeof *attrs);

    if (!attrs || !more[1].floats)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
    memcpy((void *)(uintptr_t)more[1].floats, params, 2 * sizeof *params);
    if (conv->attr_count)
        memcpy(attrs, conv->attrs, conv->attr_count * sizeof *attrs);
    memcpy(attrs + conv->attr_count, more, sizeof more);
    conv->attrs = attrs;
    conv->attr_count += 2;
    return true;
}

static float float_attr(const struct eng_node *node, const char *name,
                        float fallback)
{
    const struct eng_attr *attr = rewrite_attr(node, name);

    return attr && attr->type == ENG_ATTR_FLOAT ? attr->f : fallback;
}

/* A bound of Clip: attribute or constant; false: not known. */
static bool clip_bound(const struct blocked *b, const struct eng_node *node,
                       size_t input, float *bound)
{
    const struct eng_tensor *constant;

    if (node->version < 11) {
        *bound = float_attr(node, input == 1 ? "min" : "max", *bound);
        return true;
    }
    if (input_of(node, input) == ENG_NO_VALUE)
        return true;
    constant = blocked_constant(b, node->inputs[input]);
    if (!constant || eng_tensor_count(constant) != 1)
        return false;
    *bound = *(const float *)constant->data;
    return true;
}

/* The word of FusedConv for an activation, or NULL. */
static const char *activation_of(const struct blocked *b,
                                 const struct eng_node *node, float params[2])
{
    static const char *const simple[] = {"Relu", "Tanh", "Sigmoid",
                                         "HardSwish"};

    if (node->domain[0])
        return NULL;
    params[0] = params[1] = 0;
    for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++) {
        if (strcmp(node->op, simple[i]) == 0)
            return simple[i];
    }
    if (strcmp(node->op, "LeakyRelu") == 0) {
        params[0] = float_attr(node, "alpha", 0.01F);
        return "LeakyRelu";
    }
    if (strcmp(node->op, "HardSigmoid") == 0) {
        params[0] = float_attr(node, "alpha", 0.2F);
        params[1] = float_attr(node, "beta", 0.5F);
        return "HardSigmoid";
    }
    params[0] = -INFINITY;
    params[1] = INFINITY;
    return strcmp(node->op, "Clip") == 0 &&
                   clip_bound(b, node, 1, &params[0]) &&
                   clip_bound(b, node, 2, &params[1]) && params[0] <= params[1]
               ? "Clip"
               : NULL;
}

/* `node` gives what the convolution that makes `value` gives now. */
static void take_over(struct blocked *b, const struct eng_node *node,
                      uint32_t value)
{
    const struct blocked_value *from = &b->values[value];
    struct blocked_value *to = blocked_set(b, node->outputs[0], from->form,
                                           from->channels, from->space);

    to->maker = from->maker;
}

static bool fuse_activation(struct blocked *b, const struct eng_node *node,
                            bool *done, struct error *err)
{
    float params[2];
    const char *word = activation_of(b, node, params);
    struct eng_node *conv = open_conv(b, input_of(node, 0), 1);

    if (!word || !conv)
        return true;
    *done = true;
    take_over(b, node, node->inputs[0]);
    return add_attr(b, conv, word, params, err);
}

static bool is_close(float x, float want)
{
    return fabsf(x - want) <= 1e-6F;
}

/* x Sigmoid(x) and x HardSigmoid(x): the gate's word, or NULL. */
static const char *gate_of(const struct blocked *b, uint32_t gate, uint32_t x)
{
    const struct eng_node *node;

    if (gate == ENG_NO_VALUE || b->producer[gate] == SIZE_MAX ||
        b->readers[gate] != 1)
        return NULL;
    node = &b->graph->nodes[b->producer[gate]];
    if (node->domain[0] || input_of(node, 0) != x)
        return NULL;
    if (strcmp(node->op, "Sigmoid") == 0)
        return "Swish";
    return strcmp(node->op, "HardSigmoid") == 0 &&
                   is_close(float_attr(node, "alpha", 0.2F), 1.0F / 6) &&
                   is_close(float_attr(node, "beta", 0.5F), 0.5F)
               ? "HardSwish"
               : NULL;
}

/* The last new node that is alive and makes `form`. */
static void drop_maker(struct blocked *b, uint32_t form)
{
    for (size_t i = b->count; i-- > 0;) {
        if (b->nodes[i].outputs[0] == form) {
            b->is_dead[i] = true;
            return;
        }
    }
}

static bool fuse_gate(struct blocked *b, const struct eng_node *node,
                      bool *done, struct error *err)
{
    static const float params[2] = {0};

    for (size_t i = 0; i < 2 && !*done; i++) {
        uint32_t x = input_of(node, i), gate = input_of(node, 1 - i);
        const char *word = gate_of(b, gate, x);
        struct eng_node *conv = word ? open_conv(b, x, 2) : NULL;

        if (!conv || b->values[gate].form == ENG_NO_VALUE)
            continue;
        *done = true;
        drop_maker(b, b->values[gate].form);
        take_over(b, node, x);
        if (!add_attr(b, conv, word, params, err))
            return false;
    }
    return true;
}

/* The convolution moves here, where its addend exists. */
static bool move_conv(struct blocked *b, const struct eng_node *node,
                      uint32_t value, uint32_t addend, struct error *err)
{
    size_t old = b->values[value].maker;
    struct eng_node conv = b->nodes[old];
    uint32_t inputs[4] = {conv.inputs[0], conv.inputs[1], conv.inputs[2],
                          b->values[addend].form};

    b->is_dead[old] = true;
    take_over(b, node, value);
    b->values[node->outputs[0]].maker = b->count;
    return blocked_emit(b,
                        &(struct blocked_spec){.like = &conv,
                                               .inputs = inputs,
                                               .input_count = 4,
                                               .output = ENG_NO_VALUE},
                        err);
}

static bool fuse_add(struct blocked *b, const struct eng_node *node, bool *done,
                     struct error *err)
{
    uint32_t a = input_of(node, 0), c = input_of(node, 1);
    struct eng_node *left, *right;

    if (a == ENG_NO_VALUE || c == ENG_NO_VALUE || node->input_count != 2 ||
        b->values[a].form == ENG_NO_VALUE ||
        b->values[c].form == ENG_NO_VALUE ||
        b->values[a].channels != b->values[c].channels ||
        blocked_space_of(b, a) != blocked_space_of(b, c))
        return true;
    left = open_conv(b, a, 1);
    right = open_conv(b, c, 1);
    left = left && input_of(left, 3) == ENG_NO_VALUE ? left : NULL;
    right = right && input_of(right, 3) == ENG_NO_VALUE ? right : NULL;
    if (!left && !right)
        return true;
    *done = true;
    return left ? move_conv(b, node, a, c, err) : move_conv(b, node, c, a, err);
}

bool blocked_fuse(struct blocked *b, const struct eng_node *node, bool *done,
                  struct error *err)
{
    if (is_op(node, "", "Mul"))
        return fuse_gate(b, node, done, err);
    if (is_op(node, "", "Add") || is_op(node, "", "Sum"))
        return fuse_add(b, node, done, err);
    return fuse_activation(b, node, done, err);
}
