/*
 * The word patterns as scanners: each gives the end of the match that starts
 * at `at` < `end`; they match everywhere, so a text falls into its matches.
 *
 * Threads: any.
 */
#ifndef TEXT_PATTERN_WORDS_H
#define TEXT_PATTERN_WORDS_H

#include <stddef.h>

/* GPT-2: '(s|t|re|ve|m|ll|d), words, numbers and marks with one space before */
size_t words_gpt2(const char *bytes, size_t at, size_t end);

/* cl100k and kin: numbers of up to `digits_max` digits in one piece. */
size_t words_cl100k(const char *bytes, size_t at, size_t end,
                    size_t digits_max);

/* o200k: words end where a capital follows small letters. */
size_t words_o200k(const char *bytes, size_t at, size_t end);

#endif
