/*
 * Uri: references of RFC 3986, as schemas use them.
 *
 * Threads: any; no state.
 */
#ifndef JSONSCHEMA_URI_H
#define JSONSCHEMA_URI_H

#include "arena.h"

/* `reference` seen from `base` (section 5.2), fragment included; in the arena,
 * NULL when memory is out. */
char *js_uri_resolve(struct arena *arena, const char *base,
                     const char *reference);

/* The bytes before '#'. */
size_t js_uri_stem(const char *uri);

/* The fragment with its escapes resolved; "" if there is none, NULL when memory
 * is out. */
char *js_uri_fragment(struct arena *arena, const char *uri);

#endif
