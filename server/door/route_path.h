/*
 * Route path: the text of a URL, decoded piece by piece.
 *
 * A path is cut at its slashes first and decoded segment by segment into one
 * text whose only slashes are the real ones.
 *
 * Threads: any; no state.
 */
#ifndef DOOR_ROUTE_PATH_H
#define DOOR_ROUTE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"

enum { ROUTE_SEGMENTS_MAX = 16 };

/* One piece of a path: a literal or, in a template, what a bind takes. */
struct route_segment {
    const char *text;
    size_t size;
    int bind; /* index into op->binds; -1: a literal */
};

/* A path, decoded; `text` holds it whole, NUL-terminated. */
struct route_path {
    char *text;
    struct route_segment segments[ROUTE_SEGMENTS_MAX];
    size_t count;
    bool too_long; /* more segments than any template has */
};

/*
 * Decodes a raw path without its query; the text lives in `arena`.
 * ERR_BAD_REQUEST: no leading slash, an empty segment, "." or "..", a bad
 * escape, a decoded slash, backslash or control byte, bad UTF-8;
 * ERR_OUT_OF_MEMORY.
 */
bool route_path_read(const char *raw, size_t raw_size, struct arena *arena,
                     struct route_path *path, struct error *err);

/*
 * Decodes %xx (and, with `plus`, '+' as a space) into `out`, which has room
 * for `text_size` bytes; `*size` is what was written. ERR_BAD_REQUEST: a bad
 * escape, a NUL, bad UTF-8.
 */
bool route_text_decode(const char *text, size_t text_size, bool plus, char *out,
                       size_t *size, struct error *err);

#endif
