/*
 * Plan: from a graph and exact input shapes to steps. See plan.h; where values
 * lie in memory is plan_layout.c.
 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

/* Values that shapes need have more room than those that only save work: they
 * stay with the cached plan. */
enum { FOLD_EACH = 64 << 10, FOLD_PER_PLAN = 32 << 20 };

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for a plan");
}

/* Shapes of the inputs; elements too where a shape depends on them. */
static bool set_inputs(struct eng_plan *plan, const struct eng_tensor *inputs,
                       struct error *err)
{
    const struct eng_graph *graph = plan->graph;

    for (size_t i = 0; i < plan->in_count; i++) {
        struct eng_tensor *tensor = &plan->tensors[plan->in_values[i]];

        op_like(tensor, &inputs[i]);
        tensor->map_keys = inputs[i].map_keys;
        if (!graph->values[plan->in_values[i]].plan_value)
            continue;
        tensor->data = arena_copy(&plan->arena, inputs[i].data,
                                  eng_tensor_size(&inputs[i]));
        if (!tensor->data)
            return no_memory(err);
    }
    return true;
}

uint32_t *plan_live(const struct eng_graph *graph, size_t first,
                    struct arena *arena, size_t *count)
{
    bool *needed = arena_zalloc(arena, graph->value_count + 1, sizeof *needed);
    uint32_t *live = arena_zalloc(arena, graph->value_count + 1, sizeof *live);

    if (!needed || !live)
        return NULL;
    for (size_t i = 0; i < graph->output_count; i++)
        needed[graph->outputs[i]] = true;
    for (size_t i = first; i < graph->node_count; i++) {
        for (size_t k = 0; k < graph->nodes[i].input_count; k++) {
            if (graph->nodes[i].inputs[k] != ENG_NO_VALUE)
                needed[graph->nodes[i].inputs[k]] = true;
        }
    }
    *count = 0;
    for (uint32_t i = 0; i < graph->value_count; i++) {
        const struct eng_value *value = &graph->values[i];

        if (needed[i] && !value->constant.data &&
            (value->producer == ENG_NO_VALUE || value->producer < first))
            live[(*count)++] = i;
    }
    return live;
}

/*
 * All nodes that are not known after inference become candidate steps, up to
 * one that wants values which only the run has.
 */
static bool infer_all(struct eng_plan *plan, struct infer *infer,
                      struct error *err)
{
    const struct eng_graph *graph = plan->graph;

    plan->out_values = graph->outputs;
    plan->out_count = graph->output_count;
    plan->cut_node = graph->node_count;
    for (size_t i = plan->first_node; i < graph->node_count; i++) {
        struct op_node *step = &plan->steps[plan->step_count];
        bool known;

        if (infer_node(infer, i, step, &known, err)) {
            plan->step_count += !known;
            continue;
        }
        if (!step->wants_values)
            return false;
        plan->cut_node = i;
        plan->out_values = plan_live(graph, i, &plan->arena, &plan->out_count);
        return plan->out_values || no_memory(err);
    }
    return true;
}

static bool step_is_needed(const struct op_node *step, const bool *needed)
{
    for (size_t i = 0; i < step->out_count; i++) {
        if (needed[step->out_value[i]])
            return true;
    }
    return false;
}

static void need_inputs(const struct op_node *step, bool *needed)
{
    for (size_t i = 0; i < step->in_count; i++) {
        if (step->in[i])
            needed[step->in_value[i]] = true;
    }
}

/* Keeps the steps that lead to an output. */
static bool drop_dead(struct eng_plan *plan, struct error *err)
{
    bool *needed = calloc(plan->graph->value_count + 1, sizeof *needed);
    bool *keep = calloc(plan->step_count + 1, sizeof *keep);
    size_t kept = 0;

    if (!needed || !keep) {
        free(needed);
        free(keep);
        return no_memory(err);
    }
    for (size_t i = 0; i < plan->out_count; i++)
        needed[plan->out_values[i]] = true;
    for (size_t i = plan->step_count; i-- > 0;) {
        keep[i] = step_is_needed(&plan->steps[i], needed);
        if (keep[i])
            need_inputs(&plan->steps[i], needed);
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        if (keep[i])
            plan->steps[kept++] = plan->steps[i];
    }
    plan->step_count = kept;
    free(needed);
    free(keep);
    return true;
}

static bool choose_all(struct eng_plan *plan, struct error *err)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        struct op_node *step = &plan->steps[i];
        struct error cause;

        step->index = i;
        if (!op_choose(step, &cause))
            return op_blame(plan->graph, step->node, &cause, err);
    }
    return true;
}

static bool check_outputs(const struct eng_plan *plan, struct error *err)
{
    const struct eng_graph *graph = plan->graph;

    if (plan->cut_node < graph->node_count)
        return true;
    for (size_t i = 0; i < graph->output_count; i++) {
        const struct eng_port *port = &graph->output_ports[i];
        enum eng_dtype dtype = plan->tensors[graph->outputs[i]].dtype;

        if (port->dtype && port->dtype != dtype)
            return fail(err, ERR_MODEL_INVALID,
                        "output '%.80s' is declared %s but comes out as %s",
                        port->name, eng_dtype_name(port->dtype),
                        eng_dtype_name(dtype));
    }
    return true;
}

static bool build(struct eng_plan *plan, const struct plan_source *source,
                  const struct eng_tensor *inputs, struct error *err)
{
    struct infer infer = {.graph = plan->graph,
                          .packs = source->packs,
                          .threads = source->threads,
                          .arena = &plan->arena,
                          .fold_bytes_each = FOLD_EACH,
                          .fold_bytes_left = FOLD_PER_PLAN,
                          .value_bytes_max = source->memory_max};

    if (!infer_init(&infer, err))
        return false;
    plan->tensors = infer.tensors;
    plan->steps = arena_zalloc(&plan->arena, plan->graph->node_count + 1,
                               sizeof *plan->steps);
    if (!plan->steps)
        return no_memory(err);
    if (!set_inputs(plan, inputs, err) || !infer_all(plan, &infer, err) ||
        !check_outputs(plan, err) || !drop_dead(plan, err) ||
        !choose_all(plan, err) || !plan_layout(plan, err))
        return false;
    if (plan->memory_bytes > source->memory_max)
        return fail(err, ERR_MODEL_INVALID, "a run needs %zu bytes, limit %zu",
                    plan->memory_bytes, source->memory_max);
    return true;
}

static bool copy_start(struct eng_plan *plan, const struct plan_start *start,
                       struct error *err)
{
    uint32_t *values =
        arena_zalloc(&plan->arena, start->count + 1, sizeof *values);

    if (!values)
        return no_memory(err);
    if (start->count)
        memcpy(values, start->values, start->count * sizeof *values);
    plan->in_values = values;
    plan->in_count = start->count;
    return true;
}

struct eng_plan *plan_build(const struct plan_source *source,
                            const struct eng_tensor *inputs, struct error *err)
{
    struct plan_start start = {0, source->graph->inputs,
                               source->graph->input_count};

    return plan_build_at(source, &start, inputs, err);
}

struct eng_plan *plan_build_at(const struct plan_source *source,
                               const struct plan_start *start,
                               const struct eng_tensor *inputs,
                               struct error *err)
{
    struct eng_plan *plan = calloc(1, sizeof *plan);

    if (!plan) {
        no_memory(err);
        return NULL;
    }
    arena_init(&plan->arena, 0);
    plan->graph = source->graph;
    plan->first_node = start->first_node;
    if (copy_start(plan, start, err) && build(plan, source, inputs, err))
        return plan;
    plan_free(plan);
    return NULL;
}

void plan_free(struct eng_plan *plan)
{
    if (!plan)
        return;
    while (plan->idle) {
        struct plan_frame *frame = plan->idle;

        plan->idle = frame->next;
        plan_frame_free(frame);
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct op_impl *impl = plan->steps[i].impl;

        if (impl && impl->release)
            impl->release(&plan->steps[i]);
    }
    free(plan->key.words);
    arena_release(&plan->arena);
    free(plan);
}

/* --- frames --- */

struct plan_frame *plan_frame_new(struct eng_plan *plan, struct error *err)
{
    struct plan_frame *frame = calloc(1, sizeof *frame);
    bool ok = true;

    if (!frame) {
        no_memory(err);
        return NULL;
    }
    frame->plan = plan;
    frame->frame.data = calloc(plan->graph->value_count + 1, sizeof(void *));
    frame->frame.bound = calloc(plan->step_count + 1, sizeof(void *));
    if (!frame->frame.data || !frame->frame.bound)
        ok = no_memory(err);
    for (size_t i = 0; ok && i < plan->step_count; i++) {
        const struct op_impl *impl = plan->steps[i].impl;

        if (impl->bind)
            ok = impl->bind(&plan->steps[i], &frame->frame.bound[i], err);
    }
    if (ok)
        return frame;
    plan_frame_free(frame);
    return NULL;
}

void plan_frame_free(struct plan_frame *frame)
{
    if (!frame)
        return;
    for (size_t i = 0; frame->frame.bound && i < frame->plan->step_count; i++) {
        if (frame->frame.bound[i])
            frame->plan->steps[i].impl->unbind(frame->frame.bound[i]);
    }
    free(frame->frame.bound);
    free(frame->frame.data);
    free(frame);
}

void plan_frame_attach(struct plan_frame *frame, unsigned char *memory)
{
    const struct eng_plan *plan = frame->plan;

    if (frame->memory == memory && memory)
        return;
    frame->memory = memory;
    for (size_t i = 0; i < plan->graph->value_count; i++) {
        if (plan->tensors[i].data)
            frame->frame.data[i] = plan->tensors[i].data;
        else if (plan->place[i] != PLAN_NO_PLACE)
            frame->frame.data[i] = memory + plan->place[i];
    }
    frame->frame.scratch = memory + plan->scratch_place;
}

void plan_frame_bind_inputs(struct plan_frame *frame,
                            const struct eng_tensor *inputs)
{
    const struct eng_plan *plan = frame->plan;

    for (size_t i = 0; i < plan->input_alias_count; i++) {
        const struct plan_input_alias *alias = &plan->input_aliases[i];

        frame->frame.data[alias->value] = inputs[alias->input].data;
    }
}
