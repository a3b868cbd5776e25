/*
 * Ragged: makes the second graph. See ragged.h; rules are in ragged_rules.c.
 */
#include "ragged.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ragged_parts.h"

/* Shapes the second graph is planned for before it is believed. */
enum { TRIAL_SEQUENCES = 3, TRIAL_ROWS = 11, TRIAL_ROWS_MANY = 2048 };

enum { LENGTH_MAX = 1 << 20 };

/* A reason; nothing failed. */
static void say(struct ragged *ragged, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct ragged *ragged, const char *format, ...)
{
    va_list args;

    if (*ragged->reason)
        return;
    va_start(args, format);
    (void)vsnprintf(ragged->reason, sizeof ragged->reason, format, args);
    va_end(args);
}

/* --- the first graph in two plans --- */

static bool check_inputs(struct ragged *ragged, const struct eng_graph *graph)
{
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct eng_port *port = &graph->input_ports[i];

        if ((port->dtype != ENG_I64 && port->dtype != ENG_I32) ||
            port->rank != 2 || port->dims[0] >= 0 || port->dims[1] >= 0 ||
            graph->values[graph->inputs[i]].plan_value)
            say(ragged,
                "input '%.80s' is not integers [batch, length], both of any "
                "size",
                port->name);
    }
    if (graph->input_count == 0 || graph->inner)
        say(ragged, "the graph has no inputs, or graphs inside");
    return !*ragged->reason;
}

static struct eng_plan *plan_probe(const struct plan_source *source, int i,
                                   struct error *err)
{
    const struct eng_graph *graph = source->graph;
    struct eng_tensor *inputs = calloc(graph->input_count + 1, sizeof *inputs);
    const int64_t dims[] = {survey_batch(i), survey_length(i)};
    struct eng_plan *plan;

    if (!inputs) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
        return NULL;
    }
    for (size_t k = 0; k < graph->input_count; k++) {
        inputs[k].dtype = graph->input_ports[k].dtype;
        eng_shape_set(&inputs[k], 2, dims);
    }
    plan = plan_build(source, inputs, err);
    free(inputs);
    return plan;
}

static bool same_steps(const struct survey *survey)
{
    const struct eng_plan *a = survey->plans[0], *b = survey->plans[1];
    bool same = a && b && a->step_count == b->step_count &&
                a->cut_node == a->graph->node_count &&
                b->cut_node == b->graph->node_count;

    for (size_t i = 0; same && i < a->step_count; i++)
        same = a->steps[i].node == b->steps[i].node;
    return same;
}

/* --- places of what is known --- */

static bool same_elements(const struct eng_tensor *a,
                          const struct eng_tensor *b)
{
    if (a->dtype == ENG_STRING || !eng_shape_equal(a, b))
        return false;
    return memcmp(a->data, b->data, eng_tensor_size(a)) == 0;
}

static void set_places(struct survey *survey)
{
    const struct eng_graph *graph = survey->from;

    for (uint32_t i = 0; i < graph->value_count; i++) {
        const struct eng_tensor *a = survey_tensor(survey, i, 0);
        const struct eng_tensor *b = survey_tensor(survey, i, 1);

        if (graph->values[i].constant.data)
            survey->places[i] = PLACE_CONSTANT;
        else if (a->data && b->data)
            survey->places[i] =
                same_elements(a, b) ? PLACE_CONSTANT : PLACE_SHAPE;
    }
    for (size_t i = 0; i < graph->input_count; i++)
        survey->places[graph->inputs[i]] = PLACE_TOKENS;
}

/* --- the second graph --- */

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
}

static void *copy(struct arena *arena, const void *list, size_t size)
{
    return arena_copy(arena, list ? list : "", size);
}

/* The first graph's nodes and values; the new inputs follow these. */
static bool copy_graph(struct survey *survey, struct error *err)
{
    const struct eng_graph *from = survey->from;
    struct eng_graph *to = &survey->ragged->graph;
    struct arena arena = to->arena;
    size_t room = from->value_count + 1 + POSITIONS_MAX;

    *to = *from;
    to->arena = arena;
    to->inner = NULL;
    to->runner = NULL;
    to->values = arena_zalloc(&to->arena, room, sizeof *to->values);
    to->nodes =
        copy(&to->arena, from->nodes, from->node_count * sizeof *from->nodes);
    if (!to->values || !to->nodes)
        return no_memory(err);
    memcpy(to->values, from->values, from->value_count * sizeof *from->values);
    for (size_t i = from->value_count; i < room; i++)
        to->values[i] =
            (struct eng_value){.name = "(ragged)", .producer = ENG_NO_VALUE};
    to->value_count = room;
    survey->starts = (uint32_t)from->value_count;
    return true;
}

/* Inputs of the second graph: the caller's, starts, positions. */
static bool add_inputs(struct survey *survey, struct error *err)
{
    const struct eng_graph *from = survey->from;
    struct ragged *ragged = survey->ragged;
    struct eng_graph *to = &ragged->graph;
    size_t count = from->input_count + 1 + survey->position_count;

    to->inputs = arena_zalloc(&to->arena, count, sizeof *to->inputs);
    to->input_ports = arena_zalloc(&to->arena, count, sizeof *to->input_ports);
    ragged->inputs = arena_zalloc(&to->arena, count, sizeof *ragged->inputs);
    if (!to->inputs || !to->input_ports || !ragged->inputs)
        return no_memory(err);
    for (size_t i = 0; i < from->input_count; i++) {
        to->inputs[i] = from->inputs[i];
        to->input_ports[i] = from->input_ports[i];
        ragged->inputs[i].source =
            survey->masks[i] ? RAGGED_ONES : RAGGED_CALLER;
    }
    for (size_t i = from->input_count; i < count; i++) {
        size_t k = i - from->input_count;

        to->inputs[i] = survey->starts + (uint32_t)k;
        to->input_ports[i] = (struct eng_port){
            .name = "(ragged)", .dtype = ENG_I64, .rank = 1, .dims = {-1}};
        ragged->inputs[i].source = k ? RAGGED_POSITION : RAGGED_STARTS;
        if (k == 0)
            continue;
        to->input_ports[i].dtype = survey->positions[k - 1].dtype;
        to->input_ports[i].rank = survey->positions[k - 1].is_list ? 1 : 2;
        ragged->inputs[i].offset = survey->positions[k - 1].offset;
        ragged->inputs[i].step = survey->positions[k - 1].step;
    }
    to->input_count = count;
    return true;
}

/* --- is it one? --- */

static bool ask_rules(struct survey *survey, struct error *err)
{
    const struct eng_plan *plan = survey->plans[0];

    for (size_t i = 0; i < plan->step_count; i++) {
        size_t index = (size_t)(plan->steps[i].node - survey->from->nodes);

        if (!survey->seen[index] && !ragged_survey_node(survey, index, err))
            return false;
    }
    for (size_t i = 0; i < survey->from->output_count; i++) {
        if (!ragged_resolve(survey, survey->from->outputs[i], err))
            return false;
    }
    return true;
}

/* Every output has a row per token or per sequence; else the reason is that of
 * a rule. What rules said of values that no output needs is forgotten. */
static bool check_outputs(struct survey *survey)
{
    const struct eng_graph *from = survey->from;
    struct ragged *ragged = survey->ragged;

    for (size_t i = 0; i < from->output_count; i++) {
        uint32_t value = from->outputs[i];
        enum ragged_place place = survey->places[value];
        bool is_tokens = place == PLACE_TOKENS;

        if ((!is_tokens && place != PLACE_SEQUENCES) ||
            (is_tokens && survey_token_axis(survey, value) > 1)) {
            say(ragged,
                "output '%.80s' has a row neither per token nor per sequence",
                from->output_ports[i].name);
            return false;
        }
        ragged->outputs[i] =
            is_tokens ? ENG_RAGGED_TOKENS : ENG_RAGGED_SEQUENCES;
    }
    ragged->reason[0] = '\0';
    return true;
}

static bool check_masks(struct survey *survey)
{
    const struct eng_graph *from = survey->from;

    for (size_t i = 0; i < from->input_count; i++) {
        if (survey->masks[i] && survey->ids[i])
            say(survey->ragged, "input '%.80s' is a mask and looked up as well",
                from->input_ports[i].name);
    }
    return !*survey->ragged->reason;
}

/* The sizes of a trial, in the place of the probes'. */
static int64_t expected(const struct survey *survey, uint32_t value, int axis,
                        const int64_t *trial)
{
    char letter = survey_axis(survey, value, axis);
    bool is_tokens = survey->places[value] == PLACE_TOKENS;

    if (letter == 'c')
        return survey_tensor(survey, value, 0)->dims[axis];
    return letter != 'B' ? trial[1] : is_tokens ? 1 : trial[0];
}

/* Whether a step or the graph reads `value`. */
static bool is_read(const struct eng_plan *plan, uint32_t value)
{
    const struct eng_graph *graph = plan->graph;

    for (size_t i = 0; i < plan->step_count; i++) {
        const struct eng_node *node = plan->steps[i].node;

        for (size_t k = 0; k < node->input_count; k++)
            if (node->inputs[k] == value)
                return true;
    }
    for (size_t i = 0; i < graph->output_count; i++)
        if (graph->outputs[i] == value)
            return true;
    return false;
}

/* The rules said what shapes come out: they must, but for what nobody reads. */
static bool check_shapes(struct survey *survey, const struct eng_plan *plan,
                         const int64_t *trial)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct op_node *step = &plan->steps[i];

        for (size_t k = 0; k < step->out_count; k++) {
            uint32_t value = step->out_value[k];
            bool fits = survey->places[value] == PLACE_TOKENS ||
                        survey->places[value] == PLACE_SEQUENCES;

            for (int axis = 0; fits && axis < step->out[k]->rank; axis++)
                fits = step->out[k]->dims[axis] ==
                       expected(survey, value, axis, trial);
            if (!fits && *plan->graph->values[value].name &&
                is_read(plan, value))
                return false;
        }
    }
    return true;
}

static struct eng_plan *plan_trial(struct ragged *ragged, const int64_t *trial,
                                   struct error *err)
{
    const struct eng_graph *graph = &ragged->graph;
    struct eng_tensor *inputs = calloc(graph->input_count + 1, sizeof *inputs);
    struct eng_plan *plan;

    if (!inputs) {
        no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < graph->input_count; i++)
        ragged_input_shape(ragged, i, trial[0], trial[1], &inputs[i]);
    plan = plan_build(&ragged->runner->source, inputs, err);
    free(inputs);
    return plan;
}

static bool try_plans(struct survey *survey, struct error *err)
{
    static const int64_t trials[][2] = {{TRIAL_SEQUENCES, TRIAL_ROWS},
                                        {TRIAL_SEQUENCES, TRIAL_ROWS_MANY}};

    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        struct eng_plan *plan = plan_trial(survey->ragged, trials[i], err);
        bool fits = plan && plan->cut_node == plan->graph->node_count &&
                    check_shapes(survey, plan, trials[i]);

        plan_free(plan);
        if (!plan)
            return false;
        if (!fits) {
            say(survey->ragged, "shapes of %d rows come out otherwise",
                (int)trials[i][1]);
            return true;
        }
    }
    return true;
}

/* --- all of it --- */

static bool begin(struct survey *survey, const struct plan_source *source,
                  struct error *err)
{
    const struct eng_graph *from = survey->from;
    struct arena *arena = &survey->ragged->graph.arena;

    if (!copy_graph(survey, err))
        return false;
    survey->places =
        arena_zalloc(arena, from->value_count + 1, sizeof *survey->places);
    survey->seen = arena_zalloc(arena, from->node_count + 1, 1);
    survey->masks = arena_zalloc(arena, from->input_count + 1, 1);
    survey->ids = arena_zalloc(arena, from->input_count + 1, 1);
    survey->ragged->outputs = arena_zalloc(arena, from->output_count + 1,
                                           sizeof *survey->ragged->outputs);
    if (!survey->places || !survey->seen || !survey->masks || !survey->ids ||
        !survey->ragged->outputs)
        return no_memory(err);
    for (int i = 0; i < PROBES; i++) {
        survey->plans[i] = plan_probe(source, i, err);
        if (!survey->plans[i])
            return false;
    }
    return true;
}

/* false: err is the reason, unless there is one already. */
static bool look(struct survey *survey, const struct plan_source *source,
                 struct error *err)
{
    struct ragged *ragged = survey->ragged;

    if (!begin(survey, source, err))
        return false;
    if (!same_steps(survey)) {
        say(ragged, "the graph takes another way for other shapes");
        return true;
    }
    set_places(survey);
    if (!ask_rules(survey, err))
        return false;
    if (!check_outputs(survey) || !check_masks(survey))
        return true;
    if (!add_inputs(survey, err))
        return false;
    ragged->runner = runner_new(&ragged->graph, source, err);
    return ragged->runner && try_plans(survey, err);
}

void ragged_make(struct ragged *ragged, const struct plan_source *source)
{
    struct survey survey = {.from = source->graph, .ragged = ragged};
    struct error err = {0};

    *ragged = (struct ragged){.length_max = LENGTH_MAX};
    arena_init(&ragged->graph.arena, 0);
    if (!check_inputs(ragged, source->graph))
        return;
    if (!look(&survey, source, &err))
        say(ragged, "%s", err.msg);
    for (int i = 0; i < PROBES; i++)
        plan_free(survey.plans[i]);
    if (*ragged->reason) {
        runner_free(ragged->runner);
        ragged->runner = NULL;
    }
}

void ragged_release(struct ragged *ragged)
{
    runner_free(ragged->runner);
    arena_release(&ragged->graph.arena);
    *ragged = (struct ragged){0};
}
