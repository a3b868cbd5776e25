/*
 * Pattern: the regular expressions that tokenizers split and replace by.
 *
 * Only patterns that run in linear time are taken: plain strings, short
 * sequences of character classes (`\s+`, `\p{N}{1,3}`, ` {2,}`), and by their
 * exact text the word patterns of GPT-2, cl100k, Llama 3, Qwen 2 and o200k,
 * each as a scanner of its own. Everything else is refused when the file is
 * loaded. Classes mean what they mean to Hugging Face's library.
 *
 * Threads: immutable after pattern_parse().
 */
#ifndef TEXT_PATTERN_H
#define TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATTERN_RANGES_MAX = 48, PATTERN_ITEMS_MAX = 4, PATTERN_FIXED_MAX = 16 };

/* A set of characters. */
struct pattern_class {
    uint32_t props; /* any of these, enum uc_bit */
    uint32_t low[PATTERN_RANGES_MAX], high[PATTERN_RANGES_MAX];
    size_t range_count;
    bool negated;
};

/* A class and how many of it; only the last item of a pattern may vary. */
struct pattern_item {
    struct pattern_class members;
    uint32_t min, max;
};

enum pattern_kind {
    PATTERN_STRING,
    PATTERN_ITEMS,
    PATTERN_GPT2,
    PATTERN_CL100K, /* and its kin, by `digits_max` */
    PATTERN_O200K
};

struct pattern {
    enum pattern_kind kind;
    const char *string; /* valid as long as the pattern */
    size_t string_size;
    struct pattern_item items[PATTERN_ITEMS_MAX];
    size_t item_count;
    size_t digits_max; /* digits in one piece */
};

/* A plain string; the bytes are borrowed. An empty one matches nowhere. */
void pattern_string(struct pattern *pattern, const char *bytes, size_t size);

/* Reads a regular expression; false if it is not on the list. */
bool pattern_parse(struct pattern *pattern, const char *regex);

/*
 * The first match at or after `at`, within bytes[.., end), which counts as the
 * whole text. false: there is none.
 */
bool pattern_next(const struct pattern *pattern, const char *bytes, size_t at,
                  size_t end, size_t *match_start, size_t *match_end);

#endif
