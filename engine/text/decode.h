/*
 * What decoders share: writing pieces, replacing in them, tidying up.
 *
 * Threads: the caller serialises.
 */
#ifndef TEXT_DECODE_H
#define TEXT_DECODE_H

#include "tokenizer_impl.h"

/* A text to write a piece to, with room for about `size` bytes. */
struct text decoding_text(struct decoding *decoding, size_t size);

/* The text that was written, as a piece. */
struct tok_string decoding_end(struct decoding *decoding,
                               const struct text *text);

/* Appends the bytes of a piece. */
void text_put_string(struct text *text, struct tok_string string);

/* The piece with `content` for each match of the pattern. */
struct tok_string decoding_replace(struct decoding *decoding,
                                   struct tok_string in,
                                   const struct pattern *pattern,
                                   struct tok_string content);

/* The piece without the spaces that tokenization puts before marks. */
struct tok_string decoding_cleanup(struct decoding *decoding,
                                   struct tok_string in);

#endif
