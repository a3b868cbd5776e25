/*
 * BPE: a word falls into characters (or bytes), and neighbours are merged,
 * lowest rank first and leftmost among equals, until no pair is in the table
 * of merges.
 *
 * Words are short as a rule: one that is known to end as a single token is
 * looked up, the others look for their best pair in a small array. Where no
 * word boundary helps (a file without pre-tokenizer, a megabyte of one letter),
 * a text is cut between neighbours that no token holds side by side, for no
 * merge can cross there; what is still long goes through a heap, so that n
 * pieces cost O(n log n) however bad they are.
 */
#include "model_bpe.h"

#include "utf8.h"

size_t bpe_merge_slot(const struct bpe_merge *merges, size_t slots,
                      int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32) | (uint32_t)right;
    size_t slot;

    key *= UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 32;
    slot = (size_t)(key * UINT64_C(0xff51afd7ed558ccd) >> 20) & (slots - 1);
    while (merges[slot].left >= 0 &&
           (merges[slot].left != left || merges[slot].right != right))
        slot = (slot + 1) & (slots - 1);
    return slot;
}

/* ---- the pieces of a word ---- */

static void put_piece(struct bpe_word *word, int32_t id, size_t size)
{
    word->pieces[word->count++] = (struct bpe_piece){
        id, (uint32_t)word->end, (uint32_t)(word->end + size)};
    word->end += size;
}

/* The id of a character with what is put around it. */
static int32_t dressed_id(const struct tok_tokenizer *tok, const char *bytes,
                          size_t size, bool first, bool last)
{
    const struct bpe *bpe = &tok->bpe;
    char room[2 * TOK_TOKEN_SIZE_MAX + TEXT_CHAR_MAX];
    size_t used = 0;

    if (!first && bpe->prefix.size > 0) {
        memcpy(room, bpe->prefix.bytes, bpe->prefix.size);
        used = bpe->prefix.size;
    }
    memcpy(room + used, bytes, size);
    used += size;
    if (last && bpe->suffix.size > 0) {
        memcpy(room + used, bpe->suffix.bytes, bpe->suffix.size);
        used += bpe->suffix.size;
    }
    return vocab_find(&tok->vocab, room, used);
}

static int32_t char_id(const struct tok_tokenizer *tok, const char *bytes,
                       size_t size, bool first, bool last)
{
    const struct bpe *bpe = &tok->bpe;

    if (bpe->prefix.size > 0 || bpe->suffix.size > 0)
        return dressed_id(tok, bytes, size, first, last);
    if (size == 1)
        return bpe->ascii_ids[(unsigned char)bytes[0]];
    return vocab_find(&tok->vocab, bytes, size);
}

/* The tokens of the bytes of an unknown character; false if one is missing. */
static bool put_fallback(const struct bpe *bpe, const char *bytes, size_t size,
                         struct bpe_word *word)
{
    for (size_t i = 0; i < size; i++) {
        if (bpe->byte_ids[(unsigned char)bytes[i]] < 0)
            return false;
    }
    for (size_t i = 0; i < size; i++)
        put_piece(word, bpe->byte_ids[(unsigned char)bytes[i]], 1);
    return true;
}

/* An unknown character waits, for the next one may join it. */
static void put_unknown(const struct bpe *bpe, size_t size,
                        struct bpe_word *word)
{
    if (bpe->unknown < 0)
        return;
    if (word->unknown_size > 0 && !bpe->fuse_unknown) {
        put_piece(word, bpe->unknown, word->unknown_size);
        word->unknown_size = 0;
    }
    word->unknown_size += size;
}

static void end_unknown(const struct bpe *bpe, struct bpe_word *word)
{
    if (word->unknown_size > 0)
        put_piece(word, bpe->unknown, word->unknown_size);
    word->unknown_size = 0;
}

static void split_chars(const struct tok_tokenizer *tok, const char *bytes,
                        size_t size, struct bpe_word *word)
{
    const struct bpe *bpe = &tok->bpe;

    for (size_t at = 0, next; at < size; at = next) {
        int32_t id;

        next = at + uc_size(bytes[at]);
        id = char_id(tok, bytes + at, next - at, at == 0, next == size);
        if (id >= 0) {
            end_unknown(bpe, word);
            put_piece(word, id, next - at);
        } else if (!bpe->fallback ||
                   !put_fallback(bpe, bytes + at, next - at, word)) {
            put_unknown(bpe, next - at, word);
        }
    }
    end_unknown(bpe, word);
}

static void split_bytes(const struct bpe *bpe, const char *bytes, size_t size,
                        struct bpe_word *word)
{
    for (size_t i = 0; i < size; i++) {
        int32_t id = bpe->byte_ids[(unsigned char)bytes[i]];

        if (id >= 0) {
            end_unknown(bpe, word);
            put_piece(word, id, 1);
        } else {
            put_unknown(bpe, 1, word);
        }
    }
    end_unknown(bpe, word);
}

/* ---- merging a short word ---- */

static void set_pair(const struct bpe *bpe, const struct bpe_word *word,
                     const struct bpe_merge **pairs, size_t at)
{
    pairs[at] = at + 1 < word->count ? bpe_merge_of(bpe, word->pieces[at].id,
                                                    word->pieces[at + 1].id)
                                     : NULL;
}

/* The best pair of the word; word->count if there is none. */
static size_t best_pair(const struct bpe_word *word,
                        const struct bpe_merge **pairs)
{
    size_t best = word->count;
    uint32_t rank = UINT32_MAX;

    for (size_t i = 0; i + 1 < word->count; i++) {
        if (pairs[i] && pairs[i]->rank < rank) {
            rank = pairs[i]->rank;
            best = i;
        }
    }
    return best;
}

static void merge_short(const struct bpe *bpe, struct bpe_word *word)
{
    const struct bpe_merge *pairs[BPE_SHORT];

    for (size_t i = 0; i < word->count; i++)
        set_pair(bpe, word, pairs, i);
    for (;;) {
        size_t at = best_pair(word, pairs), rest = word->count - at;

        if (rest == 0)
            return;
        word->pieces[at].id = pairs[at]->result;
        word->pieces[at].end = word->pieces[at + 1].end;
        memmove(&word->pieces[at + 1], &word->pieces[at + 2],
                (rest - 2) * sizeof(*word->pieces));
        memmove(&pairs[at + 1], &pairs[at + 2], (rest - 2) * sizeof(*pairs));
        word->count--;
        set_pair(bpe, word, pairs, at);
        if (at > 0)
            set_pair(bpe, word, pairs, at - 1);
    }
}

/* ---- a word ---- */

static void split_word(const struct tok_tokenizer *tok, const char *bytes,
                       size_t size, struct bpe_word *word)
{
    word->count = word->end = word->unknown_size = 0;
    if (tok->bpe.by_byte)
        split_bytes(&tok->bpe, bytes, size, word);
    else
        split_chars(tok, bytes, size, word);
}

static void put_pieces(const struct bpe_word *word, size_t start,
                       struct tokens *out)
{
    for (size_t i = 0; i < word->count; i++)
        tokens_put(out, word->pieces[i].id, start + word->pieces[i].start,
                   start + word->pieces[i].end);
}

void bpe_word(const struct tok_tokenizer *tok, const char *bytes, size_t size,
              struct bpe_word *word)
{
    split_word(tok, bytes, size, word);
    if (tok->bpe.merge_slots > 0 && word->count <= BPE_SHORT)
        merge_short(&tok->bpe, word);
    else if (tok->bpe.merge_slots > 0)
        bpe_merge_long(&tok->bpe, word);
}

/* The token with the text of the word; -1 = none. */
static int32_t token_of(const struct tok_tokenizer *tok, const char *bytes,
                        size_t size)
{
    if (size > TOK_TOKEN_SIZE_MAX)
        return -1;
    return vocab_find(tok->bpe.by_byte ? &tok->bpe.words : &tok->vocab, bytes,
                      size);
}

/* The token that merging the word is known to give; -1 = it must be merged. */
static int32_t whole_id(const struct tok_tokenizer *tok, const char *bytes,
                        size_t size)
{
    int32_t id = token_of(tok, bytes, size);

    return id >= 0 && ((tok->bpe.whole[id / 8] >> (id % 8)) & 1) != 0 ? id : -1;
}

static void put_word(const struct tok_tokenizer *tok, const char *bytes,
                     size_t start, size_t end, struct tokens *out)
{
    size_t size = end - start, room = size + 1;
    struct bpe_piece pieces[BPE_SHORT + 1];
    struct bpe_word word = {.arena = out->arena, .pieces = pieces};
    int32_t id = whole_id(tok, bytes + start, size);

    if (id >= 0) {
        tokens_put(out, id, start, end);
        return;
    }
    if (room > BPE_SHORT + 1) {
        word.pieces = arena_alloc(out->arena, room * sizeof(*word.pieces));
        if (!word.pieces) {
            out->failed = true;
            return;
        }
    }
    bpe_word(tok, bytes + start, size, &word);
    out->failed = out->failed || word.failed;
    put_pieces(&word, start, out);
}

/* ---- cutting where nothing merges ---- */

size_t bpe_join_bit(uint32_t left, uint32_t right)
{
    uint64_t key =
        ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(key >> 44) & (BPE_JOIN_BITS - 1);
}

/* Might a token hold the two side by side? Rarely yes for no. */
static bool may_join(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    size_t bit = bpe_join_bit(left, right);

    return ((bpe->joins[bit / 8] >> (bit % 8)) & 1) != 0;
}

/* A character that is a token by itself: then merges decide, and no unknown
 * neighbours are fused. */
static bool is_known(const struct tok_tokenizer *tok, const char *bytes,
                     size_t start, size_t end)
{
    return tok->bpe.by_byte ||
           char_id(tok, bytes + start, end - start, true, true) >= 0;
}

static uint32_t next_piece(const struct bpe *bpe, const char *bytes, size_t *at)
{
    return bpe->by_byte ? (unsigned char)bytes[(*at)++] : uc_next(bytes, at);
}

void model_bpe(const struct tok_tokenizer *tok, const struct text *text,
               size_t start, size_t end, struct tokens *out)
{
    const struct bpe *bpe = &tok->bpe;
    const char *bytes = text->bytes;
    size_t from = start, last = start, at = start;
    uint32_t before;
    int32_t id = -1;

    if (bpe->ignore_merges)
        id = token_of(tok, bytes + start, end - start);
    if (id >= 0) {
        tokens_put(out, id, start, end);
        return;
    }
    before = next_piece(bpe, bytes, &at);
    while (at < end && end - start > BPE_CUT_MIN && bpe->may_cut) {
        size_t here = at;
        uint32_t piece = next_piece(bpe, bytes, &at);

        if (!may_join(bpe, before, piece) && is_known(tok, bytes, last, here) &&
            is_known(tok, bytes, here, at)) {
            put_word(tok, bytes, from, here, out);
            from = here;
        }
        before = piece;
        last = here;
    }
    put_word(tok, bytes, from, end, out);
}
