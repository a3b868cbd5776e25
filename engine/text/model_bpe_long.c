/*
 * BPE of long words, and what is prepared at load.
 *
 * Pieces are a linked list over one array and candidates wait in a queue. A
 * candidate that was overtaken by another merge is recognised when it comes
 * up: its pair is no longer there or gives another token.
 */
#include <stdlib.h>

#include "model_bpe.h"
#include "model_bpe_queue.h"

struct merging {
    const struct bpe *bpe;
    struct bpe_piece *pieces;
    int32_t *prev, *next; /* index of the neighbours; -1 = none */
    struct bpe_queue queue;
    bool failed; /* memory is out */
};

/* The merge of piece `at` and its right neighbour; NULL = none. */
static const struct bpe_merge *merge_at(const struct merging *work, int32_t at)
{
    if (work->pieces[at].id < 0 || work->next[at] < 0)
        return NULL;
    return bpe_merge_of(work->bpe, work->pieces[at].id,
                        work->pieces[work->next[at]].id);
}

/* Puts the pair that starts at piece `at` into the queue if it can be merged. */
static void propose(struct merging *work, int32_t at)
{
    const struct bpe_merge *merge = merge_at(work, at);

    if (merge &&
        !bpe_queue_push(&work->queue,
                        (struct bpe_candidate){merge->rank, at, merge->result}))
        work->failed = true;
}

static void merge_all(struct merging *work)
{
    struct bpe_candidate item;

    while (!work->failed && bpe_queue_pop(&work->queue, &item)) {
        const struct bpe_merge *merge = merge_at(work, item.at);
        int32_t right;

        if (!merge || merge->result != item.result)
            continue;
        right = work->next[item.at];
        work->pieces[item.at].id = item.result;
        work->pieces[item.at].end = work->pieces[right].end;
        work->pieces[right].id = -1;
        work->next[item.at] = work->next[right];
        if (work->next[right] >= 0)
            work->prev[work->next[right]] = item.at;
        if (work->prev[item.at] >= 0)
            propose(work, work->prev[item.at]);
        propose(work, item.at);
    }
}

/* At a time at most 2 count candidates wait: the first pairs and, since each of
 * the at most count - 1 merges takes one and proposes two, as many again. */
static bool merging_init(struct merging *work, const struct bpe *bpe,
                         const struct bpe_word *word)
{
    size_t count = word->count;

    *work = (struct merging){.bpe = bpe, .pieces = word->pieces};
    work->prev = arena_alloc(word->arena, count * sizeof(*work->prev));
    work->next = arena_alloc(word->arena, count * sizeof(*work->next));
    if (!work->prev || !work->next ||
        !bpe_queue_init(&work->queue, count, bpe->merge_slots, word->arena))
        return false;
    for (size_t i = 0; i < count; i++) {
        work->prev[i] = (int32_t)i - 1;
        work->next[i] = i + 1 < count ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i < count; i++)
        propose(work, (int32_t)i);
    return !work->failed;
}

void bpe_merge_long(const struct bpe *bpe, struct bpe_word *word)
{
    struct merging work;
    size_t kept = 0;

    if (!merging_init(&work, bpe, word)) {
        word->failed = true;
        return;
    }
    merge_all(&work);
    word->failed = word->failed || work.failed;
    for (size_t i = 0; i < word->count; i++) {
        if (word->pieces[i].id >= 0)
            word->pieces[kept++] = word->pieces[i];
    }
    word->count = kept;
}

/* ---- prepared at load ---- */

static void set_bit(unsigned char *bits, size_t at)
{
    bits[at / 8] |= (unsigned char)(1U << (at % 8));
}

/* Notes which neighbours the text of a token holds. */
static void note_joins(struct bpe *bpe, const char *bytes, size_t size)
{
    uint32_t left = 0;

    for (size_t at = 0, i = 0; at < size; i++) {
        uint32_t right =
            bpe->by_byte ? (unsigned char)bytes[at++] : uc_next(bytes, &at);

        if (i > 0)
            set_bit(bpe->joins, bpe_join_bit(left, right));
        left = right;
    }
}

/* Notes the tokens whose text gives just them, and all neighbours. */
static void note_words(struct tok_tokenizer *tok, struct bpe_word *word)
{
    struct bpe *bpe = &tok->bpe;
    const struct vocab *words = bpe->by_byte ? &bpe->words : &tok->vocab;

    for (size_t i = 0; i < words->count; i++) {
        const struct vocab_entry *entry = &words->entries[i];
        const char *bytes = words->bytes + entry->start;

        note_joins(bpe, bytes, entry->size);
        if (entry->size == 0)
            continue;
        bpe_word(tok, bytes, entry->size, word);
        if (word->count == 1 && word->pieces[0].id == entry->id &&
            word->pieces[0].end == entry->size && !word->failed)
            set_bit(bpe->whole, (size_t)entry->id);
    }
}

/* Can a merge take what unknown characters become? */
static bool takes_unknown(const struct bpe *bpe, int32_t id)
{
    for (size_t i = 0; bpe->fallback && i < 256; i++) {
        if (bpe->byte_ids[i] == id)
            return true;
    }
    return id == bpe->unknown;
}

static bool all_bytes_known(const struct bpe *bpe)
{
    for (size_t i = 0; i < 256; i++) {
        if (bpe->byte_ids[i] < 0)
            return false;
    }
    return true;
}

static bool may_cut(const struct bpe *bpe)
{
    if (bpe->prefix.size > 0 || bpe->suffix.size > 0)
        return false;
    if (bpe->by_byte)
        return all_bytes_known(bpe);
    for (size_t i = 0; i < bpe->merge_slots; i++) {
        const struct bpe_merge *merge = &bpe->merges[i];

        if (merge->left >= 0 && (takes_unknown(bpe, merge->left) ||
                                 takes_unknown(bpe, merge->right)))
            return false;
    }
    return true;
}

bool bpe_prepare(struct tok_tokenizer *tok)
{
    struct bpe *bpe = &tok->bpe;
    struct bpe_piece pieces[TOK_TOKEN_SIZE_MAX + 1];
    struct arena scratch;
    struct bpe_word word = {.arena = &scratch, .pieces = pieces};

    bpe->whole = arena_zalloc(&tok->arena, tok->vocab_size / 8 + 1, 1);
    bpe->joins = arena_zalloc(&tok->arena, BPE_JOIN_BITS / 8, 1);
    if (!bpe->whole || !bpe->joins)
        return false;
    arena_init(&scratch, 0);
    note_words(tok, &word);
    arena_release(&scratch);
    bpe->may_cut = may_cut(bpe);
    return !word.failed;
}
