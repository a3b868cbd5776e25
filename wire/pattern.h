/*
 * Pattern: regular expressions of the contract, compiled once per process.
 *
 * Matching is bounded: a text that needs too many steps is refused, so that no
 * request can keep a thread busy with backtracking.
 *
 * Threads: any. Patterns are told apart by address, so they must be constants;
 * what was compiled stays for the life of the process.
 */
#ifndef WIRE_PATTERN_H
#define WIRE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Compiles the pattern if it is new. ERR_INTERNAL: it is not a pattern, or
 * there are more than 256; ERR_OUT_OF_MEMORY. */
bool pattern_prepare(const char *pattern, struct error *err);

/* Sets `*matches`. ERR_VALIDATION_ERROR when the text is too hard to decide
 * within the limit of steps; else as pattern_prepare(). */
bool pattern_match(const char *pattern, const char *text, size_t size,
                   bool *matches, struct error *err);

#endif
