/*
 * json_object: the members of one JSON object, found without building a tree.
 *
 * For files that are one object of known keys: the text is walked once with
 * fixed bounds, and what is left are the keys and where their values lie in
 * it. Values are read when they are asked for; those of no interest cost
 * nothing. A key that comes twice is refused.
 *
 *   ok = json_object_read(text, size, &limits, &arena, &object, err) &&
 *        json_object_int(&object, "hidden_size", 1, 65536, &hidden, err);
 *
 * The getters leave *value as it is when the key is absent or null, and return
 * true; that is the default. ERR_FILE_INVALID, naming the key, for a value of
 * another type or outside the bounds.
 *
 * Threads: an object is immutable; text and arena must outlive it.
 */
#ifndef BASE_JSON_OBJECT_H
#define BASE_JSON_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

struct json_member {
    const char *key; /* NUL-terminated, in the arena */
    const char *text;
    size_t size; /* of the value's text */
};

struct json_object {
    struct json_member *members; /* sorted by key */
    size_t count;
};

struct json_limits {
    int depth;      /* of a value, nested */
    size_t members; /* of the object */
};

/*
 * Reads the object that `text` is, with nothing but white space around it.
 *   ERR_MALFORMED_JSON  no object, no strict JSON, a key twice, or a limit;
 *                       says where
 *   ERR_OUT_OF_MEMORY
 */
bool json_object_read(const char *text, size_t size,
                      const struct json_limits *limits, struct arena *arena,
                      struct json_object *object, struct error *err);

/* The member of this name, or NULL. */
const struct json_member *json_object_find(const struct json_object *object,
                                           const char *key);

/* The first byte of a value: { [ " - 0-9 t f n. 0 for NULL. */
char json_member_kind(const struct json_member *member);

bool json_object_int(const struct json_object *object, const char *key,
                     int64_t min, int64_t max, int64_t *value,
                     struct error *err);
bool json_object_double(const struct json_object *object, const char *key,
                        double *value, struct error *err);
bool json_object_bool(const struct json_object *object, const char *key,
                      bool *value, struct error *err);

/* *value lies in the arena, NUL-terminated. Also ERR_OUT_OF_MEMORY. */
bool json_object_string(const struct json_object *object, const char *key,
                        struct arena *arena, const char **value,
                        struct error *err);

/* A list of whole numbers >= 0, of at most `max`. */
bool json_object_sizes(const struct json_object *object, const char *key,
                       int64_t *values, size_t max, size_t *count,
                       struct error *err);

#endif
