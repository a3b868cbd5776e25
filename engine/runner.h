/*
 * Runner: runs a graph for inputs of any shape.
 *
 * Every graph has one: the model's, and each graph inside If, Loop and Scan.
 * A runner_run finds the plan of its inputs in the graph's cache, owns the
 * memory that the plan's frame points into, and executes it. Inputs of the same
 * shapes as last time find everything in place: no allocation, no lock.
 *
 * Stages. A plan ends before a node whose output shapes depend on elements
 * that only the run has (plan.h). The run then computes that node by itself,
 * in an arena of its own, and goes on with the plan of what is left, for the
 * shapes that came out. This is the one place where a run may allocate and
 * plan each time.
 *
 * Threads: a runner is shared; a runner_run belongs to one thread at a time.
 */
#ifndef ENGINE_RUNNER_H
#define ENGINE_RUNNER_H

#include "exec.h"
#include "plan_cache.h"

struct runner {
    const struct eng_graph *graph;
    struct plan_source source;
    struct plan_cache cache;
};

/* One plan of a run, and what it runs in. */
struct runner_stage {
    size_t first_node;
    const uint32_t *values; /* inputs; those of the graph in the first stage */
    size_t count;
    struct eng_tensor *inputs; /* of later stages */
    struct plan_frame *frame;  /* of the last execute; NULL = none yet */
    struct plan_key key;       /* of the inputs at hand */
    size_t key_room;           /* words */
    unsigned char *memory;
    size_t memory_size;
    struct arena arena; /* values, inputs */
    struct arena cut;   /* outputs of the node that ends the stage */
    struct runner_stage *next;
};

struct runner_run {
    struct runner *runner;
    struct runner_stage first;
    /* Only of graphs that were cut: by value, what is there so far. */
    struct eng_tensor *values;
    void **data;
};

/* What a run has with it. */
struct runner_env {
    struct team_seat *seat;          /* NULL = alone */
    const struct eng_limits *limits; /* NULL = none */
    const struct exec_watch *watch;  /* of the outermost graph; NULL = nobody */
};

/*
 * A runner for `graph` and, as graph->runner, for each graph inside. All
 * but the graph is taken from `source`. NULL: ERR_OUT_OF_MEMORY.
 */
struct runner *runner_new(struct eng_graph *graph,
                          const struct plan_source *source, struct error *err);

/* NULL is fine; no run may be left. */
void runner_free(struct runner *runner);

void runner_run_init(struct runner_run *run, struct runner *runner);
void runner_run_release(struct runner_run *run);

/*
 * Runs the graph. `inputs` are those of the graph in order, captured ones
 * last; `outputs` receives views that stay valid until the next execute or
 * release.
 *   ERR_TIMEOUT, ERR_CANCELLED, ERR_OUT_OF_MEMORY, ERR_VALIDATION_ERROR, and
 *   what planning and operators say
 */
bool runner_execute(struct runner_run *run, const struct eng_tensor *inputs,
                    struct eng_tensor *outputs, const struct runner_env *env,
                    struct error *err);

/* Finds the plan and the memory for these inputs now, so that runner_execute()
 * does not have to. Errors of planning. */
bool runner_warm(struct runner_run *run, const struct eng_tensor *inputs,
                 struct error *err);

/*
 * Types and shapes of the outputs for these inputs; elements, too, where they
 * are known and few, in `arena`. *complete = false: they depend on elements
 * that only a run has, nothing is set. Inputs marked plan_value must be known.
 */
bool runner_shapes(struct runner *runner, const struct eng_tensor *inputs,
                   struct arena *arena, struct eng_tensor *outputs,
                   bool *complete, struct error *err);

#endif
