/*
 * Normalizing a text by rules that no tokenizer's file has written down.
 *
 * Threads: any; the arena is the caller's.
 */
#ifndef TEXT_NORMAL_TEXT_H
#define TEXT_NORMAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

enum normal_form {
    NORMAL_AS_IS,
    NORMAL_NFC,
    NORMAL_NFD,
    NORMAL_NFKC,
    NORMAL_NFKD
};

/* What is done, in this order. */
struct normal_rules {
    enum normal_form form;
    bool lower;    /* lower case, character by character */
    bool collapse; /* a run of white space is one space */
    bool strip;    /* no white space at either end */
};

/* The well-formed UTF-8 as the rules make it, NUL-ended and in the arena with
 * all that was needed on the way; NULL = out of memory. */
const char *normal_text(struct arena *arena, const struct normal_rules *rules,
                        const char *bytes, size_t size);

#endif
