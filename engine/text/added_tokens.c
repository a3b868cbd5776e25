/*
 * Added tokens: cut out of the text before the model sees it.
 *
 * Of all tokens that start at the leftmost place the longest is taken, as
 * often as it goes. The ones that match the text as it is come before
 * normalization, the others after it, spelled as the normalizers spell them.
 * Tokens may be part of each other, so each start is walked down the trie; a
 * token has at most TOK_TOKEN_SIZE_MAX bytes, which bounds the walk.
 */
#include <stdlib.h>

#include "tokenizer_impl.h"

static bool is_word(const char *bytes, size_t at)
{
    return (uc_props(uc_next(bytes, &at)) & UC_WORD) != 0;
}

/* Between [start, stop) and the rest of the piece there is no word. */
static bool stands_alone(const char *bytes, const struct cut *cut, size_t start,
                         size_t stop)
{
    return (start == cut->start ||
            (uc_props(uc_before(bytes, start)) & UC_WORD) == 0) &&
           (stop == cut->end || !is_word(bytes, stop));
}

static size_t skip_blanks(const char *bytes, size_t at, size_t end)
{
    for (size_t next = at; at < end; at = next) {
        if ((uc_props(uc_next(bytes, &next)) & UC_SPACE) == 0)
            break;
    }
    return at;
}

static size_t skip_blanks_back(const char *bytes, size_t at, size_t start)
{
    while (at > start && (uc_props(uc_before(bytes, at)) & UC_SPACE) != 0) {
        do
            at--;
        while (!uc_starts(bytes[at]));
    }
    return at;
}

/* Code points of the input up to byte `to`, from *at on. */
static uint32_t origin_at(const struct text *text, const struct cut *cut,
                          size_t to, size_t *at, uint32_t *count)
{
    if (text->from)
        return to < text->size ? text->from[to] : 0;
    if (!text->is_input || !text->tracked)
        return to == cut->start ? cut->origin : cut->origin + 1;
    *count += (uint32_t)uc_count(text->bytes + *at, to - *at);
    *at = to;
    return *count;
}

void added_split(const struct tok_tokenizer *tok, bool normalized,
                 bool specials, const struct text *text, const struct cut *cut,
                 struct cuts *out)
{
    const struct trie *trie =
        normalized ? &tok->added_normalized : &tok->added_raw;
    const char *bytes = text->bytes;
    size_t done = cut->start, counted = cut->start, stop;
    uint32_t count = cut->origin;

    for (size_t at = cut->start; trie->nodes && at < cut->end;) {
        const struct added_token *token;
        int32_t index = trie_longest(trie, bytes, at, cut->end, &stop);
        size_t start = at;

        if (index < 0) {
            at++;
            continue;
        }
        at = stop; /* what is passed over is text, but not looked at again */
        token = &tok->added[index];
        if ((token->special && !specials) ||
            (token->single_word && !stands_alone(bytes, cut, start, stop)))
            continue;
        if (token->lstrip)
            start = skip_blanks_back(bytes, start, done);
        if (token->rstrip)
            stop = skip_blanks(bytes, stop, cut->end);
        if (start < done)
            start = done;
        cuts_put(out, done, start, origin_at(text, cut, done, &counted, &count),
                 -1);
        cuts_put(out, start, stop,
                 origin_at(text, cut, start, &counted, &count), token->id);
        done = stop;
    }
    cuts_put(out, done, cut->end, origin_at(text, cut, done, &counted, &count),
             -1);
}

/* The trie of the tokens that match before, or after, normalization. */
static bool prepare(struct tok_tokenizer *tok, bool normalized,
                    struct trie *trie)
{
    struct trie_entry *entries = calloc(tok->added_count, sizeof(*entries));
    size_t count = 0;
    bool ok = entries != NULL;

    for (size_t i = 0; ok && i < tok->added_count; i++) {
        const struct added_token *token = &tok->added[i];
        struct reader in = {token->content.bytes, NULL, 0, token->content.size,
                            0};
        struct text text;

        if (token->normalized != normalized)
            continue;
        text_init(&text, &tok->arena, false);
        if (normalized)
            tok_normalize(tok, in, &text);
        else
            text_put_rest(&text, &in);
        ok = !text.failed;
        /* As the library has it, the token goes by that spelling then. */
        if (ok && text.size > 0)
            tok->strings[token->id] =
                (struct tok_string){text.bytes, text.size};
        entries[count++] =
            (struct trie_entry){text.bytes, text.size, (int32_t)i};
    }
    ok = ok && (count == 0 || trie_build(trie, entries, count));
    free(entries);
    return ok;
}

bool added_prepare(struct tok_tokenizer *tok)
{
    return tok->added_count == 0 ||
           (prepare(tok, false, &tok->added_raw) &&
            prepare(tok, true, &tok->added_normalized));
}
