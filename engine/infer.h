/*
 * Infer: shapes of one node after the other, and values where they are known.
 *
 * Used twice: at load, over nodes whose inputs are constants (passes/fold.c),
 * and for every plan, where shapes are exact and shape arithmetic comes out as
 * numbers.
 *
 * Threads: the caller serialises.
 */
#ifndef ENGINE_INFER_H
#define ENGINE_INFER_H

#include "ops/op.h"

struct infer {
    const struct eng_graph *graph;
    struct op_packs *packs;
    int threads;                /* that a run may use; 0 = 1 */
    struct arena *arena;        /* of everything that is made */
    struct eng_tensor *tensors; /* by value; dtype ENG_NONE = not seen yet */
    void **data;                /* by value; room for folding */
    size_t fold_bytes_each;     /* fold outputs up to this size */
    size_t fold_bytes_left;     /* for all folded outputs */
    size_t value_bytes_max;     /* one value may not be larger */
};

/* Room for the graph's values, constants filled in. ERR_OUT_OF_MEMORY. */
bool infer_init(struct infer *infer, struct error *err);

/*
 * Prepares `op` as node `index`, infers its outputs, and evaluates it when all
 * inputs are known and the outputs are small or a shape depends on them.
 * *known = all outputs are known, nothing is left to run.
 *   errors of the operator, with the node's name in front
 *   ERR_MODEL_UNSUPPORTED  shapes depend on more values than there is room for
 * op->wants_values is set when it failed because values are not known yet.
 */
bool infer_node(struct infer *infer, size_t index, struct op_node *op,
                bool *known, struct error *err);

/*
 * Computes node `index`, all of whose inputs are known, whatever the size of
 * its outputs; in the middle of a run, which `now` tells about. Errors as above,
 * and of its run.
 */
bool infer_node_now(struct infer *infer, size_t index,
                    const struct op_frame *now, struct error *err);

#endif
