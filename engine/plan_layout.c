/*
 * Layout: one block of memory for all values of a run.
 *
 * A value lives from the step that writes it to the last step that reads it.
 * Values that share bytes form a group named by its root: the output of an
 * OP_ALIAS step, and the output of a step that may overwrite an input which
 * dies there. Groups are placed in step order, each in the first gap between
 * the groups alive (first fit), at multiples of 64 bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "plan.h"

enum { PLACE_ALIGNMENT = 64 };

struct region {
    size_t first, end; /* bytes */
    uint32_t root;
};

struct layout {
    struct eng_plan *plan;
    uint32_t *parent;     /* by value: union-find of shared bytes */
    size_t *last_use;     /* by root: step, or step_count for graph outputs */
    size_t *input;        /* by root: graph input + 1, 0 = none */
    bool *is_output;      /* by value: a graph output */
    struct region *alive; /* by first byte */
    size_t alive_count, alive_room;
    size_t memory_bytes;
};

static uint32_t root_of(struct layout *layout, uint32_t value)
{
    while (layout->parent[value] != value) {
        layout->parent[value] = layout->parent[layout->parent[value]];
        value = layout->parent[value];
    }
    return value;
}

/* `value` shares the bytes of `with` from now on. */
static void join(struct layout *layout, uint32_t value, uint32_t with)
{
    uint32_t from = root_of(layout, value), to = root_of(layout, with);

    layout->parent[from] = to;
    if (layout->last_use[from] > layout->last_use[to])
        layout->last_use[to] = layout->last_use[from];
    layout->is_output[to] |= layout->is_output[from];
}

static bool init(struct layout *layout, struct error *err)
{
    const struct eng_plan *plan = layout->plan;
    size_t count = plan->graph->value_count + 1;

    layout->parent = calloc(count, sizeof *layout->parent);
    layout->last_use = calloc(count, sizeof *layout->last_use);
    layout->input = calloc(count, sizeof *layout->input);
    layout->is_output = calloc(count, sizeof *layout->is_output);
    layout->plan->place =
        arena_zalloc(&layout->plan->arena, count, sizeof(size_t));
    if (!layout->parent || !layout->last_use || !layout->input ||
        !layout->is_output || !layout->plan->place)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a plan");
    for (uint32_t i = 0; i < count; i++) {
        layout->parent[i] = i;
        layout->plan->place[i] = PLAN_NO_PLACE;
    }
    for (size_t i = 0; i < plan->in_count; i++)
        layout->input[plan->in_values[i]] = i + 1;
    for (size_t i = 0; i < plan->out_count; i++)
        layout->is_output[plan->out_values[i]] = true;
    return true;
}

/* The steps are final, aliases joined. */
static void find_last_uses(struct layout *layout)
{
    const struct eng_plan *plan = layout->plan;

    for (size_t s = 0; s < plan->step_count; s++) {
        const struct op_node *step = &plan->steps[s];

        for (size_t i = 0; i < step->out_count; i++)
            layout->last_use[root_of(layout, step->out_value[i])] = s;
        for (size_t i = 0; i < step->in_count; i++) {
            if (step->in[i])
                layout->last_use[root_of(layout, step->in_value[i])] = s;
        }
    }
    for (size_t i = 0; i < plan->out_count; i++)
        layout->last_use[root_of(layout, plan->out_values[i])] =
            plan->step_count;
}

/*
 * An alias costs nothing, unless a graph output would then lie in the caller's
 * input or in a constant that folding made: outputs belong to the run.
 */
static bool can_alias(struct layout *layout, const struct op_node *step)
{
    uint32_t root;

    if (!(step->impl->flags & OP_ALIAS) || step->in[0]->data)
        return false;
    root = root_of(layout, step->in_value[0]);
    return !(layout->input[root] && layout->is_output[step->out_value[0]]);
}

/* Joins aliases with what they show; such steps have nothing left to run. */
static void resolve_aliases(struct layout *layout)
{
    struct eng_plan *plan = layout->plan;
    size_t kept = 0;

    for (size_t s = 0; s < plan->step_count; s++) {
        const struct op_node *step = &plan->steps[s];

        if (can_alias(layout, step)) {
            join(layout, step->out_value[0], step->in_value[0]);
            continue;
        }
        plan->steps[kept] = plan->steps[s];
        plan->steps[kept].index = kept;
        kept++;
    }
    plan->step_count = kept;
}

/* --- places --- */

static bool insert_region(struct layout *layout, size_t at,
                          struct region region)
{
    if (layout->alive_count == layout->alive_room) {
        size_t room = layout->alive_room ? layout->alive_room * 2 : 32;
        struct region *alive =
            realloc(layout->alive, room * sizeof *layout->alive);

        if (!alive)
            return false;
        layout->alive = alive;
        layout->alive_room = room;
    }
    memmove(&layout->alive[at + 1], &layout->alive[at],
            (layout->alive_count - at) * sizeof *layout->alive);
    layout->alive[at] = region;
    layout->alive_count++;
    return true;
}

/* First fit. */
static bool place(struct layout *layout, uint32_t root, size_t size)
{
    size_t rounded =
        (size + PLACE_ALIGNMENT - 1) & ~(size_t)(PLACE_ALIGNMENT - 1);
    size_t first = 0, at = 0;

    while (at < layout->alive_count &&
           layout->alive[at].first - first < rounded) {
        first = layout->alive[at].end;
        at++;
    }
    layout->plan->place[root] = first;
    if (first + rounded > layout->memory_bytes)
        layout->memory_bytes = first + rounded;
    return rounded == 0 ||
           insert_region(layout, at,
                         (struct region){first, first + rounded, root});
}

static void end_lives(struct layout *layout, size_t step)
{
    size_t kept = 0;

    for (size_t i = 0; i < layout->alive_count; i++) {
        if (layout->last_use[layout->alive[i].root] > step)
            layout->alive[kept++] = layout->alive[i];
    }
    layout->alive_count = kept;
}

/* Does the step read the same bytes through an input that must stay? */
static bool is_read_elsewhere(struct layout *layout, const struct op_node *step,
                              uint32_t root)
{
    for (size_t i = 0; i < step->in_count; i++) {
        bool may_go = i < 32 && (step->impl->in_place >> i & 1);

        if (!may_go && op_has(step, i) && !step->in[i]->data &&
            root_of(layout, step->in_value[i]) == root)
            return true;
    }
    return false;
}

/* May output 0 take the place of input i, which dies at step s? */
static bool can_overwrite(struct layout *layout, const struct op_node *step,
                          size_t i, size_t s)
{
    uint32_t root;

    if (!(step->impl->in_place >> i & 1) || !op_has(step, i) ||
        step->in[i]->data)
        return false;
    root = root_of(layout, step->in_value[i]);
    return !layout->input[root] && !layout->is_output[root] &&
           layout->last_use[root] == s &&
           !is_read_elsewhere(layout, step, root) &&
           eng_tensor_size(step->in[i]) == eng_tensor_size(step->out[0]);
}

static bool overwrite(struct layout *layout, const struct op_node *step,
                      size_t s)
{
    for (size_t i = 0; i < step->in_count && i < 32; i++) {
        if (can_overwrite(layout, step, i, s)) {
            join(layout, step->out_value[0], step->in_value[i]);
            return true;
        }
    }
    return false;
}

static bool place_step(struct layout *layout, size_t s)
{
    const struct op_node *step = &layout->plan->steps[s];
    size_t i = overwrite(layout, step, s) ? 1 : 0;

    for (; i < step->out_count; i++) {
        uint32_t root = root_of(layout, step->out_value[i]);

        if (!place(layout, root, eng_tensor_size(step->out[i])))
            return false;
    }
    end_lives(layout, s);
    return true;
}

/* Lists the values that are an input's bytes. */
static bool list_input_aliases(struct layout *layout)
{
    struct eng_plan *plan = layout->plan;
    size_t count = 0;

    for (uint32_t i = 0; i < plan->graph->value_count; i++)
        count += layout->input[root_of(layout, i)] && !plan->tensors[i].data;
    plan->input_aliases =
        arena_zalloc(&plan->arena, count + 1, sizeof *plan->input_aliases);
    for (uint32_t i = 0; plan->input_aliases && i < plan->graph->value_count;
         i++) {
        size_t input = layout->input[root_of(layout, i)];

        if (input && !plan->tensors[i].data)
            plan->input_aliases[plan->input_alias_count++] =
                (struct plan_input_alias){i, input - 1};
    }
    return plan->input_aliases != NULL;
}

/* Members of a group get the root's place; or the input whose bytes it is. */
static bool spread_places(struct layout *layout)
{
    struct eng_plan *plan = layout->plan;

    for (uint32_t i = 0; i < plan->graph->value_count; i++)
        plan->place[i] = plan->place[root_of(layout, i)];
    return list_input_aliases(layout);
}

/* All steps share one scratch block behind the values. */
static void place_scratch(struct layout *layout)
{
    struct eng_plan *plan = layout->plan;
    size_t scratch = 0;

    for (size_t s = 0; s < plan->step_count; s++) {
        if (plan->steps[s].scratch_bytes > scratch)
            scratch = plan->steps[s].scratch_bytes;
    }
    plan->scratch_place = layout->memory_bytes;
    plan->memory_bytes =
        layout->memory_bytes + scratch + PLACE_ALIGNMENT; /* never 0 */
}

bool plan_layout(struct eng_plan *plan, struct error *err)
{
    struct layout layout = {.plan = plan};
    bool ok = init(&layout, err);

    if (ok) {
        resolve_aliases(&layout);
        find_last_uses(&layout);
    }
    for (size_t s = 0; ok && s < plan->step_count; s++)
        ok = place_step(&layout, s) ||
             fail(err, ERR_OUT_OF_MEMORY, "no memory for a plan");
    if (ok)
        ok = spread_places(&layout) ||
             fail(err, ERR_OUT_OF_MEMORY, "no memory for a plan");
    if (ok)
        place_scratch(&layout);
    free(layout.parent);
    free(layout.last_use);
    free(layout.input);
    free(layout.is_output);
    free(layout.alive);
    return ok;
}
