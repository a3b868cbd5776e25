/*
 * Plan: a graph made ready for one set of exact input shapes.
 *
 * Building infers every shape, computes what follows from shapes alone, drops
 * nodes nobody needs, picks an implementation per node (first row of ops.def
 * that accepts) and lays out one block of memory by liveness. Running is a
 * walk over `steps` (exec.h) with a frame: the pointers of one run.
 *
 * A shape that depends on a few input *elements* (a Reshape to a shape that the
 * caller sends) is handled the same way: graph_bind marks such inputs, their
 * elements are part of the key, and the plan holds for these elements.
 *
 * Where a shape depends on anything else, the plan ends before that node
 * (`cut_node`). The run computes it by itself (runner.h) and goes on with a
 * plan for the nodes after it, whose inputs are all values still needed.
 *
 * Threads: a plan is immutable once built; a frame belongs to one run.
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "infer.h"

#define PLAN_NO_PLACE SIZE_MAX

struct plan_input_alias {
    uint32_t value;
    size_t input; /* number of the input whose bytes it is */
};

struct plan_key {
    int64_t *words;
    size_t count;
    uint64_t hash;
};

struct plan_frame;

struct eng_plan {
    struct arena arena;
    const struct eng_graph *graph;
    size_t first_node;
    size_t cut_node;            /* not part of it; node_count = complete */
    const uint32_t *in_values;  /* given to the plan */
    const uint32_t *out_values; /* left by it: the graph's outputs, or, before
                                   a cut, what the rest needs */
    size_t in_count, out_count;
    struct op_node *steps;
    size_t step_count;
    struct eng_tensor *tensors; /* by value */
    size_t *place;              /* by value: offset, or PLAN_NO_PLACE */
    struct plan_input_alias *input_aliases;
    size_t input_alias_count;
    size_t scratch_place; /* offset of the scratch memory all steps share */
    size_t memory_bytes;  /* of one run */

    struct plan_key key;
    /* The cache's own, guarded by its lock. */
    struct eng_plan *newer, *older, *same_bucket;
    struct plan_frame *idle;
    size_t users;
    bool cached;
};

struct plan_source {
    const struct eng_graph *graph;
    struct op_packs *packs;
    size_t memory_max; /* bytes of one run */
    int threads;       /* that a run may use */
};

/*
 * Builds a plan for inputs of these shapes (and elements, where the graph says
 * plan_value). The key is not set. NULL: errors of the operators, or
 *   ERR_MODEL_INVALID  the run would need more than memory_max
 *   ERR_OUT_OF_MEMORY
 */
struct eng_plan *plan_build(const struct plan_source *source,
                            const struct eng_tensor *inputs, struct error *err);

/*
 * As plan_build() for the nodes from `first_node` on; `inputs` are the tensors
 * of `values`, which plan_live() says.
 */
struct plan_start {
    size_t first_node;
    const uint32_t *values;
    size_t count;
};
struct eng_plan *plan_build_at(const struct plan_source *source,
                               const struct plan_start *start,
                               const struct eng_tensor *inputs,
                               struct error *err);
void plan_free(struct eng_plan *plan);

/*
 * Values that are there before node `first` and that it, later nodes or the
 * graph's outputs need; constants are left out. NULL: no memory.
 */
uint32_t *plan_live(const struct eng_graph *graph, size_t first,
                    struct arena *arena, size_t *count);

/* Places for all values of plan->steps; sets memory_bytes. Used by
 * plan_build(). ERR_OUT_OF_MEMORY. */
bool plan_layout(struct eng_plan *plan, struct error *err);

/* The pointers of one run. */
struct plan_frame {
    struct eng_plan *plan;
    struct plan_frame *next; /* in the plan's list of idle frames */
    unsigned char *memory;   /* what `frame.data` points into; NULL = nothing */
    struct op_frame frame;
};

/* A frame of `plan` without memory. NULL: ERR_OUT_OF_MEMORY, or a bind's. */
struct plan_frame *plan_frame_new(struct eng_plan *plan, struct error *err);
void plan_frame_free(struct plan_frame *frame);

/* Points every value into `memory` (plan->memory_bytes, 64-byte aligned). */
void plan_frame_attach(struct plan_frame *frame, unsigned char *memory);

/* Points the input values, and what shares their bytes, to `inputs`. */
void plan_frame_bind_inputs(struct plan_frame *frame,
                            const struct eng_tensor *inputs);

#endif
