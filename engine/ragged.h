/*
 * Ragged: runs sequences of different length in one go, without padding.
 *
 * A transformer encoder treats each token by itself, but for a few places:
 * attention, positions, sums over the tokens of a sequence, and its first
 * token. ragged_make() looks at a graph for that. If these places are all there
 * is, it makes a second graph whose rows are the tokens of all sequences, one
 * after the other: inputs of [batch, length] become [1, rows], attention and
 * sums become operators that are told where each sequence starts
 * (ops/ragged.h), positions become an input, and masks go away. Everything else,
 * weights included, is shared with the first graph.
 *
 * How it looks: the graph is planned for two batches of different size. A
 * dimension that changes with the batch, the length or both is known by that,
 * whatever the spelling of the shapes around it. A rule per operator (the table
 * in ragged_rules.c) then says whether it keeps rows apart. What mask is added
 * inside attention is computed for a mask of ones: it must be nothing.
 * Where no rule fits, the graph is not taken, and `reason` names the node.
 *
 * Plans are made for a number of rows and sequences that is rounded up, so
 * that there are few of them; what is rounded up is filled with rows that
 * belong to no sequence.
 *
 * Threads: immutable after ragged_make(); a ragged_run belongs to one thread at
 * a time.
 */
#ifndef ENGINE_RAGGED_H
#define ENGINE_RAGGED_H

#include "runner.h"

/* Where an input of the second graph comes from. */
enum ragged_source {
    RAGGED_CALLER,   /* the same input of the first graph */
    RAGGED_ONES,     /* likewise, but it is a mask: all ones */
    RAGGED_POSITION, /* offset + step * the row's place in its sequence */
    RAGGED_STARTS
};

struct ragged_input {
    enum ragged_source source;
    int64_t offset, step;
};

struct ragged {
    struct eng_graph graph; /* its arena holds what differs from the first */
    struct runner *runner;  /* NULL = not possible */
    struct ragged_input *inputs; /* of the graph; the caller's come first */
    enum eng_ragged_kind *outputs;
    int64_t length_max; /* tokens of a sequence */
    char reason[240];   /* why it is not possible; "" = it is */
};

/*
 * Looks at `source`'s graph and fills `ragged`. Whatever keeps it from being
 * possible ends up as the reason.
 */
void ragged_make(struct ragged *ragged, const struct plan_source *source);
void ragged_release(struct ragged *ragged);

/* Type and shape of input `i` for so many sequences and rows. */
void ragged_input_shape(const struct ragged *ragged, size_t i,
                        int64_t sequences, int64_t rows,
                        struct eng_tensor *tensor);

/* One place to run. Zeroed: not used yet. */
struct ragged_run {
    struct runner_run run;
    struct arena arena; /* of the inputs of one run */
    bool started;
};

void ragged_run_release(struct ragged_run *run);

/* See eng_run_ragged(). */
bool ragged_execute(struct ragged *ragged, struct ragged_run *run,
                    const struct eng_ragged_batch *batch,
                    struct eng_tensor *outputs, const struct runner_env *env,
                    struct error *err);

#endif
