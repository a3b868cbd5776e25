/*
 * Free JSON: values that have no schema and are kept as text.
 *
 * The text is checked as strictly as everything else - grammar, UTF-8, depth,
 * number of values, duplicate keys - so that it can later be copied into an
 * answer as it is. No recursion.
 *
 * Threads: the caller serialises.
 */
#ifndef WIRE_JSON_FREE_H
#define WIRE_JSON_FREE_H

#include "json_scan.h"

/* The keys of the objects that are open at the moment. */
struct json_key {
    const char *text;
    size_t size;
    const char *at; /* where it stands, for the error's offset */
};

struct json_keys {
    struct json_key *items;
    size_t count, capacity;
};

/* Adds a key that was just read and began at `at`. ERR_OUT_OF_MEMORY. */
bool json_keys_add(struct json_keys *keys, const struct json_key *key,
                   struct arena *arena, struct error *err);

/*
 * Ends an object whose keys are those from `first` on: forgets them.
 * ERR_MALFORMED_JSON if two are equal.
 */
bool json_keys_close(struct json_keys *keys, size_t first,
                     struct json_scan *scan, struct error *err);

/*
 * Takes one value of any kind, at most `depth` levels deep, and counts the
 * values in it: `*budget` is how many more there may be. `*text` is the value
 * as it lies in the input. ERR_MALFORMED_JSON, ERR_OUT_OF_MEMORY.
 */
bool json_free_value(struct json_scan *scan, int depth, size_t *budget,
                     const char **text, size_t *size, struct error *err);

#endif
