/*
 * BPE queue: pairs of a long word that wait to be merged, smallest (rank, place)
 * first.
 *
 * A heap takes log n steps for each. Pairs of one rank are nearly always found
 * from left to right, though, so in very long words each rank has a list of
 * its own, to whose end a pair is appended if it lies behind the last one; which
 * lists have pairs is in a set of bits with a summary of each 64 of them. Both
 * take the same time for any length. The heap holds what came out of order.
 *
 * Threads: the caller serialises.
 */
#ifndef TEXT_MODEL_BPE_QUEUE_H
#define TEXT_MODEL_BPE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/* "the piece at `at` and its right neighbour could become `result`" */
struct bpe_candidate {
    uint32_t rank;
    int32_t at;
    int32_t result;
};

enum { BPE_QUEUE_LEVELS = 6 };

struct bpe_waiting;
struct bpe_list;

struct bpe_queue {
    struct arena *arena;
    struct bpe_candidate *heap;
    size_t heap_count, heap_room;
    struct bpe_list *lists; /* by rank; NULL: everything is in the heap */
    struct bpe_waiting *waiting;
    size_t fresh;  /* places of `waiting` that were never used begin here */
    int32_t spare; /* a list of those that are free again; -1 = none */
    uint64_t *bits[BPE_QUEUE_LEVELS];
    int levels;
};

/* For a word of so many pieces, each pair of which is proposed at most twice at
 * a time, and ranks below `ranks`. False: memory is out. */
bool bpe_queue_init(struct bpe_queue *queue, size_t pieces, size_t ranks,
                    struct arena *arena);

/* False: memory is out. */
bool bpe_queue_push(struct bpe_queue *queue, struct bpe_candidate item);

/* Takes the first one; false: there is none. */
bool bpe_queue_pop(struct bpe_queue *queue, struct bpe_candidate *item);

#endif
