/*
 * Infer: see infer.h.
 */
#include "infer.h"

#include <string.h>

bool infer_init(struct infer *infer, struct error *err)
{
    size_t count = infer->graph->value_count + 1;

    infer->tensors =
        arena_zalloc(infer->arena, count, sizeof(struct eng_tensor));
    infer->data = arena_zalloc(infer->arena, count, sizeof(void *));
    if (!infer->tensors || !infer->data)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu values", count);
    for (size_t i = 0; i < infer->graph->value_count; i++) {
        if (infer->graph->values[i].constant.data)
            infer->tensors[i] = infer->graph->values[i].constant;
    }
    return true;
}

static bool init_node(struct infer *infer, const struct eng_node *node,
                      struct op_node *op, struct error *err)
{
    *op = (struct op_node){.graph = infer->graph,
                           .node = node,
                           .in_count = node->input_count,
                           .out_count = node->output_count,
                           .in_value = node->inputs,
                           .out_value = node->outputs,
                           .arena = infer->arena,
                           .packs = infer->packs,
                           .threads = infer->threads ? infer->threads : 1};
    op->in = arena_zalloc(infer->arena, node->input_count, sizeof *op->in);
    op->out = arena_zalloc(infer->arena, node->output_count, sizeof *op->out);
    if (!op->in || !op->out)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a node");
    for (size_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] != ENG_NO_VALUE)
            op->in[i] = &infer->tensors[node->inputs[i]];
    }
    for (size_t i = 0; i < node->output_count; i++)
        op->out[i] = &infer->tensors[node->outputs[i]];
    return true;
}

static bool check_sizes(const struct infer *infer, const struct op_node *op,
                        size_t *total, struct error *err)
{
    *total = 0;
    for (size_t i = 0; i < op->out_count; i++) {
        size_t size = eng_tensor_size(op->out[i]);
        char text[ENG_SHAPE_TEXT];

        if (size > infer->value_bytes_max)
            return fail(err, ERR_MODEL_INVALID,
                        "output %zu %s exceeds the limit of %zu bytes", i,
                        eng_shape_text(op->out[i], text),
                        infer->value_bytes_max);
        *total += size;
    }
    return true;
}

static bool all_inputs_known(const struct op_node *op)
{
    for (size_t i = 0; i < op->in_count; i++) {
        if (op->in[i] && !op->in[i]->data)
            return false;
    }
    return true;
}

static bool all_outputs_known(const struct op_node *op)
{
    for (size_t i = 0; i < op->out_count; i++) {
        if (!op->out[i]->data)
            return false;
    }
    return true;
}

static bool shape_needs(const struct op_node *op)
{
    for (size_t i = 0; i < op->out_count; i++) {
        if (op->graph->values[op->out_value[i]].plan_value)
            return true;
    }
    return false;
}

static bool infer_and_fold(struct infer *infer, struct op_node *op, bool *known,
                           struct error *err)
{
    size_t total;

    if (!op_infer(op, err) || !check_sizes(infer, op, &total, err))
        return false;
    *known = all_outputs_known(op);
    if (*known || !all_inputs_known(op) ||
        (op->node->rows[0].impl->flags & (OP_CONTROL | OP_RANDOM)))
        return true;
    if (shape_needs(op)) {
        if (total > infer->fold_bytes_left)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "shapes depend on %zu bytes of values", total);
    } else if (total > infer->fold_bytes_each ||
               total > infer->fold_bytes_left) {
        return true;
    }
    infer->fold_bytes_left -= total;
    *known = true;
    return op_eval(op, infer->data, err);
}

/* An input whose elements infer reads is not known. */
static bool lacks_values(const struct op_node *op)
{
    uint32_t reads = op->node->rows[0].impl->value_inputs;

    for (size_t i = 0; i < op->in_count && i < 32; i++) {
        if ((reads >> i & 1) && op->in[i] && !op->in[i]->data)
            return true;
    }
    return false;
}

bool infer_node(struct infer *infer, size_t index, struct op_node *op,
                bool *known, struct error *err)
{
    const struct eng_node *node = &infer->graph->nodes[index];
    struct error cause;

    *known = false;
    if (init_node(infer, node, op, &cause) &&
        infer_and_fold(infer, op, known, &cause))
        return true;
    op->wants_values |= lacks_values(op);
    return op_blame(infer->graph, node, &cause, err);
}

static bool compute(const struct infer *infer, struct op_node *op,
                    struct error *err)
{
    size_t total;

    return op_infer(op, err) && check_sizes(infer, op, &total, err) &&
           (all_outputs_known(op) || op_eval(op, infer->data, err));
}

bool infer_node_now(struct infer *infer, size_t index,
                    const struct op_frame *now, struct error *err)
{
    const struct eng_node *node = &infer->graph->nodes[index];
    struct op_node op;
    struct error cause;

    if (!init_node(infer, node, &op, &cause))
        return op_blame(infer->graph, node, &cause, err);
    for (size_t i = 0; i < op.out_count; i++)
        *op.out[i] = (struct eng_tensor){0};
    op.now = now;
    return compute(infer, &op, &cause) ||
           op_blame(infer->graph, node, &cause, err);
}
