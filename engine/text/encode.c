/*
 * Encoding: the walk of a text from bytes to ids, see tokenizer.h.
 *
 * Added tokens are cut out, the rest is normalized, cut into pieces and given
 * to the model; the post-processor puts the result together. As long as no
 * step changes the text, all work on the caller's bytes.
 */
#include "post.h"
#include "utf8.h"

/* A text on its way. */
struct walk {
    const struct tok_tokenizer *tok;
    struct arena *scratch;
    bool specials; /* written ones are tokens */
    struct splitting splitting;
};

static bool no_memory(size_t size, struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY,
                "no memory to tokenize %zu bytes of text", size);
}

/* ---- added tokens and normalizers ---- */

static bool is_idle(const struct tok_tokenizer *tok, const struct text *text)
{
    for (size_t i = 0; i < tok->normalizer_count; i++) {
        if (!normalizer_is_idle(&tok->normalizers[i], text->bytes, text->size))
            return false;
    }
    return true;
}

/* Appends the piece to `out`, normalized if it is no token; returns what is
 * there now. */
static struct cut write_piece(const struct tok_tokenizer *tok,
                              const struct text *text, const struct cut *cut,
                              struct text *out)
{
    struct reader in = text_reader(text, cut->start, cut->end, cut->origin);
    struct cut piece = *cut;

    piece.start = (uint32_t)out->size;
    if (cut->id < 0)
        tok_normalize(tok, in, out);
    else
        text_put_rest(out, &in);
    piece.end = (uint32_t)out->size;
    return piece;
}

/* From the input to normalized text, cut where added tokens are. */
static void normalize(struct walk *walk)
{
    const struct tok_tokenizer *tok = walk->tok;
    struct splitting *splitting = &walk->splitting;
    struct text text = splitting->text;
    struct cut all = {0, (uint32_t)text.size, 0, -1};
    struct cuts raw = {.arena = walk->scratch};
    bool idle = is_idle(tok, &text);

    if (!idle) {
        text_init(&splitting->text, walk->scratch, text.tracked);
        (void)text_reserve(&splitting->text,
                           text.size + text.size / 4 + TEXT_CHAR_MAX);
    }
    added_split(tok, false, walk->specials, &text, &all, &raw);
    for (size_t i = 0; i < raw.count; i++) {
        struct cut piece = raw.items[i];

        if (!idle)
            piece = write_piece(tok, &text, &piece, &splitting->text);
        if (piece.id >= 0)
            cuts_put(&splitting->cuts, piece.start, piece.end, piece.origin,
                     piece.id);
        else
            added_split(tok, true, walk->specials, &splitting->text, &piece,
                        &splitting->cuts);
    }
    splitting->cuts.failed = splitting->cuts.failed || raw.failed;
}

/* ---- pre-tokenizers and model ---- */

/* Numbers the code points of a text that is still the input, for steps that
 * write another. */
static bool number_input(struct text *text, const struct tok_tokenizer *tok)
{
    uint32_t number = 0;
    bool rewrites = false;

    for (size_t i = 0; i < tok->pre_tokenizer_count; i++)
        rewrites = rewrites || tok->pre_tokenizers[i].rewrites;
    if (!text->is_input || !text->tracked || !rewrites)
        return true;
    text->from = arena_alloc(text->arena, text->size * sizeof(*text->from));
    for (size_t i = 0; text->from && i < text->size; i++) {
        number += i > 0 && uc_starts(text->bytes[i]);
        text->from[i] = number;
    }
    return text->from != NULL;
}

static void put_added(const struct text *text, const struct cut *cut,
                      struct tokens *out)
{
    size_t count = out->count;
    uint16_t blanks[2];

    tokens_put(out, cut->id, cut->start, cut->end);
    if (out->count == count)
        return;
    tok_count_blanks(text->bytes + cut->start, cut->end - cut->start, blanks);
    out->items[count].is_added = true;
    out->items[count].blanks_before = blanks[0];
    out->items[count].blanks_after = blanks[1];
}

static void run_model(const struct walk *walk, struct tokens *out)
{
    const struct splitting *splitting = &walk->splitting;

    for (size_t i = 0; i < splitting->cuts.count && !out->failed; i++) {
        const struct cut *cut = &splitting->cuts.items[i];

        if (cut->id >= 0)
            put_added(&splitting->text, cut, out);
        else
            walk->tok->model(walk->tok, &splitting->text, cut->start, cut->end,
                             out);
    }
}

static bool check_text(const struct tok_text *in, struct error *err)
{
    if (in->size > TOK_TEXT_SIZE_MAX)
        return fail(err, ERR_INPUT_TOO_LONG,
                    "the text has %zu bytes, at most %d are taken", in->size,
                    TOK_TEXT_SIZE_MAX);
    return utf8_valid(in->bytes, in->size) ||
           fail(err, ERR_INVALID_INPUT, "the text is not UTF-8");
}

static bool encode_text(const struct tok_tokenizer *tok,
                        const struct tok_text *in, unsigned flags,
                        const struct tok_encoding *want, struct post_text *out,
                        struct error *err)
{
    struct arena *scratch = want->scratch;
    bool offsets = want->starts || want->ends || (flags & TOK_OFFSETS) != 0;
    struct walk walk = {.tok = tok,
                        .scratch = scratch,
                        .specials = (flags & TOK_PARSE_SPECIALS) != 0};
    struct splitting *splitting = &walk.splitting;

    *out = (struct post_text){.tokens = {.arena = scratch}};
    if (!check_text(in, err))
        return false;
    splitting->cuts.arena = splitting->next.arena = scratch;
    splitting->text = (struct text){.arena = scratch,
                                    .bytes = (char *)(uintptr_t)in->bytes,
                                    .size = in->size,
                                    .is_input = true,
                                    .tracked = offsets || tok->needs_origins};
    if (in->size > 0)
        normalize(&walk);
    if (splitting->text.failed || !number_input(&splitting->text, tok))
        return no_memory(in->size, err);
    tok_pre_tokenize(tok, splitting);
    if (splitting->text.failed || splitting->cuts.failed ||
        splitting->next.failed)
        return no_memory(in->size, err);
    run_model(&walk, &out->tokens);
    out->text = splitting->text;
    if (out->tokens.failed)
        return no_memory(in->size, err);
    return !out->tokens.unknown ||
           fail(err, ERR_INVALID_INPUT,
                "the text has a character that the tokenizer has no token for");
}

/* ---- the encoding ---- */

/* Room for `count` tokens, in the arena or as the caller brought it. */
static bool make_room(struct tok_encoding *out, size_t count, unsigned flags,
                      struct error *err)
{
    bool offsets = (flags & TOK_OFFSETS) != 0;

    if (!out->arena)
        return count <= out->capacity ||
               fail(err, ERR_INPUT_TOO_LONG,
                    "the text has %zu tokens, at most %zu are taken", count,
                    out->capacity);
    out->ids = arena_alloc(out->arena, count * sizeof(*out->ids));
    out->type_ids = arena_alloc(out->arena, count * sizeof(*out->type_ids));
    out->special_mask = arena_alloc(out->arena, count);
    out->starts = out->ends = NULL;
    if (offsets) {
        out->starts = arena_alloc(out->arena, count * sizeof(*out->starts));
        out->ends = arena_alloc(out->arena, count * sizeof(*out->ends));
    }
    if (!out->ids || !out->type_ids || !out->special_mask ||
        (offsets && (!out->starts || !out->ends)))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu tokens", count);
    out->capacity = count;
    return true;
}

static bool finish(const struct tok_tokenizer *tok,
                   const struct post_text texts[2], bool is_pair,
                   unsigned flags, struct tok_encoding *out, struct error *err)
{
    const struct template *template = is_pair ? &tok->pair : &tok->single;
    bool specials = (flags & TOK_SPECIALS) != 0;
    size_t around = specials ? template->special_count : 0;
    size_t keep[2] = {texts[0].tokens.count, texts[1].tokens.count};
    size_t max = out->max_tokens > 0 ? out->max_tokens : tok->truncation;
    size_t whole = keep[0] + keep[1] + around;

    if ((flags & TOK_TRUNCATE) != 0 && max > 0 && whole > max &&
        !post_truncate(tok, max > around ? max - around : 0, is_pair, keep,
                       err))
        return false;
    if (!make_room(out, keep[0] + keep[1] + around, flags, err))
        return false;
    post_write(tok, template, specials, texts, keep, out);
    out->whole = whole;
    return true;
}

bool tok_encode(const struct tok_tokenizer *tok, const char *text, size_t size,
                unsigned flags, struct tok_encoding *out, struct error *err)
{
    struct tok_text in = {text, size};
    struct post_text texts[2] = {0};

    return encode_text(tok, &in, flags, out, &texts[0], err) &&
           finish(tok, texts, false, flags, out, err);
}

bool tok_encode_pair(const struct tok_tokenizer *tok, struct tok_text first,
                     struct tok_text second, unsigned flags,
                     struct tok_encoding *out, struct error *err)
{
    struct post_text texts[2] = {0};

    return encode_text(tok, &first, flags, out, &texts[0], err) &&
           encode_text(tok, &second, flags, out, &texts[1], err) &&
           finish(tok, texts, true, flags, out, err);
}
