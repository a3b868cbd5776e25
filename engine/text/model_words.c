/*
 * WordPiece and WordLevel: words that are tokens, or fall into them.
 */
#include "tokenizer_impl.h"

bool tokens_grow(struct tokens *tokens)
{
    size_t capacity = tokens->capacity > 0 ? 2 * tokens->capacity : 256;
    struct token *items =
        text_grown(tokens->arena, tokens->items, tokens->count * sizeof(*items),
                   capacity * sizeof(*items));

    if (!items) {
        tokens->failed = true;
        return false;
    }
    tokens->items = items;
    tokens->capacity = capacity;
    return true;
}

void model_wordlevel(const struct tok_tokenizer *tok, const struct text *text,
                     size_t start, size_t end, struct tokens *out)
{
    int32_t id = vocab_find(&tok->vocab, text->bytes + start, end - start);

    if (id < 0)
        id = tok->unknown_word;
    if (id < 0)
        out->unknown = true;
    else
        tokens_put(out, id, start, end);
}

/* Always the longest token that fits; if one is missing, the word is unknown.
 */
void model_wordpiece(const struct tok_tokenizer *tok, const struct text *text,
                     size_t start, size_t end, struct tokens *out)
{
    const struct wordpiece *model = &tok->wordpiece;
    const struct trie *trie = &model->first;
    size_t count = out->count, stop = start;
    bool known = end - start <= model->chars_max ||
                 uc_count(text->bytes + start, end - start) <= model->chars_max;

    for (size_t at = start; known && at < end; at = stop) {
        int32_t id = trie_longest(trie, text->bytes, at, end, &stop);

        known = id >= 0;
        if (known)
            tokens_put(out, id, at, stop);
        trie = &model->rest;
    }
    if (!known) {
        out->count = count;
        tokens_put(out, model->unknown, start, end);
    }
}
