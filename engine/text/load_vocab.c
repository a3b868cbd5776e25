/*
 * Loads a vocab.txt: one WordPiece token per line, its number is the id.
 *
 * The lines become the tokenizer.json that Hugging Face's library writes for
 * them, which is then loaded as any other. What the file cannot say is in a
 * tokenizer_config.json beside it; without one, a vocabulary that has words
 * with capital letters is taken as cased.
 */
#include "buf.h"
#include "json_put.h"
#include "load.h"
#include "utf8.h"

/* The rest of the bytes up to the next line end, without blanks behind. */
static struct tok_string next_line(struct tok_text *rest)
{
    static const char blanks[] = {' ', '\t', '\r', '\v', '\f'};
    const char *end = memchr(rest->bytes, '\n', rest->size);
    size_t size = end ? (size_t)(end - rest->bytes) : rest->size;
    struct tok_string line = {rest->bytes, size};

    size += end != NULL;
    rest->bytes += size;
    rest->size -= size;
    while (line.size > 0 &&
           memchr(blanks, line.bytes[line.size - 1], sizeof(blanks)) != NULL)
        line.size--;
    return line;
}

static bool has_capital(struct tok_string line)
{
    if (line.size > 0 && line.bytes[0] == '[') /* [CLS], [unused1] */
        return false;
    for (size_t i = 0; i < line.size; i++) {
        if (line.bytes[i] >= 'A' && line.bytes[i] <= 'Z')
            return true;
    }
    return false;
}

/* The lines as tokens; the id of each is its place. */
static bool read_lines(struct tok_text rest, struct vocab *out,
                       struct error *err)
{
    for (int32_t id = 0; rest.size > 0; id++) {
        struct tok_string line = next_line(&rest);
        int32_t before = vocab_find(out, line.bytes, line.size);

        if (id == TOK_VOCAB_MAX)
            return load_invalid(err, "vocab has more tokens than the limit");
        if (memchr(line.bytes, '\0', line.size))
            return fail(err, ERR_FILE_INVALID,
                        "tokenizer: line %d of vocab.txt holds NUL", id + 1);
        if (before >= 0)
            return fail(err, ERR_FILE_INVALID,
                        "tokenizer: line %d of vocab.txt is line %d again",
                        id + 1, before + 1);
        if (!vocab_add(out, line.bytes, line.size, id))
            return load_no_memory(err);
    }
    return true;
}

/* Appends the vocabulary; *cased = has it words with capital letters? */
static void put_vocab(const struct vocab *vocab, struct buf *out, bool *cased)
{
    *cased = false;
    buf_string(out, "{");
    for (size_t id = 0; id < vocab->count; id++) {
        const struct vocab_entry *entry = &vocab->entries[id];
        struct tok_string line = {vocab->bytes + entry->start, entry->size};

        *cased = *cased || has_capital(line);
        buf_string(out, id > 0 ? "," : "");
        json_put_string(out, line.bytes, line.size);
        buf_printf(out, ":%zu", id);
    }
    buf_char(out, '}');
}

/* The id of the line that is this token; -1 = none. */
static int32_t id_of(const struct vocab *vocab, const char *token)
{
    return vocab_find(vocab, token, strlen(token));
}

/* The special tokens that are there. */
static void put_added(const struct vocab *vocab, struct buf *out)
{
    static const char *const names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                        "[MASK]"};
    const char *comma = "";

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int32_t id = id_of(vocab, names[i]);

        if (id < 0)
            continue;
        buf_printf(out,
                   "%s{\"id\":%d,\"content\":\"%s\",\"special\":true,"
                   "\"normalized\":false}",
                   comma, id, names[i]);
        comma = ",";
    }
}

/* What the config says of the normalizer; its other keys are for others. */
static bool put_normalizer(const json_t *config, bool cased, struct buf *out,
                           struct error *err)
{
    const json_t *strip = json_object_get(config, "strip_accents");
    bool lower, cjk, strips;

    if (!load_bool(config, "do_lower_case", !cased, &lower, err) ||
        !load_bool(config, "tokenize_chinese_chars", true, &cjk, err) ||
        !load_bool(config, "strip_accents", false, &strips, err))
        return false;
    buf_printf(out,
               "{\"type\":\"BertNormalizer\",\"clean_text\":true,"
               "\"handle_chinese_chars\":%s,\"strip_accents\":%s,"
               "\"lowercase\":%s}",
               cjk ? "true" : "false",
               load_is_null(strip) ? "null"
               : strips            ? "true"
                                   : "false",
               lower ? "true" : "false");
    return true;
}

static bool put_json(const struct vocab *vocab, const json_t *config,
                     struct buf *out, struct error *err)
{
    int32_t cls = id_of(vocab, "[CLS]"), sep = id_of(vocab, "[SEP]");
    bool cased;

    if (cls < 0 || sep < 0 || id_of(vocab, "[UNK]") < 0)
        return load_invalid(err, "vocab.txt has no [CLS], [SEP] or [UNK]");
    buf_string(out, "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":"
                    "\"[UNK]\",\"continuing_subword_prefix\":\"##\","
                    "\"max_input_chars_per_word\":100,\"vocab\":");
    put_vocab(vocab, out, &cased);
    buf_string(out, "},\"added_tokens\":[");
    put_added(vocab, out);
    buf_string(out, "],\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
                    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\","
                    "\"cleanup\":true},\"post_processor\":{\"type\":"
                    "\"BertProcessing\"");
    buf_printf(out, ",\"cls\":[\"[CLS]\",%d],\"sep\":[\"[SEP]\",%d]}", cls,
               sep);
    buf_string(out, ",\"normalizer\":");
    if (!put_normalizer(config, cased, out, err))
        return false;
    buf_char(out, '}');
    return buf_ok(out) || load_no_memory(err);
}

struct tok_tokenizer *tok_load_vocab(struct tok_text lines,
                                     struct tok_text config, struct error *err)
{
    struct tok_tokenizer *tok = NULL;
    json_t *object = NULL;
    json_error_t at;
    struct vocab vocab = {0};
    struct buf json = {0};

    if (config.size > 0) {
        object =
            json_loadb(config.bytes, config.size, JSON_REJECT_DUPLICATES, &at);
        if (!json_is_object(object)) {
            (void)fail(err, ERR_FILE_INVALID, "tokenizer_config.json: %s",
                       object ? "no object" : at.text);
            json_decref(object);
            return NULL;
        }
    }
    if (!utf8_valid(lines.bytes, lines.size))
        (void)load_invalid(err, "vocab.txt is not UTF-8");
    else if (read_lines(lines, &vocab, err) &&
             put_json(&vocab, object, &json, err))
        tok = tok_open_bytes(json.data, json.size, err);
    vocab_release(&vocab);
    buf_release(&json);
    json_decref(object);
    return tok;
}
