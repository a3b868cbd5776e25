/*
 * Fuzz: any bytes as an ONNX model. Loading ends with a graph or an error, and
 * a graph that loads can be folded and planned, or is refused. One with graphs
 * inside (If, Loop, Scan) is run, too, on zeros: it may plan while it runs.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "onnx_load.h"
#include "passes/passes.h"
#include "runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUTS_MAX = 16, OUTPUTS_MAX = 64, INPUT_BYTES_MAX = 1 << 16 };

#define RUN_BYTES_MAX ((size_t)16 << 20)
#define RUN_NS        200000000U

/* Open dimensions become 2. False: the model does not say enough. */
static bool guess_inputs(const struct eng_graph *graph,
                         struct eng_tensor *inputs)
{
    if (graph->input_count > INPUTS_MAX)
        return false;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct eng_port *port = &graph->input_ports[i];

        if (port->rank < 0)
            return false;
        inputs[i].dtype = port->dtype;
        inputs[i].rank = port->rank;
        for (int d = 0; d < port->rank; d++)
            inputs[i].dims[d] = port->dims[d] < 0 ? 2 : port->dims[d];
    }
    return true;
}

static void try_plan(const struct runner *runner,
                     const struct eng_tensor *inputs)
{
    const struct eng_graph *graph = runner->graph;
    struct error err;

    for (size_t i = 0; i < graph->input_count; i++) {
        if (graph->values[graph->inputs[i]].plan_value)
            return;
    }
    plan_free(plan_build(&runner->source, inputs, &err));
}

static void try_run(struct runner *runner, struct eng_tensor *inputs)
{
    static unsigned char zeros[INPUT_BYTES_MAX];
    struct eng_tensor outputs[OUTPUTS_MAX];
    struct eng_limits limits = {.deadline_ns = clock_now_ns() + RUN_NS};
    struct runner_env env = {NULL, &limits, NULL};
    struct runner_run run;
    struct error err;

    if (runner->graph->output_count > OUTPUTS_MAX)
        return;
    for (size_t i = 0; i < runner->graph->input_count; i++) {
        inputs[i].data = zeros;
        if (eng_tensor_size(&inputs[i]) > INPUT_BYTES_MAX)
            return;
    }
    runner_run_init(&run, runner);
    (void)runner_execute(&run, inputs, outputs, &env, &err);
    runner_run_release(&run);
}

static void try_graph(struct eng_graph *graph, struct op_packs *packs)
{
    struct plan_source source = {graph, packs, RUN_BYTES_MAX, 1};
    struct eng_tensor inputs[INPUTS_MAX] = {{0}};
    struct error err;
    struct runner *runner = runner_new(graph, &source, &err);

    if (runner && guess_inputs(graph, inputs)) {
        try_plan(runner, inputs);
        if (graph->inner)
            try_run(runner, inputs);
    }
    runner_free(runner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eng_graph graph = {0};
    struct op_packs *packs = op_packs_new();
    struct error err;

    if (packs && onnx_load_bytes(data, size, &graph, &err) &&
        passes_run(&graph, packs, 0, &err))
        try_graph(&graph, packs);
    eng_graph_release(&graph);
    op_packs_free(packs);
    return 0;
}
