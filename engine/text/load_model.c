/*
 * Loads the model: which one it is, and the tables of all but BPE.
 */
#include "load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "num.h"

static const struct tok_string no_prefix = {"", 0};

/* ---- which model ---- */

static const struct model_row {
    const char *type;
    model_apply *apply;
    bool (*load)(struct loader *load, const json_t *model, struct error *err);
} models[] = {
#define MODEL(type, function) {#type, model_##function, load_model_##function},
#include "components.def"
};

/* Old files leave the type out; then what they hold tells. */
static const char *model_type(const json_t *model)
{
    if (json_object_get(model, "type"))
        return load_type(model);
    if (json_object_get(model, "merges"))
        return "BPE";
    if (json_is_array(json_object_get(model, "vocab")))
        return "Unigram";
    return json_object_get(model, "continuing_subword_prefix") ? "WordPiece"
                                                               : "WordLevel";
}

bool load_model(struct loader *load, struct error *err)
{
    const json_t *model = json_object_get(load->root, "model");
    const char *type;

    if (!json_is_object(model))
        return load_invalid(err, "there is no model");
    type = model_type(model);
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        if (strcmp(models[i].type, type) != 0)
            continue;
        load->tok->model = models[i].apply;
        return models[i].load(load, model, err);
    }
    return load_unsupported(err, "model", type);
}

/* ---- WordLevel and WordPiece ---- */

bool load_model_wordlevel(struct loader *load, const json_t *model,
                          struct error *err)
{
    const json_t *unknown = json_object_get(model, "unk_token");

    if (!load_check_keys(model, "vocab,unk_token", err) ||
        !load_vocab_object(load, model, err))
        return false;
    if (!json_is_string(unknown))
        return load_invalid(err, "unk_token of WordLevel is no string");
    /* Without such a token, words that are none cannot be encoded. */
    load->tok->unknown_word = load_id_of(load, json_string_value(unknown));
    return true;
}

bool load_model_wordpiece(struct loader *load, const json_t *model,
                          struct error *err)
{
    struct wordpiece *out = &load->tok->wordpiece;
    struct tok_string prefix;

    if (!load_check_keys(model,
                         "vocab,unk_token,continuing_subword_prefix,"
                         "max_input_chars_per_word",
                         err) ||
        !load_string(load, model, "continuing_subword_prefix", "##", &prefix,
                     err) ||
        !load_count(model, "max_input_chars_per_word", 1, 100, &out->chars_max,
                    err) ||
        !load_vocab_object(load, model, err) ||
        !load_token(load, model, "unk_token", &out->unknown, err))
        return false;
    if (out->unknown < 0)
        return load_invalid(err, "WordPiece has no unk_token");
    return load_trie(load, no_prefix, &out->first, err) &&
           load_trie(load, prefix, &out->rest, err);
}

/* ---- Unigram ---- */

/*
 * A score as Hugging Face's library reads it: the digits as a whole number,
 * over a power of ten. That is one rounding more than the nearest double has,
 * and sums of scores that are equal on paper are ordered by such roundings.
 */
static double score_of(double value)
{
    char text[NUM_TEXT_MAX + 1], *end;
    uint64_t digits = 0;
    long exponent = 0;
    bool fraction = false;
    const char *at = text;
    char power[32];

    text[num_print_double(fabs(value), text)] = '\0';
    for (; *at == '.' || (*at >= '0' && *at <= '9'); at++) {
        fraction = fraction || *at == '.';
        if (*at == '.')
            continue;
        digits = digits * 10 + (uint64_t)(*at - '0');
        exponent -= fraction;
    }
    if (*at == 'e' || *at == 'E')
        exponent += strtol(at + 1, NULL, 10);
    (void)snprintf(power, sizeof(power), "1e%ld", labs(exponent));
    if (labs(exponent) > 308) /* too small to matter */
        return value;
    return exponent < 0 ? copysign((double)digits / strtod(power, &end), value)
                        : copysign((double)digits * strtod(power, &end), value);
}

static bool load_scored(struct loader *load, const json_t *item, size_t id,
                        double *lowest, struct error *err)
{
    const json_t *text = json_array_get(item, 0);
    const json_t *score = json_array_get(item, 1);
    double value;

    if (json_array_size(item) != 2 || !json_is_string(text) ||
        !json_is_number(score))
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: entry %zu of vocab is not a token with its "
                    "score",
                    id);
    if (!load_take_id(load, (json_int_t)id, json_string_value(text), err))
        return false;
    value = json_is_integer(score) ? json_number_value(score)
                                   : score_of(json_number_value(score));
    load->tok->unigram.scores[id] = value;
    if (value < *lowest)
        *lowest = value;
    return vocab_add(&load->tok->vocab, json_string_value(text),
                     json_string_length(text), (int32_t)id) ||
           load_no_memory(err);
}

bool load_model_unigram(struct loader *load, const json_t *model,
                        struct error *err)
{
    struct unigram *out = &load->tok->unigram;
    const json_t *vocab = json_object_get(model, "vocab");
    size_t count = json_array_size(vocab), unknown;
    double lowest = (double)INFINITY;

    if (!load_check_keys(model, "vocab,unk_id,byte_fallback", err) ||
        !load_bool(model, "byte_fallback", false, &out->fallback, err) ||
        !load_count(model, "unk_id", 0, SIZE_MAX, &unknown, err))
        return false;
    if (count == 0)
        return load_invalid(err, "model has no vocab");
    if (count > TOK_VOCAB_MAX)
        return load_invalid(err, "vocab has more tokens than the limit");
    if (unknown != SIZE_MAX && unknown >= count)
        return load_invalid(err, "unk_id is not in vocab");
    out->unknown = unknown == SIZE_MAX ? -1 : (int32_t)unknown;
    out->scores = arena_alloc(&load->tok->arena, count * sizeof(*out->scores));
    if (!out->scores)
        return load_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (!load_scored(load, json_array_get(vocab, i), i, &lowest, err))
            return false;
    }
    out->unknown_score = lowest - 10.0;
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "<0x%02X>", byte);
        out->byte_ids[byte] = load_id_of(load, name);
    }
    return load_trie(load, no_prefix, &out->trie, err);
}
