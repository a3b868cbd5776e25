/*
 * What a loaded tokenizer tells about itself, see tokenizer.h.
 */
#include <stdlib.h>

#include "tokenizer_impl.h"

void tok_close(struct tok_tokenizer *tok)
{
    if (!tok)
        return;
    vocab_release(&tok->vocab);
    vocab_release(&tok->added_vocab);
    vocab_release(&tok->bpe.words);
    trie_release(&tok->added_raw);
    trie_release(&tok->added_normalized);
    trie_release(&tok->wordpiece.first);
    trie_release(&tok->wordpiece.rest);
    trie_release(&tok->unigram.trie);
    arena_release(&tok->arena);
    free(tok);
}

struct tok_string tok_string_of(const struct tok_tokenizer *tok, int64_t id)
{
    if (id < 0 || (size_t)id >= tok->vocab_size)
        return (struct tok_string){NULL, 0};
    return tok->strings[id];
}

const char *tok_token_text(const struct tok_tokenizer *tok, int64_t id,
                           size_t *size)
{
    struct tok_string string = tok_string_of(tok, id);

    *size = string.size;
    return string.bytes;
}

int64_t tok_token_id(const struct tok_tokenizer *tok, const char *token,
                     size_t size)
{
    int32_t id = vocab_find(&tok->added_vocab, token, size);

    return id >= 0 ? id : vocab_find(&tok->vocab, token, size);
}

bool tok_is_special(const struct tok_tokenizer *tok, int64_t id)
{
    return id >= 0 && (size_t)id < tok->vocab_size &&
           ((tok->specials[id / 8] >> (id % 8)) & 1) != 0;
}

size_t tok_count_max(const struct tok_tokenizer *tok, size_t size)
{
    size_t around = tok->single.special_count;

    if (size > (SIZE_MAX - around) / tok->growth - tok->growth_fixed)
        return SIZE_MAX;
    return (size + tok->growth_fixed) * tok->growth + around;
}

size_t tok_vocab_size(const struct tok_tokenizer *tok)
{
    return tok->vocab_size;
}

int64_t tok_pad_id(const struct tok_tokenizer *tok)
{
    return tok->padding.id;
}

struct tok_padding tok_padding(const struct tok_tokenizer *tok)
{
    return tok->padding;
}

size_t tok_padded_length(const struct tok_tokenizer *tok, size_t longest)
{
    size_t length = tok->padding.fixed > longest ? tok->padding.fixed : longest;
    size_t rest = length % tok->padding.multiple;

    return rest > 0 ? length + tok->padding.multiple - rest : length;
}

size_t tok_truncation(const struct tok_tokenizer *tok)
{
    return tok->truncation;
}
