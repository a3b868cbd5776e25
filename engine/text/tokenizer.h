/*
 * Tokenizer: text to token ids, as a Hugging Face `tokenizer.json` says.
 *
 *   struct tok_tokenizer *tok = tok_open("tokenizer.json", &err);
 *   struct tok_encoding out = {.scratch = &arena, .ids = ids, .capacity = n};
 *   ok = tok_encode(tok, text, size, TOK_SPECIALS, &out, &err);
 *   tok_close(tok);
 *
 * The ids equal those of Hugging Face's library. One difference is intended:
 * special tokens are never read out of the text, so a user cannot write one
 * (Hugging Face: encode_special_tokens = True). What the file asks for and
 * this library does not have is refused by name in tok_open().
 *
 * Threads: a tokenizer is immutable after tok_open(); any number of threads
 * encode with it at once, each with its own arena.
 */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

/* Limits of a file, checked before its JSON is parsed. */
enum {
    TOK_FILE_SIZE_MAX = 64 * 1024 * 1024,
    TOK_JSON_DEPTH_MAX = 32,
    TOK_JSON_VALUES_MAX = 6 * 1000 * 1000,
    TOK_VOCAB_MAX = 1 << 20,
    TOK_MERGES_MAX = 2 << 20
};

struct tok_tokenizer;

/*
 * Loads the file. NULL:
 *   ERR_FILE_MISSING       cannot be opened, or is no regular file
 *   ERR_FILE_INVALID       no strict JSON, beyond a limit above, or its parts
 *                          contradict each other; names the part
 *   ERR_MODEL_UNSUPPORTED  needs a component this library does not have; names
 *                          component and type
 *   ERR_OUT_OF_MEMORY
 */
struct tok_tokenizer *tok_open(const char *path, struct error *err);

/* The same from `size` bytes in memory, which are only read. */
struct tok_tokenizer *tok_open_bytes(const char *json, size_t size,
                                     struct error *err);

/* Frees it; NULL is fine. */
void tok_close(struct tok_tokenizer *tok);

enum tok_flag {
    TOK_SPECIALS = 1, /* put the template's special tokens around the text */
    TOK_TRUNCATE = 2  /* cut to the file's truncation length, if it has one */
};

/*
 * The result, in the caller's buffers of `capacity` elements. Offsets count
 * Unicode code points of the text, [start, end); special tokens have 0, 0.
 */
struct tok_encoding {
    struct arena *scratch;
    int64_t *ids;
    uint32_t *starts; /* NULL = not wanted */
    uint32_t *ends;   /* NULL = not wanted */
    size_t capacity;
    size_t count; /* filled: tokens written */
    size_t whole; /* filled: tokens before truncation */
};

/*
 * Encodes `size` bytes of UTF-8. Time is O(n log n) in the size whatever the
 * text; scratch memory of 44 bytes per byte of text comes from
 * `out->scratch`. `flags`: enum tok_flag.
 *   ERR_INVALID_INPUT   the text is not UTF-8
 *   ERR_INPUT_TOO_LONG  more tokens than `capacity`, or text beyond 1 GiB
 *   ERR_OUT_OF_MEMORY   the arena is used up
 */
bool tok_encode(const struct tok_tokenizer *tok, const char *text, size_t size,
                unsigned flags, struct tok_encoding *out, struct error *err);

/* No text of `size` bytes gives more tokens than this. */
size_t tok_count_max(const struct tok_tokenizer *tok, size_t size);

/* Ids are 0 ... tok_vocab_size() - 1. */
size_t tok_vocab_size(const struct tok_tokenizer *tok);

/* The id that fills a batch up to its longest row; 0 if the file is silent. */
int64_t tok_pad_id(const struct tok_tokenizer *tok);

/* The file's truncation length with special tokens; 0 = none. */
size_t tok_truncation(const struct tok_tokenizer *tok);

#endif
