/*
 * Facts: what is known of values without knowing shapes: type and rank.
 *
 * They follow from constants, the types of graph inputs and the operators in
 * between, as far as these are in a table of common ones; everything else is
 * not known. Patterns that need a rank or a type ask here.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_PASSES_FACTS_H
#define ENGINE_PASSES_FACTS_H

#include "rewrite.h"

struct fact {
    enum eng_dtype dtype; /* ENG_NONE: not known */
    int rank;             /* -1: not known */
    int64_t length;       /* elements, of rank 1; -1: not known */
};

struct facts {
    struct fact *of; /* by value */
    size_t count;
};

/* Facts about the graph as it is now. ERR_OUT_OF_MEMORY. */
bool facts_init(struct facts *facts, const struct eng_graph *graph,
                struct error *err);
void facts_release(struct facts *facts);

/* rewrite_each() for passes that ask for types or ranks: facts about the graph
 * as it is before the first node. */
typedef bool (*facts_fn)(struct rewrite *rw, const struct facts *facts,
                         struct eng_node *node, struct error *err);
bool facts_each(struct eng_graph *graph, facts_fn fn, struct error *err);

/* ENG_NONE and -1 for what is not known, and for values made since. */
enum eng_dtype facts_dtype(const struct facts *facts, uint32_t value);
int facts_rank(const struct facts *facts, uint32_t value);

#endif
