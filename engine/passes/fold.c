/*
 * Fold: nodes whose inputs are all constants are computed at load; their
 * outputs become constants and the nodes go away. DequantizeLinear of weights
 * waits for the pass that would rather have the integers (quantized.c).
 *
 * What a large node makes has a home, memory of its own, which goes with its
 * last reader: of weights that a graph makes step by step only the last step
 * stays. Homes that are still read at the end move into the graph's arena.
 *
 * Results above 64 MiB stay nodes, and what is there at one time may take 256
 * MiB plus 64 times the file: a small file cannot ask for the whole memory.
 */
#include <stdlib.h>
#include <string.h>

#include "infer.h"
#include "passes.h"

enum {
    FOLD_EACH = 64 << 20,
    FOLD_BASE = 256 << 20,
    FOLD_FACTOR = 64,
    HOME_MIN = 64 << 10,
    VALUE_BYTES_MAX = 1 << 30
};

/* What one folded node made. */
struct home {
    struct arena arena;
    size_t bytes;   /* of the outputs; 0 = no home */
    size_t readers; /* node inputs and graph outputs that read them */
    const uint32_t *outputs;
    size_t output_count;
};

struct fold {
    struct eng_graph *graph;
    struct infer infer;
    struct home *homes;   /* by node, in the order before the pass */
    uint32_t *readers;    /* by value */
    uint32_t *home_of;    /* by value: index in homes + 1; 0 = none */
    bool keeps_quantized; /* DequantizeLinear stays */
};

static void count_readers(const struct eng_graph *graph, uint32_t *readers)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct eng_node *node = &graph->nodes[i];

        for (size_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k] != ENG_NO_VALUE)
                readers[node->inputs[k]]++;
        }
    }
    for (size_t i = 0; i < graph->output_count; i++)
        readers[graph->outputs[i]]++;
}

static bool fold_begin(struct fold *fold, struct error *err)
{
    const struct eng_graph *graph = fold->graph;

    fold->homes = calloc(graph->node_count + 1, sizeof *fold->homes);
    fold->readers = calloc(graph->value_count + 1, sizeof *fold->readers);
    fold->home_of = calloc(graph->value_count + 1, sizeof *fold->home_of);
    if (!fold->homes || !fold->readers || !fold->home_of)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu nodes",
                    graph->node_count);
    count_readers(graph, fold->readers);
    return infer_init(&fold->infer, err);
}

/* What is still in a home is read by somebody: it lives as long as the graph.
 */
static void fold_end(struct fold *fold, size_t node_count)
{
    for (size_t i = 0; fold->homes && i < node_count; i++)
        arena_adopt(&fold->graph->arena, &fold->homes[i].arena);
    free(fold->homes);
    free(fold->readers);
    free(fold->home_of);
}

static bool is_constant_node(const struct fold *fold,
                             const struct eng_node *node)
{
    const struct eng_graph *graph = fold->graph;

    if (fold->keeps_quantized && strcmp(node->op, "DequantizeLinear") == 0)
        return false;
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
static void keep_outputs(struct fold *fold, size_t index,
                         const struct op_node *op)
{
    struct home *home = &fold->homes[index];

    home->outputs = op->out_value;
    home->output_count = op->out_count;
    for (size_t i = 0; i < op->out_count; i++) {
        uint32_t output = op->out_value[i];
        struct eng_value *value = &fold->graph->values[output];

        value->constant = fold->infer.tensors[output];
        value->producer = ENG_NO_VALUE;
        if (home->bytes)
            fold->home_of[output] = (uint32_t)index + 1;
        home->readers += fold->readers[output];
    }
}

static void let_go(struct fold *fold, struct home *home)
{
    for (size_t i = 0; i < home->output_count; i++) {
        uint32_t output = home->outputs[i];

        fold->graph->values[output].constant.data = NULL;
        fold->infer.tensors[output].data = NULL;
    }
    fold->infer.fold_bytes_left += home->bytes;
    arena_release(&home->arena);
}

/* The node is gone and reads no more; what nobody else reads goes, too. */
static void let_go_inputs(struct fold *fold, const struct eng_node *node)
{
    for (size_t i = 0; i < node->input_count; i++) {
        uint32_t value = node->inputs[i];
        uint32_t at = value == ENG_NO_VALUE ? 0 : fold->home_of[value];

        if (at && --fold->homes[at - 1].readers == 0)
            let_go(fold, &fold->homes[at - 1]);
    }
}

/* Elements may point to other memory of the same arena. */
static bool has_pointers(const struct op_node *op)
{
    for (size_t i = 0; i < op->out_count; i++) {
        if (op->out[i]->dtype == ENG_STRING || op->out[i]->map_keys)
            return true;
    }
    return false;
}

/* What is small moves out of its home. */
static bool copy_outputs(const struct fold *fold, const struct op_node *op,
                         struct error *err)
{
    for (size_t i = 0; i < op->out_count; i++) {
        size_t size = eng_tensor_size(op->out[i]);
        void *copy = arena_copy(&fold->graph->arena, op->out[i]->data, size);

        if (!copy)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for a constant");
        op->out[i]->data = copy;
    }
    return true;
}

static bool settle(struct fold *fold, size_t index, const struct op_node *op,
                   struct error *err)
{
    struct home *home = &fold->homes[index];
    size_t bytes = 0;

    for (size_t i = 0; i < op->out_count; i++)
        bytes += eng_tensor_size(op->out[i]);
    if (has_pointers(op)) {
        arena_adopt(&fold->graph->arena, &home->arena);
    } else if (bytes < HOME_MIN) {
        if (!copy_outputs(fold, op, err))
            return false;
        arena_release(&home->arena);
    } else {
        home->bytes = bytes;
    }
    return true;
}

/*
 * Computes node `index` if it can be. Packed weights are found by address, and
 * addresses in homes come again: each node packs for itself.
 */
static bool fold_node(struct fold *fold, size_t index, bool *known,
                      struct error *err)
{
    const struct eng_node node = fold->graph->nodes[index];
    struct infer *infer = &fold->infer;
    struct op_node op;
    bool ok;

    infer->packs = op_packs_new();
    if (!infer->packs)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for packed weights");
    infer->arena = &fold->homes[index].arena;
    ok = infer_node(infer, index, &op, known, err);
    op_packs_free(infer->packs);
    if (!ok || !*known)
        return ok;
    if (!settle(fold, index, &op, err))
        return false;
    keep_outputs(fold, index, &op);
    let_go_inputs(fold, &node);
    return true;
}

static bool fold_all(struct fold *fold, size_t *kept, struct error *err)
{
    struct eng_graph *graph = fold->graph;

    for (size_t i = 0; i < graph->node_count; i++) {
        bool known = false;

        if (is_constant_node(fold, &graph->nodes[i]) &&
            !fold_node(fold, i, &known, err))
            return false;
        if (!known)
            graph->nodes[(*kept)++] = graph->nodes[i];
    }
    return true;
}

static bool fold_graph(struct eng_graph *graph, bool keeps_quantized,
                       struct error *err)
{
    size_t kept = 0, before = graph->node_count;
    struct fold fold = {
        .graph = graph,
        .keeps_quantized = keeps_quantized,
        .infer = {.graph = graph,
                  .arena = &graph->arena,
                  .fold_bytes_each = FOLD_EACH,
                  .fold_bytes_left =
                      FOLD_BASE + FOLD_FACTOR * graph->file_bytes,
                  .value_bytes_max = VALUE_BYTES_MAX}};
    bool ok;

    ok = fold_begin(&fold, err) && fold_all(&fold, &kept, err);
    fold_end(&fold, before);
    if (!ok)
        return false;
    graph->node_count = kept;
    for (size_t i = 0; i < kept; i++) {
        for (size_t k = 0; k < graph->nodes[i].output_count; k++)
            graph->values[graph->nodes[i].outputs[k]].producer = (uint32_t)i;
    }
    return true;
}

bool pass_fold(struct eng_graph *graph, struct op_packs *packs,
               struct error *err)
{
    (void)packs;
    return fold_graph(graph, true, err);
}

bool pass_fold_quantized(struct eng_graph *graph, struct op_packs *packs,
                         struct error *err)
{
    (void)packs;
    return fold_graph(graph, false, err);
}
