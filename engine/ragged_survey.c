/*
 * Ragged: what is known of values from two plans. See ragged_parts.h.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ragged_parts.h"

int64_t survey_batch(int i)
{
    return 3 + i;
}

int64_t survey_length(int i)
{
    return 5 + 2 * i;
}

/* --- shapes --- */

const struct eng_tensor *survey_tensor(const struct survey *survey,
                                       uint32_t value, int i)
{
    return &survey->plans[i]->tensors[value];
}

int survey_rank(const struct survey *survey, uint32_t value)
{
    return survey_tensor(survey, value, 0)->rank;
}

static bool has_dims(const struct survey *survey, uint32_t value, int axis,
                     const int64_t *dims)
{
    for (int i = 0; i < PROBES; i++) {
        if (survey_tensor(survey, value, i)->dims[axis] != dims[i])
            return false;
    }
    return true;
}

char survey_axis(const struct survey *survey, uint32_t value, int axis)
{
    int64_t dims[4][PROBES];

    for (int i = 0; i < PROBES; i++) {
        dims[0][i] = survey_tensor(survey, value, 0)->dims[axis];
        dims[1][i] = survey_batch(i);
        dims[2][i] = survey_length(i);
        dims[3][i] = survey_batch(i) * survey_length(i);
    }
    for (size_t k = 0; k < 4; k++) {
        if (has_dims(survey, value, axis, dims[k]))
            return "cBSR"[k];
    }
    return '?';
}

static bool same_rank(const struct survey *survey, uint32_t value)
{
    return survey_tensor(survey, value, 0)->rank ==
           survey_tensor(survey, value, 1)->rank;
}

int survey_token_axis(const struct survey *survey, uint32_t value)
{
    const struct eng_tensor *tensor = survey_tensor(survey, value, 0);
    int found = -1;

    if (!same_rank(survey, value))
        return -1;
    for (int axis = 0; axis < tensor->rank; axis++) {
        char letter = survey_axis(survey, value, axis);
        bool is_batch = letter == 'B' && axis == 0;

        if (found < 0 && (letter == 'S' || (letter == 'R' && axis == 0)))
            found = axis;
        else if (found < 0 ? !is_batch && tensor->dims[axis] != 1
                           : letter != 'c')
            return -1;
    }
    return found;
}

bool survey_is_sequences(const struct survey *survey, uint32_t value)
{
    int rank = survey_rank(survey, value);

    if (!same_rank(survey, value) || rank == 0 ||
        survey_axis(survey, value, 0) != 'B')
        return false;
    for (int axis = 1; axis < rank; axis++) {
        if (survey_axis(survey, value, axis) != 'c')
            return false;
    }
    return true;
}

enum ragged_place survey_by_shape(const struct survey *survey, uint32_t value)
{
    return survey_token_axis(survey, value) >= 0 ? PLACE_TOKENS
           : survey_is_sequences(survey, value)  ? PLACE_SEQUENCES
                                                 : PLACE_MIXED;
}

/* --- elements that are known --- */

static bool read_int(const struct eng_tensor *tensor, int64_t i, int64_t *x)
{
    if (tensor->dtype == ENG_I64)
        *x = ((const int64_t *)tensor->data)[i];
    else if (tensor->dtype == ENG_I32)
        *x = ((const int32_t *)tensor->data)[i];
    else
        return false;
    return true;
}

static bool is_ramp(const struct eng_tensor *tensor, int64_t offset,
                    int64_t step)
{
    int64_t count = eng_tensor_count(tensor), x;
    int64_t length = tensor->dims[tensor->rank - 1];

    for (int64_t i = 0; i < count; i++) {
        if (!read_int(tensor, i, &x) || x != offset + step * (i % length))
            return false;
    }
    return true;
}

bool survey_is_position(const struct survey *survey, uint32_t value,
                        int64_t *offset, int64_t *step)
{
    const struct eng_tensor *tensor = survey_tensor(survey, value, 0);
    int64_t second;

    if (!tensor->data || tensor->rank < 1 || tensor->rank > 2 ||
        !same_rank(survey, value) ||
        survey_axis(survey, value, tensor->rank - 1) != 'S' ||
        !read_int(tensor, 0, offset) || !read_int(tensor, 1, &second))
        return false;
    *step = second - *offset;
    for (int i = 0; i < PROBES; i++) {
        if (!survey_tensor(survey, value, i)->data ||
            !is_ramp(survey_tensor(survey, value, i), *offset, *step))
            return false;
    }
    return true;
}

bool survey_is_uniform(const struct survey *survey, uint32_t value)
{
    const struct eng_tensor *first = survey_tensor(survey, value, 0);
    size_t each = eng_dtype_size(first->dtype);

    if (first->dtype == ENG_STRING || !first->data ||
        eng_tensor_count(first) < 1)
        return false;
    for (int i = 0; i < PROBES; i++) {
        const struct eng_tensor *tensor = survey_tensor(survey, value, i);

        for (int64_t k = 0; k < eng_tensor_count(tensor); k++) {
            if (!tensor->data ||
                memcmp((const char *)tensor->data + (size_t)k * each,
                       first->data, each) != 0)
                return false;
        }
    }
    return true;
}

/* --- what a value is computed from --- */

/* Whether output `i` of the node is computed from its input `k`: the
 * mask_index of EmbedLayerNormalization comes from its mask alone. */
static bool reads(const struct eng_node *node, size_t i, size_t k)
{
    enum { INDEX = 1, MASK = 7 };

    return strcmp(node->op, "EmbedLayerNormalization") != 0 ||
           (i == INDEX) == (k == MASK);
}

static bool is_read(const struct eng_node *node, const bool *marks, size_t k)
{
    for (size_t i = 0; i < node->output_count; i++)
        if (marks[node->outputs[i]] && reads(node, i, k))
            return true;
    return false;
}

/* By value: it is computed on the way to `value`, in the first probe. */
static bool *mark_way(const struct survey *survey, uint32_t value,
                      struct error *err)
{
    const struct eng_graph *graph = survey->from;
    bool *marks = calloc(graph->value_count + 1, sizeof *marks);

    if (!marks) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
        return NULL;
    }
    marks[value] = true;
    for (size_t i = graph->node_count; i-- > 0;) {
        const struct eng_node *node = &graph->nodes[i];

        for (size_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k] != ENG_NO_VALUE && is_read(node, marks, k) &&
                !survey_tensor(survey, node->inputs[k], 0)->data)
                marks[node->inputs[k]] = true;
        }
    }
    return marks;
}

bool survey_mark_inputs(const struct survey *survey, uint32_t value,
                        bool *inputs, struct error *err)
{
    bool *marks = mark_way(survey, value, err);

    for (size_t i = 0; marks && i < survey->from->input_count; i++)
        inputs[i] = inputs[i] || marks[survey->from->inputs[i]];
    free(marks);
    return marks != NULL;
}

bool survey_is_counted(const struct survey *survey, uint32_t value,
                       bool *counted, struct error *err)
{
    const struct eng_graph *graph = survey->from;
    bool *marks = mark_way(survey, value, err);

    for (size_t i = 0; marks && i < graph->node_count; i++) {
        if (rewrite_is(&graph->nodes[i], "CumSum") &&
            marks[graph->nodes[i].outputs[0]])
            *counted = true;
    }
    free(marks);
    return marks != NULL;
}

/* --- what masks do --- */

/* Runs the marked steps of the first probe alone: memory of what they make is
 * nobody else's then. */
static bool compute(const struct survey *survey, struct plan_frame *frame,
                    const bool *marks, struct error *err)
{
    const struct eng_plan *plan = survey->plans[0];

    for (size_t i = 0; i < plan->step_count; i++) {
        const struct op_node *step = &plan->steps[i];
        bool is_on = false;

        for (size_t k = 0; k < step->out_count; k++)
            is_on = is_on || marks[step->out_value[k]];
        if (is_on && !step->impl->run(step, &frame->frame, err))
            return false;
    }
    return true;
}

static bool all_are(const struct eng_tensor *tensor, const void *data,
                    double want)
{
    for (int64_t i = 0; i < eng_tensor_count(tensor); i++) {
        double x = tensor->dtype == ENG_F32 ? (double)((const float *)data)[i]
                   : tensor->dtype == ENG_BOOL ? ((const uint8_t *)data)[i]
                                               : (double)NAN;

        if (!(x >= want && x <= want))
            return false;
    }
    return true;
}

/* The inputs of the first probe, all ones. */
static struct eng_tensor *ones(const struct survey *survey, struct arena *arena)
{
    const struct eng_graph *graph = survey->from;
    struct eng_tensor *inputs =
        arena_zalloc(arena, graph->input_count + 1, sizeof *inputs);

    for (size_t i = 0; inputs && i < graph->input_count; i++) {
        size_t size;

        inputs[i] = *survey_tensor(survey, graph->inputs[i], 0);
        size = eng_tensor_size(&inputs[i]);
        inputs[i].data = arena_zalloc(arena, size + 1, 1);
        if (!inputs[i].data)
            return NULL;
        for (size_t k = 0; k < size; k += eng_dtype_size(inputs[i].dtype))
            ((unsigned char *)inputs[i].data)[k] = 1; /* little endian */
    }
    return inputs;
}

static bool run_neutral(const struct survey *survey, uint32_t value,
                        double neutral, const bool *marks, bool *is_neutral,
                        struct error *err)
{
    enum { ALIGNMENT = 64 };
    struct eng_plan *plan = survey->plans[0];
    struct plan_frame *frame = plan_frame_new(plan, err);
    size_t size = (plan->memory_bytes + 127) & ~(size_t)63;
    unsigned char *memory = aligned_alloc(ALIGNMENT, size);
    struct eng_tensor *inputs;
    struct arena arena;
    bool ok = false;

    arena_init(&arena, 0);
    inputs = ones(survey, &arena);
    if (frame && (!memory || !inputs))
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
    if (frame && memory && inputs) {
        memset(memory, 0, size);
        plan_frame_attach(frame, memory);
        plan_frame_bind_inputs(frame, inputs);
        ok = compute(survey, frame, marks, err);
        *is_neutral = ok && all_are(&plan->tensors[value],
                                    frame->frame.data[value], neutral);
    }
    plan_frame_free(frame);
    free(memory);
    arena_release(&arena);
    return ok;
}

bool survey_is_neutral(struct survey *survey, uint32_t value, double neutral,
                       bool *is_neutral, struct error *err)
{
    const struct eng_tensor *tensor = survey_tensor(survey, value, 0);
    bool *marks;
    bool ok;

    if (tensor->data) {
        *is_neutral = all_are(tensor, tensor->data, neutral);
        return true;
    }
    marks = mark_way(survey, value, err);
    ok = marks && run_neutral(survey, value, neutral, marks, is_neutral, err) &&
         survey_mark_inputs(survey, value, survey->masks, err);
    free(marks);
    return ok;
}

/* --- changing the second graph --- */

uint32_t survey_position(struct survey *survey, enum eng_dtype dtype,
                         int64_t offset, int64_t step, bool is_list)
{
    size_t i = 0;

    while (i < survey->position_count &&
           (survey->positions[i].dtype != dtype ||
            survey->positions[i].offset != offset ||
            survey->positions[i].step != step ||
            survey->positions[i].is_list != is_list))
        i++;
    if (i == POSITIONS_MAX)
        return ENG_NO_VALUE;
    if (i == survey->position_count) {
        survey->positions[i].value = survey->starts + 1 + (uint32_t)i;
        survey->positions[i].dtype = dtype;
        survey->positions[i].offset = offset;
        survey->positions[i].step = step;
        survey->positions[i].is_list = is_list;
        survey->position_count++;
    }
    return survey->positions[i].value;
}

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
}

static void *keep(struct eng_graph *graph, const void *list, size_t size)
{
    return arena_copy(&graph->arena, list, size);
}

bool survey_replace(struct survey *survey, size_t index,
                    const struct rewrite_spec *spec, struct error *err)
{
    struct eng_graph *to = &survey->ragged->graph;
    struct eng_node *node = &to->nodes[index];
    size_t attrs_size = spec->attr_count * sizeof *spec->attrs;

    node->rows =
        op_find(spec->domain, spec->op, spec->version, &node->row_count);
    if (!node->rows)
        return fail(err, ERR_MODEL_UNSUPPORTED, "there is no %s", spec->op);
    node->op = spec->op;
    node->domain = spec->domain;
    node->version = spec->version;
    node->inputs =
        keep(to, spec->inputs, spec->input_count * sizeof *spec->inputs);
    node->input_count = spec->input_count;
    node->attrs = spec->attr_count ? keep(to, spec->attrs, attrs_size) : NULL;
    node->attr_count = spec->attr_count;
    return (node->inputs && (node->attrs || !spec->attr_count)) ||
           no_memory(err);
}

bool survey_set_input(struct survey *survey, size_t index, size_t i,
                      uint32_t value, struct error *err)
{
    struct eng_graph *to = &survey->ragged->graph;
    struct eng_node *node = &to->nodes[index];
    size_t count = i < node->input_count ? node->input_count : i + 1;
    uint32_t *inputs = arena_alloc(&to->arena, count * sizeof *inputs);

    if (!inputs)
        return no_memory(err);
    for (size_t k = 0; k < count; k++)
        inputs[k] = k < node->input_count ? node->inputs[k] : ENG_NO_VALUE;
    inputs[i] = value;
    node->inputs = inputs;
    node->input_count = count;
    return true;
}

enum ragged_place survey_decline(struct survey *survey,
                                 const struct eng_node *node, const char *text)
{
    if (!*survey->ragged->reason)
        (void)snprintf(survey->ragged->reason, sizeof survey->ragged->reason,
                       "node '%.80s' (%.40s) %s",
                       eng_node_label(survey->from, node), node->op, text);
    return PLACE_MIXED;
}
