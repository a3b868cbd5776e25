/*
 * Decoding: tokens to text through the chain of decoders.
 *
 * Each decoder turns the list of pieces into another; at the end the pieces
 * are joined, by spaces if the file has no decoder.
 */
#include "decode.h"

#include "utf8.h"

/* ---- writing pieces ---- */

struct text decoding_text(struct decoding *decoding, size_t size)
{
    struct text text;

    text_init(&text, decoding->arena, false);
    (void)text_reserve(&text, size + TEXT_CHAR_MAX);
    return text;
}

struct tok_string decoding_end(struct decoding *decoding,
                               const struct text *text)
{
    decoding->failed = decoding->failed || text->failed;
    return (struct tok_string){text->bytes, text->failed ? 0 : text->size};
}

void text_put_string(struct text *text, struct tok_string string)
{
    if (string.size == 0 || !text_reserve(text, string.size))
        return;
    memcpy(text->bytes + text->size, string.bytes, string.size);
    text->size += string.size;
}

struct tok_string decoding_replace(struct decoding *decoding,
                                   struct tok_string in,
                                   const struct pattern *pattern,
                                   struct tok_string content)
{
    struct text out;
    size_t at = 0, start, stop;

    if (!pattern_next(pattern, in.bytes, 0, in.size, &start, &stop))
        return in;
    out = decoding_text(decoding, in.size);
    do {
        text_put_string(&out, (struct tok_string){in.bytes + at, start - at});
        text_put_string(&out, content);
        at = stop;
    } while (pattern_next(pattern, in.bytes, at, in.size, &start, &stop));
    text_put_string(&out, (struct tok_string){in.bytes + at, in.size - at});
    return decoding_end(decoding, &out);
}

struct tok_string decoding_cleanup(struct decoding *decoding,
                                   struct tok_string in)
{
    static const struct {
        const char *from, *to;
    } rules[] = {{" .", "."},     {" ?", "?"},           {" !", "!"},
                 {" ,", ","},     {" ' ", "'"},          {" n't", "n't"},
                 {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"},
                 {" 've", "'ve"}, {" 're", "'re"}};

    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        struct pattern pattern;

        pattern_string(&pattern, rules[i].from, strlen(rules[i].from));
        in = decoding_replace(
            decoding, in, &pattern,
            (struct tok_string){rules[i].to, strlen(rules[i].to)});
    }
    return in;
}

/* ---- the chain ---- */

/* The tokens of the ids; those of no token, and special ones, are left out. */
static bool collect(const struct tok_tokenizer *tok, const int64_t *ids,
                    size_t count, bool skip_specials, struct decoding *decoding)
{
    decoding->pieces =
        arena_alloc(decoding->arena, (count + 1) * sizeof(*decoding->pieces));
    if (!decoding->pieces)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct tok_string string = tok_string_of(tok, ids[i]);

        if (string.bytes && !(skip_specials && tok_is_special(tok, ids[i])))
            decoding->pieces[decoding->count++] = string;
    }
    return true;
}

static char *join(const struct decoding *decoding, bool spaces, size_t *size)
{
    size_t total = 0, at = 0;
    char *text;

    for (size_t i = 0; i < decoding->count; i++)
        total += decoding->pieces[i].size + (spaces && i > 0);
    text = arena_alloc(decoding->arena, total + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < decoding->count; i++) {
        const struct tok_string *piece = &decoding->pieces[i];

        if (spaces && i > 0)
            text[at++] = ' ';
        if (piece->size > 0)
            memcpy(text + at, piece->bytes, piece->size);
        at += piece->size;
    }
    text[total] = '\0';
    *size = total;
    return text;
}

bool tok_decode(const struct tok_tokenizer *tok, const int64_t *ids,
                size_t count, struct tok_decoding *out, struct error *err)
{
    struct decoding decoding = {.arena = out->arena};
    char *text = NULL;

    if (collect(tok, ids, count, out->skip_specials, &decoding)) {
        for (size_t i = 0; i < tok->decoder_count && decoding.count > 0; i++)
            tok->decoders[i].apply(&tok->decoders[i], &decoding);
        if (!decoding.failed)
            text = join(&decoding, tok->decoder_count == 0, &out->size);
    }
    if (!text)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to decode %zu tokens",
                    count);
    out->text = text;
    return true;
}
