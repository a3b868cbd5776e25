/*
 * Post-processing: truncation, the template with its special tokens, and
 * offsets, written to the caller's arrays.
 */
#include "post.h"

/* ---- truncation ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Keeps `max` tokens of two texts, taken from the longer one first. */
static void cut_longest(size_t max, size_t keep[2])
{
    size_t less = smaller(keep[0], keep[1]);
    size_t more = less > max || max - less < less ? less : max - less;

    if (less + more > max) {
        less = max / 2;
        more = less + max % 2;
    }
    if (keep[0] > keep[1]) {
        keep[0] = more;
        keep[1] = less;
    } else {
        keep[0] = less;
        keep[1] = more;
    }
}

static bool cut_one(size_t max, size_t keep[2], size_t which, struct error *err)
{
    size_t drop = keep[0] + keep[1] - max;

    if (keep[which] <= drop)
        return fail(err, ERR_INPUT_TOO_LONG,
                    "the texts have %zu tokens, cutting the %s one cannot "
                    "make them %zu",
                    keep[0] + keep[1], which == 0 ? "first" : "second", max);
    keep[which] -= drop;
    return true;
}

bool post_truncate(const struct tok_tokenizer *tok, size_t max, bool is_pair,
                   size_t keep[2], struct error *err)
{
    if (keep[0] + keep[1] <= max)
        return true;
    if (max == 0) {
        keep[0] = keep[1] = 0;
        return true;
    }
    if (tok->strategy == CUT_FIRST)
        return cut_one(max, keep, 0, err);
    if (tok->strategy == CUT_SECOND)
        return cut_one(max, keep, 1, err);
    if (is_pair)
        cut_longest(max, keep);
    else
        keep[0] = max;
    return true;
}

/* ---- offsets ---- */

/* Counts code points of the input in one walk from front to back. */
struct counter {
    const struct text *text;
    size_t at;
    uint32_t count;
    bool ascii; /* bytes are code points */
};

static bool is_ascii(const struct text *text)
{
    for (size_t i = 0; i < text->size; i++) {
        if ((unsigned char)text->bytes[i] >= 0x80)
            return false;
    }
    return true;
}

/* The code point that holds byte `to` of a text that is the input itself. */
static uint32_t count_to(struct counter *counter, size_t to)
{
    const char *bytes = counter->text->bytes;

    while (to > 0 && !uc_starts(bytes[to]))
        to--;
    if (to < counter->at) { /* tokens of the same bytes */
        counter->count -= (uint32_t)uc_count(bytes + to, counter->at - to);
    } else {
        counter->count +=
            (uint32_t)uc_count(bytes + counter->at, to - counter->at);
    }
    counter->at = to;
    return counter->count;
}

static void find_offsets(struct counter *counter, const struct token *token,
                         uint32_t *start, uint32_t *end)
{
    const uint32_t *from = counter->text->from;

    if (token->start == token->end) {
        *start = *end = 0;
    } else if (from) {
        *start = from[token->start];
        *end = from[token->end - 1] + 1;
    } else if (counter->ascii) {
        *start = token->start;
        *end = token->end;
    } else {
        *start = count_to(counter, token->start);
        *end = count_to(counter, token->end - 1) + 1;
    }
}

/* Takes blanks off the ends of a byte-level token. */
static void trim(const struct tok_tokenizer *tok, const struct token *token,
                 bool first, uint32_t *start, uint32_t *end)
{
    const uint16_t *blanks = &tok->blanks[2 * (size_t)token->id];
    uint32_t before = blanks[0], after = blanks[1];

    if (token->is_added) {
        before = token->blanks_before;
        after = token->blanks_after;
    }
    if (before > 0 && (first || *start == 0) && tok->trims_but_first)
        before--;
    *start = *start + before < *end ? *start + before : *end;
    if (after > 0 && *end >= after)
        *end = *end - after > *start ? *end - after : *start;
}

/* ---- writing ---- */

static void put_offsets(const struct tok_tokenizer *tok,
                        const struct post_text *part, size_t first,
                        size_t count, struct tok_encoding *out)
{
    struct counter counter = {.text = &part->text};
    uint32_t start, end;

    counter.ascii = !part->text.from && is_ascii(&part->text);
    for (size_t i = 0; i < count; i++) {
        const struct token *token = &part->tokens.items[first + i];

        find_offsets(&counter, token, &start, &end);
        if (tok->trims_offsets)
            trim(tok, token, i == 0, &start, &end);
        if (out->starts)
            out->starts[out->count + i] = start;
        if (out->ends)
            out->ends[out->count + i] = end;
    }
}

static void put_text(const struct tok_tokenizer *tok,
                     const struct post_text *part, size_t keep,
                     uint32_t type_id, struct tok_encoding *out)
{
    size_t first = tok->cuts_left ? part->tokens.count - keep : 0;

    if (out->starts || out->ends)
        put_offsets(tok, part, first, keep, out);
    for (size_t i = 0; i < keep; i++, out->count++) {
        out->ids[out->count] = part->tokens.items[first + i].id;
        if (out->type_ids)
            out->type_ids[out->count] = type_id;
        if (out->special_mask)
            out->special_mask[out->count] = 0;
    }
}

static void put_special(const struct template_part *part,
                        struct tok_encoding *out)
{
    out->ids[out->count] = part->id;
    if (out->starts)
        out->starts[out->count] = 0;
    if (out->ends)
        out->ends[out->count] = 0;
    if (out->type_ids)
        out->type_ids[out->count] = part->type_id;
    if (out->special_mask)
        out->special_mask[out->count] = 1;
    out->count++;
}

void post_write(const struct tok_tokenizer *tok,
                const struct template *template, bool specials,
                const struct post_text texts[2], const size_t keep[2],
                struct tok_encoding *out)
{
    out->count = 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct template_part *part = &template->parts[i];

        if (part->id == PART_FIRST)
            put_text(tok, &texts[0], keep[0], part->type_id, out);
        else if (part->id == PART_SECOND)
            put_text(tok, &texts[1], keep[1], part->type_id, out);
        else if (specials)
            put_special(part, out);
    }
}
