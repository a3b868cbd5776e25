/*
 * The word patterns as scanners, see pattern_words.h.
 *
 * Each alternative of the regular expression is one function, tried in the
 * order of the pattern; where the pattern would back up, the scanner knows the
 * place. No character is looked at more than a few times.
 */
#include "pattern_words.h"

#include <stdbool.h>
#include <string.h>

#include "unicode.h"

enum { OTHER_NOT = UC_SPACE | UC_LETTER | UC_NUMBER };

/* Properties of the character at `at`, and where the next one starts. */
static uint32_t look(const char *bytes, size_t at, size_t *next)
{
    *next = at;
    return uc_props(uc_next(bytes, next));
}

/* The end of the run of characters that have a property of `props`. */
static size_t run(const char *bytes, size_t at, size_t end, uint32_t props)
{
    for (size_t next; at < end; at = next) {
        if ((look(bytes, at, &next) & props) == 0)
            break;
    }
    return at;
}

/* The end of the run of characters that have none of `props`. */
static size_t run_without(const char *bytes, size_t at, size_t end,
                          uint32_t props)
{
    for (size_t next; at < end; at = next) {
        if ((look(bytes, at, &next) & props) != 0)
            break;
    }
    return at;
}

/* \s+(?!\S)|\s+ : all of the space but the last one before a word. */
static size_t spaces(const char *bytes, size_t at, size_t end)
{
    size_t stop = run(bytes, at, end, UC_SPACE), last = stop;

    if (stop == end)
        return stop;
    do
        last--;
    while (!uc_starts(bytes[last]));
    return last > at ? last : stop;
}

/* The end of 's, 't, 're, 've, 'm, 'll or 'd; `at` if there is none. */
static size_t contraction(const char *bytes, size_t at, size_t end)
{
    char first, second;

    if (bytes[at] != '\'' || at + 1 >= end)
        return at;
    first = bytes[at + 1];
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return at + 2;
    if (at + 2 >= end)
        return at;
    second = bytes[at + 2];
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
        (first == 'l' && second == 'l'))
        return at + 3;
    return at;
}

/* The same in upper and lower case; the long s is an s, too. */
static size_t contraction_any_case(const char *bytes, size_t at, size_t end)
{
    char folded[3] = {'\''};
    size_t size = end - at < 3 ? end - at : 3, stop;

    if (bytes[at] != '\'')
        return at;
    if (size == 3 && memcmp(bytes + at + 1, "\xc5\xbf", 2) == 0)
        return at + 3;
    for (size_t i = 1; i < size; i++) {
        char c = bytes[at + i];

        folded[i] = c;
        if (c >= 'A' && c <= 'Z')
            folded[i] = (char)(c | 0x20);
    }
    stop = contraction(folded, 0, size);
    return at + stop;
}

size_t words_gpt2(const char *bytes, size_t at, size_t end)
{
    size_t stop = contraction(bytes, at, end), next;
    uint32_t props;

    if (stop > at)
        return stop;
    stop = at + (bytes[at] == ' ');
    if (stop == end)
        return stop;
    props = look(bytes, stop, &next);
    if ((props & UC_LETTER) != 0)
        return run(bytes, next, end, UC_LETTER);
    if ((props & UC_NUMBER) != 0)
        return run(bytes, next, end, UC_NUMBER);
    if ((props & UC_SPACE) == 0)
        return run_without(bytes, next, end, OTHER_NOT);
    return spaces(bytes, at, end);
}

static bool is_break(char byte)
{
    return byte == '\r' || byte == '\n';
}

/* \p{N}{1,max} */
static size_t digits(const char *bytes, size_t at, size_t end, size_t max)
{
    for (size_t next; at < end && max > 0; at = next, max--) {
        if ((look(bytes, at, &next) & UC_NUMBER) == 0)
            break;
    }
    return at;
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*`, with '/' among the last if `slash`. */
static size_t marks(const char *bytes, size_t at, size_t end, bool slash)
{
    size_t start = at + (bytes[at] == ' ');
    size_t stop = run_without(bytes, start, end, OTHER_NOT);

    if (stop == start)
        return at;
    while (stop < end &&
           (is_break(bytes[stop]) || (slash && bytes[stop] == '/')))
        stop++;
    return stop;
}

/* `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end of the run, or as ever.
 */
static size_t lines(const char *bytes, size_t at, size_t end)
{
    size_t stop = run(bytes, at, end, UC_SPACE);

    for (size_t i = stop; i > at; i--) {
        if (is_break(bytes[i - 1]))
            return i;
    }
    return spaces(bytes, at, end);
}

/* May the character stand before the letters of a word? */
static bool may_lead(char byte, uint32_t props)
{
    return !is_break(byte) && (props & (UC_LETTER | UC_NUMBER)) == 0;
}

/* What comes after words in cl100k and o200k. */
static size_t no_word(const char *bytes, size_t at, size_t end,
                      size_t digits_max, bool slash)
{
    size_t stop = digits(bytes, at, end, digits_max);

    if (stop > at)
        return stop;
    stop = marks(bytes, at, end, slash);
    return stop > at ? stop : lines(bytes, at, end);
}

size_t words_cl100k(const char *bytes, size_t at, size_t end, size_t digits_max)
{
    size_t stop = contraction_any_case(bytes, at, end), next;
    uint32_t props;

    if (stop > at)
        return stop;
    props = look(bytes, at, &next);
    if ((props & UC_LETTER) != 0)
        return run(bytes, next, end, UC_LETTER);
    if (may_lead(bytes[at], props)) {
        stop = run(bytes, next, end, UC_LETTER);
        if (stop > next)
            return stop;
    }
    return no_word(bytes, at, end, digits_max, false);
}

/* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
static bool is_upper(uint32_t props)
{
    return (props & UC_REGEX_MARK) != 0 ||
           ((props & UC_LETTER) != 0 && (props & UC_LOWER) == 0);
}

/* [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
static bool is_lower(uint32_t props)
{
    return (props & UC_REGEX_MARK) != 0 ||
           ((props & UC_LETTER) != 0 && (props & UC_UPPER) == 0);
}

static size_t run_of(const char *bytes, size_t at, size_t end,
                     bool (*holds)(uint32_t props))
{
    for (size_t next; at < end; at = next) {
        if (!holds(look(bytes, at, &next)))
            break;
    }
    return at;
}

/*
 * upper* lower+ : if no small letter follows the capitals, the last of them
 * that is both (a mark, a letter without case) ends the word. `at` if none.
 */
static size_t word_low(const char *bytes, size_t at, size_t end)
{
    size_t upper = run_of(bytes, at, end, is_upper);
    size_t stop = run_of(bytes, upper, end, is_lower);

    while (stop == upper && upper > at) {
        size_t next;

        do
            upper--;
        while (!uc_starts(bytes[upper]));
        if (is_lower(look(bytes, upper, &next)))
            return next;
        stop = upper;
    }
    return stop;
}

/* upper+ lower* */
static size_t word_high(const char *bytes, size_t at, size_t end)
{
    size_t upper = run_of(bytes, at, end, is_upper);

    return upper > at ? run_of(bytes, upper, end, is_lower) : at;
}

size_t words_o200k(const char *bytes, size_t at, size_t end)
{
    size_t next, stop = at;
    bool leads = may_lead(bytes[at], look(bytes, at, &next));

    if (leads && word_low(bytes, next, end) > next)
        stop = word_low(bytes, next, end);
    if (stop == at)
        stop = word_low(bytes, at, end);
    if (stop == at && leads && word_high(bytes, next, end) > next)
        stop = word_high(bytes, next, end);
    if (stop == at)
        stop = word_high(bytes, at, end);
    if (stop == at)
        return no_word(bytes, at, end, 3, true);
    return stop < end ? contraction_any_case(bytes, stop, end) : stop;
}
