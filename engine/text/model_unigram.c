/*
 * Unigram: the tokens of a text with the largest sum of scores.
 *
 * One pass from left to right keeps, for each place, the best way there; of
 * equal ones the one found first. A character that is no token costs ten below
 * the lowest score; neighbours of that kind become one unknown token, or the
 * tokens of their bytes. A token has at most TOK_TOKEN_SIZE_MAX bytes, which
 * bounds the work per character.
 */
#include "tokenizer_impl.h"

/* The best way to a place: its last token, and where that starts. */
struct best {
    double score;
    uint32_t start; /* from the piece's start; UINT32_MAX = not reached */
    int32_t id;
};

static void improve(struct best *best, double score, size_t start, int32_t id)
{
    if (best->start == UINT32_MAX || score > best->score)
        *best = (struct best){score, (uint32_t)start, id};
}

/* All tokens that start at `at`. */
static void extend(const struct unigram *model, const char *bytes, size_t at,
                   size_t size, struct best *best)
{
    double score = best[at].score;
    size_t character = at + uc_size(bytes[at]);
    bool single = false;
    int32_t node = 0;

    for (size_t stop = at; stop < size;) {
        int32_t id;

        node = trie_step(&model->trie, node, bytes[stop++]);
        if (node < 0)
            break;
        id = model->trie.nodes[node].value;
        if (id < 0)
            continue;
        improve(&best[stop], model->scores[id] + score, at, id);
        single = single || stop == character;
    }
    if (!single)
        improve(&best[character], model->unknown_score + score, at,
                model->unknown);
}

/* A run of unknown characters: a token after all, bytes, or unknown. */
static void put_unknown(const struct tok_tokenizer *tok,
                        const struct text *text, size_t start, size_t end,
                        struct tokens *out)
{
    const struct unigram *model = &tok->unigram;
    int32_t id = vocab_find(&tok->vocab, text->bytes + start, end - start);
    bool bytes = id < 0 && model->fallback;

    for (size_t i = start; bytes && i < end; i++)
        bytes = model->byte_ids[(unsigned char)text->bytes[i]] >= 0;
    if (!bytes) {
        tokens_put(out, id >= 0 ? id : model->unknown, start, end);
        return;
    }
    for (size_t i = start; i < end; i++)
        tokens_put(out, model->byte_ids[(unsigned char)text->bytes[i]], start,
                   end);
}

/* Turns the links of the best way round: each place then says where the next
 * token ends. */
static void turn(struct best *best, size_t size)
{
    size_t end = size, next_end = size;
    int32_t next_id = -1;

    while (end > 0) {
        size_t start = best[end].start;
        int32_t id = best[end].id;

        best[end].start = (uint32_t)next_end;
        best[end].id = next_id;
        next_end = end;
        next_id = id;
        end = start;
    }
    best[0].start = (uint32_t)next_end;
    best[0].id = next_id;
}

static void put_best(const struct tok_tokenizer *tok, const struct text *text,
                     size_t start, size_t size, const struct best *best,
                     struct tokens *out)
{
    int32_t unknown = tok->unigram.unknown;

    for (size_t at = 0; at < size;) {
        size_t stop = best[at].start;

        if (best[at].id != unknown) {
            tokens_put(out, best[at].id, start + at, start + stop);
            at = stop;
            continue;
        }
        while (stop < size && best[stop].id == unknown)
            stop = best[stop].start;
        if (unknown < 0)
            out->unknown = true;
        else
            put_unknown(tok, text, start + at, start + stop, out);
        at = stop;
    }
}

void model_unigram(const struct tok_tokenizer *tok, const struct text *text,
                   size_t start, size_t end, struct tokens *out)
{
    enum { SMALL = 256 };
    struct best small[SMALL + 1], *best = small;
    const char *bytes = text->bytes + start;
    size_t size = end - start;

    if (size > SMALL) {
        best = arena_alloc(out->arena, (size + 1) * sizeof(*best));
        if (!best) {
            out->failed = true;
            return;
        }
    }
    for (size_t i = 0; i <= size; i++)
        best[i].start = UINT32_MAX;
    best[0].score = 0;
    for (size_t at = 0; at < size; at += uc_size(bytes[at]))
        extend(&tok->unigram, bytes, at, size, best);
    turn(best, size);
    put_best(tok, text, start, size, best, out);
}
