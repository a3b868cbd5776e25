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
    const char *end = memchr(rest->bytes, '\n', rest->size);
    size_t size = end ? (size_t)(end - rest->bytes) : rest->size;
    struct tok_string line = {rest->bytes, size};

    size += end != NULL;
    rest->bytes += size;
    rest->size -= size;
    while (line.size > 0 &&
           strchr(" \t\r\v\f", line.bytes[line.size - 1]) != NULL)
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

/* Appends the vocabulary; *cased = has it words with capital letters? */
static void put_vocab(struct tok_text rest, struct buf *out, bool *cased)
{
    *cased = false;
    buf_string(out, "{");
    for (size_t id = 0; rest.size > 0; id++) {
        struct tok_string line = next_line(&rest);

        *cased = *cased || has_capital(line);
        buf_string(out, id > 0 ? "," : "");
        json_put_string(out, line.bytes, line.size);
        buf_printf(out, ":%zu", id);
    }
    buf_char(out, '}');
}

/* The id of the line that is this token; -1 = none. */
static int64_t id_of(struct tok_text rest, const char *token)
{
    for (int64_t id = 0; rest.size > 0; id++) {
        struct tok_string line = next_line(&rest);

        if (line.size == strlen(token) &&
            memcmp(line.bytes, token, line.size) == 0)
            return id;
    }
    return -1;
}

/* The special tokens that are there. */
static void put_added(struct tok_text lines, struct buf *out)
{
    static const char *const names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                        "[MASK]"};
    const char *comma = "";

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int64_t id = id_of(lines, names[i]);

        if (id < 0)
            continue;
        buf_printf(out,
                   "%s{\"id\":%lld,\"content\":\"%s\",\"special\":true,"
                   "\"normalized\":false}",
                   comma, (long long)id, names[i]);
        comma = ",";
    }
}

/* What the config says of the normalizer; its other keys are for others. */
static bool put_normalizer(const json_t *config, bool cased, struct buf *out,
                           struct error *err)
{
    const json_t *strip = json_object_get(config, "strip_accents");
    bool lower, cjk;

    if (!load_bool(config, "do_lower_case", !cased, &lower, err) ||
        !load_bool(config, "tokenize_chinese_chars", true, &cjk, err))
        return false;
    buf_printf(out,
               "{\"type\":\"BertNormalizer\",\"clean_text\":true,"
               "\"handle_chinese_chars\":%s,\"strip_accents\":%s,"
               "\"lowercase\":%s}",
               cjk ? "true" : "false",
               load_is_null(strip)   ? "null"
               : json_is_true(strip) ? "true"
                                     : "false",
               lower ? "true" : "false");
    return true;
}

static bool put_json(struct tok_text lines, const json_t *config,
                     struct buf *out, struct error *err)
{
    int64_t cls = id_of(lines, "[CLS]"), sep = id_of(lines, "[SEP]");
    bool cased;

    if (cls < 0 || sep < 0 || id_of(lines, "[UNK]") < 0)
        return load_invalid(err, "vocab.txt has no [CLS], [SEP] or [UNK]");
    buf_string(out, "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":"
                    "\"[UNK]\",\"continuing_subword_prefix\":\"##\","
                    "\"max_input_chars_per_word\":100,\"vocab\":");
    put_vocab(lines, out, &cased);
    buf_string(out, "},\"added_tokens\":[");
    put_added(lines, out);
    buf_string(out, "],\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
                    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\","
                    "\"cleanup\":true},\"post_processor\":{\"type\":"
                    "\"BertProcessing\"");
    buf_printf(out, ",\"cls\":[\"[CLS]\",%lld],\"sep\":[\"[SEP]\",%lld]}",
               (long long)cls, (long long)sep);
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
    else if (put_json(lines, object, &json, err))
        tok = tok_open_bytes(json.data, json.size, err);
    buf_release(&json);
    json_decref(object);
    return tok;
}
