/*
 * Control: see control.h.
 */
#include "control.h"

#include <stdlib.h>
#include <string.h>

bool control_graph(struct op_node *op, const char *name,
                   struct control_graph *graph, struct error *err)
{
    const struct eng_attr *attr = op_attr(op, name);
    const struct eng_graph *inner;

    if (!attr || attr->type != ENG_ATTR_GRAPH)
        return fail(err, ERR_MODEL_INVALID,
                    "attribute '%s' is missing or no graph", name);
    inner = attr->graph;
    *graph = (struct control_graph){.graph = inner};
    graph->inputs =
        op_alloc(op, (inner->input_count + 1) * sizeof *graph->inputs, err);
    graph->outputs =
        op_alloc(op, (inner->output_count + 1) * sizeof *graph->outputs, err);
    if (!graph->inputs || !graph->outputs)
        return false;
    for (size_t i = inner->formal_count; i < inner->input_count; i++)
        graph->inputs[i] =
            *op->in[inner->captured_first + i - inner->formal_count];
    return true;
}

bool control_wait(struct op_node *op, struct error *err)
{
    op->wants_values = true;
    return fail(err, ERR_MODEL_UNSUPPORTED,
                "shapes depend on elements that are not known before the run");
}

/* Those whose elements are part of the plan's key. */
static bool inputs_are_known(const struct control_graph *graph)
{
    const struct eng_graph *inner = graph->graph;

    for (size_t i = 0; i < inner->input_count; i++) {
        if (inner->values[inner->inputs[i]].plan_value &&
            !graph->inputs[i].data && eng_tensor_size(&graph->inputs[i]))
            return false;
    }
    return true;
}

bool control_shapes(struct op_node *op, struct control_graph *graph,
                    struct error *err)
{
    if (!inputs_are_known(graph))
        return control_wait(op, err);
    return runner_shapes(graph->graph->runner, graph->inputs, op->arena,
                         graph->outputs, &graph->complete, err);
}

/* --- runs --- */

struct control_run *control_run_new(const struct control_graph *graph,
                                    struct error *err)
{
    const struct eng_graph *inner = graph->graph;
    struct control_run *run = calloc(1, sizeof *run);

    if (!run)
        goto no_memory;
    runner_run_init(&run->run, inner->runner);
    run->inputs = calloc(inner->input_count + 1, sizeof *run->inputs);
    run->outputs = calloc(inner->output_count + 1, sizeof *run->outputs);
    if (!run->inputs || !run->outputs)
        goto no_memory;
    memcpy(run->inputs, graph->inputs,
           inner->input_count * sizeof *run->inputs);
    if (!graph->complete || runner_warm(&run->run, run->inputs, err))
        return run;
    control_run_free(run);
    return NULL;
no_memory:
    control_run_free(run);
    fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    return NULL;
}

void control_run_free(struct control_run *run)
{
    if (!run)
        return;
    runner_run_release(&run->run);
    free(run->inputs);
    free(run->outputs);
    free(run);
}

void control_capture(const struct op_node *op, const struct op_frame *frame,
                     const struct control_graph *graph, struct control_run *run)
{
    const struct eng_graph *inner = graph->graph;

    for (size_t i = inner->formal_count; i < inner->input_count; i++)
        run->inputs[i].data =
            frame->data[op->in_value[inner->captured_first + i -
                                     inner->formal_count]];
}

size_t control_room(const struct eng_tensor *tensor)
{
    enum { ALIGNMENT = 64 };

    return (eng_tensor_size(tensor) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* --- sinks --- */

static bool grow(struct control_sink *sink, size_t need, size_t bytes_max,
                 struct error *err)
{
    size_t room = sink->room * 2 > need ? sink->room * 2 : need;
    unsigned char *bytes;

    if (need <= sink->room)
        return true;
    if (!sink->grows)
        return fail(err, ERR_INTERNAL, "a loop's output has no room");
    if (need > bytes_max)
        return fail(err, ERR_MODEL_INVALID,
                    "outputs of a loop exceed the limit of %zu bytes",
                    bytes_max);
    bytes = realloc(sink->bytes, room);
    if (!bytes)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu bytes", room);
    sink->bytes = bytes;
    sink->room = room;
    return true;
}

bool control_put(struct control_sink *sink, const struct eng_tensor *tensor,
                 bool same, size_t bytes_max, struct error *err)
{
    size_t size = eng_tensor_size(tensor);
    char was[ENG_SHAPE_TEXT], is[ENG_SHAPE_TEXT];

    if (tensor->dtype == ENG_STRING)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "strings leave an iteration of a loop");
    if (sink->shape.dtype && (sink->shape.dtype != tensor->dtype ||
                              (same && !eng_shape_equal(&sink->shape, tensor))))
        return fail(err, ERR_VALIDATION_ERROR,
                    "an output was %s %.60s and is %s %.60s now",
                    eng_dtype_name(sink->shape.dtype),
                    eng_shape_text(&sink->shape, was),
                    eng_dtype_name(tensor->dtype), eng_shape_text(tensor, is));
    op_like(&sink->shape, tensor);
    if (!grow(sink, sink->used + size, bytes_max, err))
        return false;
    if (size)
        memcpy(sink->bytes + sink->used, tensor->data, size);
    sink->used += size;
    return true;
}
