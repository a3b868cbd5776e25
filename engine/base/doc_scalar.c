/*
 * Doc scalar: a table of patterns per schema; the first that matches wins.
 */
#include "doc_scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum form {
    FORM_NULL,
    FORM_TRUE,
    FORM_FALSE,
    FORM_INT,   /* [sign] digits of `base`, after `skip` characters */
    FORM_SIXTY, /* 1:30, base 60 */
    FORM_FLOAT,
    FORM_INFINITE,
    FORM_NAN,
    FORM_DATE,
    FORM_SPECIAL /* means something to YAML 1.1, nothing to us */
};

struct rule {
    enum doc_dialect dialect;
    enum form form;
    int base, skip; /* FORM_INT; skip: the length of 0x and the like */
    const char *pattern;
};

/* YAML 1.1 in PyYAML's order; YAML 1.2: section 10.3.2. */
static const struct rule rules[] = {
    {DOC_YAML_1_1, FORM_TRUE, 0, 0, "yes|Yes|YES|true|True|TRUE|on|On|ON"},
    {DOC_YAML_1_1, FORM_FALSE, 0, 0, "no|No|NO|false|False|FALSE|off|Off|OFF"},
    {DOC_YAML_1_1, FORM_FLOAT, 0, 0,
     "[-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+][0-9]+)?|"
     "\\.[0-9][0-9_]*([eE][-+][0-9]+)?"},
    {DOC_YAML_1_1, FORM_SIXTY, 0, 0,
     "[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*|"
     "[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+"},
    {DOC_YAML_1_1, FORM_INFINITE, 0, 0, "[-+]?\\.(inf|Inf|INF)"},
    {DOC_YAML_1_1, FORM_NAN, 0, 0, "\\.(nan|NaN|NAN)"},
    {DOC_YAML_1_1, FORM_INT, 2, 2, "[-+]?0b[0-1_]+"},
    {DOC_YAML_1_1, FORM_INT, 8, 0, "[-+]?0[0-7_]+"},
    {DOC_YAML_1_1, FORM_INT, 10, 0, "[-+]?(0|[1-9][0-9_]*)"},
    {DOC_YAML_1_1, FORM_INT, 16, 2, "[-+]?0x[0-9a-fA-F_]+"},
    {DOC_YAML_1_1, FORM_SPECIAL, 0, 0, "<<|="},
    {DOC_YAML_1_1, FORM_NULL, 0, 0, "|~|null|Null|NULL"},
    {DOC_YAML_1_1, FORM_DATE, 0, 0,
     "[0-9]{4}-[0-9]{2}-[0-9]{2}|"
     "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \\t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
     "(\\.[0-9]*)?([ \\t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?"},
    {DOC_YAML_CORE, FORM_NULL, 0, 0, "|~|null|Null|NULL"},
    {DOC_YAML_CORE, FORM_TRUE, 0, 0, "true|True|TRUE"},
    {DOC_YAML_CORE, FORM_FALSE, 0, 0, "false|False|FALSE"},
    {DOC_YAML_CORE, FORM_INT, 10, 0, "[-+]?[0-9]+"},
    {DOC_YAML_CORE, FORM_INT, 8, 2, "0o[0-7]+"},
    {DOC_YAML_CORE, FORM_INT, 16, 2, "0x[0-9a-fA-F]+"},
    {DOC_YAML_CORE, FORM_FLOAT, 0, 0,
     "[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?"},
    {DOC_YAML_CORE, FORM_INFINITE, 0, 0, "[-+]?\\.(inf|Inf|INF)"},
    {DOC_YAML_CORE, FORM_NAN, 0, 0, "\\.(nan|NaN|NAN)"},
};

enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

struct doc_patterns {
    pcre2_code *codes[RULE_COUNT];
    pcre2_match_data *match;
};

struct doc_patterns *doc_patterns_new(void)
{
    struct doc_patterns *patterns = calloc(1, sizeof *patterns);

    if (!patterns)
        return NULL;
    patterns->match = pcre2_match_data_create(1, NULL);
    for (size_t i = 0; i < RULE_COUNT; i++) {
        int code;
        PCRE2_SIZE at;

        patterns->codes[i] =
            pcre2_compile((PCRE2_SPTR)rules[i].pattern, PCRE2_ZERO_TERMINATED,
                          PCRE2_ANCHORED | PCRE2_ENDANCHORED, &code, &at, NULL);
        if (!patterns->codes[i] || !patterns->match) {
            doc_patterns_free(patterns);
            return NULL;
        }
    }
    return patterns;
}

void doc_patterns_free(struct doc_patterns *patterns)
{
    if (!patterns)
        return;
    for (size_t i = 0; i < RULE_COUNT; i++)
        pcre2_code_free(patterns->codes[i]);
    pcre2_match_data_free(patterns->match);
    free(patterns);
}

static const struct rule *find_rule(const struct doc_patterns *patterns,
                                    enum doc_dialect dialect, const char *text)
{
    /* every pattern matches the empty text or starts with one of these */
    if (*text && !strchr("~.+-<=0123456789nNyYtTfFoO", *text))
        return NULL;
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (rules[i].dialect == dialect &&
            pcre2_match(patterns->codes[i], (PCRE2_SPTR)text, strlen(text), 0,
                        0, patterns->match, NULL) >= 0)
            return &rules[i];
    return NULL;
}

/*
 * Digits with '_' left out. No number that fits a double or an int64 needs
 * more than the room here; the rest is cut only behind 300 digits.
 */
enum { DIGITS_SIZE = 320 };

static void copy_digits(const char *text, char digits[DIGITS_SIZE])
{
    size_t count = 0;

    for (; *text && count + 1 < DIGITS_SIZE; text++)
        if (*text != '_')
            digits[count++] = *text;
    digits[count] = '\0';
}

/* An integer beyond int64 is a number: as large, and still integral. */
static void set_integer(struct doc_scalar *scalar, const char *digits, int base)
{
    errno = 0;
    scalar->integer = strtoll(digits, NULL, base);
    scalar->number = (double)scalar->integer;
    scalar->type = DOC_INT;
    if (errno != ERANGE)
        return;
    scalar->type = DOC_NUMBER;
    scalar->integer = 0;
    if (base == 10)
        scalar->number = strtod(digits, NULL);
}

static void read_integer(struct doc_scalar *scalar, const struct rule *rule,
                         const char *text)
{
    char digits[DIGITS_SIZE];
    size_t sign = text[0] == '-' || text[0] == '+';

    copy_digits(text, digits);
    memmove(digits + sign, digits + sign + rule->skip,
            strlen(digits + sign + rule->skip) + 1);
    set_integer(scalar, digits, rule->base);
    /* 007 is octal to YAML 1.1, even where both find the same number */
    scalar->decimal =
        rule->base == 10 && !(digits[sign] == '0' && digits[sign + 1]);
}

/* Base 60: 1:30 is 90, 1:30.5 is 90.5. */
static void read_sixty(struct doc_scalar *scalar, const char *text)
{
    char digits[DIGITS_SIZE];
    const char *at = digits;
    double sum = 0;
    bool negative = text[0] == '-';

    copy_digits(text, digits);
    at += digits[0] == '-' || digits[0] == '+';
    for (;;) {
        char *end;

        sum = sum * 60 + strtod(at, &end);
        if (*end != ':')
            break;
        at = end + 1;
    }
    scalar->number = negative ? -sum : sum;
    scalar->type =
        strchr(text, '.') || fabs(sum) >= 0x1p53 ? DOC_NUMBER : DOC_INT;
    if (scalar->type == DOC_INT)
        scalar->integer = (int64_t)scalar->number;
}

static void read_float(struct doc_scalar *scalar, const char *text)
{
    char digits[DIGITS_SIZE];

    copy_digits(text, digits);
    scalar->type = DOC_NUMBER;
    scalar->number = strtod(digits, NULL);
    scalar->decimal = true;
}

struct doc_scalar doc_scalar_read(const struct doc_patterns *patterns,
                                  enum doc_dialect dialect, const char *text)
{
    const struct rule *rule = find_rule(patterns, dialect, text);
    struct doc_scalar scalar = {.type = DOC_STRING};

    if (!rule)
        return scalar;
    switch (rule->form) {
    case FORM_NULL:
        scalar.type = DOC_NULL;
        break;
    case FORM_TRUE:
    case FORM_FALSE:
        scalar.type = DOC_BOOL;
        scalar.boolean = rule->form == FORM_TRUE;
        break;
    case FORM_INT:
        read_integer(&scalar, rule, text);
        break;
    case FORM_SIXTY:
        read_sixty(&scalar, text);
        break;
    case FORM_FLOAT:
        read_float(&scalar, text);
        break;
    case FORM_INFINITE:
    case FORM_NAN:
        scalar.type = DOC_NUMBER;
        scalar.number = rule->form == FORM_NAN ? (double)NAN
                        : *text == '-'         ? -(double)INFINITY
                                               : (double)INFINITY;
        break;
    case FORM_DATE:
        scalar.other = "a date";
        break;
    case FORM_SPECIAL:
        scalar.other = "a YAML 1.1 directive";
        break;
    }
    return scalar;
}

bool doc_scalar_equal(const struct doc_scalar *a, const struct doc_scalar *b)
{
    if (a->type != b->type || !a->other != !b->other)
        return false;
    if (a->type == DOC_INT)
        return a->integer == b->integer;
    if (a->type == DOC_NUMBER)
        return a->number == b->number || (isnan(a->number) && isnan(b->number));
    return a->type != DOC_BOOL || a->boolean == b->boolean;
}

void doc_scalar_describe(const struct doc_scalar *scalar,
                         char text[DOC_SCALAR_TEXT])
{
    if (scalar->other)
        (void)snprintf(text, DOC_SCALAR_TEXT, "%s", scalar->other);
    else if (scalar->type == DOC_BOOL)
        (void)snprintf(text, DOC_SCALAR_TEXT, "%s",
                       scalar->boolean ? "true" : "false");
    else if (scalar->type == DOC_INT)
        (void)snprintf(text, DOC_SCALAR_TEXT, "the integer %" PRId64,
                       scalar->integer);
    else if (scalar->type == DOC_NUMBER)
        (void)snprintf(text, DOC_SCALAR_TEXT, "the number %g", scalar->number);
    else
        (void)snprintf(text, DOC_SCALAR_TEXT, "%s",
                       scalar->type == DOC_NULL ? "null" : "text");
}
