/*
 * The pre-tokenizers that change the text: Metaspace and ByteLevel.
 */
#include "split.h"

/* ---- Metaspace ---- */

static bool wants_prefix(const struct pre_tokenizer *step,
                         const struct splitting *splitting,
                         const struct cut *cut)
{
    size_t at = cut->start;
    uint32_t first = uc_next(splitting->text.bytes, &at);

    if (first == ' ' || first == step->as.metaspace.replacement ||
        step->as.metaspace.prefix == PREFIX_NEVER)
        return false;
    return step->as.metaspace.prefix == PREFIX_ALWAYS || cut->origin == 0;
}

/* Spaces become the replacement, each of which opens a piece. */
void pre_tokenizer_metaspace(const struct pre_tokenizer *step,
                             struct splitting *splitting, const struct cut *cut)
{
    struct text *out = &splitting->rewrite;
    struct reader in =
        text_reader(&splitting->text, cut->start, cut->end, cut->origin);
    uint32_t replacement = step->as.metaspace.replacement, from;
    uint32_t origin = cut->origin;
    size_t start = out->size;

    if (wants_prefix(step, splitting, cut)) {
        struct reader first = in;

        (void)reader_next(&first, &from);
        text_put(out, replacement, from);
    }
    while (in.at < in.end) {
        uint32_t cp = reader_next(&in, &from);

        if (cp == ' ')
            cp = replacement;
        if (cp == replacement && step->as.metaspace.split) {
            cuts_put(&splitting->next, start, out->size, origin, -1);
            start = out->size;
            origin = from;
        }
        text_put(out, cp, from);
    }
    cuts_put(&splitting->next, start, out->size, origin, -1);
}

/* ---- ByteLevel ---- */

/* Appends the bytes, each as the character that stands for it. */
static void put_mapped(struct text *out, const struct splitting *splitting,
                       size_t start, size_t end)
{
    const struct text *text = &splitting->text;

    for (size_t i = start; i < end; i++)
        text_put(out, byte_level_char((unsigned char)text->bytes[i]),
                 text->from ? text->from[i] : 0);
}

/* Where the pieces of [start, end) of `bytes` end. */
static size_t piece_end(const struct pre_tokenizer *step, const char *bytes,
                        size_t start, size_t end)
{
    static const struct pattern words = {.kind = PATTERN_GPT2};
    size_t at, stop = end;

    if (step->as.bytes.regex)
        (void)pattern_next(&words, bytes, start, end, &at, &stop);
    return stop;
}

/* The piece with a space before it, cut by the pattern. */
static void split_prefixed(const struct pre_tokenizer *step,
                           struct splitting *splitting, const struct cut *cut)
{
    struct text *out = &splitting->rewrite;
    struct reader in =
        text_reader(&splitting->text, cut->start, cut->end, cut->origin);
    struct reader first = in;
    size_t at = out->size, stop;
    uint32_t from;

    (void)reader_next(&first, &from);
    if (splitting->text.bytes[cut->start] != ' ')
        text_put(out, ' ', from);
    text_put_rest(out, &in);
    for (; at < out->size && !out->failed; at = stop) {
        stop = piece_end(step, out->bytes, at, out->size);
        cuts_put(&splitting->next, at, stop, out->from ? out->from[at] : 0, -1);
    }
}

/*
 * Without a prefix and with a model that takes bytes, the text stays as it is;
 * with a prefix it gets the space; for the other models bytes become the
 * characters that stand for them.
 */
void pre_tokenizer_bytes(const struct pre_tokenizer *step,
                         struct splitting *splitting, const struct cut *cut)
{
    struct text *out = &splitting->rewrite;

    if (step->as.bytes.prefix) {
        split_prefixed(step, splitting, cut);
        return;
    }
    for (size_t at = cut->start, stop; at < cut->end; at = stop) {
        stop = piece_end(step, splitting->text.bytes, at, cut->end);
        if (step->as.bytes.map) {
            size_t start = out->size;

            put_mapped(out, splitting, at, stop);
            cuts_put(&splitting->next, start, out->size,
                     split_origin(splitting, cut, at), -1);
        } else {
            split_put(splitting, cut, at, stop);
        }
    }
}
