/*
 * The chain of pre-tokenizers, and those that look at one character at a time.
 */
#include "split.h"

void tok_pre_tokenize(const struct tok_tokenizer *tok,
                      struct splitting *splitting)
{
    for (size_t i = 0; i < tok->pre_tokenizer_count; i++) {
        const struct pre_tokenizer *step = &tok->pre_tokenizers[i];
        struct cuts done = splitting->cuts;

        splitting->next.count = 0;
        if (step->rewrites) {
            text_init(&splitting->rewrite, splitting->text.arena,
                      splitting->text.tracked);
            (void)text_reserve(&splitting->rewrite,
                               splitting->text.size + TEXT_CHAR_MAX);
        }
        for (size_t j = 0; j < done.count; j++)
            split_cut(step, splitting, &done.items[j]);
        if (step->rewrites) {
            splitting->rewrite.failed |= splitting->text.failed;
            splitting->text = splitting->rewrite;
        }
        splitting->cuts = splitting->next;
        splitting->next = done;
    }
}

/* ---- words ---- */

/* \w+|[^\w\s]+, without the space between */
void pre_tokenizer_words(const struct pre_tokenizer *step,
                         struct splitting *splitting, const struct cut *cut)
{
    const char *bytes = splitting->text.bytes;
    uint32_t kind = UC_SPACE; /* of the piece that begins at `start` */
    size_t start = cut->start;

    (void)step;
    for (size_t at = cut->start, here = at; at < cut->end; here = at) {
        uint32_t props = uc_props(uc_next(bytes, &at));
        uint32_t new_kind = props & UC_WORD;

        if (new_kind == 0)
            new_kind = props & UC_SPACE;
        if (new_kind == kind)
            continue;
        if (kind != UC_SPACE)
            split_put(splitting, cut, start, here);
        kind = new_kind;
        start = here;
    }
    if (kind != UC_SPACE)
        split_put(splitting, cut, start, cut->end);
}

void pre_tokenizer_bert(const struct pre_tokenizer *step,
                        struct splitting *splitting, const struct cut *cut)
{
    const char *bytes = splitting->text.bytes;
    size_t start = cut->start, at = cut->start;

    (void)step;
    while (at < cut->end) {
        size_t here = at;
        uint32_t props = uc_props(uc_next(bytes, &at));

        if ((props & (UC_SPACE | UC_PUNCT)) == 0)
            continue;
        split_put(splitting, cut, start, here);
        start = at;
        if ((props & UC_SPACE) == 0)
            split_put(splitting, cut, here, at);
    }
    split_put(splitting, cut, start, at);
}

/* ---- characters as delimiters ---- */

/* Cuts by runs (SPLIT_CONTIGUOUS) or single characters with the property. */
static void split_by_props(struct splitting *splitting, const struct cut *cut,
                           uint32_t props, enum split_behavior behavior)
{
    struct matches matches = split_matches(splitting, cut, behavior, false);
    const char *bytes = splitting->text.bytes;

    for (size_t at = cut->start; at < cut->end;) {
        size_t here = at;

        if ((uc_props(uc_next(bytes, &at)) & props) != 0)
            matches_put(&matches, here, at);
    }
    matches_end(&matches);
}

void pre_tokenizer_spaces(const struct pre_tokenizer *step,
                          struct splitting *splitting, const struct cut *cut)
{
    (void)step;
    split_by_props(splitting, cut, UC_SPACE, SPLIT_REMOVED);
}

void pre_tokenizer_punctuation(const struct pre_tokenizer *step,
                               struct splitting *splitting,
                               const struct cut *cut)
{
    split_by_props(splitting, cut, UC_PUNCT, step->as.behavior);
}

void pre_tokenizer_digits(const struct pre_tokenizer *step,
                          struct splitting *splitting, const struct cut *cut)
{
    split_by_props(splitting, cut, UC_NUMERIC,
                   step->as.individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS);
}

void pre_tokenizer_delimiter(const struct pre_tokenizer *step,
                             struct splitting *splitting, const struct cut *cut)
{
    const char *bytes = splitting->text.bytes;
    size_t start = cut->start, at = cut->start;

    while (at < cut->end) {
        size_t here = at;

        if (uc_next(bytes, &at) != step->as.delimiter)
            continue;
        split_put(splitting, cut, start, here);
        start = at;
    }
    split_put(splitting, cut, start, at);
}

/* Pieces of so many characters. */
void pre_tokenizer_length(const struct pre_tokenizer *step,
                          struct splitting *splitting, const struct cut *cut)
{
    size_t start = cut->start, at = cut->start, count = 0;

    while (at < cut->end) {
        at += uc_size(splitting->text.bytes[at]);
        if (++count < step->as.length)
            continue;
        split_put(splitting, cut, start, at);
        start = at;
        count = 0;
    }
    split_put(splitting, cut, start, at);
}

/* ---- patterns ---- */

void pre_tokenizer_pattern(const struct pre_tokenizer *step,
                           struct splitting *splitting, const struct cut *cut)
{
    const struct pattern *pattern = step->as.pattern.pattern;
    struct matches matches = split_matches(
        splitting, cut, step->as.pattern.behavior, step->as.pattern.invert);
    size_t at = cut->start, start, stop;

    while (pattern_next(pattern, splitting->text.bytes, at, cut->end, &start,
                        &stop)) {
        matches_put(&matches, start, stop);
        at = stop;
    }
    matches_end(&matches);
}
