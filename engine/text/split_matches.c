/*
 * Delimiters and what becomes of them, see split.h.
 *
 * The parts of a piece, delimiters and what is between, come from left to
 * right. Each is held back until it is clear that the next one does not belong
 * to it.
 */
#include "split.h"

void split_cut(const struct pre_tokenizer *step, struct splitting *splitting,
               const struct cut *cut)
{
    struct text *rewrite = &splitting->rewrite;
    struct reader reader;
    size_t start = rewrite->size;

    if (cut->id < 0) {
        step->apply(step, splitting, cut);
        return;
    }
    if (step->rewrites) {
        reader =
            text_reader(&splitting->text, cut->start, cut->end, cut->origin);
        text_put_rest(rewrite, &reader);
        cuts_put(&splitting->next, start, rewrite->size, cut->origin, cut->id);
    } else {
        cuts_put(&splitting->next, cut->start, cut->end, cut->origin, cut->id);
    }
}

struct matches split_matches(struct splitting *splitting, const struct cut *cut,
                             enum split_behavior behavior, bool invert)
{
    return (struct matches){.splitting = splitting,
                            .cut = cut,
                            .behavior = behavior,
                            .invert = invert,
                            .start = cut->start,
                            .end = cut->start};
}

/* The piece held back is complete. */
static void let_go(struct matches *matches)
{
    if (matches->any)
        split_put(matches->splitting, matches->cut, matches->start,
                  matches->end);
    matches->any = false;
}

/* Does the part belong to the piece that is held back? */
static bool joins(const struct matches *matches, bool is_match)
{
    switch (matches->behavior) {
    case SPLIT_CONTIGUOUS:
        return is_match == matches->was_match;
    case SPLIT_WITH_PREVIOUS:
        return is_match && !matches->was_match;
    case SPLIT_WITH_NEXT:
        return !is_match && matches->was_match;
    case SPLIT_ISOLATED:
    case SPLIT_REMOVED:
    default:
        return false;
    }
}

/* The next part [start, end), which is not empty. */
static void put_part(struct matches *matches, size_t start, size_t end,
                     bool is_match)
{
    if (matches->any && joins(matches, is_match)) {
        matches->end = end;
    } else {
        let_go(matches);
        matches->start = start;
        matches->end = end;
        matches->any = !is_match || matches->behavior != SPLIT_REMOVED;
    }
    matches->was_match = is_match;
}

void matches_put(struct matches *matches, size_t start, size_t end)
{
    if (start > matches->end)
        put_part(matches, matches->end, start, matches->invert);
    put_part(matches, start, end, !matches->invert);
}

void matches_end(struct matches *matches)
{
    if (matches->end < matches->cut->end)
        put_part(matches, matches->end, matches->cut->end, matches->invert);
    let_go(matches);
}
