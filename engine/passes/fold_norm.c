/*
 * Fold norm: Conv followed by BatchNormalization, or by Add, Sub, Mul or Div
 * with a constant for each channel, becomes one Conv.
 *
 *   scale * (w x + b) + shift = (scale w) x + (scale b + shift)
 *
 * A filter that only this Conv reads is scaled in place, so that the weights
 * are not held twice.
 */
#include <math.h>
#include <string.h>

#include "norm.h"
#include "passes.h"
#include "rewrite.h"

bool affine_init(struct affine *affine, struct eng_graph *graph,
                 int64_t channels, struct error *err)
{
    double *room =
        arena_zalloc(&graph->arena, 2 * (size_t)channels, sizeof *room);

    *affine = (struct affine){room, room + channels, channels};
    return room || fail(err, ERR_OUT_OF_MEMORY, "no memory to fold weights");
}

const float *affine_list(const struct eng_graph *graph, uint32_t value,
                         int64_t channels)
{
    const struct eng_tensor *list;

    if (value == ENG_NO_VALUE)
        return NULL;
    list = &graph->values[value].constant;
    return list->dtype == ENG_F32 && list->rank == 1 &&
                   list->dims[0] == channels
               ? list->data
               : NULL;
}

bool affine_of_norm(const struct eng_graph *graph, const struct eng_node *node,
                    struct affine *affine)
{
    const struct eng_attr *attr = rewrite_attr(node, "epsilon");
    double epsilon =
        (double)(attr && attr->type == ENG_ATTR_FLOAT ? attr->f : 1e-5F);
    const float *list[4];

    if (node->output_count != 1 || node->input_count != 5 ||
        rewrite_int(node, "training_mode", 0) != 0 ||
        rewrite_int(node, "spatial", 1) != 1)
        return false;
    for (size_t i = 0; i < 4; i++) {
        list[i] = affine_list(graph, node->inputs[1 + i], affine->channels);
        if (!list[i])
            return false;
    }
    for (int64_t c = 0; c < affine->channels; c++) {
        affine->scale[c] =
            (double)list[0][c] / sqrt((double)list[3][c] + epsilon);
        affine->shift[c] =
            (double)list[1][c] - (double)list[2][c] * affine->scale[c];
    }
    return true;
}

/* A constant that has one element for each channel of a tensor of `rank`, or
 * one for all: its step from channel to channel. */
static bool channel_step(const struct eng_tensor *c, int rank, int64_t channels,
                         int64_t *step)
{
    int place = c->rank - (rank - 1); /* of the channels in c */

    *step = eng_tensor_count(c) == 1 ? 0 : 1;
    if (c->dtype != ENG_F32 || c->rank > rank)
        return false;
    return *step == 0 || (place >= 0 && c->dims[place] == channels &&
                          eng_tensor_count(c) == channels);
}

static bool read_arithmetic(const struct rewrite *rw,
                            const struct eng_node *node, uint32_t x, int rank,
                            struct affine *affine)
{
    bool x_first = node->inputs[0] == x;
    const struct eng_tensor *c =
        rewrite_constant(rw, node->inputs[x_first ? 1 : 0]);
    bool is_add = rewrite_is(node, "Add"), is_sub = rewrite_is(node, "Sub");
    bool is_mul = rewrite_is(node, "Mul"), is_div = rewrite_is(node, "Div");
    int64_t step;

    if (!(is_add || is_mul || ((is_sub || is_div) && x_first)) || !c ||
        !channel_step(c, rank, affine->channels, &step))
        return false;
    for (int64_t i = 0; i < affine->channels; i++) {
        double number = (double)((const float *)c->data)[i * step];

        affine->scale[i] = is_mul ? number : is_div ? 1 / number : 1;
        affine->shift[i] = is_add ? number : is_sub ? -number : 0;
    }
    return true;
}

/* The filter times scale, in place where nobody else reads it. */
static uint32_t scale_filter(struct rewrite *rw, uint32_t value,
                             const struct affine *affine, struct error *err)
{
    struct eng_tensor filter = *rewrite_constant(rw, value);
    int64_t each = eng_tensor_count(&filter) / affine->channels;
    const float *from = filter.data;

    if (rw->graph->shares_constants || !rewrite_is_private(rw, value)) {
        filter.data = arena_alloc(&rw->graph->arena, eng_tensor_size(&filter));
        if (!filter.data) {
            fail(err, ERR_OUT_OF_MEMORY, "no memory for folded weights");
            return ENG_NO_VALUE;
        }
        value = rewrite_add_constant(rw, rw->graph->values[value].name, &filter,
                                     err);
        if (value == ENG_NO_VALUE)
            return value;
    }
    for (int64_t c = 0; c < affine->channels; c++) {
        for (int64_t i = 0; i < each; i++)
            ((float *)filter.data)[c * each + i] =
                (float)((double)from[c * each + i] * affine->scale[c]);
    }
    return value;
}

static uint32_t shift_bias(struct rewrite *rw, const struct eng_node *conv,
                           const struct affine *affine, struct error *err)
{
    struct eng_tensor bias = {
        .dtype = ENG_F32, .rank = 1, .dims = {affine->channels}};
    const float *from =
        conv->input_count > 2
            ? affine_list(rw->graph, conv->inputs[2], affine->channels)
            : NULL;

    bias.data = arena_alloc(&rw->graph->arena, eng_tensor_size(&bias));
    if (!bias.data) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for folded weights");
        return ENG_NO_VALUE;
    }
    for (int64_t c = 0; c < affine->channels; c++)
        ((float *)bias.data)[c] =
            (float)((from ? (double)from[c] * affine->scale[c] : 0) +
                    affine->shift[c]);
    return rewrite_add_constant(rw, "", &bias, err);
}

static bool replace(struct rewrite *rw, struct eng_node *node,
                    const struct eng_node *conv, const struct affine *affine,
                    struct error *err)
{
    uint32_t inputs[3] = {conv->inputs[0]};
    struct rewrite_spec spec = {.domain = "",
                                .op = "Conv",
                                .version = conv->version,
                                .inputs = inputs,
                                .input_count = 3,
                                .attrs = conv->attrs,
                                .attr_count = conv->attr_count};

    inputs[2] = shift_bias(rw, conv, affine, err);
    inputs[1] = inputs[2] == ENG_NO_VALUE
                    ? ENG_NO_VALUE
                    : scale_filter(rw, conv->inputs[1], affine, err);
    return inputs[1] != ENG_NO_VALUE && rewrite_replace(rw, node, &spec, err);
}

/* The Conv whose output only `node` reads, with constants that can change. */
static struct eng_node *conv_before(const struct rewrite *rw,
                                    const struct eng_node *node, size_t input)
{
    struct eng_node *conv;
    const struct eng_tensor *filter;

    if (input >= node->input_count || node->inputs[input] == ENG_NO_VALUE ||
        !rewrite_is_private(rw, node->inputs[input]))
        return NULL;
    conv = rewrite_maker(rw, node->inputs[input], "Conv");
    if (!conv || conv->input_count < 2)
        return NULL;
    filter = rewrite_constant(rw, conv->inputs[1]);
    if (!filter || filter->dtype != ENG_F32 || filter->rank < 3 ||
        filter->dims[0] < 1)
        return NULL;
    if (conv->input_count > 2 && conv->inputs[2] != ENG_NO_VALUE &&
        !affine_list(rw->graph, conv->inputs[2], filter->dims[0]))
        return NULL;
    return conv;
}

static bool fold_one(struct rewrite *rw, struct eng_node *node,
                     struct error *err)
{
    bool is_norm = rewrite_is(node, "BatchNormalization");
    size_t inputs = is_norm ? 1 : 2;

    if (!is_norm && !rewrite_is(node, "Add") && !rewrite_is(node, "Sub") &&
        !rewrite_is(node, "Mul") && !rewrite_is(node, "Div"))
        return true;
    for (size_t i = 0; i < inputs; i++) {
        const struct eng_node *conv = conv_before(rw, node, i);
        const struct eng_tensor *filter =
            conv ? rewrite_constant(rw, conv->inputs[1]) : NULL;
        struct affine affine;

        if (!filter)
            continue;
        if (!affine_init(&affine, rw->graph, filter->dims[0], err))
            return false;
        if (is_norm ? affine_of_norm(rw->graph, node, &affine)
                    : read_arithmetic(rw, node, node->inputs[i], filter->rank,
                                      &affine))
            return replace(rw, node, conv, &affine, err);
    }
    return true;
}

bool pass_fold_norm(struct eng_graph *graph, struct op_packs *packs,
                    struct error *err)
{
    (void)packs;
    return rewrite_each(graph, fold_one, err);
}
