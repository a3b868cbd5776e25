/*
 * The loaded tokenizer: filled by load*.c, read by the steps.
 *
 * A text passes added tokens, normalizers, pre-tokenizers, the model and the
 * post-processor, each kind in a file of its own. A step is a row of
 * components.def: its function at work and what the file says about it.
 *
 * Threads: immutable after load.
 */
#ifndef TEXT_TOKENIZER_IMPL_H
#define TEXT_TOKENIZER_IMPL_H

#include "pattern.h"
#include "text.h"
#include "tokenizer.h"
#include "trie.h"
#include "vocab.h"

/* A string of the file. */
struct tok_string {
    const char *bytes;
    size_t size;
};

/* ---- normalizers ---- */

struct normalizer;

/* Appends to `out` what the normalizer makes of `in`. */
typedef void normalizer_apply(const struct normalizer *step, struct reader in,
                              struct text *out);

struct normalizer {
    normalizer_apply *apply;
    union {
        struct {
            bool clean, cjk, strip, lower;
        } bert;
        struct {
            bool left, right;
        } strip;
        struct tok_string prepend;
        struct {
            const struct pattern *pattern;
            struct tok_string content;
        } replace;
        struct {
            const uint32_t *units; /* a Darts double array */
            size_t unit_count;
            const char *strings; /* what its values point into */
            size_t strings_size;
        } charsmap;
    } as;
};

#define NORMALIZER(type, function) normalizer_apply normalizer_##function;
#include "components.def"

/* Would the normalizer leave these bytes as they are? false if unsure. */
bool normalizer_is_idle(const struct normalizer *step, const char *bytes,
                        size_t size);

/* Applies the normalizers in turn to `in`, appending to `out`. */
void normalizers_apply(const struct normalizer *chain, size_t count,
                       struct reader in, struct text *out);

/* Applies all normalizers of the tokenizer to `in`, appending to `out`. */
void tok_normalize(const struct tok_tokenizer *tok, struct reader in,
                   struct text *out);

/* ---- pre-tokenizers ---- */

enum split_behavior {
    SPLIT_ISOLATED,
    SPLIT_REMOVED,
    SPLIT_CONTIGUOUS,
    SPLIT_WITH_PREVIOUS,
    SPLIT_WITH_NEXT
};

enum prefix_scheme { PREFIX_NEVER, PREFIX_FIRST, PREFIX_ALWAYS };

struct pre_tokenizer;

/* The text and its pieces on their way through the pre-tokenizers. */
struct splitting {
    struct text text;
    struct cuts cuts;    /* the pieces so far */
    struct cuts next;    /* what the step makes of them */
    struct text rewrite; /* the step's own text, if it writes one */
};

/* Cuts `cut` of splitting->text, appending to splitting->next. */
typedef void pre_tokenizer_apply(const struct pre_tokenizer *step,
                                 struct splitting *splitting,
                                 const struct cut *cut);

struct pre_tokenizer {
    pre_tokenizer_apply *apply;
    bool rewrites; /* writes splitting->rewrite, and pieces of that */
    union {
        struct {
            bool prefix, regex, map;
        } bytes;
        uint32_t delimiter;
        bool individual; /* each digit */
        size_t length;
        struct {
            uint32_t replacement;
            enum prefix_scheme prefix;
            bool split;
        } metaspace;
        enum split_behavior behavior; /* of Punctuation */
        struct {
            const struct pattern *pattern;
            enum split_behavior behavior;
            bool invert;
        } pattern;
    } as;
};

#define PRE_TOKENIZER(type, function)                                          \
    pre_tokenizer_apply pre_tokenizer_##function;
#include "components.def"

/* Applies all pre-tokenizers to splitting->text and ->cuts, in place. */
void tok_pre_tokenize(const struct tok_tokenizer *tok,
                      struct splitting *splitting);

/* ---- models ---- */

/* A token of a text: bytes [start, end) of it. */
struct token {
    int32_t id;
    uint32_t start, end;
    bool is_added;
    uint16_t blanks_before, blanks_after; /* of an added token: its text */
};

struct tokens {
    struct arena *arena;
    struct token *items;
    size_t count, capacity;
    bool failed;  /* memory is out */
    bool unknown; /* a character has no token, not even an unknown one */
};

bool tokens_grow(struct tokens *tokens);

static inline void tokens_put(struct tokens *tokens, int32_t id, size_t start,
                              size_t end)
{
    if (tokens->count == tokens->capacity && !tokens_grow(tokens))
        return;
    tokens->items[tokens->count++] = (struct token){
        .id = id, .start = (uint32_t)start, .end = (uint32_t)end};
}

/* Appends the tokens of one piece of text, bytes [start, end). */
typedef void model_apply(const struct tok_tokenizer *tok,
                         const struct text *text, size_t start, size_t end,
                         struct tokens *out);

model_apply model_bpe, model_unigram, model_wordlevel, model_wordpiece;

/*
 * Two neighbouring tokens that become one. Lowest rank first, then leftmost.
 * The table of merges is open addressing over a power of two; `left` is -1 in
 * an empty slot.
 */
struct bpe_merge {
    int32_t left, right;
    int32_t result;
    uint32_t rank;
};

struct bpe {
    struct bpe_merge *merges;
    size_t merge_slots; /* power of two; 0 = there are no merges */
    bool by_byte;       /* pieces are bytes (ByteLevel), else characters */
    bool fuse_unknown, fallback, ignore_merges;
    bool may_cut; /* merges take neither fallback nor unknown tokens */
    int32_t unknown;
    int32_t byte_ids[256];  /* the token of each byte, or its fallback */
    int32_t ascii_ids[128]; /* of characters, where nothing is put around */
    struct tok_string prefix, suffix; /* put around characters of a word */
    struct vocab words;   /* by_byte: the tokens as the bytes they stand for */
    unsigned char *whole; /* bit per id: its text gives this one token */
    unsigned char *joins; /* bits of neighbours that a token may hold */
};

enum { BPE_JOIN_BITS = 1 << 20 };

/* The slot of this pair in the table: its merge, or where it would go. */
size_t bpe_merge_slot(const struct bpe_merge *merges, size_t slots,
                      int32_t left, int32_t right);

/* Fills `whole` and `joins` of a loaded model; false if memory is out. */
bool bpe_prepare(struct tok_tokenizer *tok);

struct wordpiece {
    struct trie first, rest; /* whole tokens; those after the prefix */
    int32_t unknown;
    size_t chars_max;
};

struct unigram {
    struct trie trie;
    double *scores; /* by id */
    double unknown_score;
    int32_t unknown; /* -1: there is none */
    bool fallback;
    int32_t byte_ids[256]; /* -1: no token */
};

/* ---- post-processing ---- */

enum { PART_FIRST = -1, PART_SECOND = -2 };

/* A piece of a template: a text of the pair, or a special token. */
struct template_part {
    int32_t id; /* or enum above */
    uint32_t type_id;
};

struct template
{
    struct template_part *parts;
    size_t count;
    size_t special_count;
};

enum truncation_strategy { CUT_LONGEST_FIRST, CUT_FIRST, CUT_SECOND };

/* ---- decoders ---- */

struct decoder;

/* Tokens on their way to a text. */
struct decoding {
    struct arena *arena;
    struct tok_string *pieces;
    size_t count;
    bool failed; /* memory is out */
};

typedef void decoder_apply(const struct decoder *step,
                           struct decoding *decoding);

struct decoder {
    decoder_apply *apply;
    union {
        struct tok_string suffix;
        struct {
            struct tok_string pad, delimiter;
            bool cleanup;
        } ctc;
        struct {
            uint32_t replacement;
            bool prefixed;
        } metaspace;
        struct {
            const struct pattern *pattern;
            struct tok_string content;
        } replace;
        struct {
            uint32_t content;
            size_t start, stop;
        } strip;
        struct {
            struct tok_string prefix;
            bool cleanup;
        } wordpiece;
    } as;
};

#define DECODER(type, function) decoder_apply decoder_##function;
#include "components.def"

/* ---- added tokens ---- */

struct added_token {
    int32_t id;
    struct tok_string content;
    bool special, single_word, lstrip, rstrip, normalized;
};

/* ---- all of it ---- */

struct tok_tokenizer {
    struct arena arena;         /* holds what has no owner below */
    struct vocab vocab;         /* the model's tokens */
    struct vocab added_vocab;   /* the added ones */
    struct tok_string *strings; /* of all, by id */
    size_t vocab_size;
    unsigned char *specials; /* bit per id */
    uint16_t *blanks; /* per id: blanks before, after; NULL = not trimmed */

    struct added_token *added;
    size_t added_count;
    struct trie added_raw, added_normalized; /* values: index of `added` */

    struct normalizer normalizers[TOK_STEPS_MAX];
    size_t normalizer_count;
    struct pre_tokenizer pre_tokenizers[TOK_STEPS_MAX];
    size_t pre_tokenizer_count;
    bool needs_origins; /* a pre-tokenizer asks where a piece came from */
    bool maps_bytes;    /* a pre-tokenizer writes bytes as characters */

    model_apply *model;
    struct bpe bpe;
    struct wordpiece wordpiece;
    struct unigram unigram;
    int32_t unknown_word; /* of WordLevel */

    struct template single, pair;
    bool trims_offsets, trims_but_first; /* blanks of byte-level tokens */

    size_t truncation; /* tokens with specials; 0 = none */
    enum truncation_strategy strategy;
    bool cuts_left;
    struct tok_padding padding;
    size_t growth, growth_fixed; /* tokens per byte of text, and besides */

    struct decoder decoders[TOK_STEPS_MAX];
    size_t decoder_count;
};

/*
 * Cuts the added tokens out of a piece of text and appends the pieces to
 * `out`; `normalized` chooses the ones that match after normalization.
 * Special tokens are left in the text unless `specials`. `origin` is the code
 * point of the input at which the piece starts, if it is the input itself.
 */
void added_split(const struct tok_tokenizer *tok, bool normalized,
                 bool specials, const struct text *text, const struct cut *cut,
                 struct cuts *out);

/* Builds the tries over tok->added; false if memory is out. */
bool added_prepare(struct tok_tokenizer *tok);

/* Characters that byte-level tokens show blanks with, before and after. */
void tok_count_blanks(const char *token, size_t size, uint16_t out[2]);

/* The character by which ByteLevel writes a byte. */
uint32_t byte_level_char(unsigned char byte);

/* The byte that such a character stands for; -1 = none. */
int byte_level_byte(uint32_t cp);

/* The text of an id's token; size 0 and NULL if there is none. */
struct tok_string tok_string_of(const struct tok_tokenizer *tok, int64_t id);

/*
 * Makes a tokenizer of JSON text that is within the limits of tokenizer.h.
 * Errors as tok_open().
 */
struct tok_tokenizer *tok_load(const char *json, size_t size,
                               struct error *err);

/*
 * Makes a BERT tokenizer of the lines of a vocab.txt and the JSON of a
 * tokenizer_config.json, empty if there is none. Errors as tok_open().
 */
struct tok_tokenizer *tok_load_vocab(struct tok_text lines,
                                     struct tok_text config, struct error *err);

#endif
