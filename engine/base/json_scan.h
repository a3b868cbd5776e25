/*
 * json_scan: reads JSON text token by token, strictly.
 *
 * RFC 8259 and nothing else: no comments, no BOM, no NaN, no trailing comma.
 * Strings must be UTF-8, escapes must pair their surrogates, and NUL is
 * refused in either spelling. The scanner owns nothing: plain strings are
 * returned as they lie in the text, escaped ones are decoded into the arena.
 * Callers keep their own depth (the scanner has no stack) and element counts.
 *
 * Errors are ERR_MALFORMED_JSON with the byte offset in the sentence.
 *
 * Threads: the caller serialises.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"

struct json_scan {
    const char *start, *at, *end;
    struct arena *arena; /* for strings with escapes */
    bool nul;            /* strings may hold NUL; not unless set after init */
};

/* Starts on `size` bytes; both text and arena must outlive the scan. */
void json_scan_init(struct json_scan *scan, const char *text, size_t size,
                    struct arena *arena);

/*
 * The first byte of the next token after white space, not taken; 0 at the end
 * of the text. One of: { } [ ] , : " - 0-9 t f n, or something malformed.
 */
char json_scan_peek(struct json_scan *scan);

/* Takes the punctuation `byte` or fails. */
bool json_scan_expect(struct json_scan *scan, char byte, struct error *err);

/* Takes `byte` if it is the next token. */
bool json_scan_accept(struct json_scan *scan, char byte);

/*
 * Takes a string. `*text` is UTF-8, `*size` bytes, NOT NUL-terminated, valid
 * while text and arena live. ERR_OUT_OF_MEMORY when the arena is used up.
 */
bool json_scan_string(struct json_scan *scan, const char **text, size_t *size,
                      struct error *err);

/* Takes a number and returns its text, checked against the grammar only. */
bool json_scan_number(struct json_scan *scan, const char **text, size_t *size,
                      struct error *err);

/* Takes `true`, `false` or `null`; `*literal` is its first letter. */
bool json_scan_literal(struct json_scan *scan, char *literal,
                       struct error *err);

/* Takes a string, number or literal, whatever it is. */
bool json_scan_skip_scalar(struct json_scan *scan, struct error *err);

/* Fails unless only white space is left. */
bool json_scan_end(struct json_scan *scan, struct error *err);

/*
 * Takes one whole value of any kind, nested at most `depth` deep, without
 * recursion, refusing duplicate keys nowhere (callers who keep the text check
 * them). `*text` is the value as it lies in the input.
 */
bool json_scan_skip(struct json_scan *scan, int depth, const char **text,
                    size_t *size, struct error *err);

/* Fills `err` with "<what> at byte <offset>". Returns false. */
bool json_scan_fail(const struct json_scan *scan, struct error *err,
                    const char *what);

#endif
