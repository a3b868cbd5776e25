/*
 * Runner: see runner.h.
 */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

enum { PLANS_MAX = 256, MEMORY_ALIGNMENT = 64, KNOWN_BYTES_MAX = 64 << 10 };

#define PLAN_BYTES_MAX ((size_t)64 << 20)

/* --- runners --- */

struct runner *runner_new(struct eng_graph *graph,
                          const struct plan_source *source, struct error *err)
{
    struct runner *runner = calloc(1, sizeof *runner);
    bool ok = true;

    if (!runner) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
        return NULL;
    }
    runner->graph = graph;
    runner->source = *source;
    runner->source.graph = graph;
    plan_cache_init(&runner->cache, PLANS_MAX, PLAN_BYTES_MAX);
    for (struct eng_graph *i = graph->inner; ok && i; i = i->next_inner) {
        i->runner = runner_new(i, source, err);
        ok = i->runner != NULL;
    }
    if (ok)
        return runner;
    runner_free(runner);
    return NULL;
}

void runner_free(struct runner *runner)
{
    if (!runner)
        return;
    /* First the plans: they hold runs of the graphs inside. */
    plan_cache_release(&runner->cache);
    for (struct eng_graph *i = runner->graph->inner; i; i = i->next_inner) {
        runner_free(i->runner);
        i->runner = NULL;
    }
    free(runner);
}

/* --- runs --- */

static void stage_init(struct runner_stage *stage)
{
    *stage = (struct runner_stage){0};
    arena_init(&stage->arena, 0);
    arena_init(&stage->cut, 0);
}

static void stage_release(struct plan_cache *cache, struct runner_stage *stage)
{
    plan_cache_return(cache, stage->frame);
    free(stage->key.words);
    free(stage->memory);
    arena_release(&stage->arena);
    arena_release(&stage->cut);
}

void runner_run_init(struct runner_run *run, struct runner *runner)
{
    *run = (struct runner_run){.runner = runner};
    stage_init(&run->first);
    run->first.values = runner->graph->inputs;
    run->first.count = runner->graph->input_count;
}

void runner_run_release(struct runner_run *run)
{
    struct runner_stage *stage = run->first.next;

    if (!run->runner)
        return;
    stage_release(&run->runner->cache, &run->first);
    while (stage) {
        struct runner_stage *next = stage->next;

        stage_release(&run->runner->cache, stage);
        free(stage);
        stage = next;
    }
    free(run->values);
    free(run->data);
    *run = (struct runner_run){0};
}

/* --- keys --- */

/* Words of the key that this input gives: rank, dimensions, elements. */
static size_t key_words(const struct eng_value *value,
                        const struct eng_tensor *input)
{
    size_t words = 1 + (size_t)input->rank;

    if (value->plan_value)
        words += (eng_tensor_size(input) + 7) / 8;
    return words;
}

static void write_key(const struct eng_value *value,
                      const struct eng_tensor *input, int64_t *words)
{
    size_t count = key_words(value, input);

    words[0] = input->rank;
    memcpy(&words[1], input->dims, (size_t)input->rank * sizeof words[0]);
    if (count > 1 + (size_t)input->rank) {
        words[count - 1] = 0;
        memcpy(&words[1 + input->rank], input->data, eng_tensor_size(input));
    }
}

static bool make_key(const struct eng_graph *graph, struct runner_stage *stage,
                     const struct eng_tensor *inputs, struct error *err)
{
    enum { ELEMENT_WORDS_MAX = 1 << 17 };
    size_t count = 1;

    for (size_t i = 0; i < stage->count; i++)
        count += key_words(&graph->values[stage->values[i]], &inputs[i]);
    if (count > ELEMENT_WORDS_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "shapes depend on %zu elements of the inputs, limit %d",
                    count, ELEMENT_WORDS_MAX);
    if (count > stage->key_room) {
        int64_t *words = realloc(stage->key.words, count * sizeof *words);

        if (!words)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
        stage->key.words = words;
        stage->key_room = count;
    }
    stage->key.words[0] = (int64_t)stage->first_node;
    stage->key.count = 1;
    for (size_t i = 0; i < stage->count; i++) {
        const struct eng_value *value = &graph->values[stage->values[i]];

        write_key(value, &inputs[i], &stage->key.words[stage->key.count]);
        stage->key.count += key_words(value, &inputs[i]);
    }
    plan_key_hash(&stage->key);
    return true;
}

static bool is_same_key(const struct runner_stage *stage)
{
    const struct plan_key *a = &stage->frame->plan->key, *b = &stage->key;

    return a->hash == b->hash && a->count == b->count &&
           memcmp(a->words, b->words, a->count * sizeof a->words[0]) == 0;
}

/* --- stages --- */

/* Makes stage->frame the frame of these inputs' plan. */
static bool find_plan(struct runner *runner, struct runner_stage *stage,
                      const struct eng_tensor *inputs, struct error *err)
{
    struct plan_start start = {stage->first_node, stage->values, stage->count};
    struct eng_plan *plan;
    bool miss;

    if (!make_key(runner->graph, stage, inputs, err))
        return false;
    if (stage->frame && is_same_key(stage))
        return true;
    plan_cache_return(&runner->cache, stage->frame);
    stage->frame = plan_cache_take(&runner->cache, &stage->key, &miss, err);
    if (stage->frame || !miss)
        return stage->frame != NULL;
    plan = plan_build_at(&runner->source, &start, inputs, err);
    if (plan)
        stage->frame = plan_cache_add(&runner->cache, plan, &stage->key, err);
    return stage->frame != NULL;
}

static bool grow_memory(struct runner_stage *stage, struct error *err)
{
    size_t need = stage->frame->plan->memory_bytes;

    if (need > stage->memory_size) {
        size_t size =
            (need + MEMORY_ALIGNMENT - 1) & ~(size_t)(MEMORY_ALIGNMENT - 1);

        free(stage->memory);
        stage->memory = aligned_alloc(MEMORY_ALIGNMENT, size);
        stage->memory_size = stage->memory ? size : 0;
        if (!stage->memory)
            return fail(err, ERR_OUT_OF_MEMORY,
                        "no memory for a run of %zu bytes", size);
    }
    plan_frame_attach(stage->frame, stage->memory);
    return true;
}

bool runner_warm(struct runner_run *run, const struct eng_tensor *inputs,
                 struct error *err)
{
    return find_plan(run->runner, &run->first, inputs, err) &&
           grow_memory(&run->first, err);
}

static bool run_stage(struct runner *runner, struct runner_stage *stage,
                      const struct eng_tensor *inputs,
                      const struct runner_env *env, struct error *err)
{
    if (!find_plan(runner, stage, inputs, err) || !grow_memory(stage, err))
        return false;
    plan_frame_bind_inputs(stage->frame, inputs);
    if (env->watch)
        return exec_run_watched(stage->frame, env->seat, env->limits,
                                env->watch, err);
    return exec_run(stage->frame, env->seat, env->limits, err);
}

static bool is_cut(const struct runner_stage *stage)
{
    const struct eng_plan *plan = stage->frame->plan;

    return plan->cut_node < plan->graph->node_count;
}

/*
 * Known means: has a pointer. A tensor without elements may come without one.
 */
static void be_known(struct eng_tensor *tensor)
{
    static char nothing;

    if (!tensor->data)
        tensor->data = &nothing;
}

/* Room for what is there so far; the graph's inputs and constants are. */
static bool begin_values(struct runner_run *run,
                         const struct eng_tensor *inputs, struct error *err)
{
    const struct eng_graph *graph = run->runner->graph;

    if (!run->values)
        run->values = calloc(graph->value_count + 1, sizeof *run->values);
    if (!run->data)
        run->data = calloc(graph->value_count + 1, sizeof *run->data);
    if (!run->values || !run->data)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    for (size_t i = 0; i < graph->value_count; i++)
        run->values[i] = graph->values[i].constant;
    for (size_t i = 0; i < graph->input_count; i++) {
        run->values[graph->inputs[i]] = inputs[i];
        be_known(&run->values[graph->inputs[i]]);
    }
    return true;
}

/* Takes what the stage computed and runs the node that ended it. */
static bool run_cut_node(struct runner_run *run, struct runner_stage *stage,
                         const struct runner_env *env, struct error *err)
{
    const struct eng_plan *plan = stage->frame->plan;
    struct infer infer = {.graph = plan->graph,
                          .packs = run->runner->source.packs,
                          .arena = &stage->cut,
                          .tensors = run->values,
                          .data = run->data,
                          .threads = run->runner->source.threads,
                          .value_bytes_max = run->runner->source.memory_max};
    struct op_frame now = {.seat = env->seat, .limits = env->limits};

    for (size_t i = 0; i < plan->out_count; i++) {
        uint32_t value = plan->out_values[i];

        run->values[value] = plan->tensors[value];
        run->values[value].data = stage->frame->frame.data[value];
        be_known(&run->values[value]);
    }
    arena_reset(&stage->cut);
    return infer_node_now(&infer, plan->cut_node, &now, err);
}

/* The stage after `stage`, with its inputs. */
static struct runner_stage *next_stage(struct runner_run *run,
                                       struct runner_stage *stage,
                                       struct error *err)
{
    size_t first = stage->frame->plan->cut_node + 1;
    struct runner_stage *next = stage->next;

    if (!next) {
        next = malloc(sizeof *next);
        if (!next)
            goto fail;
        stage_init(next);
        stage->next = next;
    }
    if (next->first_node != first) {
        next->first_node = 0; /* until its inputs are there */
        arena_reset(&next->arena);
        next->values =
            plan_live(run->runner->graph, first, &next->arena, &next->count);
        if (next->values)
            next->inputs = arena_zalloc(&next->arena, next->count + 1,
                                        sizeof *next->inputs);
        if (!next->values || !next->inputs)
            goto fail;
        next->first_node = first;
    }
    for (size_t i = 0; i < next->count; i++)
        next->inputs[i] = run->values[next->values[i]];
    return next;
fail:
    fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    return NULL;
}

static void set_outputs(const struct runner_stage *stage,
                        struct eng_tensor *outputs)
{
    const struct eng_plan *plan = stage->frame->plan;

    for (size_t i = 0; i < plan->out_count; i++) {
        outputs[i] = plan->tensors[plan->out_values[i]];
        outputs[i].data = stage->frame->frame.data[plan->out_values[i]];
    }
}

bool runner_execute(struct runner_run *run, const struct eng_tensor *inputs,
                    struct eng_tensor *outputs, const struct runner_env *env,
                    struct error *err)
{
    struct runner_stage *stage = &run->first;

    if (!run_stage(run->runner, stage, inputs, env, err))
        return false;
    if (is_cut(stage) && !begin_values(run, inputs, err))
        return false;
    while (is_cut(stage)) {
        if (!run_cut_node(run, stage, env, err))
            return false;
        stage = next_stage(run, stage, err);
        if (!stage || !run_stage(run->runner, stage, stage->inputs, env, err))
            return false;
    }
    set_outputs(stage, outputs);
    return true;
}

/* --- shapes only --- */

static bool copy_known(struct arena *arena, struct eng_tensor *tensor)
{
    size_t size = eng_tensor_size(tensor);

    if (!tensor->data)
        return true;
    if (size > KNOWN_BYTES_MAX) {
        tensor->data = NULL;
        return true;
    }
    tensor->data = arena_copy(arena, tensor->data, size);
    return tensor->data != NULL;
}

bool runner_shapes(struct runner *runner, const struct eng_tensor *inputs,
                   struct arena *arena, struct eng_tensor *outputs,
                   bool *complete, struct error *err)
{
    struct runner_stage stage;
    bool ok;

    stage_init(&stage);
    stage.values = runner->graph->inputs;
    stage.count = runner->graph->input_count;
    ok = find_plan(runner, &stage, inputs, err);
    *complete = ok && !is_cut(&stage);
    for (size_t i = 0; ok && *complete && i < runner->graph->output_count;
         i++) {
        outputs[i] = stage.frame->plan->tensors[runner->graph->outputs[i]];
        ok = copy_known(arena, &outputs[i]) ||
             fail(err, ERR_OUT_OF_MEMORY, "no memory for a plan");
    }
    stage_release(&runner->cache, &stage);
    return ok;
}
