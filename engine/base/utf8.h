/*
 * UTF-8: is it, and how long is it.
 *
 * Threads: any.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length in bytes of the well-formed sequence at `text` (1 to 4; no overlong
 * forms, no surrogates, at most U+10FFFF), or 0 if there is none.
 */
size_t utf8_length(const char *text, size_t size);

/* Every byte belongs to a well-formed sequence. */
bool utf8_valid(const char *text, size_t size);

/* Puts '?' in place of every byte that belongs to no such sequence: texts that
 * were cut to fit may end inside one. */
void utf8_mend(char *text);

/* Writes the code point; returns its length in bytes, 1 to 4. */
size_t utf8_put(uint32_t code_point, char out[4]);

#endif
