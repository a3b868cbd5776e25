/*
 * json_put: appends JSON strings.
 *
 * What comes out is always JSON in UTF-8: quotes, backslashes and control bytes
 * are escaped, bytes that are no UTF-8 become U+FFFD. The rest of JSON needs no
 * help: numbers are num.h's, punctuation is written as it is.
 *
 * Threads: any; the caller serialises per buffer.
 */
#ifndef BASE_JSON_PUT_H
#define BASE_JSON_PUT_H

#include <stddef.h>

#include "buf.h"

/* Appends `size` bytes as a JSON string, with its quotes. */
void json_put_string(struct buf *out, const char *text, size_t size);

/* The same for a NUL-terminated text. */
void json_put_text(struct buf *out, const char *text);

#endif
