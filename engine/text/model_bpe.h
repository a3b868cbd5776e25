/*
 * BPE inside: a word on its way, shared by model_bpe.c, the merging of long
 * words and the preparation at load.
 *
 * Threads: the caller serialises.
 */
#ifndef TEXT_MODEL_BPE_H
#define TEXT_MODEL_BPE_H

#include "tokenizer_impl.h"

enum {
    BPE_SHORT = 64,  /* pieces of a word that is merged without a heap */
    BPE_CUT_MIN = 24 /* bytes of a word that is worth cutting */
};

struct bpe_piece {
    int32_t id;          /* -1: merged into its left neighbour */
    uint32_t start, end; /* bytes of the word */
};

struct bpe_word {
    struct arena *arena;
    struct bpe_piece *pieces; /* room for a piece per byte, and one more */
    size_t count;
    size_t end;          /* bytes that have pieces */
    size_t unknown_size; /* bytes of unknown characters that wait */
    bool failed;         /* memory is out */
};

/* The merge of this pair, if there are merges; NULL = none. */
static inline const struct bpe_merge *bpe_merge_of(const struct bpe *bpe,
                                                   int32_t left, int32_t right)
{
    const struct bpe_merge *merge = &bpe->merges[bpe_merge_slot(
        bpe->merges, bpe->merge_slots, left, right)];

    return merge->left >= 0 ? merge : NULL;
}

/* Splits the word into pieces and merges them. */
void bpe_word(const struct tok_tokenizer *tok, const char *bytes, size_t size,
              struct bpe_word *word);

/* Merges the pieces of a long word. */
void bpe_merge_long(const struct bpe *bpe, struct bpe_word *word);

/* The bit of bpe->joins for two neighbours, characters or bytes. */
size_t bpe_join_bit(uint32_t left, uint32_t right);

#endif
