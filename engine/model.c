/*
 * Model: implements engine.h. A file or folder becomes a graph, passes change
 * it, and a runner plans and runs it per input shape.
 */
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "hf/load.h"
#include "kernel/kernel.h"
#include "onednn/onednn.h"
#include "onnx_load.h"
#include "passes/passes.h"
#include "precision.h"
#include "ragged.h"

#define FILE_SIZE_MAX  ((size_t)2 << 30)
#define RUN_MEMORY_MAX ((size_t)4 << 30)

struct eng_model {
    atomic_size_t refs;
    struct eng_graph graph;
    struct op_packs *packs;
    struct runner *runner;
    struct ragged ragged;
    struct eng_team *team;   /* NULL = none */
    size_t nodes, operators; /* of the file, before the passes */
    struct precision precision;
};

struct eng_run {
    struct eng_model *model;
    struct runner_run run;
    struct ragged_run ragged;
    struct exec_watch watch;
};

/* --- opening --- */

static void model_free(struct eng_model *model)
{
    ragged_release(&model->ragged);
    runner_free(model->runner);
    op_packs_free(model->packs);
    eng_graph_release(&model->graph);
    free(model);
}

/* Fills inputs from the ports, with `open` for open dimensions; false if a
 * port does not even give its rank. */
static bool guess_inputs(const struct eng_graph *graph, int64_t open,
                         struct eng_tensor *inputs, bool *is_fixed)
{
    *is_fixed = true;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct eng_port *port = &graph->input_ports[i];

        if (port->rank < 0 || graph->values[graph->inputs[i]].plan_value)
            return false;
        inputs[i] = (struct eng_tensor){.dtype = port->dtype};
        eng_shape_set(&inputs[i], port->rank, port->dims);
        for (int d = 0; d < port->rank; d++) {
            if (port->dims[d] >= 0)
                continue;
            *is_fixed = false;
            inputs[i].dims[d] = open;
        }
    }
    return true;
}

/*
 * Plans the model once, so that one that cannot run is refused now. Open
 * dimensions are tried at several sizes, because a model may need images of
 * some size: it is refused only if all of them fail for the same reason.
 */
static bool try_plans(struct eng_model *model, struct eng_tensor *inputs,
                      struct error *err)
{
    static const int64_t sizes[] = {1, 2, 16, 64, 224};
    struct error first = {0};
    bool is_fixed = false;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && !is_fixed; i++) {
        struct eng_plan *plan;
        struct error cause;

        if (!guess_inputs(&model->graph, sizes[i], inputs, &is_fixed))
            return true;
        plan = plan_build(&model->runner->source, inputs, &cause);
        plan_free(plan);
        if (plan)
            return true;
        if (i == 0)
            first = cause;
        else if (strcmp(first.msg, cause.msg) != 0)
            return true;
    }
    *err = first;
    return false;
}

static bool check_runs(struct eng_model *model, struct error *err)
{
    struct eng_tensor *inputs =
        calloc(model->graph.input_count + 1, sizeof *inputs);
    bool ok;

    if (!inputs)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
    ok = try_plans(model, inputs, err);
    free(inputs);
    return ok;
}

static bool uses_row(const struct eng_graph *graph, const struct op_row *row)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].rows == row)
            return true;
    }
    return false;
}

/* Kinds of operators in the graph. */
static size_t count_operators(const struct eng_graph *graph)
{
    size_t kinds = 0;

    for (size_t i = 0; i < op_row_count(); i++)
        kinds += uses_row(graph, op_row_at(i));
    return kinds;
}

static bool load_graph(const char *path, size_t size_max,
                       struct eng_graph *graph, struct error *err)
{
    return hf_is_folder(path) ? hf_load(path, size_max, graph, err)
                              : onnx_load(path, size_max, graph, err);
}

static bool open_graph(struct eng_model *model, const char *path,
                       const struct eng_options *options, struct error *err)
{
    size_t size_max =
        options->file_size_max ? options->file_size_max : FILE_SIZE_MAX;
    struct plan_source source = {.memory_max = options->run_memory_max
                                                   ? options->run_memory_max
                                                   : RUN_MEMORY_MAX,
                                 .threads = team_threads(options->team)};

    model->packs = op_packs_new();
    if (!model->packs)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
    model->team = options->team;
    model->graph.obstacle = options->obstacle;
    model->graph.obstacle_context = options->obstacle_context;
    if (!load_graph(path, size_max, &model->graph, err))
        return false;
    model->nodes = model->graph.node_count;
    model->operators = count_operators(&model->graph);
    if (!passes_run(&model->graph, model->packs, options->passes_off, err))
        return false;
    model->precision = precision_choose(&model->graph, options->precision);
    source.packs = model->packs;
    model->runner = runner_new(&model->graph, &source, err);
    if (!model->runner || !op_packs_load(model->packs, &model->graph, err) ||
        !check_runs(model, err))
        return false;
    ragged_make(&model->ragged, &model->runner->source);
    return true;
}

struct eng_model *eng_model_open(const char *path,
                                 const struct eng_options *options,
                                 struct error *err)
{
    static const struct eng_options defaults = {0};
    struct eng_model *model = calloc(1, sizeof *model);

    if (!model) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
        return NULL;
    }
    atomic_init(&model->refs, 1);
    onednn_thread_init();
    if (open_graph(model, path, options ? options : &defaults, err)) {
        op_packs_settle(model->packs);
        return model;
    }
    model_free(model);
    return NULL;
}

struct eng_model *eng_model_get(struct eng_model *model)
{
    (void)atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    return model;
}

void eng_model_put(struct eng_model *model)
{
    if (model &&
        atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel) == 1)
        model_free(model);
}

/* --- describing --- */

size_t eng_model_input_count(const struct eng_model *model)
{
    return model->graph.input_count;
}

size_t eng_model_output_count(const struct eng_model *model)
{
    return model->graph.output_count;
}

const struct eng_port *eng_model_input(const struct eng_model *model, size_t i)
{
    return &model->graph.input_ports[i];
}

const struct eng_port *eng_model_output(const struct eng_model *model, size_t i)
{
    return &model->graph.output_ports[i];
}

void eng_model_stats(const struct eng_model *model, struct eng_stats *stats)
{
    const struct eng_graph *graph = &model->graph;

    *stats = (struct eng_stats){.nodes = model->nodes,
                                .operators = model->operators,
                                .initializers = graph->initializer_count,
                                .weight_bytes = graph->weight_bytes,
                                .isa = kernels()->isa,
                                .producer = graph->producer,
                                .opset = graph->opset,
                                .precision = model->precision.used,
                                .precision_reason = model->precision.reason,
                                .int8_products = model->precision.int8_products,
                                .products = model->precision.products};
}

void eng_model_ragged(const struct eng_model *model, struct eng_ragged *info)
{
    const struct ragged *ragged = &model->ragged;

    *info = (struct eng_ragged){.possible = ragged->runner != NULL,
                                .reason = ragged->reason,
                                .length_max = ragged->length_max,
                                .outputs = ragged->outputs};
}

/* --- running --- */

struct eng_run *eng_run_new(struct eng_model *model, struct error *err)
{
    struct eng_run *run = calloc(1, sizeof *run);

    if (!run) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
        return NULL;
    }
    run->model = eng_model_get(model);
    runner_run_init(&run->run, model->runner);
    return run;
}

void eng_run_free(struct eng_run *run)
{
    if (!run)
        return;
    ragged_run_release(&run->ragged);
    runner_run_release(&run->run);
    eng_model_put(run->model);
    free(run);
}

size_t eng_run_bytes(const struct eng_run *run)
{
    size_t bytes = run->ragged.started ? run->ragged.run.first.memory_size : 0;

    for (const struct runner_stage *s = &run->run.first; s; s = s->next)
        bytes += s->memory_size;
    return bytes;
}

static bool check_input(const struct eng_port *port,
                        const struct eng_tensor *input, struct error *err)
{
    struct eng_tensor want = {.rank = port->rank};
    char got_text[ENG_SHAPE_TEXT], want_text[ENG_SHAPE_TEXT];
    bool fits = port->rank < 0 || port->rank == input->rank;

    if (input->dtype != port->dtype)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' is %s, expected %s", port->name,
                    eng_dtype_name(input->dtype), eng_dtype_name(port->dtype));
    if (input->rank < 0 || input->rank > ENG_RANK_MAX ||
        eng_tensor_size(input) == SIZE_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has an impossible shape", port->name);
    for (int i = 0; fits && i < port->rank; i++)
        fits = port->dims[i] < 0 || port->dims[i] == input->dims[i];
    if (fits)
        return input->data || eng_tensor_size(input) == 0 ||
               fail(err, ERR_VALIDATION_ERROR, "input '%.80s' has no data",
                    port->name);
    if (port->rank >= 0)
        eng_shape_set(&want, port->rank, port->dims);
    return fail(err, ERR_VALIDATION_ERROR,
                "input '%.60s' has shape %.60s, expected %.60s", port->name,
                eng_shape_text(input, got_text),
                eng_shape_text(&want, want_text));
}

/* What a plan says while serving: the caller's shapes do not fit the model. */
static bool plan_failed(const struct error *cause, struct error *err)
{
    *err = *cause;
    if (err->code == ERR_MODEL_INVALID)
        err->code = ERR_VALIDATION_ERROR;
    return false;
}

bool eng_run_execute(struct eng_run *run, const struct eng_tensor *inputs,
                     struct eng_tensor *outputs,
                     const struct eng_limits *limits, struct error *err)
{
    const struct eng_graph *graph = &run->model->graph;
    struct team_seat seat;
    struct runner_env env = {&seat, limits, run->watch.fn ? &run->watch : NULL};
    struct error cause;
    bool ok;

    onednn_thread_init();
    for (size_t i = 0; i < graph->input_count; i++) {
        if (!check_input(&graph->input_ports[i], &inputs[i], err))
            return false;
    }
    team_enter(&seat, run->model->team);
    ok = runner_execute(&run->run, inputs, outputs, &env, &cause);
    team_leave(&seat);
    return ok || plan_failed(&cause, err);
}

bool eng_run_ragged(struct eng_run *run, const struct eng_ragged_batch *batch,
                    struct eng_tensor *outputs, const struct eng_limits *limits,
                    struct error *err)
{
    struct team_seat seat;
    struct runner_env env = {&seat, limits, run->watch.fn ? &run->watch : NULL};
    struct error cause;
    bool ok;

    onednn_thread_init();
    team_enter(&seat, run->model->team);
    ok = ragged_execute(&run->model->ragged, &run->ragged, batch, outputs, &env,
                        &cause);
    team_leave(&seat);
    return ok || plan_failed(&cause, err);
}

void eng_run_watch(struct eng_run *run, eng_watch_fn watch, void *context)
{
    run->watch = (struct exec_watch){watch, context};
}
