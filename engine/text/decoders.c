/*
 * The decoders: each turns the list of pieces into another.
 */
#include "decode.h"
#include "utf8.h"

enum { REPLACEMENT = 0xfffd };

static struct tok_string join_all(struct decoding *decoding)
{
    struct text out = decoding_text(decoding, 0);

    for (size_t i = 0; i < decoding->count; i++)
        text_put_string(&out, decoding->pieces[i]);
    return decoding_end(decoding, &out);
}

void decoder_fuse(const struct decoder *step, struct decoding *decoding)
{
    (void)step;
    decoding->pieces[0] = join_all(decoding);
    decoding->count = 1;
}

void decoder_replace(const struct decoder *step, struct decoding *decoding)
{
    for (size_t i = 0; i < decoding->count; i++)
        decoding->pieces[i] = decoding_replace(decoding, decoding->pieces[i],
                                               step->as.replace.pattern,
                                               step->as.replace.content);
}

/* The end of words becomes a space, but at the end of the text. */
void decoder_suffix(const struct decoder *step, struct decoding *decoding)
{
    struct pattern pattern;

    pattern_string(&pattern, step->as.suffix.bytes, step->as.suffix.size);
    for (size_t i = 0; i < decoding->count; i++)
        decoding->pieces[i] =
            decoding_replace(decoding, decoding->pieces[i], &pattern,
                             (struct tok_string){" ", i + 1 < decoding->count});
}

static bool starts_with(struct tok_string piece, struct tok_string prefix)
{
    return piece.size >= prefix.size &&
           (prefix.size == 0 ||
            memcmp(piece.bytes, prefix.bytes, prefix.size) == 0);
}

void decoder_wordpiece(const struct decoder *step, struct decoding *decoding)
{
    struct tok_string prefix = step->as.wordpiece.prefix;

    for (size_t i = 0; i < decoding->count; i++) {
        struct tok_string *piece = &decoding->pieces[i];

        if (i > 0 && starts_with(*piece, prefix)) {
            piece->bytes += prefix.size;
            piece->size -= prefix.size;
        } else if (i > 0) {
            struct text out = decoding_text(decoding, piece->size + 1);

            text_put(&out, ' ', 0);
            text_put_string(&out, *piece);
            *piece = decoding_end(decoding, &out);
        }
        if (step->as.wordpiece.cleanup)
            *piece = decoding_cleanup(decoding, *piece);
    }
}

/* The replacement becomes a space; one at the start was the prefix. */
void decoder_metaspace(const struct decoder *step, struct decoding *decoding)
{
    for (size_t i = 0; i < decoding->count; i++) {
        struct tok_string *piece = &decoding->pieces[i];
        struct text out = decoding_text(decoding, piece->size);

        for (size_t at = 0; at < piece->size;) {
            uint32_t cp = uc_next(piece->bytes, &at);

            if (cp != step->as.metaspace.replacement)
                text_put(&out, cp, 0);
            else if (i > 0 || !step->as.metaspace.prefixed)
                text_put(&out, ' ', 0);
        }
        *piece = decoding_end(decoding, &out);
    }
}

void decoder_strip(const struct decoder *step, struct decoding *decoding)
{
    char content[TEXT_CHAR_MAX];
    size_t size = utf8_put(step->as.strip.content, content);

    for (size_t i = 0; i < decoding->count; i++) {
        struct tok_string *piece = &decoding->pieces[i];

        for (size_t n = step->as.strip.start;
             n > 0 && piece->size >= size &&
             memcmp(piece->bytes, content, size) == 0;
             n--) {
            piece->bytes += size;
            piece->size -= size;
        }
        for (size_t n = step->as.strip.stop;
             n > 0 && piece->size >= size &&
             memcmp(piece->bytes + piece->size - size, content, size) == 0;
             n--)
            piece->size -= size;
    }
}

/* Repeated tokens become one, the padding token none. */
void decoder_ctc(const struct decoder *step, struct decoding *decoding)
{
    struct pattern pad, delimiter;
    struct tok_string last = {NULL, 0};
    size_t kept = 0;

    pattern_string(&pad, step->as.ctc.pad.bytes, step->as.ctc.pad.size);
    pattern_string(&delimiter, step->as.ctc.delimiter.bytes,
                   step->as.ctc.delimiter.size);
    for (size_t i = 0; i < decoding->count; i++) {
        struct tok_string piece = decoding->pieces[i];
        bool again = last.bytes && piece.size == last.size &&
                     memcmp(piece.bytes, last.bytes, piece.size) == 0;

        last = piece;
        if (again)
            continue;
        piece =
            decoding_replace(decoding, piece, &pad, (struct tok_string){"", 0});
        if (step->as.ctc.cleanup) {
            piece = decoding_cleanup(decoding, piece);
            piece = decoding_replace(decoding, piece, &delimiter,
                                     (struct tok_string){" ", 1});
        }
        if (piece.size > 0)
            decoding->pieces[kept++] = piece;
    }
    decoding->count = kept;
}

/* ---- bytes ---- */

/*
 * The length of what one replacement character stands for at the start of
 * bytes that are not UTF-8: the longest start of a character, or one byte.
 */
static size_t broken_size(const char *bytes, size_t size)
{
    unsigned char first = (unsigned char)bytes[0];
    unsigned char low = 0x80, high = 0xbf;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4, i = 1;

    if (first < 0xc2 || first > 0xf4)
        return 1;
    if (first == 0xe0 || first == 0xf0)
        low = first == 0xe0 ? 0xa0 : 0x90;
    if (first == 0xed || first == 0xf4)
        high = first == 0xed ? 0x9f : 0x8f;
    for (; i < size && i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if (byte < low || byte > high)
            break;
        low = 0x80;
        high = 0xbf;
    }
    return i;
}

static struct tok_string mend(struct decoding *decoding, struct tok_string in)
{
    struct text out = decoding_text(decoding, in.size);

    for (size_t at = 0; at < in.size;) {
        size_t length = utf8_length(in.bytes + at, in.size - at);

        if (length > 0) {
            text_put_string(&out, (struct tok_string){in.bytes + at, length});
            at += length;
        } else {
            text_put(&out, REPLACEMENT, 0);
            at += broken_size(in.bytes + at, in.size - at);
        }
    }
    return decoding_end(decoding, &out);
}

/* The bytes that the characters of a token stand for; a token with another
 * character stands for its own. */
static void put_bytes(struct text *out, struct tok_string piece)
{
    size_t size = out->size;

    for (size_t at = 0; at < piece.size;) {
        int byte = byte_level_byte(uc_next(piece.bytes, &at));

        if (byte < 0) {
            out->size = size;
            text_put_string(out, piece);
            return;
        }
        if (text_reserve(out, 1))
            out->bytes[out->size++] = (char)byte;
    }
}

void decoder_bytes(const struct decoder *step, struct decoding *decoding)
{
    struct text out = decoding_text(decoding, 0);

    (void)step;
    for (size_t i = 0; i < decoding->count; i++)
        put_bytes(&out, decoding->pieces[i]);
    decoding->pieces[0] = mend(decoding, decoding_end(decoding, &out));
    decoding->count = 1;
}

/* <0xAB>: the byte; -1 = the token is another. */
static int fallback_byte(struct tok_string piece)
{
    int value = 0;

    if (piece.size != 6 || memcmp(piece.bytes, "<0x", 3) != 0 ||
        piece.bytes[5] != '>')
        return -1;
    for (size_t i = 3; i < 5; i++) {
        char c = piece.bytes[i];

        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value * 16 + ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* A run of bytes is UTF-8 or as many replacement characters. */
static void end_run(struct decoding *decoding, struct text *run, size_t *kept)
{
    struct text out;

    if (run->size == 0)
        return;
    if (!utf8_valid(run->bytes, run->size)) {
        out = decoding_text(decoding, 3 * run->size);
        for (size_t i = 0; i < run->size; i++)
            text_put(&out, REPLACEMENT, 0);
        *run = out;
    }
    decoding->pieces[(*kept)++] = decoding_end(decoding, run);
    text_init(run, decoding->arena, false);
}

void decoder_fallback(const struct decoder *step, struct decoding *decoding)
{
    struct text run = decoding_text(decoding, 0);
    size_t kept = 0;

    (void)step;
    for (size_t i = 0; i < decoding->count; i++) {
        struct tok_string piece = decoding->pieces[i];
        int byte = fallback_byte(piece);

        if (byte >= 0) {
            if (text_reserve(&run, 1))
                run.bytes[run.size++] = (char)byte;
            continue;
        }
        end_run(decoding, &run, &kept);
        decoding->pieces[kept++] = piece;
    }
    end_run(decoding, &run, &kept);
    decoding->count = kept;
}
