/*
 * Fuzz: any bytes as an ONNX model. Loading ends with a graph or an error, and
 * a graph that loads can be folded and planned, or is refused.
 */
#include <stddef.h>
#include <stdint.h>

#include "onnx_load.h"
#include "passes/passes.h"
#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Open dimensions become 2. */
static void try_plan(const struct eng_graph *graph, struct op_packs *packs)
{
    struct plan_source source = {graph, packs, (size_t)16 << 20, 1};
    struct eng_tensor inputs[16] = {{0}};
    struct error err;

    if (graph->input_count > 16)
        return;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct eng_port *port = &graph->input_ports[i];

        if (port->rank < 0 || graph->values[graph->inputs[i]].plan_value)
            return;
        inputs[i].dtype = port->dtype;
        inputs[i].rank = port->rank;
        for (int d = 0; d < port->rank; d++)
            inputs[i].dims[d] = port->dims[d] < 0 ? 2 : port->dims[d];
    }
    plan_free(plan_build(&source, inputs, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eng_graph graph = {0};
    struct op_packs *packs = op_packs_new();
    struct error err;

    if (packs && onnx_load_bytes(data, size, &graph, &err) &&
        passes_run(&graph, packs, 0, &err))
        try_plan(&graph, packs);
    eng_graph_release(&graph);
    op_packs_free(packs);
    return 0;
}
