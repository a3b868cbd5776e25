/*
 * Loads a tokenizer.json: JSON, components, tables.
 *
 * jansson's tree lives until the tables are made. Every component is looked
 * at: what is not supported is refused with its name, and nothing is skipped.
 * Limits of the bytes were checked by tokenizer_open.c before.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

/* ---- refusing ---- */

bool load_unsupported(struct error *err, const char *part, const char *what)
{
    return fail(err, ERR_MODEL_UNSUPPORTED,
                "tokenizer: %s '%.100s' is not supported", part, what);
}

bool load_invalid(struct error *err, const char *what)
{
    return fail(err, ERR_FILE_INVALID, "tokenizer: %s", what);
}

bool load_no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory to load the tokenizer");
}

/* ---- reading ---- */

bool load_is_null(const json_t *value)
{
    return !value || json_is_null(value);
}

const char *load_type(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));

    return type ? type : "?";
}

/* Is `key` one of the comma-separated `keys`? */
static bool is_among(const char *key, const char *keys)
{
    size_t size = strlen(key);

    for (const char *at = keys; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, key, size) == 0 && (at[size] == ',' || !at[size]))
            return true;
    }
    return false;
}

bool load_check_keys(const json_t *component, const char *keys,
                     struct error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)component, key, value)
    {
        if (strcmp(key, "type") != 0 && !is_among(key, keys))
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "tokenizer: %.60s option '%.60s' is not supported",
                        load_type(component), key);
    }
    return true;
}

static bool wrong(const json_t *component, const char *key, struct error *err)
{
    const char *type = load_type(component);
    bool named = strcmp(type, "?") != 0;

    return fail(err, ERR_FILE_INVALID,
                "tokenizer: '%.60s'%s%.60s has a value of the wrong kind", key,
                named ? " of " : "", named ? type : "");
}

bool load_bool(const json_t *component, const char *key, bool otherwise,
               bool *out, struct error *err)
{
    const json_t *value = json_object_get(component, key);

    if (!load_is_null(value) && !json_is_boolean(value))
        return wrong(component, key, err);
    *out = load_is_null(value) ? otherwise : json_is_true(value);
    return true;
}

bool load_count(const json_t *component, const char *key, size_t min,
                size_t otherwise, size_t *out, struct error *err)
{
    const json_t *value = json_object_get(component, key);
    json_int_t count = json_integer_value(value);

    *out = otherwise;
    if (load_is_null(value))
        return true;
    if (!json_is_integer(value) || count < (json_int_t)min || count > INT32_MAX)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: %.60s is not within %zu ... 2^31-1", key, min);
    *out = (size_t)count;
    return true;
}

bool load_string(struct loader *load, const json_t *component, const char *key,
                 const char *otherwise, struct tok_string *out,
                 struct error *err)
{
    const json_t *value = json_object_get(component, key);
    const char *text = json_string_value(value);

    if (load_is_null(value))
        text = otherwise;
    if (!text)
        return wrong(component, key, err);
    if (strlen(text) > TOK_TOKEN_SIZE_MAX)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: '%.60s' of %.60s is longer than %d bytes", key,
                    load_type(component), TOK_TOKEN_SIZE_MAX);
    out->bytes = arena_strdup(&load->tok->arena, text);
    out->size = strlen(text);
    return out->bytes || load_no_memory(err);
}

/* One component, or the components of a Sequence, or of one in a Sequence. */
static bool load_link(struct loader *load, const json_t *json, const char *list,
                      load_component *one, struct error *err)
{
    const json_t *links = json_object_get(json, list);
    const char *type = load_type(json);

    if (strcmp(type, "Sequence") != 0 || !json_is_array(links))
        return one(load, json, type, err);
    for (size_t i = 0; i < json_array_size(links); i++)
        if (!load_link(load, json_array_get(links, i), list, one, err))
            return false;
    return load_check_keys(json, list, err);
}

bool load_chain(struct loader *load, const char *part, const char *list,
                load_component *one, struct error *err)
{
    const json_t *json = json_object_get(load->root, part);

    return load_is_null(json) || load_link(load, json, list, one, err);
}

bool load_char(const json_t *component, const char *key, const char *otherwise,
               uint32_t *out, struct error *err)
{
    const json_t *value = json_object_get(component, key);
    const char *text = json_string_value(value);
    size_t at = 0;

    if (load_is_null(value))
        text = otherwise;
    if (!text || !*text)
        return wrong(component, key, err);
    *out = uc_next(text, &at);
    return !text[at] || wrong(component, key, err);
}

bool load_choice(const json_t *component, const char *key, const char *part,
                 const char *const *names, size_t *place, struct error *err)
{
    const json_t *value = json_object_get(component, key);
    const char *name = json_string_value(value);

    if (load_is_null(value))
        return true;
    for (size_t i = 0; name && names[i]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *place = i;
            return true;
        }
    }
    return load_unsupported(err, part, name ? name : "?");
}

bool load_pattern(struct loader *load, const json_t *component,
                  const struct pattern **out, struct error *err)
{
    const json_t *value = json_object_get(component, "pattern");
    const char *regex = json_string_value(json_object_get(value, "Regex"));
    struct pattern *pattern =
        arena_zalloc(&load->tok->arena, 1, sizeof(*pattern));
    struct tok_string string = {NULL, 0};

    if (!pattern)
        return load_no_memory(err);
    *out = pattern;
    if (json_object_size(value) != 1)
        return wrong(component, "pattern", err);
    if (regex)
        return pattern_parse(pattern, regex) ||
               load_unsupported(err, "pattern", regex);
    if (!load_string(load, value, "String", NULL, &string, err))
        return false;
    pattern_string(pattern, string.bytes, string.size);
    return true;
}

void load_grow(struct loader *load, size_t factor, size_t fixed)
{
    struct tok_tokenizer *tok = load->tok;

    tok->growth_fixed += fixed;
    tok->growth =
        tok->growth > INT32_MAX / factor ? INT32_MAX : tok->growth * factor;
}

/* ---- all of it ---- */

/* Blanks that offsets leave out, of every token. */
static bool count_blanks(struct tok_tokenizer *tok)
{
    if (!tok->trims_offsets)
        return true;
    tok->blanks = arena_zalloc(&tok->arena, 2 * tok->vocab_size + 2,
                               sizeof(*tok->blanks));
    for (size_t id = 0; tok->blanks && id < tok->vocab_size; id++)
        tok_count_blanks(tok->strings[id].bytes, tok->strings[id].size,
                         &tok->blanks[2 * id]);
    return tok->blanks != NULL;
}

static bool load_all(struct tok_tokenizer *tok, const json_t *root,
                     struct error *err)
{
    struct loader load = {.tok = tok, .root = root};
    bool ok = false;

    tok->growth = 1;
    load.seen = calloc(TOK_VOCAB_MAX / 8, 1);
    if (!load.seen)
        return load_no_memory(err);
    ok = load_normalizers(&load, err) && load_model(&load, err) &&
         load_added_tokens(&load, err) && load_pre_tokenizers(&load, err) &&
         load_post_processor(&load, err) && load_decoders(&load, err) &&
         load_truncation(&load, err) && load_padding(&load, err);
    free(load.seen);
    if (!ok)
        return false;
    if (tok->model == model_bpe && !load_bpe_finish(&load, err))
        return false;
    return (added_prepare(tok) && count_blanks(tok)) || load_no_memory(err);
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
        (void)load_no_memory(err);
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
