/*
 * Post-processing: from the tokens of one text or two to the encoding.
 *
 * Threads: the caller serialises.
 */
#ifndef TEXT_POST_H
#define TEXT_POST_H

#include "tokenizer_impl.h"

/* A text with its tokens. */
struct post_text {
    struct text text;
    struct tokens tokens;
};

/*
 * Lowers the numbers of tokens to keep, so that they are at most `max`.
 *   ERR_INPUT_TOO_LONG  the file's strategy cannot do that
 */
bool post_truncate(const struct tok_tokenizer *tok, size_t max, bool is_pair,
                   size_t keep[2], struct error *err);

/* Writes what the template makes of the texts; `out` has room for it. */
void post_write(const struct tok_tokenizer *tok,
                const struct template *template, bool specials,
                const struct post_text texts[2], const size_t keep[2],
                struct tok_encoding *out);

#endif
