/*
 * Loads tokens and ids: vocabularies and added tokens.
 *
 * Ids run from 0 without a gap; the added tokens complete those of the model.
 */
#include <stdlib.h>

#include "load.h"

/* -1 = it is no whole number */
static json_int_t whole(const json_t *value)
{
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

bool load_take_id(struct loader *load, json_int_t id, const char *token,
                  struct error *err)
{
    unsigned char bit;

    if (id < 0 || id >= TOK_VOCAB_MAX)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: the id of token '%.100s' is not within 0 ... "
                    "%d",
                    token, TOK_VOCAB_MAX - 1);
    if (strlen(token) > TOK_TOKEN_SIZE_MAX)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: token '%.100s' ... is longer than %d bytes",
                    token, TOK_TOKEN_SIZE_MAX);
    bit = (unsigned char)(1U << (id % 8));
    if ((load->seen[id / 8] & bit) != 0)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: id %lld belongs to two tokens, one is '%.100s'",
                    (long long)id, token);
    load->seen[id / 8] |= bit;
    load->tok->vocab_size++;
    return true;
}

int32_t load_id_of(const struct loader *load, const char *token)
{
    return vocab_find(&load->tok->vocab, token, strlen(token));
}

bool load_token(const struct loader *load, const json_t *model, const char *key,
                int32_t *id, struct error *err)
{
    const json_t *value = json_object_get(model, key);
    const char *token = json_string_value(value);

    *id = -1;
    if (load_is_null(value))
        return true;
    if (token)
        *id = load_id_of(load, token);
    if (*id < 0)
        return fail(err, ERR_FILE_INVALID, "tokenizer: %s is not in vocab",
                    key);
    return true;
}

bool load_vocab_object(struct loader *load, const json_t *model,
                       struct error *err)
{
    json_t *vocab = json_object_get(model, "vocab"), *id;
    const char *token;

    if (!json_is_object(vocab) || json_object_size(vocab) == 0)
        return load_invalid(err, "model has no vocab");
    if (json_object_size(vocab) > TOK_VOCAB_MAX)
        return load_invalid(err, "vocab has more tokens than the limit");
    json_object_foreach(vocab, token, id)
    {
        if (!load_take_id(load, whole(id), token, err))
            return false;
        if (!vocab_add(&load->tok->vocab, token, strlen(token),
                       (int32_t)json_integer_value(id)))
            return load_no_memory(err);
    }
    return true;
}

bool load_trie(const struct loader *load, struct tok_string prefix,
               struct trie *trie, struct error *err)
{
    const struct vocab *vocab = &load->tok->vocab;
    struct trie_entry *entries = calloc(vocab->count, sizeof(*entries));
    size_t count = 0;
    bool ok = entries != NULL;

    for (size_t i = 0; ok && i < vocab->count; i++) {
        const struct vocab_entry *entry = &vocab->entries[i];
        const char *bytes = vocab->bytes + entry->start;

        if (entry->size >= prefix.size &&
            memcmp(bytes, prefix.bytes, prefix.size) == 0 &&
            vocab_find(vocab, bytes, entry->size) == entry->id)
            entries[count++] = (struct trie_entry){
                bytes + prefix.size, entry->size - prefix.size, entry->id};
    }
    ok = ok && trie_build(trie, entries, count);
    free(entries);
    return ok || load_no_memory(err);
}

/* ---- added tokens ---- */

static bool load_added(struct loader *load, const json_t *added,
                       struct added_token *out, struct error *err)
{
    json_int_t id = whole(json_object_get(added, "id"));
    struct tok_tokenizer *tok = load->tok;
    int32_t known;

    if (!json_is_string(json_object_get(added, "content")))
        return load_invalid(err, "an added token has no content");
    if (!load_check_keys(added,
                         "id,content,special,single_word,lstrip,rstrip,"
                         "normalized",
                         err) ||
        !load_string(load, added, "content", NULL, &out->content, err) ||
        !load_bool(added, "special", false, &out->special, err) ||
        !load_bool(added, "single_word", false, &out->single_word, err) ||
        !load_bool(added, "lstrip", false, &out->lstrip, err) ||
        !load_bool(added, "rstrip", false, &out->rstrip, err) ||
        !load_bool(added, "normalized", !out->special, &out->normalized, err))
        return false;
    if (out->content.size == 0)
        return load_invalid(err, "an added token is empty");
    known = load_id_of(load, out->content.bytes);
    if (known >= 0 && id != known)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: added token '%.100s' has another id in vocab",
                    out->content.bytes);
    if (known < 0 && !load_take_id(load, id, out->content.bytes, err))
        return false;
    out->id = (int32_t)id;
    return vocab_add(&tok->added_vocab, out->content.bytes, out->content.size,
                     out->id) ||
           load_no_memory(err);
}

static bool no_gap(const struct loader *load, struct error *err)
{
    for (size_t id = 0; id < load->tok->vocab_size; id++) {
        if ((load->seen[id / 8] & (1U << (id % 8))) == 0)
            return fail(err, ERR_FILE_INVALID,
                        "tokenizer: no token has id %zu, yet there are %zu "
                        "tokens",
                        id, load->tok->vocab_size);
    }
    return true;
}

/* The text of each id; an added token's goes before the model's. */
static bool number_tokens(struct tok_tokenizer *tok)
{
    tok->strings =
        arena_zalloc(&tok->arena, tok->vocab_size + 1, sizeof(*tok->strings));
    tok->specials = arena_zalloc(&tok->arena, tok->vocab_size / 8 + 1, 1);
    if (!tok->strings || !tok->specials)
        return false;
    for (size_t i = 0; i < tok->vocab.count; i++) {
        const struct vocab_entry *entry = &tok->vocab.entries[i];

        tok->strings[entry->id] =
            (struct tok_string){tok->vocab.bytes + entry->start, entry->size};
    }
    for (size_t i = 0; i < tok->added_count; i++) {
        const struct added_token *token = &tok->added[i];

        tok->strings[token->id] = token->content;
        if (token->special)
            tok->specials[token->id / 8] |=
                (unsigned char)(1U << (token->id % 8));
    }
    return true;
}

/* The added tokens of the list that are special, or that are not. */
static bool load_those(struct loader *load, const json_t *list, bool special,
                       struct error *err)
{
    struct tok_tokenizer *tok = load->tok;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        if (json_is_true(json_object_get(item, "special")) != special)
            continue;
        if (!load_added(load, item, &tok->added[tok->added_count], err))
            return false;
        tok->added_count++;
    }
    return true;
}

/* Special tokens come first: of tokens with one spelling they are taken. */
bool load_added_tokens(struct loader *load, struct error *err)
{
    const json_t *list = json_object_get(load->root, "added_tokens");
    struct tok_tokenizer *tok = load->tok;
    size_t count = json_array_size(list);

    if (!load_is_null(list) && !json_is_array(list))
        return load_invalid(err, "added_tokens is no array");
    if (count > TOK_ADDED_MAX)
        return load_invalid(err, "there are more added tokens than the limit");
    tok->added = arena_zalloc(&tok->arena, count + 1, sizeof(*tok->added));
    if (!tok->added)
        return load_no_memory(err);
    return load_those(load, list, true, err) &&
           load_those(load, list, false, err) && no_gap(load, err) &&
           (number_tokens(tok) || load_no_memory(err));
}
