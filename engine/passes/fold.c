/*
 * Fold: nodes whose inputs are all constants are computed at load; their
 * outputs become constants and the nodes go away.
 *
 * Results above 16 MiB stay nodes, and all results together may take 64 MiB
 * plus 64 times the file: a small file cannot ask for the whole memory.
 */
#include "infer.h"
#include "passes.h"

enum {
    FOLD_EACH = 16 << 20,
    FOLD_BASE = 64 << 20,
    FOLD_FACTOR = 64,
    VALUE_BYTES_MAX = 1 << 30
};

static bool is_constant_node(const struct eng_graph *graph,
                             const struct eng_node *node)
{
    if (node->rows[0].impl->flags & (OP_CONTROL | OP_RANDOM))
        return false;
    for (size_t i = 0; i < node->input_count; i++) {
        uint32_t value = node->inputs[i];

        if (value != ENG_NO_VALUE && !graph->values[value].constant.data)
            return false;
    }
    return true;
}

/* Outputs become constants; nobody produces them any more. */
static void keep_outputs(struct eng_graph *graph, const struct op_node *op)
{
    for (size_t i = 0; i < op->out_count; i++) {
        struct eng_value *value = &graph->values[op->out_value[i]];

        value->constant = *op->out[i];
        value->producer = ENG_NO_VALUE;
    }
}

bool pass_fold(struct eng_graph *graph, struct op_packs *packs,
               struct error *err)
{
    struct infer infer = {.graph = graph,
                          .packs = packs,
                          .arena = &graph->arena,
                          .fold_bytes_each = FOLD_EACH,
                          .fold_bytes_left =
                              FOLD_BASE + FOLD_FACTOR * graph->file_bytes,
                          .value_bytes_max = VALUE_BYTES_MAX};
    size_t kept = 0;

    if (!infer_init(&infer, err))
        return false;
    for (size_t i = 0; i < graph->node_count; i++) {
        bool known = false;
        struct op_node op;

        if (is_constant_node(graph, &graph->nodes[i])) {
            if (!infer_node(&infer, i, &op, &known, err))
                return false;
            if (known)
                keep_outputs(graph, &op);
        }
        if (!known)
            graph->nodes[kept++] = graph->nodes[i];
    }
    graph->node_count = kept;
    for (size_t i = 0; i < kept; i++) {
        for (size_t k = 0; k < graph->nodes[i].output_count; k++)
            graph->values[graph->nodes[i].outputs[k]].producer = (uint32_t)i;
    }
    return true;
}
