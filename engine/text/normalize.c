/*
 * The chain of normalizers, and those of them that are one loop.
 *
 * A step is skipped when it would change nothing, which most texts allow; the
 * others read one text and write another, turn by turn.
 */
#include "tokenizer_impl.h"

/* ---- the chain ---- */

static bool has_props(const char *bytes, size_t size, uint32_t props)
{
    for (size_t i = 0; i < size;) {
        if ((unsigned char)bytes[i] < 0x80 && (props & UC_CASED) == 0) {
            i++;
            continue;
        }
        if ((uc_props(uc_next(bytes, &i)) & props) != 0)
            return true;
    }
    return false;
}

bool normalizer_is_idle(const struct normalizer *step, const char *bytes,
                        size_t size)
{
    if (size == 0)
        return true;
    if (step->apply == normalizer_nfc)
        return !has_props(bytes, size, UC_NFC);
    if (step->apply == normalizer_nfd)
        return !has_props(bytes, size, UC_NFD);
    if (step->apply == normalizer_nfkc)
        return !has_props(bytes, size, UC_NFKC);
    if (step->apply == normalizer_nfkd)
        return !has_props(bytes, size, UC_NFKD);
    if (step->apply == normalizer_lowercase)
        return !has_props(bytes, size, UC_CASED);
    if (step->apply == normalizer_accents)
        return !has_props(bytes, size, UC_MARK);
    return false;
}

void normalizers_apply(const struct normalizer *chain, size_t count,
                       struct reader in, struct text *out)
{
    struct text steps[2];

    for (size_t i = 0, turn = 0; i < count; i++) {
        const struct normalizer *step = &chain[i];
        struct text *next = &steps[turn];

        if (normalizer_is_idle(step, in.bytes + in.at, in.end - in.at))
            continue;
        if (i + 1 == count) {
            step->apply(step, in, out);
            return;
        }
        text_init(next, out->arena, out->tracked);
        (void)text_reserve(next, in.end - in.at + TEXT_CHAR_MAX);
        step->apply(step, in, next);
        out->failed = out->failed || next->failed;
        in = text_reader(next, 0, next->size, 0);
        turn = 1 - turn;
    }
    text_put_rest(out, &in);
}

void tok_normalize(const struct tok_tokenizer *tok, struct reader in,
                   struct text *out)
{
    normalizers_apply(tok->normalizers, tok->normalizer_count, in, out);
}

/* ---- one loop each ---- */

void normalizer_lowercase(const struct normalizer *step, struct reader in,
                          struct text *out)
{
    uint32_t from, lower[2];

    (void)step;
    while (in.at < in.end) {
        size_t count = uc_lower(reader_next(&in, &from), lower);

        for (size_t i = 0; i < count; i++)
            text_put(out, lower[i], from);
    }
}

void normalizer_accents(const struct normalizer *step, struct reader in,
                        struct text *out)
{
    uint32_t from;

    (void)step;
    while (in.at < in.end) {
        uint32_t cp = reader_next(&in, &from);

        if ((uc_props(cp) & UC_MARK) == 0)
            text_put(out, cp, from);
    }
}

/* The characters that NMT drops, and those it makes a space of. */
static bool nmt_drops(uint32_t cp)
{
    return (cp >= 0x01 && cp <= 0x08) || cp == 0x0b ||
           (cp >= 0x0e && cp <= 0x1f) || cp == 0x7f || cp == 0x8f || cp == 0x9f;
}

static bool nmt_blanks(uint32_t cp)
{
    return cp == 0x09 || cp == 0x0a || cp == 0x0c || cp == 0x0d ||
           cp == 0x1680 || (cp >= 0x200b && cp <= 0x200f) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x2581 || cp == 0xfeff || cp == 0xfffd;
}

void normalizer_nmt(const struct normalizer *step, struct reader in,
                    struct text *out)
{
    uint32_t from;

    (void)step;
    while (in.at < in.end) {
        uint32_t cp = reader_next(&in, &from);

        if (!nmt_drops(cp))
            text_put(out, nmt_blanks(cp) ? ' ' : cp, from);
    }
}

/* Every byte becomes the character that stands for it. */
void normalizer_bytes(const struct normalizer *step, struct reader in,
                      struct text *out)
{
    uint32_t from;

    (void)step;
    for (size_t i = in.at; i < in.end; i = in.at) {
        (void)reader_next(&in, &from);
        for (; i < in.at; i++)
            text_put(out, byte_level_char((unsigned char)in.bytes[i]), from);
    }
}

static void put_string(struct text *out, const struct tok_string *string,
                       uint32_t from)
{
    for (size_t at = 0; at < string->size;)
        text_put(out, uc_next(string->bytes, &at), from);
}

/* The string shares the origin of the first character; none, no string. */
void normalizer_prepend(const struct normalizer *step, struct reader in,
                        struct text *out)
{
    struct reader first = in;
    uint32_t from;

    if (in.at < in.end) {
        (void)reader_next(&first, &from);
        put_string(out, &step->as.prepend, from);
    }
    text_put_rest(out, &in);
}

void normalizer_strip(const struct normalizer *step, struct reader in,
                      struct text *out)
{
    struct reader ahead = in;
    uint32_t from;

    while (step->as.strip.left && ahead.at < ahead.end &&
           (uc_props(reader_next(&ahead, &from)) & UC_SPACE) != 0)
        in = ahead;
    while (step->as.strip.right && in.end > in.at &&
           (uc_props(uc_before(in.bytes, in.end)) & UC_SPACE) != 0) {
        do
            in.end--;
        while (!uc_starts(in.bytes[in.end]));
    }
    text_put_rest(out, &in);
}

/* What is put in shares the origin of the last character of the match. */
void normalizer_replace(const struct normalizer *step, struct reader in,
                        struct text *out)
{
    const struct pattern *pattern = step->as.replace.pattern;
    size_t start, stop, end = in.end;
    uint32_t from = 0;

    while (pattern_next(pattern, in.bytes, in.at, end, &start, &stop)) {
        in.end = start;
        while (in.at < in.end) {
            uint32_t cp = reader_next(&in, &from);

            text_put(out, cp, from);
        }
        in.end = stop;
        while (in.at < in.end)
            (void)reader_next(&in, &from);
        put_string(out, &step->as.replace.content, from);
        in.end = end;
    }
    text_put_rest(out, &in);
}
