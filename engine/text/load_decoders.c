/*
 * Loads the decoders: a chain of rows of components.def.
 */
#include "load.h"

typedef bool load_decoder(struct loader *load, const json_t *json,
                          struct decoder *out, struct error *err);

/* ---- each of them ---- */

static bool load_decoder_suffix(struct loader *load, const json_t *json,
                                struct decoder *out, struct error *err)
{
    return load_check_keys(json, "suffix", err) &&
           load_string(load, json, "suffix", "</w>", &out->as.suffix, err);
}

static bool load_decoder_fallback(struct loader *load, const json_t *json,
                                  struct decoder *out, struct error *err)
{
    (void)load;
    (void)out;
    return load_check_keys(json, "", err);
}

static bool load_decoder_fuse(struct loader *load, const json_t *json,
                              struct decoder *out, struct error *err)
{
    return load_decoder_fallback(load, json, out, err);
}

/* Its options are for encoding. */
static bool load_decoder_bytes(struct loader *load, const json_t *json,
                               struct decoder *out, struct error *err)
{
    (void)load;
    (void)out;
    return load_check_keys(json, "add_prefix_space,trim_offsets,use_regex",
                           err);
}

static bool load_decoder_ctc(struct loader *load, const json_t *json,
                             struct decoder *out, struct error *err)
{
    return load_check_keys(json, "pad_token,word_delimiter_token,cleanup",
                           err) &&
           load_string(load, json, "pad_token", "<pad>", &out->as.ctc.pad,
                       err) &&
           load_string(load, json, "word_delimiter_token", "|",
                       &out->as.ctc.delimiter, err) &&
           load_bool(json, "cleanup", true, &out->as.ctc.cleanup, err);
}

static bool load_decoder_metaspace(struct loader *load, const json_t *json,
                                   struct decoder *out, struct error *err)
{
    const json_t *scheme = json_object_get(json, "prepend_scheme");
    const char *name = json_string_value(scheme);
    bool split;

    (void)load;
    if (!load_check_keys(json,
                         "replacement,add_prefix_space,prepend_scheme,split,"
                         "str_rep",
                         err) ||
        !load_char(json, "replacement", "\xe2\x96\x81",
                   &out->as.metaspace.replacement, err) ||
        !load_bool(json, "split", true, &split, err) ||
        !load_bool(json, "add_prefix_space", true, &out->as.metaspace.prefixed,
                   err))
        return false;
    if (!load_is_null(scheme))
        out->as.metaspace.prefixed = !name || strcmp(name, "never") != 0;
    return true;
}

static bool load_decoder_replace(struct loader *load, const json_t *json,
                                 struct decoder *out, struct error *err)
{
    return load_check_keys(json, "pattern,content", err) &&
           load_pattern(load, json, &out->as.replace.pattern, err) &&
           load_string(load, json, "content", NULL, &out->as.replace.content,
                       err);
}

static bool load_decoder_strip(struct loader *load, const json_t *json,
                               struct decoder *out, struct error *err)
{
    (void)load;
    return load_check_keys(json, "content,start,stop", err) &&
           load_char(json, "content", NULL, &out->as.strip.content, err) &&
           load_count(json, "start", 0, 0, &out->as.strip.start, err) &&
           load_count(json, "stop", 0, 0, &out->as.strip.stop, err);
}

static bool load_decoder_wordpiece(struct loader *load, const json_t *json,
                                   struct decoder *out, struct error *err)
{
    return load_check_keys(json, "prefix,cleanup", err) &&
           load_string(load, json, "prefix", "##", &out->as.wordpiece.prefix,
                       err) &&
           load_bool(json, "cleanup", true, &out->as.wordpiece.cleanup, err);
}

/* ---- the chain ---- */

static const struct decoder_row {
    const char *type;
    decoder_apply *apply;
    load_decoder *load;
} rows[] = {
#define DECODER(type, function)                                                \
    {#type, decoder_##function, load_decoder_##function},
#include "components.def"
};

static bool load_one(struct loader *load, const json_t *json, const char *type,
                     struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    struct decoder *out = &tok->decoders[tok->decoder_count];

    if (tok->decoder_count == TOK_STEPS_MAX)
        return load_invalid(err, "there are more decoders than the limit");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].type, type) != 0)
            continue;
        out->apply = rows[i].apply;
        tok->decoder_count++;
        return rows[i].load(load, json, out, err);
    }
    return load_unsupported(err, "decoder", type);
}

bool load_decoders(struct loader *load, struct error *err)
{
    return load_chain(load, "decoder", "decoders", load_one, err);
}
