/*
 * Control: what If, Loop and Scan share. A graph inside a node is planned and
 * run by its runner; these helpers give it its inputs.
 *
 * Inputs of an inner graph: first the formal ones, which the operator sets,
 * then the captured ones, which are inputs of the node.
 *
 * Threads: as op.h.
 */
#ifndef ENGINE_OPS_CONTROL_H
#define ENGINE_OPS_CONTROL_H

#include "op.h"
#include "runner.h"

/* Part of the operator's state. */
struct control_graph {
    const struct eng_graph *graph;
    struct eng_tensor *inputs;  /* as infer sees them */
    struct eng_tensor *outputs; /* after control_shapes() */
    bool complete;              /* outputs are known before the run */
};

/*
 * Finds the attribute and fills in the captured inputs; the caller sets the
 * formal ones. ERR_MODEL_INVALID: there is no such attribute.
 */
bool control_graph(struct op_node *op, const char *name,
                   struct control_graph *graph, struct error *err);

/*
 * Infers the outputs for graph->inputs. An input whose elements are needed but
 * not known fails with op->wants_values. Errors of planning.
 */
bool control_shapes(struct op_node *op, struct control_graph *graph,
                    struct error *err);

/* Fails because this has to be decided in the middle of the run. */
bool control_wait(struct op_node *op, struct error *err);

/* What one run of the node needs per graph. */
struct control_run {
    struct runner_run run;
    struct eng_tensor *inputs, *outputs;
};

/*
 * The run has a plan and memory already if graph->inputs say all it takes.
 * NULL: errors of planning, ERR_OUT_OF_MEMORY.
 */
struct control_run *control_run_new(const struct control_graph *graph,
                                    struct error *err);
void control_run_free(struct control_run *run);

/* Bytes of a tensor, rounded up so that another may follow. */
size_t control_room(const struct eng_tensor *tensor);

/* Points the captured inputs to their elements. */
void control_capture(const struct op_node *op, const struct op_frame *frame,
                     const struct control_graph *graph,
                     struct control_run *run);

/* A place for the outputs of one iteration after the other. */
struct control_sink {
    struct eng_tensor shape; /* of one iteration; dtype ENG_NONE = not yet */
    unsigned char *bytes;
    size_t used, room;
    bool grows; /* bytes is malloc'ed; otherwise somebody else's */
};

/*
 * Appends the elements. `same` = the shape must be that of the iterations
 * before. ERR_VALIDATION_ERROR: it differs. ERR_MODEL_INVALID: more than
 * `bytes_max`. ERR_MODEL_UNSUPPORTED: strings.
 */
bool control_put(struct control_sink *sink, const struct eng_tensor *tensor,
                 bool same, size_t bytes_max, struct error *err);

#endif
