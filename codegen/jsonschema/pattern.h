/*
 * Pattern: regular expressions of schemas, as ECMA-262 means them as far as
 * PCRE2 can (its \d, \w and \s are of ASCII, too, unless told otherwise).
 *
 * Threads: one.
 */
#ifndef JSONSCHEMA_PATTERN_H
#define JSONSCHEMA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Sets `*matches` if some part of the text fits. ERR_DOCUMENT_INVALID: it is no
 * pattern, or it takes too many steps; ERR_OUT_OF_MEMORY. */
bool pattern_search(const char *pattern, const char *text, size_t size,
                    bool *matches, struct error *err);

#endif
