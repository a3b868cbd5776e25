/*
 * Loads a tokenizer.json: JSON, components, tables.
 *
 * jansson's tree lives until the tables are made. Every component is looked
 * at: what is not supported is refused with its name, and nothing is skipped.
 * Limits of the bytes were checked by tokenizer_open.c before.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "tokenizer_impl.h"
#include "utf8.h"

/* ---- small readers ---- */

static bool unsupported(struct error *err, const char *part, const char *what)
{
    return fail(err, ERR_MODEL_UNSUPPORTED,
                "tokenizer: %s '%s' is not supported", part, what);
}

static bool invalid(struct error *err, const char *what)
{
    return fail(err, ERR_FILE_INVALID, "tokenizer: %s", what);
}

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory to load the tokenizer");
}

static bool is_null(const json_t *value)
{
    return !value || json_is_null(value);
}

/* The component's "type", or "?" when it has none. */
static const char *type_of(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));

    return type ? type : "?";
}

/* Options that change the result must be off: absent, null, false or "". */
static bool must_be_off(const json_t *component, const char *part,
                        const char *const *options, struct error *err)
{
    for (; *options; options++) {
        const json_t *value = json_object_get(component, *options);
        const char *text = json_string_value(value);

        if (is_null(value) || json_is_false(value) || (text && !*text))
            continue;
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "tokenizer: %s option '%s' is not supported", part,
                    *options);
    }
    return true;
}

/* ---- vocabulary ---- */

struct loader {
    struct tok_tokenizer *tok;
    const json_t *root;
    const json_t *model;
    json_t *vocab;
    unsigned char *seen; /* one bit per id */
};

/* Notes that `id` exists; ids beyond the limit and repeated ones fail. */
static bool take_id(struct loader *load, const json_t *value, const char *token,
                    struct error *err)
{
    json_int_t id = json_integer_value(value);
    unsigned char bit;

    if (!json_is_integer(value) || id < 0 || id >= TOK_VOCAB_MAX)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: the id of token '%s' is not within 0 ... %d",
                    token, TOK_VOCAB_MAX - 1);
    bit = (unsigned char)(1U << (id % 8));
    if ((load->seen[id / 8] & bit) != 0)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: id %lld belongs to two tokens, one is '%s'",
                    (long long)id, token);
    load->seen[id / 8] |= bit;
    load->tok->vocab_size++;
    return true;
}

static bool load_vocab(struct loader *load, struct error *err)
{
    const char *token;
    json_t *id;

    load->vocab = json_object_get(load->model, "vocab");
    if (!json_is_object(load->vocab) || json_object_size(load->vocab) == 0)
        return invalid(err, "model has no vocab");
    if (json_object_size(load->vocab) > TOK_VOCAB_MAX)
        return invalid(err, "vocab has more tokens than the limit");
    json_object_foreach(load->vocab, token, id)
    {
        if (!take_id(load, id, token, err))
            return false;
    }
    return true;
}

/* The id of a token of the vocabulary; -1 if it has no such token. */
static int32_t id_of(const struct loader *load, const char *token)
{
    const json_t *id = json_object_get(load->vocab, token);

    return id ? (int32_t)json_integer_value(id) : -1;
}

static bool load_added(struct loader *load, const json_t *added,
                       struct error *err)
{
    const json_t *id = json_object_get(added, "id");
    const char *token = json_string_value(json_object_get(added, "content"));
    int32_t known;

    if (!token)
        return invalid(err, "an added token has no content");
    if (!json_is_true(json_object_get(added, "special")))
        return unsupported(err, "added token that is not special", token);
    known = id_of(load, token);
    if (known < 0)
        return take_id(load, id, token, err);
    if (!json_is_integer(id) || json_integer_value(id) != known)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: added token '%s' has another id in vocab",
                    token);
    return true;
}

/* Added tokens, and then: every id from 0 on is used. */
static bool load_added_tokens(struct loader *load, struct error *err)
{
    const json_t *list = json_object_get(load->root, "added_tokens");

    if (!is_null(list) && !json_is_array(list))
        return invalid(err, "added_tokens is no array");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!load_added(load, json_array_get(list, i), err))
            return false;
    }
    for (size_t id = 0; id < load->tok->vocab_size; id++) {
        if ((load->seen[id / 8] & (1U << (id % 8))) == 0)
            return fail(err, ERR_FILE_INVALID,
                        "tokenizer: no token has id %zu, yet there are %zu "
                        "tokens",
                        id, load->tok->vocab_size);
    }
    return true;
}

/*
 * The character by which byte-level BPE writes a byte: printable Latin-1 is
 * itself, the other 68 bytes take U+0100 and up, in their order.
 */
static uint32_t byte_character(unsigned byte)
{
    uint32_t moved = 0;

    for (unsigned b = 0; b <= 255; b++) {
        bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);

        if (b == byte)
            return printable ? byte : 0x100 + moved;
        moved += !printable;
    }
    return 0;
}

static bool load_bytes(struct loader *load, struct error *err)
{
    const json_t *unknown = json_object_get(load->model, "unk_token");
    int32_t unknown_id = -1;

    if (!is_null(unknown)) {
        if (json_is_string(unknown))
            unknown_id = id_of(load, json_string_value(unknown));
        if (unknown_id < 0)
            return invalid(err, "unk_token is not in vocab");
    }
    for (unsigned byte = 0; byte <= 255; byte++) {
        char text[TOK_BYTE_TEXT] = {0};
        int32_t id;

        (void)utf8_put(byte_character(byte), text);
        id = id_of(load, text);
        load->tok->byte_ids[byte] = id >= 0 ? id : unknown_id;
    }
    return true;
}

/* ---- merges ---- */

/* The two tokens of a merge, ["a", "b"] or "a b", in `buffer`. */
static bool merge_tokens(const json_t *merge, struct buf *buffer,
                         const char **left, const char **right)
{
    const char *text = json_string_value(merge);
    char *space;

    if (json_array_size(merge) == 2) {
        *left = json_string_value(json_array_get(merge, 0));
        *right = json_string_value(json_array_get(merge, 1));
        return *left && *right;
    }
    if (!text)
        return false;
    buf_clear(buffer);
    buf_string(buffer, text);
    space = buf_ok(buffer) ? strchr(buffer->data, ' ') : NULL;
    if (!space || strchr(space + 1, ' '))
        return false;
    *space = '\0';
    *left = buffer->data;
    *right = space + 1;
    return true;
}

/* The id of the token that `left` and `right` make; -1 if there is none. */
static int32_t joined_id(const struct loader *load, const char *left,
                         const char *right, struct buf *buffer)
{
    buf_clear(buffer);
    buf_string(buffer, left);
    buf_string(buffer, right);
    return buf_ok(buffer) ? id_of(load, buffer->data) : -1;
}

static bool load_merge(struct loader *load, size_t rank, const json_t *merge,
                       struct buf buffers[2], struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    const char *left = NULL, *right = NULL;
    int32_t left_id, right_id, result;

    if (!merge_tokens(merge, &buffers[0], &left, &right))
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: merge %zu is not two tokens", rank);
    left_id = id_of(load, left);
    right_id = id_of(load, right);
    result = joined_id(load, left, right, &buffers[1]);
    if (left_id < 0 || right_id < 0 || result < 0)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: merge %zu has a token that is not in vocab",
                    rank);
    /* A pair that comes twice counts as the later one, as in the original. */
    tok->merges[tok_merge_slot(tok->merges, tok->merge_slots, left_id,
                               right_id)] =
        (struct tok_merge){left_id, right_id, result, (uint32_t)rank};
    return true;
}

static bool load_merges(struct loader *load, struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    const json_t *list = json_object_get(load->model, "merges");
    size_t count = json_array_size(list);
    struct buf buffers[2] = {{0}, {0}};
    bool ok = true;

    if (!json_is_array(list))
        return invalid(err, "model has no merges");
    if (count > TOK_MERGES_MAX)
        return invalid(err, "there are more merges than the limit");
    if (count == 0)
        return true;
    tok->merge_slots = 2;
    while (tok->merge_slots < 2 * count)
        tok->merge_slots *= 2;
    tok->merges =
        arena_alloc(&tok->arena, tok->merge_slots * sizeof(*tok->merges));
    if (!tok->merges)
        return no_memory(err);
    for (size_t i = 0; i < tok->merge_slots; i++)
        tok->merges[i].left = -1;
    for (size_t i = 0; ok && i < count; i++)
        ok = load_merge(load, i, json_array_get(list, i), buffers, err);
    if (!buf_ok(&buffers[0]) || !buf_ok(&buffers[1]))
        ok = no_memory(err); /* then the merge was not to blame */
    buf_release(&buffers[0]);
    buf_release(&buffers[1]);
    return ok;
}

/* ---- model, normalizer, pre_tokenizer, decoder ---- */

static bool load_model(struct loader *load, struct error *err)
{
    static const char *const off[] = {"dropout",
                                      "continuing_subword_prefix",
                                      "end_of_word_suffix",
                                      "byte_fallback",
                                      "ignore_merges",
                                      "fuse_unk",
                                      NULL};
    const json_t *model = json_object_get(load->root, "model");

    if (!json_is_object(model))
        return invalid(err, "there is no model");
    /* Old files leave the type out; merges are BPE's alone. */
    if (strcmp(type_of(model), "BPE") != 0 &&
        (json_object_get(model, "type") || !json_object_get(model, "merges")))
        return unsupported(err, "model", type_of(model));
    load->model = model;
    return must_be_off(model, "model BPE", off, err) && load_vocab(load, err) &&
           load_added_tokens(load, err) && load_bytes(load, err) &&
           load_merges(load, err);
}

static bool check_text_steps(const struct loader *load, struct error *err)
{
    static const char *const off[] = {"add_prefix_space", NULL};
    const json_t *normalizer = json_object_get(load->root, "normalizer");
    const json_t *pre = json_object_get(load->root, "pre_tokenizer");
    const json_t *decoder = json_object_get(load->root, "decoder");

    if (!is_null(normalizer))
        return unsupported(err, "normalizer", type_of(normalizer));
    if (is_null(pre))
        return unsupported(err, "pre_tokenizer", "null");
    if (strcmp(type_of(pre), "ByteLevel") != 0)
        return unsupported(err, "pre_tokenizer", type_of(pre));
    /* The file's default is true. */
    if (!json_is_false(json_object_get(pre, "use_regex")))
        return unsupported(err, "pre_tokenizer ByteLevel option", "use_regex");
    if (!is_null(decoder) && strcmp(type_of(decoder), "ByteLevel") != 0)
        return unsupported(err, "decoder", type_of(decoder));
    return must_be_off(pre, "pre_tokenizer ByteLevel", off, err);
}

/* ---- post_processor ---- */

/* Appends the ids of special token `name` to prefix or suffix. */
static bool template_special(struct loader *load, const json_t *processor,
                             const char *name, bool is_suffix,
                             struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    const json_t *ids = json_object_get(
        json_object_get(json_object_get(processor, "special_tokens"),
                        name ? name : ""),
        "ids");

    if (json_array_size(ids) == 0)
        return invalid(err, "the template names a special token without ids");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *value = json_array_get(ids, i);
        json_int_t id = json_integer_value(value);

        if (!json_is_integer(value) || id < 0 || (size_t)id >= tok->vocab_size)
            return invalid(err, "the template has an id that is not in vocab");
        if (is_suffix)
            tok->suffix[tok->suffix_count++] = id;
        else
            tok->prefix[tok->prefix_count++] = id;
    }
    return true;
}

/* Upper bound of the ids that the template puts on one side of the text. */
static size_t template_size(const json_t *processor, const json_t *single)
{
    json_t *specials = json_object_get(processor, "special_tokens");
    size_t longest = 0;
    const char *name;
    json_t *special;

    json_object_foreach(specials, name, special)
    {
        size_t count = json_array_size(json_object_get(special, "ids"));

        longest = count > longest ? count : longest;
    }
    return longest * json_array_size(single);
}

static bool template_item(struct loader *load, const json_t *processor,
                          const json_t *item, bool *after, struct error *err)
{
    const json_t *special = json_object_get(item, "SpecialToken");
    const json_t *sequence = json_object_get(item, "Sequence");
    const char *id = json_string_value(json_object_get(sequence, "id"));

    if (special)
        return template_special(
            load, processor, json_string_value(json_object_get(special, "id")),
            *after, err);
    if (!id || strcmp(id, "A") != 0 || *after)
        return invalid(err, "the single template does not hold A once");
    *after = true;
    return true;
}

static bool load_template(struct loader *load, struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    const json_t *processor = json_object_get(load->root, "post_processor");
    const json_t *single = json_object_get(processor, "single");
    bool after = false;
    size_t room;

    if (is_null(processor))
        return true;
    if (strcmp(type_of(processor), "TemplateProcessing") != 0)
        return unsupported(err, "post_processor", type_of(processor));
    /* More around a text than this is no template but an attack. */
    room = template_size(processor, single);
    if (json_array_size(single) > 64 || room > 4096)
        return invalid(err, "the single template is too long");
    tok->prefix = arena_alloc(&tok->arena, room * sizeof(*tok->prefix));
    tok->suffix = arena_alloc(&tok->arena, room * sizeof(*tok->suffix));
    if (!tok->prefix || !tok->suffix)
        return no_memory(err);
    for (size_t i = 0; i < json_array_size(single); i++) {
        if (!template_item(load, processor, json_array_get(single, i), &after,
                           err))
            return false;
    }
    return after || invalid(err, "the single template does not hold A once");
}

/* ---- truncation and padding ---- */

static bool is_right(const json_t *part)
{
    const json_t *direction = json_object_get(part, "direction");
    const char *text = json_string_value(direction);

    return is_null(direction) || (text && strcmp(text, "Right") == 0);
}

static bool load_truncation(struct loader *load, struct error *err)
{
    const json_t *part = json_object_get(load->root, "truncation");
    const char *strategy = json_string_value(json_object_get(part, "strategy"));
    json_int_t length = json_integer_value(json_object_get(part, "max_length"));

    if (is_null(part))
        return true;
    if (!is_right(part))
        return unsupported(err, "truncation direction", "Left");
    /* OnlySecond would cut the second text of a pair: there is none. */
    if (strategy && strcmp(strategy, "OnlySecond") == 0)
        return unsupported(err, "truncation strategy", strategy);
    if (length < 1 || length > INT32_MAX)
        return invalid(err, "truncation max_length is not within 1 ... 2^31-1");
    load->tok->truncation = (size_t)length;
    return true;
}

static bool load_padding(struct loader *load, struct error *err)
{
    static const char *const off[] = {"pad_to_multiple_of", NULL};
    const json_t *part = json_object_get(load->root, "padding");
    const json_t *strategy = json_object_get(part, "strategy");
    const char *name = json_string_value(strategy);
    json_int_t id = json_integer_value(json_object_get(part, "pad_id"));

    if (is_null(part))
        return true;
    if (!name || strcmp(name, "BatchLongest") != 0)
        return unsupported(err, "padding strategy", name ? name : "Fixed");
    if (!is_right(part))
        return unsupported(err, "padding direction", "Left");
    if (id < 0 || (size_t)id >= load->tok->vocab_size)
        return invalid(err, "padding pad_id is not in vocab");
    load->tok->pad_id = id;
    return must_be_off(part, "padding", off, err);
}

/* ---- all of it ---- */

static bool load_all(struct tok_tokenizer *tok, const json_t *root,
                     struct error *err)
{
    struct loader load = {.tok = tok, .root = root};
    bool ok = false;

    load.seen = calloc(TOK_VOCAB_MAX / 8, 1);
    if (!load.seen)
        return no_memory(err);
    ok = check_text_steps(&load, err) && load_model(&load, err) &&
         load_template(&load, err) && load_truncation(&load, err) &&
         load_padding(&load, err);
    free(load.seen);
    return ok;
}

struct tok_tokenizer *tok_load(const char *json, size_t size, struct error *err)
{
    struct tok_tokenizer *tok = NULL;
    json_error_t at;
    json_t *root;

    root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &at);
    if (!root) {
        (void)fail(err, ERR_FILE_INVALID, "tokenizer: %s at byte %d", at.text,
                   at.position);
        return NULL;
    }
    tok = calloc(1, sizeof(*tok));
    if (!tok) {
        (void)no_memory(err);
    } else {
        arena_init(&tok->arena, 0);
        if (!load_all(tok, root, err)) {
            tok_close(tok);
            tok = NULL;
        }
    }
    json_decref(root);
    return tok;
}
