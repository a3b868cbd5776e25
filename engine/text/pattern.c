/*
 * Patterns: reading them, and finding matches, see pattern.h.
 */
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

#include "pattern_words.h"
#include "unicode.h"
#include "utf8.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST         "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CL100K(letters, number)                                                \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?" letters "|" number                  \
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" REST
#define O200K_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K_LEAD  "[^\\r\\n\\p{L}\\p{N}]?"

/* The word patterns, by their text. */
static const struct known {
    const char *regex;
    enum pattern_kind kind;
    size_t digits_max;
} known[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
     "|\\s+(?!\\S)|\\s+",
     PATTERN_GPT2, 0},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
     "|\\s+(?!\\S)|\\s+",
     PATTERN_GPT2, 0},
    {CL100K("\\p{L}+", "\\p{N}{1,3}"), PATTERN_CL100K, 3},
    {CL100K("\\p{L}+", "\\p{N}"), PATTERN_CL100K, 1},
    {O200K_LEAD O200K_UPPER
     "*" O200K_LOWER "+" CONTRACTIONS "?|" O200K_LEAD O200K_UPPER
     "+" O200K_LOWER "*" CONTRACTIONS
     "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" REST,
     PATTERN_O200K, 3},
};

/* \p{NAME} */
static const struct named {
    const char *name;
    uint32_t props;
} named[] = {
    {"L}", UC_LETTER},     {"N}", UC_NUMBER},      {"Nd}", UC_DIGIT},
    {"M}", UC_REGEX_MARK}, {"P}", UC_REGEX_PUNCT}, {"S}", UC_REGEX_SYMBOL},
    {"Ll}", UC_LOWER},
};

void pattern_string(struct pattern *pattern, const char *bytes, size_t size)
{
    *pattern = (struct pattern){
        .kind = PATTERN_STRING, .string = bytes, .string_size = size};
}

/* ---- reading ---- */

static bool add_range(struct pattern_class *members, uint32_t low,
                      uint32_t high)
{
    if (members->range_count == PATTERN_RANGES_MAX || low > high)
        return false;
    members->low[members->range_count] = low;
    members->high[members->range_count++] = high;
    return true;
}

/* One character as it stands; false at the end and at broken UTF-8. */
static bool read_char(const char **regex, uint32_t *cp)
{
    size_t size = utf8_length(*regex, strlen(*regex)), at = 0;

    if (size == 0)
        return false;
    *cp = uc_next(*regex, &at);
    *regex += size;
    return true;
}

/* The rest of \p{NAME} after the brace. */
static bool read_named(const char **regex, struct pattern_class *members)
{
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        size_t size = strlen(named[i].name);

        if (strncmp(*regex, named[i].name, size) == 0) {
            members->props |= named[i].props;
            *regex += size;
            return true;
        }
    }
    return false;
}

/* What follows a backslash: a class, or a character by itself. */
static bool read_escape(const char **regex, struct pattern_class *members,
                        uint32_t *cp)
{
    char c = **regex;

    *cp = 0;
    if (c == '\0')
        return false;
    ++*regex;
    if (c == 's' || c == 'd') {
        members->props |= c == 's' ? UC_SPACE : UC_DIGIT;
        return true;
    }
    if (c == 'p' && **regex == '{') {
        ++*regex;
        return read_named(regex, members);
    }
    if (c == 'r' || c == 'n' || c == 't')
        *cp = c == 'r' ? '\r' : c == 'n' ? '\n' : '\t';
    else if (c > ' ' && (uc_props((unsigned char)c) & UC_WORD) == 0)
        *cp = (unsigned char)c;
    return *cp != 0;
}

/* One member of a [set], or a range of them. */
static bool read_member(const char **regex, struct pattern_class *members)
{
    uint32_t low, high;

    if (**regex == '\\') {
        ++*regex;
        if (!read_escape(regex, members, &low))
            return false;
        return low == 0 || add_range(members, low, low);
    }
    /* Sets within sets and set operations are not for us. */
    if (**regex == '[' || **regex == '&' || !read_char(regex, &low))
        return false;
    high = low;
    if (**regex == '-' && (*regex)[1] != ']') {
        ++*regex;
        if (**regex == '\\' || **regex == '[' || !read_char(regex, &high))
            return false;
    }
    return add_range(members, low, high);
}

static bool read_set(const char **regex, struct pattern_class *members)
{
    if (**regex == '^') {
        members->negated = true;
        ++*regex;
    }
    do {
        if (**regex == '\0' || !read_member(regex, members))
            return false;
    } while (**regex != ']');
    ++*regex;
    return true;
}

static bool read_class(const char **regex, struct pattern_class *members)
{
    uint32_t cp;

    *members = (struct pattern_class){0};
    if (**regex == '[') {
        ++*regex;
        return read_set(regex, members);
    }
    if (**regex == '\\') {
        ++*regex;
        if (!read_escape(regex, members, &cp))
            return false;
        return cp == 0 || add_range(members, cp, cp);
    }
    if (**regex == '\0' || strchr("(){}*+?|^$.]", **regex) ||
        !read_char(regex, &cp))
        return false;
    return add_range(members, cp, cp);
}

/* {n}, {n,} or {n,m} */
static bool read_bounds(const char **regex, struct pattern_item *item)
{
    char *end;

    if (**regex < '0' || **regex > '9')
        return false;
    item->min = (uint32_t)strtoul(*regex, &end, 10);
    item->max = item->min;
    if (*end == ',') {
        end++;
        item->max = UINT32_MAX;
        if (*end >= '0' && *end <= '9')
            item->max = (uint32_t)strtoul(end, &end, 10);
    }
    if (*end != '}' || item->min < 1 || item->min > PATTERN_FIXED_MAX ||
        item->max < item->min)
        return false;
    *regex = end + 1;
    return true;
}

static bool read_count(const char **regex, struct pattern_item *item)
{
    item->min = item->max = 1;
    if (**regex == '+') {
        item->max = UINT32_MAX;
        ++*regex;
    } else if (**regex == '{') {
        ++*regex;
        if (!read_bounds(regex, item))
            return false;
    }
    /* Lazy and possessive forms mean something else. */
    return **regex != '?' && **regex != '+' && **regex != '*';
}

bool pattern_parse(struct pattern *pattern, const char *regex)
{
    *pattern = (struct pattern){.kind = PATTERN_ITEMS};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(known[i].regex, regex) == 0) {
            pattern->kind = known[i].kind;
            pattern->digits_max = known[i].digits_max;
            return true;
        }
    }
    while (*regex) {
        struct pattern_item *item = &pattern->items[pattern->item_count];

        if (pattern->item_count == PATTERN_ITEMS_MAX ||
            !read_class(&regex, &item->members) || !read_count(&regex, item) ||
            (*regex && item->min != item->max))
            return false;
        pattern->item_count++;
    }
    return pattern->item_count > 0;
}

/* ---- matching ---- */

static bool is_member(const struct pattern_class *members, uint32_t cp)
{
    bool found = (uc_props(cp) & members->props) != 0;

    for (size_t i = 0; i < members->range_count && !found; i++)
        found = cp >= members->low[i] && cp <= members->high[i];
    return found != members->negated;
}

/* The end of the items' match at `at`; `at` itself if there is none. */
static size_t match_items(const struct pattern *pattern, const char *bytes,
                          size_t at, size_t end)
{
    size_t stop = at;

    for (size_t i = 0; i < pattern->item_count; i++) {
        const struct pattern_item *item = &pattern->items[i];
        uint32_t count = 0;

        for (size_t next = stop; stop < end && count < item->max; count++) {
            if (!is_member(&item->members, uc_next(bytes, &next)))
                break;
            stop = next;
        }
        if (count < item->min)
            return at;
    }
    return stop;
}

static bool next_string(const struct pattern *pattern, const char *bytes,
                        size_t at, size_t end, size_t *match_start)
{
    const char *found;

    if (pattern->string_size == 0 || at >= end)
        return false;
    found = memmem(bytes + at, end - at, pattern->string, pattern->string_size);
    if (found)
        *match_start = (size_t)(found - bytes);
    return found != NULL;
}

bool pattern_next(const struct pattern *pattern, const char *bytes, size_t at,
                  size_t end, size_t *match_start, size_t *match_end)
{
    if (pattern->kind == PATTERN_STRING) {
        if (!next_string(pattern, bytes, at, end, match_start))
            return false;
        *match_end = *match_start + pattern->string_size;
        return true;
    }
    if (at < end && pattern->kind == PATTERN_GPT2)
        *match_end = words_gpt2(bytes, at, end);
    else if (at < end && pattern->kind == PATTERN_CL100K)
        *match_end = words_cl100k(bytes, at, end, pattern->digits_max);
    else if (at < end && pattern->kind == PATTERN_O200K)
        *match_end = words_o200k(bytes, at, end);
    while (at < end && pattern->kind == PATTERN_ITEMS) {
        *match_end = match_items(pattern, bytes, at, end);
        if (*match_end > at)
            break;
        at += uc_size(bytes[at]);
    }
    *match_start = at;
    return at < end;
}
