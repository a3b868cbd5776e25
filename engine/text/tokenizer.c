/*
 * Tokenizer at work: byte-level BPE.
 *
 * Each byte of the text is a token of its own; then neighbours are merged,
 * lowest rank first and leftmost among equals, until no pair is in the table
 * of merges. Tokens are a linked list over one array and candidates wait in a
 * heap, so a text of n bytes costs O(n log n) however bad it is. A candidate
 * that was overtaken by another merge is recognised when it comes up: its pair
 * is no longer there or gives another token.
 *
 * Reading the file is tokenizer_load.c's work.
 */
#include <string.h>

#include "tokenizer_impl.h"
#include "utf8.h"

enum { TEXT_SIZE_MAX = 1 << 30 };

/* A token while it may still be merged. */
struct piece {
    int32_t id;          /* -1: merged into its left neighbour */
    int32_t prev, next;  /* index of the neighbours; -1 = none */
    uint32_t start, end; /* code points of the text */
};

/* "the piece at `at` and its right neighbour could become `result`" */
struct candidate {
    uint32_t rank;
    int32_t at;
    int32_t result;
};

struct work {
    const struct tok_tokenizer *tok;
    struct piece *pieces;
    size_t count;
    struct candidate *heap; /* smallest (rank, at) first */
    size_t heap_count;
};

size_t tok_merge_slot(const struct tok_merge *merges, size_t slots,
                      int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32) | (uint32_t)right;
    size_t slot;

    /* Finaliser of MurmurHash3: every bit of the pair moves every bit. */
    key = (key ^ (key >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    key = (key ^ (key >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    key ^= key >> 33;
    slot = (size_t)key & (slots - 1);
    while (merges[slot].left >= 0 &&
           (merges[slot].left != left || merges[slot].right != right))
        slot = (slot + 1) & (slots - 1);
    return slot;
}

static const struct tok_merge *merge_of(const struct tok_tokenizer *tok,
                                        int32_t left, int32_t right)
{
    const struct tok_merge *merge = &tok->merges[tok_merge_slot(
        tok->merges, tok->merge_slots, left, right)];

    return merge->left >= 0 ? merge : NULL;
}

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct work *work, struct candidate item)
{
    size_t at = work->heap_count++;

    while (at > 0 && before(&item, &work->heap[(at - 1) / 2])) {
        work->heap[at] = work->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    work->heap[at] = item;
}

static struct candidate heap_pop(struct work *work)
{
    struct candidate top = work->heap[0];
    struct candidate item = work->heap[--work->heap_count];
    size_t at = 0, child = 1;

    while (child < work->heap_count) {
        if (child + 1 < work->heap_count &&
            before(&work->heap[child + 1], &work->heap[child]))
            child++;
        if (!before(&work->heap[child], &item))
            break;
        work->heap[at] = work->heap[child];
        at = child;
        child = 2 * at + 1;
    }
    work->heap[at] = item;
    return top;
}

/* Puts the pair that starts at piece `at` on the heap if it can be merged. */
static void propose(struct work *work, int32_t at)
{
    const struct piece *left = &work->pieces[at];
    const struct tok_merge *merge;

    if (left->next < 0)
        return;
    merge = merge_of(work->tok, left->id, work->pieces[left->next].id);
    if (merge)
        heap_push(work, (struct candidate){merge->rank, at, merge->result});
}

/* Does the candidate still describe the piece and its neighbour? */
static bool still_true(const struct work *work, const struct candidate *item)
{
    const struct piece *left = &work->pieces[item->at];
    const struct tok_merge *merge;

    if (left->id < 0 || left->next < 0)
        return false;
    merge = merge_of(work->tok, left->id, work->pieces[left->next].id);
    return merge && merge->result == item->result;
}

static void merge_pieces(struct work *work)
{
    for (size_t i = 0; i + 1 < work->count; i++)
        propose(work, (int32_t)i);
    while (work->heap_count > 0) {
        const struct candidate item = heap_pop(work);
        struct piece *left = &work->pieces[item.at];
        struct piece *right;

        if (!still_true(work, &item))
            continue;
        right = &work->pieces[left->next];
        left->id = item.result;
        left->end = right->end;
        left->next = right->next;
        right->id = -1;
        if (left->next >= 0)
            work->pieces[left->next].prev = item.at;
        if (left->prev >= 0)
            propose(work, left->prev);
        propose(work, item.at);
    }
}

/* One piece per byte; every byte of a character covers that character. */
static void split_bytes(struct work *work, const char *text, size_t size)
{
    uint32_t character = 0;

    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(text + i, size - i);

        for (size_t end = i + length; i < end; i++) {
            int32_t id = work->tok->byte_ids[(unsigned char)text[i]];

            if (id < 0)
                continue;
            work->pieces[work->count] = (struct piece){
                id, (int32_t)work->count - 1, (int32_t)work->count + 1,
                character, character + 1};
            work->count++;
        }
        character++;
    }
    if (work->count > 0)
        work->pieces[work->count - 1].next = -1;
}

/* Room for the pieces, and for the heap: the first pairs and, since each of
 * the at most size - 1 merges takes one candidate and proposes two, as many
 * again. */
static bool work_init(struct work *work, const struct tok_tokenizer *tok,
                      size_t size, struct arena *arena, struct error *err)
{
    *work = (struct work){.tok = tok};
    work->pieces = arena_alloc(arena, (size + 1) * sizeof(*work->pieces));
    if (tok->merge_slots > 0)
        work->heap = arena_alloc(arena, 2 * (size + 1) * sizeof(*work->heap));
    if (!work->pieces || (tok->merge_slots > 0 && !work->heap))
        return fail(err, ERR_OUT_OF_MEMORY,
                    "no memory to tokenize %zu bytes of text", size);
    return true;
}

static void put(struct tok_encoding *out, int64_t id, uint32_t start,
                uint32_t end)
{
    out->ids[out->count] = id;
    if (out->starts)
        out->starts[out->count] = start;
    if (out->ends)
        out->ends[out->count] = end;
    out->count++;
}

static void put_specials(struct tok_encoding *out, const int64_t *ids,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(out, ids[i], 0, 0);
}

/* Writes at most `keep` of the pieces that are left. */
static void put_pieces(struct tok_encoding *out, const struct work *work,
                       size_t keep)
{
    int32_t at = work->count > 0 ? 0 : -1;

    for (; at >= 0 && keep > 0; keep--) {
        const struct piece *piece = &work->pieces[at];

        put(out, piece->id, piece->start, piece->end);
        at = piece->next;
    }
}

static size_t count_pieces(const struct work *work)
{
    size_t count = 0;

    for (size_t i = 0; i < work->count; i++)
        count += work->pieces[i].id >= 0;
    return count;
}

static bool emit(const struct work *work, unsigned flags,
                 struct tok_encoding *out, struct error *err)
{
    const struct tok_tokenizer *tok = work->tok;
    bool specials = (flags & TOK_SPECIALS) != 0;
    size_t around = specials ? tok->prefix_count + tok->suffix_count : 0;
    size_t pieces = count_pieces(work), keep = pieces;

    if ((flags & TOK_TRUNCATE) != 0 && tok->truncation > 0 &&
        pieces + around > tok->truncation)
        keep = tok->truncation > around ? tok->truncation - around : 0;
    if (keep + around > out->capacity)
        return fail(err, ERR_INPUT_TOO_LONG,
                    "the text has %zu tokens, at most %zu are taken",
                    keep + around, out->capacity);
    out->count = 0;
    out->whole = pieces + around;
    if (specials)
        put_specials(out, tok->prefix, tok->prefix_count);
    put_pieces(out, work, keep);
    if (specials)
        put_specials(out, tok->suffix, tok->suffix_count);
    return true;
}

bool tok_encode(const struct tok_tokenizer *tok, const char *text, size_t size,
                unsigned flags, struct tok_encoding *out, struct error *err)
{
    struct work work;

    if (size > TEXT_SIZE_MAX)
        return fail(err, ERR_INPUT_TOO_LONG,
                    "the text has %zu bytes, at most %d are taken", size,
                    TEXT_SIZE_MAX);
    if (!utf8_valid(text, size))
        return fail(err, ERR_INVALID_INPUT, "the text is not UTF-8");
    if (!work_init(&work, tok, size, out->scratch, err))
        return false;
    split_bytes(&work, text, size);
    if (tok->merge_slots > 0)
        merge_pieces(&work);
    return emit(&work, flags, out, err);
}

size_t tok_count_max(const struct tok_tokenizer *tok, size_t size)
{
    return size + tok->prefix_count + tok->suffix_count;
}

size_t tok_vocab_size(const struct tok_tokenizer *tok)
{
    return tok->vocab_size;
}

int64_t tok_pad_id(const struct tok_tokenizer *tok)
{
    return tok->pad_id;
}

size_t tok_truncation(const struct tok_tokenizer *tok)
{
    return tok->truncation;
}
