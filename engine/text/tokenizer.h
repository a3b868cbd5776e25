/*
 * Tokenizer: text to token ids and back, as a Hugging Face `tokenizer.json`
 * or a BERT `vocab.txt` says.
 *
 *   struct tok_tokenizer *tok = tok_open("tokenizer.json", &err);
 *   struct tok_encoding out = {.scratch = &scratch, .arena = &arena};
 *   ok = tok_encode(tok, text, size, TOK_SPECIALS, &out, &err);
 *   tok_close(tok);
 *
 * Ids, offsets and decoded texts equal those of Hugging Face's library. One
 * difference is intended: without TOK_PARSE_SPECIALS the special tokens are
 * never read out of the text, so a user cannot write one (Hugging Face:
 * encode_special_tokens = True). What the file asks for and this library does
 * not have is refused by name in tok_open().
 *
 * Threads: a tokenizer is immutable after tok_open(); any number of threads
 * encode with it at once, each with its own arenas.
 */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

/* Limits of a file, checked before its JSON is parsed, and of a text. */
enum {
    TOK_FILE_SIZE_MAX = 64 * 1024 * 1024,
    TOK_JSON_DEPTH_MAX = 32,
    TOK_JSON_VALUES_MAX = 6 * 1000 * 1000,
    TOK_VOCAB_MAX = 1 << 20,
    TOK_MERGES_MAX = 2 << 20,
    TOK_ADDED_MAX = 1 << 16,
    TOK_TOKEN_SIZE_MAX = 1024, /* bytes of one token */
    TOK_STEPS_MAX = 64,        /* normalizers, pre-tokenizers, decoders */
    TOK_TEXT_SIZE_MAX = 256 * 1024 * 1024
};

struct tok_tokenizer;

/*
 * Loads a tokenizer.json; a vocab.txt (WordPiece as of BERT, lower case as a
 * tokenizer_config.json beside it says); or a folder that holds one of them.
 * NULL:
 *   ERR_FILE_MISSING       cannot be opened, or is no regular file
 *   ERR_FILE_INVALID       no strict JSON, beyond a limit above, or its parts
 *                          contradict each other; names the part
 *   ERR_MODEL_UNSUPPORTED  needs a component this library does not have; names
 *                          component and type
 *   ERR_OUT_OF_MEMORY
 */
struct tok_tokenizer *tok_open(const char *path, struct error *err);

/* The same from `size` bytes of JSON in memory, which are only read. */
struct tok_tokenizer *tok_open_bytes(const char *json, size_t size,
                                     struct error *err);

/* Frees it; NULL is fine. */
void tok_close(struct tok_tokenizer *tok);

enum tok_flag {
    TOK_SPECIALS = 1, /* put the template's special tokens around the text */
    TOK_TRUNCATE = 2, /* cut to `max_tokens` or the file's truncation length */
    TOK_PARSE_SPECIALS = 4, /* special tokens written in the text are tokens */
    TOK_OFFSETS = 8         /* with `arena`: fill starts and ends, too */
};

/*
 * The result: either in the caller's buffers of `capacity` elements, NULL for
 * what is not wanted, or, if `arena` is set, in buffers taken from it, exactly
 * as long as needed. Offsets count Unicode code points of the text they are
 * from, [start, end); special tokens of the template have 0, 0.
 */
struct tok_encoding {
    struct arena *scratch; /* work space of the call; not NULL */
    struct arena *arena;   /* NULL: the caller's buffers */
    size_t max_tokens;     /* 0: the file's truncation length */
    size_t capacity;
    int64_t *ids;
    uint32_t *starts, *ends;
    int64_t *type_ids;     /* which text, as the template numbers them */
    uint8_t *special_mask; /* 1: put there by the template */
    size_t count;          /* filled: tokens written */
    size_t whole;          /* filled: tokens before truncation */
};

/*
 * Encodes `size` bytes of UTF-8. Time is O(n log n) in the size whatever the
 * text. `flags`: enum tok_flag. Truncation keeps the first of the windows that
 * a `stride` would make.
 *   ERR_INVALID_INPUT   the text is not UTF-8, or has a character for which
 *                       the tokenizer has no token, not even an unknown one
 *   ERR_INPUT_TOO_LONG  more tokens than `capacity`, text beyond
 *                       TOK_TEXT_SIZE_MAX, or the file's truncation strategy
 *                       cannot cut it short enough
 *   ERR_OUT_OF_MEMORY   an arena is used up
 */
bool tok_encode(const struct tok_tokenizer *tok, const char *text, size_t size,
                unsigned flags, struct tok_encoding *out, struct error *err);

/* One text of a pair. */
struct tok_text {
    const char *bytes;
    size_t size;
};

/* The same for a pair of texts, as the template puts them together. */
bool tok_encode_pair(const struct tok_tokenizer *tok, struct tok_text first,
                     struct tok_text second, unsigned flags,
                     struct tok_encoding *out, struct error *err);

/* A text made of ids. */
struct tok_decoding {
    struct arena *arena; /* holds the text, and is the work space */
    bool skip_specials;  /* special tokens are left out */
    char *text;          /* filled: UTF-8, NUL-terminated */
    size_t size;         /* filled: its bytes */
};

/*
 * The text of `count` ids; ids that no token has are left out.
 *   ERR_OUT_OF_MEMORY  the arena is used up
 */
bool tok_decode(const struct tok_tokenizer *tok, const int64_t *ids,
                size_t count, struct tok_decoding *out, struct error *err);

/*
 * The token of an id as the file writes it, in *size bytes (not terminated);
 * NULL if no token has the id. Valid as long as the tokenizer.
 */
const char *tok_token_text(const struct tok_tokenizer *tok, int64_t id,
                           size_t *size);

/* The id of a token by that spelling; -1 if there is none. */
int64_t tok_token_id(const struct tok_tokenizer *tok, const char *token,
                     size_t size);

/* Is the id that of a special token? */
bool tok_is_special(const struct tok_tokenizer *tok, int64_t id);

/* No text of `size` bytes gives more tokens than this. Normalizers can make a
 * text longer, so it may be many times `size`: with `arena` set, tok_encode()
 * needs no such bound. */
size_t tok_count_max(const struct tok_tokenizer *tok, size_t size);

/* Ids are 0 ... tok_vocab_size() - 1. */
size_t tok_vocab_size(const struct tok_tokenizer *tok);

/* The id that fills a batch up to its longest row; 0 if the file is silent. */
int64_t tok_pad_id(const struct tok_tokenizer *tok);

/* How rows are filled up. */
struct tok_padding {
    bool asked_for;  /* the file has padding; else the rest are defaults */
    size_t fixed;    /* rows have at least this length; 0 = as the longest */
    size_t multiple; /* the length is a multiple of this; at least 1 */
    bool left;       /* in front of the tokens */
    int64_t id, type_id;
};

struct tok_padding tok_padding(const struct tok_tokenizer *tok);

/* The length of rows of which the longest has `longest` tokens. */
size_t tok_padded_length(const struct tok_tokenizer *tok, size_t longest);

/* The file's truncation length with special tokens; 0 = none. */
size_t tok_truncation(const struct tok_tokenizer *tok);

#endif
