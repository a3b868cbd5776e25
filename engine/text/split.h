/*
 * What pre-tokenizers share: pieces of the text that is split, and delimiters
 * with what becomes of them.
 *
 * Threads: the caller serialises.
 */
#ifndef TEXT_SPLIT_H
#define TEXT_SPLIT_H

#include "tokenizer_impl.h"

/* The code point of the input from which byte `at` of `text` comes. */
static inline uint32_t split_origin(const struct splitting *splitting,
                                    const struct cut *cut, size_t at)
{
    const struct text *text = &splitting->text;

    if (text->from)
        return text->from[at];
    return at == cut->start ? cut->origin : cut->origin + 1;
}

/* Appends a piece [start, end) of `cut`. */
static inline void split_put(struct splitting *splitting, const struct cut *cut,
                             size_t start, size_t end)
{
    cuts_put(&splitting->next, start, end, split_origin(splitting, cut, start),
             -1);
}

/* Lets `step` cut one piece; tokens pass. */
void split_cut(const struct pre_tokenizer *step, struct splitting *splitting,
               const struct cut *cut);

/*
 * Delimiters found from left to right in one piece, and the behavior that
 * makes pieces of them and of what is between.
 */
struct matches {
    struct splitting *splitting;
    const struct cut *cut;
    enum split_behavior behavior;
    bool invert;       /* what is between are the delimiters */
    bool any;          /* a piece is held back, it may grow */
    bool was_match;    /* the last part was a delimiter */
    size_t start, end; /* the piece held back */
};

struct matches split_matches(struct splitting *splitting, const struct cut *cut,
                             enum split_behavior behavior, bool invert);

/* The next delimiter, [start, end). */
void matches_put(struct matches *matches, size_t start, size_t end);

/* No more delimiters. */
void matches_end(struct matches *matches);

#endif
