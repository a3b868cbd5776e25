/*
 * Loads BPE: its options and merges, and in the end what its pieces are.
 */
#include "load.h"

#include <stdio.h>

#include "buf.h"
#include "model_bpe.h"
#include "utf8.h"

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

/* The id of the token that `left` and `right` make; -1 if there is none. The
 * right one's prefix is inside the word then, and goes. */
static int32_t joined_id(const struct loader *load, const char *left,
                         const char *right, struct buf *buffer)
{
    size_t prefix = load->tok->bpe.prefix.size;

    if (strlen(right) < prefix)
        return -1;
    buf_clear(buffer);
    buf_string(buffer, left);
    buf_string(buffer, right + prefix);
    return buf_ok(buffer) ? load_id_of(load, buffer->data) : -1;
}

static bool load_merge(struct loader *load, size_t rank, const json_t *merge,
                       struct buf buffers[2], struct error *err)
{
    struct bpe *bpe = &load->tok->bpe;
    const char *left = NULL, *right = NULL;
    int32_t left_id, right_id, result;

    if (!merge_tokens(merge, &buffers[0], &left, &right))
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: merge %zu is not two tokens", rank);
    left_id = load_id_of(load, left);
    right_id = load_id_of(load, right);
    result = joined_id(load, left, right, &buffers[1]);
    if (left_id < 0 || right_id < 0 || result < 0)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: merge %zu has a token that is not in vocab",
                    rank);
    /* A pair that comes twice counts as the later one, as in the original. */
    bpe->merges[bpe_merge_slot(bpe->merges, bpe->merge_slots, left_id,
                               right_id)] =
        (struct bpe_merge){left_id, right_id, result, (uint32_t)rank};
    return true;
}

static bool load_merges(struct loader *load, const json_t *model,
                        struct error *err)
{
    struct bpe *bpe = &load->tok->bpe;
    const json_t *list = json_object_get(model, "merges");
    size_t count = json_array_size(list);
    struct buf buffers[2] = {{0}, {0}};
    bool ok = true;

    if (!json_is_array(list))
        return load_invalid(err, "model has no merges");
    if (count > TOK_MERGES_MAX)
        return load_invalid(err, "there are more merges than the limit");
    if (count == 0)
        return true;
    bpe->merge_slots = 2;
    while (bpe->merge_slots < 2 * count)
        bpe->merge_slots *= 2;
    bpe->merges =
        arena_alloc(&load->tok->arena, bpe->merge_slots * sizeof(*bpe->merges));
    if (!bpe->merges)
        return load_no_memory(err);
    for (size_t i = 0; i < bpe->merge_slots; i++)
        bpe->merges[i].left = -1;
    for (size_t i = 0; ok && i < count; i++)
        ok = load_merge(load, i, json_array_get(list, i), buffers, err);
    if (!buf_ok(&buffers[0]) || !buf_ok(&buffers[1]))
        ok = load_no_memory(err); /* then the merge was not to blame */
    buf_release(&buffers[0]);
    buf_release(&buffers[1]);
    return ok;
}

/* ---- options ---- */

static bool no_dropout(const json_t *model, struct error *err)
{
    const json_t *dropout = json_object_get(model, "dropout");

    if (load_is_null(dropout) ||
        (json_is_number(dropout) && !(json_number_value(dropout) > 0)))
        return true;
    return fail(err, ERR_MODEL_UNSUPPORTED,
                "tokenizer: BPE option 'dropout' is not supported");
}

bool load_model_bpe(struct loader *load, const json_t *model, struct error *err)
{
    struct bpe *bpe = &load->tok->bpe;

    return load_check_keys(model,
                           "vocab,merges,dropout,unk_token,"
                           "continuing_subword_prefix,end_of_word_suffix,"
                           "fuse_unk,byte_fallback,ignore_merges",
                           err) &&
           no_dropout(model, err) &&
           load_bool(model, "fuse_unk", false, &bpe->fuse_unknown, err) &&
           load_bool(model, "byte_fallback", false, &bpe->fallback, err) &&
           load_bool(model, "ignore_merges", false, &bpe->ignore_merges, err) &&
           load_string(load, model, "continuing_subword_prefix", "",
                       &bpe->prefix, err) &&
           load_string(load, model, "end_of_word_suffix", "", &bpe->suffix,
                       err) &&
           load_vocab_object(load, model, err) &&
           load_token(load, model, "unk_token", &bpe->unknown, err) &&
           load_merges(load, model, err);
}

/* ---- what the pieces are ---- */

/* The bytes that a token of byte-level characters stands for; false if one is
 * no such character. */
static bool bytes_of(const struct vocab *vocab, const struct vocab_entry *entry,
                     struct buf *out)
{
    const char *token = vocab->bytes + entry->start;

    buf_clear(out);
    for (size_t at = 0; at < entry->size;) {
        int byte = byte_level_byte(uc_next(token, &at));

        if (byte < 0)
            return false;
        buf_char(out, (char)byte);
    }
    return buf_ok(out);
}

static bool fill_words(struct tok_tokenizer *tok, struct error *err)
{
    struct buf bytes = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < tok->vocab.count; i++) {
        const struct vocab_entry *entry = &tok->vocab.entries[i];

        if (bytes_of(&tok->vocab, entry, &bytes))
            ok = vocab_add(&tok->bpe.words, bytes.data ? bytes.data : "",
                           bytes.size, entry->id);
    }
    ok = ok && !bytes.failed;
    buf_release(&bytes);
    return ok || load_no_memory(err);
}

static void find_bytes(struct loader *load, bool by_byte)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8] = {0};

        if (by_byte)
            (void)utf8_put(byte_level_char((unsigned char)byte), name);
        else
            (void)snprintf(name, sizeof(name), "<0x%02X>", byte);
        load->tok->bpe.byte_ids[byte] = load_id_of(load, name);
    }
}

static void find_ascii(struct tok_tokenizer *tok)
{
    for (unsigned c = 0; c < 128; c++) {
        char text = (char)c;

        tok->bpe.ascii_ids[c] = vocab_find(&tok->vocab, &text, 1);
    }
}

bool load_bpe_finish(struct loader *load, struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    struct bpe *bpe = &tok->bpe;
    size_t last = tok->pre_tokenizer_count - 1;

    bpe->by_byte = tok->pre_tokenizer_count > 0 &&
                   tok->pre_tokenizers[last].apply == pre_tokenizer_bytes &&
                   !tok->pre_tokenizers[last].as.bytes.map;
    find_bytes(load, bpe->by_byte);
    find_ascii(tok);
    if (bpe->by_byte && !fill_words(tok, err))
        return false;
    return bpe_prepare(tok) || load_no_memory(err);
}
