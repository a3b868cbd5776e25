/*
 * Pattern: PCRE2, compiled for each use; schemas here are small and few.
 */
#include "jsonschema/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps before a match is given up. */
enum { STEPS_MAX = 1000 * 1000 };

static bool run(const pcre2_code *code, const char *text, size_t size,
                bool *matches, struct error *err)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int found = PCRE2_ERROR_NOMEMORY;

    if (data && limits) {
        (void)pcre2_set_match_limit(limits, STEPS_MAX);
        found = pcre2_match(code, (PCRE2_SPTR)text, size, 0, 0, data, limits);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    *matches = found > 0;
    if (found > 0 || found == PCRE2_ERROR_NOMATCH)
        return true;
    if (found == PCRE2_ERROR_NOMEMORY)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a pattern");
    return fail(err, ERR_DOCUMENT_INVALID, "a pattern takes too many steps");
}

bool pattern_search(const char *pattern, const char *text, size_t size,
                    bool *matches, struct error *err)
{
    PCRE2_SIZE at;
    int code_number;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX,
                      &code_number, &at, NULL);
    bool ok;

    if (!code)
        return fail(err, ERR_DOCUMENT_INVALID,
                    "'%s' is no regular expression at byte %zu", pattern, at);
    ok = run(code, text, size, matches, err);
    pcre2_code_free(code);
    return ok;
}
