/*
 * Passes: the table, walked in order, for a graph and then for those inside.
 */
#include "passes.h"

bool passes_run(struct eng_graph *graph, struct op_packs *packs, unsigned off,
                struct error *err)
{
    static bool (*const table[])(struct eng_graph *, struct op_packs *,
                                 struct error *) = {
#define PASS(name) pass_##name,
#include "passes.def"
#undef PASS
    };

    for (unsigned i = 0; i < PASS_COUNT; i++) {
        if (!(off >> i & 1) && !table[i](graph, packs, err))
            return false;
    }
    if (!eng_graph_sink(graph, err))
        return false;
    for (struct eng_graph *i = graph->inner; i; i = i->next_inner) {
        if (!passes_run(i, packs, off, err))
            return false;
    }
    return true;
}
