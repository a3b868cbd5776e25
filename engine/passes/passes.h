/*
 * Passes: small changes to a graph before it is planned.
 *
 * They run once at load, in the order of passes.def. Each is one file and can
 * be switched off by its bit in eng_options.passes_off; a model gives the same
 * answers with all of them off.
 *
 * Threads: at load only; the graph is not shared yet.
 */
#ifndef ENGINE_PASSES_H
#define ENGINE_PASSES_H

#include "ops/op.h"

enum pass_bit {
#define PASS(name) PASS_BIT_##name,
#include "passes.def"
#undef PASS
    PASS_COUNT
};

/* Runs every pass whose bit is not set in `off`. Errors of the operators. */
bool passes_run(struct eng_graph *graph, struct op_packs *packs, unsigned off,
                struct error *err);

#define PASS(name)                                                             \
    bool pass_##name(struct eng_graph *graph, struct op_packs *packs,          \
                     struct error *err);
#include "passes.def"
#undef PASS

#endif
