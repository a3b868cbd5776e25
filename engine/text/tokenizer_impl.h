/*
 * The loaded tokenizer: filled by tokenizer_load.c, read by tokenizer.c.
 *
 * Threads: immutable after load.
 */
#ifndef TEXT_TOKENIZER_IMPL_H
#define TEXT_TOKENIZER_IMPL_H

#include "tokenizer.h"

/* Bytes of one code point in UTF-8, NUL-terminated. */
enum { TOK_BYTE_TEXT = 5 };

/*
 * Two neighbouring tokens that become one. Lowest rank first, then leftmost.
 * The table of merges is open addressing over a power of two; `left` is -1 in
 * an empty slot.
 */
struct tok_merge {
    int32_t left, right;
    int32_t result;
    uint32_t rank;
};

struct tok_tokenizer {
    struct arena arena; /* holds everything below */
    size_t vocab_size;
    int32_t
        byte_ids[256]; /* the token of each byte; -1 = the byte is dropped */
    struct tok_merge *merges;
    size_t merge_slots;       /* power of two; 0 = there are no merges */
    int64_t *prefix, *suffix; /* special tokens before and after the text */
    size_t prefix_count, suffix_count;
    size_t truncation; /* tokens with specials; 0 = none */
    int64_t pad_id;
};

/* The slot of this pair in the table: its merge, or where it would go. */
size_t tok_merge_slot(const struct tok_merge *merges, size_t slots,
                      int32_t left, int32_t right);

/*
 * Makes a tokenizer of JSON text that is within the limits of tokenizer.h.
 * Errors as tok_open().
 */
struct tok_tokenizer *tok_load(const char *json, size_t size,
                               struct error *err);

#endif
