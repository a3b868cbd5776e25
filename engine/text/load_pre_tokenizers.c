/*
 * Loads the pre-tokenizers: a chain of rows of components.def.
 */
#include "load.h"

typedef bool load_pre_tokenizer(struct loader *load, const json_t *json,
                                struct pre_tokenizer *out, struct error *err);

/* ---- each of them ---- */

static bool nothing(const json_t *json, struct error *err)
{
    return load_check_keys(json, "", err);
}

static bool load_pre_tokenizer_bert(struct loader *load, const json_t *json,
                                    struct pre_tokenizer *out,
                                    struct error *err)
{
    (void)load;
    (void)out;
    return nothing(json, err);
}

static bool load_pre_tokenizer_words(struct loader *load, const json_t *json,
                                     struct pre_tokenizer *out,
                                     struct error *err)
{
    (void)load;
    (void)out;
    return nothing(json, err);
}

static bool load_pre_tokenizer_spaces(struct loader *load, const json_t *json,
                                      struct pre_tokenizer *out,
                                      struct error *err)
{
    (void)load;
    (void)out;
    return nothing(json, err);
}

/* trim_offsets is the post-processor's of that name. */
static bool load_pre_tokenizer_bytes(struct loader *load, const json_t *json,
                                     struct pre_tokenizer *out,
                                     struct error *err)
{
    bool trim;

    if (!load_check_keys(json, "add_prefix_space,trim_offsets,use_regex",
                         err) ||
        !load_bool(json, "add_prefix_space", true, &out->as.bytes.prefix,
                   err) ||
        !load_bool(json, "trim_offsets", true, &trim, err) ||
        !load_bool(json, "use_regex", true, &out->as.bytes.regex, err))
        return false;
    out->rewrites = out->as.bytes.prefix;
    load_grow(load, out->rewrites ? 2 : 1, 0);
    return true;
}

static bool load_pre_tokenizer_delimiter(struct loader *load,
                                         const json_t *json,
                                         struct pre_tokenizer *out,
                                         struct error *err)
{
    (void)load;
    return load_check_keys(json, "delimiter", err) &&
           load_char(json, "delimiter", NULL, &out->as.delimiter, err);
}

static bool load_pre_tokenizer_digits(struct loader *load, const json_t *json,
                                      struct pre_tokenizer *out,
                                      struct error *err)
{
    (void)load;
    return load_check_keys(json, "individual_digits", err) &&
           load_bool(json, "individual_digits", false, &out->as.individual,
                     err);
}

static bool load_pre_tokenizer_length(struct loader *load, const json_t *json,
                                      struct pre_tokenizer *out,
                                      struct error *err)
{
    (void)load;
    return load_check_keys(json, "length", err) &&
           load_count(json, "length", 1, 5, &out->as.length, err);
}

static bool prefix_scheme(const json_t *json, enum prefix_scheme *out,
                          struct error *err)
{
    static const char *const names[] = {"never", "first", "always", NULL};
    bool add = true;
    size_t place;

    /* Old files say add_prefix_space instead. */
    if (!load_bool(json, "add_prefix_space", true, &add, err))
        return false;
    place = add ? PREFIX_ALWAYS : PREFIX_NEVER;
    if (!load_choice(json, "prepend_scheme", "prepend_scheme", names, &place,
                     err))
        return false;
    *out = (enum prefix_scheme)place;
    return add || *out == PREFIX_NEVER ||
           load_invalid(err, "add_prefix_space does not match the "
                             "prepend_scheme");
}

static bool load_pre_tokenizer_metaspace(struct loader *load,
                                         const json_t *json,
                                         struct pre_tokenizer *out,
                                         struct error *err)
{
    if (!load_check_keys(json,
                         "replacement,add_prefix_space,prepend_scheme,split,"
                         "str_rep",
                         err) ||
        !load_char(json, "replacement", "\xe2\x96\x81",
                   &out->as.metaspace.replacement, err) ||
        !load_bool(json, "split", true, &out->as.metaspace.split, err) ||
        !prefix_scheme(json, &out->as.metaspace.prefix, err))
        return false;
    out->rewrites = true;
    if (out->as.metaspace.prefix == PREFIX_FIRST)
        load->tok->needs_origins = true;
    load_grow(load, (size_t)2 * TEXT_CHAR_MAX, 0);
    return true;
}

static bool behavior(const json_t *json, enum split_behavior *out,
                     struct error *err)
{
    static const char *const names[] = {"Isolated",       "Removed",
                                        "Contiguous",     "MergedWithPrevious",
                                        "MergedWithNext", NULL};
    size_t place = SPLIT_ISOLATED;

    if (!load_choice(json, "behavior", "split behavior", names, &place, err))
        return false;
    *out = (enum split_behavior)place;
    return true;
}

static bool load_pre_tokenizer_punctuation(struct loader *load,
                                           const json_t *json,
                                           struct pre_tokenizer *out,
                                           struct error *err)
{
    (void)load;
    return load_check_keys(json, "behavior", err) &&
           behavior(json, &out->as.behavior, err);
}

static bool load_pre_tokenizer_pattern(struct loader *load, const json_t *json,
                                       struct pre_tokenizer *out,
                                       struct error *err)
{
    return load_check_keys(json, "pattern,behavior,invert", err) &&
           load_pattern(load, json, &out->as.pattern.pattern, err) &&
           behavior(json, &out->as.pattern.behavior, err) &&
           load_bool(json, "invert", false, &out->as.pattern.invert, err);
}

/* ---- the chain ---- */

static const struct pre_tokenizer_row {
    const char *type;
    pre_tokenizer_apply *apply;
    load_pre_tokenizer *load;
} rows[] = {
#define PRE_TOKENIZER(type, function)                                          \
    {#type, pre_tokenizer_##function, load_pre_tokenizer_##function},
#include "components.def"
};

static bool load_one(struct loader *load, const json_t *json, const char *type,
                     struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    struct pre_tokenizer *out = &tok->pre_tokenizers[tok->pre_tokenizer_count];

    if (tok->pre_tokenizer_count + 2 > TOK_STEPS_MAX)
        return load_invalid(err, "there are more pre_tokenizers than the "
                                 "limit");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].type, type) != 0)
            continue;
        out->apply = rows[i].apply;
        tok->pre_tokenizer_count++;
        return rows[i].load(load, json, out, err);
    }
    return load_unsupported(err, "pre_tokenizer", type);
}

/*
 * Bytes stay bytes if BPE takes them right from ByteLevel; otherwise they
 * become the characters that stand for them, in a step of its own where there
 * is a space to add before.
 */
static bool map_bytes(struct loader *load, struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    bool takes_bytes = tok->model == model_bpe && tok->bpe.prefix.size == 0 &&
                       tok->bpe.suffix.size == 0 && !tok->bpe.fallback;

    for (size_t i = 0; i < tok->pre_tokenizer_count; i++) {
        struct pre_tokenizer *step = &tok->pre_tokenizers[i];
        bool last = i + 1 == tok->pre_tokenizer_count;

        if (step->apply != pre_tokenizer_bytes || (last && takes_bytes))
            continue;
        if (step->as.bytes.prefix) {
            if (tok->pre_tokenizer_count == TOK_STEPS_MAX)
                return load_invalid(err, "there are more pre_tokenizers than "
                                         "the limit");
            memmove(step + 1, step,
                    (tok->pre_tokenizer_count - i) * sizeof(*step));
            tok->pre_tokenizer_count++;
            step++;
            step->as.bytes.prefix = step->as.bytes.regex = false;
            i++;
        }
        step->as.bytes.map = step->rewrites = true;
        load_grow(load, 2, 0);
    }
    return true;
}

bool load_pre_tokenizers(struct loader *load, struct error *err)
{
    return load_chain(load, "pre_tokenizer", "pretokenizers", load_one, err) &&
           map_bytes(load, err);
}
