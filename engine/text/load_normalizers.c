/*
 * Loads the normalizers: a chain of rows of components.def.
 */
#include "load.h"

#include <stdlib.h>

#include "utf8.h"

typedef bool load_normalizer(struct loader *load, const json_t *json,
                             struct normalizer *out, struct error *err);

/* ---- each of them ---- */

static bool nothing(const json_t *json, struct error *err)
{
    return load_check_keys(json, "", err);
}

static bool load_normalizer_prepend(struct loader *load, const json_t *json,
                                    struct normalizer *out, struct error *err)
{
    if (!load_check_keys(json, "prepend", err) ||
        !load_string(load, json, "prepend", NULL, &out->as.prepend, err))
        return false;
    load_grow(load, 1, out->as.prepend.size);
    return true;
}

static bool load_normalizer_bert(struct loader *load, const json_t *json,
                                 struct normalizer *out, struct error *err)
{
    /* A Hangul syllable is three characters without its accents, a Chinese
     * character gets two spaces. */
    load_grow(load, 3, 0);
    return load_check_keys(json,
                           "clean_text,handle_chinese_chars,strip_accents,"
                           "lowercase",
                           err) &&
           load_bool(json, "clean_text", true, &out->as.bert.clean, err) &&
           load_bool(json, "handle_chinese_chars", true, &out->as.bert.cjk,
                     err) &&
           load_bool(json, "lowercase", true, &out->as.bert.lower, err) &&
           load_bool(json, "strip_accents", out->as.bert.lower,
                     &out->as.bert.strip, err);
}

static bool load_normalizer_bytes(struct loader *load, const json_t *json,
                                  struct normalizer *out, struct error *err)
{
    (void)out;
    load_grow(load, 2, 0);
    return nothing(json, err);
}

static bool load_normalizer_lowercase(struct loader *load, const json_t *json,
                                      struct normalizer *out, struct error *err)
{
    (void)out;
    load_grow(load, 2, 0);
    return nothing(json, err);
}

static bool load_normalizer_nfc(struct loader *load, const json_t *json,
                                struct normalizer *out, struct error *err)
{
    (void)out;
    load_grow(load, 3, 0);
    return nothing(json, err);
}

static bool load_normalizer_nfd(struct loader *load, const json_t *json,
                                struct normalizer *out, struct error *err)
{
    return load_normalizer_nfc(load, json, out, err);
}

/* U+FDFA has three bytes and becomes 33. */
static bool load_normalizer_nfkc(struct loader *load, const json_t *json,
                                 struct normalizer *out, struct error *err)
{
    (void)out;
    load_grow(load, 11, 0);
    return nothing(json, err);
}

static bool load_normalizer_nfkd(struct loader *load, const json_t *json,
                                 struct normalizer *out, struct error *err)
{
    return load_normalizer_nfkc(load, json, out, err);
}

static bool load_normalizer_nmt(struct loader *load, const json_t *json,
                                struct normalizer *out, struct error *err)
{
    (void)load;
    (void)out;
    return nothing(json, err);
}

static bool load_normalizer_accents(struct loader *load, const json_t *json,
                                    struct normalizer *out, struct error *err)
{
    (void)load;
    (void)out;
    return nothing(json, err);
}

static bool load_normalizer_strip(struct loader *load, const json_t *json,
                                  struct normalizer *out, struct error *err)
{
    (void)load;
    return load_check_keys(json, "strip_left,strip_right", err) &&
           load_bool(json, "strip_left", true, &out->as.strip.left, err) &&
           load_bool(json, "strip_right", true, &out->as.strip.right, err);
}

static bool load_normalizer_replace(struct loader *load, const json_t *json,
                                    struct normalizer *out, struct error *err)
{
    if (!load_check_keys(json, "pattern,content", err) ||
        !load_pattern(load, json, &out->as.replace.pattern, err) ||
        !load_string(load, json, "content", NULL, &out->as.replace.content,
                     err))
        return false;
    load_grow(
        load,
        out->as.replace.content.size > 0 ? out->as.replace.content.size : 1, 0);
    return true;
}

/* ---- Precompiled ---- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Decodes strict base64 into `out`, which has room; false if it is none. */
static bool base64_bytes(const char *text, size_t size, unsigned char *out,
                         size_t *out_size)
{
    uint32_t bits = 0;
    unsigned held = 0;

    *out_size = 0;
    if (size % 4 != 0)
        return false;
    for (size_t i = 0; i < 2 && size > 0 && text[size - 1] == '='; i++)
        size--;
    for (size_t i = 0; i < size; i++) {
        int value = base64_value(text[i]);

        if (value < 0)
            return false;
        bits = (bits << 6) | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[(*out_size)++] = (unsigned char)(bits >> held);
        }
    }
    return true;
}

static uint32_t little_endian(const unsigned char *bytes)
{
    return bytes[0] | ((uint32_t)bytes[1] << 8) | ((uint32_t)bytes[2] << 16) |
           ((uint32_t)bytes[3] << 24);
}

/* Replacements are NUL-terminated UTF-8; the longest bounds the growth. */
static bool check_strings(struct loader *load, const char *strings, size_t size)
{
    size_t longest = 1, start = 0;

    if (size == 0 || strings[size - 1] != '\0' || !utf8_valid(strings, size))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (strings[i] != '\0')
            continue;
        longest = i - start > longest ? i - start : longest;
        start = i + 1;
    }
    load_grow(load, longest, 0);
    return true;
}

/* The size of the trie in bytes, the trie, the replacements. */
static bool load_charsmap(struct loader *load, const unsigned char *bytes,
                          size_t size, struct normalizer *out,
                          struct error *err)
{
    size_t trie_size = size >= 4 ? little_endian(bytes) : 0;
    uint32_t *units;

    if (size < 4 || trie_size > size - 4 || trie_size % 4 != 0 ||
        trie_size == 0)
        return load_invalid(err, "the trie of precompiled_charsmap is cut off");
    units = arena_alloc(&load->tok->arena, trie_size);
    out->as.charsmap.strings_size = size - 4 - trie_size;
    out->as.charsmap.strings =
        arena_copy(&load->tok->arena, bytes + 4 + trie_size,
                   out->as.charsmap.strings_size);
    if (!units || !out->as.charsmap.strings)
        return load_no_memory(err);
    for (size_t i = 0; i < trie_size / 4; i++)
        units[i] = little_endian(bytes + 4 + 4 * i);
    out->as.charsmap.units = units;
    out->as.charsmap.unit_count = trie_size / 4;
    return check_strings(load, out->as.charsmap.strings,
                         out->as.charsmap.strings_size) ||
           load_invalid(err, "the texts of precompiled_charsmap are not UTF-8");
}

static bool load_normalizer_charsmap(struct loader *load, const json_t *json,
                                     struct normalizer *out, struct error *err)
{
    const json_t *map = json_object_get(json, "precompiled_charsmap");
    size_t size = json_string_length(map);
    unsigned char *bytes;
    bool ok;

    if (!load_check_keys(json, "precompiled_charsmap", err))
        return false;
    if (!json_is_string(map))
        return load_invalid(err, "precompiled_charsmap is no string");
    bytes = malloc(size / 4 * 3 + 4);
    if (!bytes)
        return load_no_memory(err);
    if (base64_bytes(json_string_value(map), size, bytes, &size))
        ok = load_charsmap(load, bytes, size, out, err);
    else
        ok = load_invalid(err, "precompiled_charsmap is not base64");
    free(bytes);
    return ok;
}

/* ---- the chain ---- */

static const struct normalizer_row {
    const char *type;
    normalizer_apply *apply;
    load_normalizer *load;
} rows[] = {
#define NORMALIZER(type, function)                                             \
    {#type, normalizer_##function, load_normalizer_##function},
#include "components.def"
};

static bool load_one(struct loader *load, const json_t *json, const char *type,
                     struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    struct normalizer *out = &tok->normalizers[tok->normalizer_count];

    if (tok->normalizer_count == TOK_STEPS_MAX)
        return load_invalid(err, "there are more normalizers than the limit");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].type, type) != 0)
            continue;
        out->apply = rows[i].apply;
        tok->normalizer_count++;
        return rows[i].load(load, json, out, err);
    }
    return load_unsupported(err, "normalizer", type);
}

bool load_normalizers(struct loader *load, struct error *err)
{
    return load_chain(load, "normalizer", "normalizers", load_one, err);
}
