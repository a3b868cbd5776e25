/*
 * json_object: two walks over the text, one to count and one to keep.
 */
#include "json_object.h"

#include <stdlib.h>
#include <string.h>

#include "json_scan.h"
#include "num.h"

/* Takes one "key": value; `member` NULL = only walks over it. */
static bool scan_member(struct json_scan *scan, int depth,
                        struct json_member *member, struct error *err)
{
    const char *key, *text;
    size_t key_size, size;

    if (!json_scan_string(scan, &key, &key_size, err) ||
        !json_scan_expect(scan, ':', err) ||
        !json_scan_skip(scan, depth, &text, &size, err))
        return false;
    if (!member)
        return true;
    *member = (struct json_member){arena_copy(scan->arena, key, key_size), text,
                                   size};
    return member->key || fail(err, ERR_OUT_OF_MEMORY, "no memory for a key");
}

/* Walks the object; fills `members` unless it is NULL. */
static bool scan_object(struct json_scan *scan,
                        const struct json_limits *limits,
                        struct json_member *members, size_t *count,
                        struct error *err)
{
    *count = 0;
    if (!json_scan_expect(scan, '{', err))
        return false;
    if (json_scan_accept(scan, '}'))
        return json_scan_end(scan, err);
    do {
        if (*count == limits->members)
            return json_scan_fail(scan, err, "too many members");
        if (!scan_member(scan, limits->depth, members ? &members[*count] : NULL,
                         err))
            return false;
        ++*count;
    } while (json_scan_accept(scan, ','));
    return json_scan_expect(scan, '}', err) && json_scan_end(scan, err);
}

static int by_key(const void *a, const void *b)
{
    const struct json_member *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static bool check_unique(const struct json_object *object, struct error *err)
{
    for (size_t i = 1; i < object->count; i++) {
        if (strcmp(object->members[i - 1].key, object->members[i].key) == 0)
            return fail(err, ERR_MALFORMED_JSON, "the key '%.80s' comes twice",
                        object->members[i].key);
    }
    return true;
}

bool json_object_read(const char *text, size_t size,
                      const struct json_limits *limits, struct arena *arena,
                      struct json_object *object, struct error *err)
{
    struct json_scan scan;
    size_t count;

    json_scan_init(&scan, text, size, arena);
    if (!scan_object(&scan, limits, NULL, &count, err))
        return false;
    *object = (struct json_object){
        arena_zalloc(arena, count + 1, sizeof *object->members), count};
    if (!object->members)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu keys", count);
    json_scan_init(&scan, text, size, arena);
    if (!scan_object(&scan, limits, object->members, &count, err))
        return false;
    qsort(object->members, count, sizeof *object->members, by_key);
    return check_unique(object, err);
}

static int by_name(const void *name, const void *member)
{
    return strcmp(name, ((const struct json_member *)member)->key);
}

const struct json_member *json_object_find(const struct json_object *object,
                                           const char *key)
{
    return object->count ? bsearch(key, object->members, object->count,
                                   sizeof *object->members, by_name)
                         : NULL;
}

char json_member_kind(const struct json_member *member)
{
    if (!member || !member->size)
        return '\0';
    return member->text[0];
}

/* The member, or NULL when it is absent or null. */
static const struct json_member *find_value(const struct json_object *object,
                                            const char *key)
{
    const struct json_member *member = json_object_find(object, key);

    return json_member_kind(member) == 'n' ? NULL : member;
}

static bool wrong(const char *key, const char *expected, struct error *err)
{
    return fail(err, ERR_FILE_INVALID, "'%.60s' must be %s", key, expected);
}

/* A whole number that an int64 holds, which ends the text. */
static bool read_int(const char *text, const char *end, int64_t *value)
{
    struct num_integer number;

    if (num_scan_integer(text, end, &number) != end ||
        number.fit != NUM_INTEGER || number.magnitude > INT64_MAX)
        return false;
    *value = number.negative ? -(int64_t)number.magnitude
                             : (int64_t)number.magnitude;
    return true;
}

bool json_object_int(const struct json_object *object, const char *key,
                     int64_t min, int64_t max, int64_t *value,
                     struct error *err)
{
    const struct json_member *member = find_value(object, key);
    int64_t number;

    if (!member)
        return true;
    if (!read_int(member->text, member->text + member->size, &number))
        return wrong(key, "a whole number", err);
    if (number < min || number > max)
        return fail(err, ERR_FILE_INVALID,
                    "'%.60s' is %lld, must be %lld to %lld", key,
                    (long long)number, (long long)min, (long long)max);
    *value = number;
    return true;
}

bool json_object_double(const struct json_object *object, const char *key,
                        double *value, struct error *err)
{
    const struct json_member *member = find_value(object, key);
    double number;

    if (!member)
        return true;
    if (num_scan_double(member->text, member->text + member->size, &number) !=
        member->text + member->size)
        return wrong(key, "a number", err);
    *value = number;
    return true;
}

bool json_object_bool(const struct json_object *object, const char *key,
                      bool *value, struct error *err)
{
    const struct json_member *member = find_value(object, key);
    char kind = json_member_kind(member);

    if (!member)
        return true;
    if (kind != 't' && kind != 'f')
        return wrong(key, "true or false", err);
    *value = kind == 't';
    return true;
}

bool json_object_string(const struct json_object *object, const char *key,
                        struct arena *arena, const char **value,
                        struct error *err)
{
    const struct json_member *member = find_value(object, key);
    struct json_scan scan;
    const char *text;
    size_t size;
    char *copy;

    if (!member)
        return true;
    if (json_member_kind(member) != '"')
        return wrong(key, "a string", err);
    json_scan_init(&scan, member->text, member->size, arena);
    if (!json_scan_string(&scan, &text, &size, err))
        return false;
    copy = arena_copy(arena, text, size);
    if (!copy)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for '%.60s'", key);
    *value = copy;
    return true;
}

bool json_object_sizes(const struct json_object *object, const char *key,
                       int64_t *values, size_t max, size_t *count,
                       struct error *err)
{
    const struct json_member *member = find_value(object, key);
    struct json_scan scan;
    size_t found = 0;

    if (!member)
        return true;
    if (json_member_kind(member) != '[')
        return wrong(key, "a list", err);
    json_scan_init(&scan, member->text, member->size, NULL);
    (void)json_scan_expect(&scan, '[', err);
    while (!json_scan_accept(&scan, ']')) {
        const char *text = NULL;
        size_t size = 0;

        if (found == max)
            return fail(err, ERR_FILE_INVALID,
                        "'%.60s' has more than %zu items", key, max);
        if ((found && !json_scan_expect(&scan, ',', err)) ||
            !json_scan_number(&scan, &text, &size, err) ||
            !read_int(text, text + size, &values[found]) || values[found] < 0)
            return wrong(key, "a list of whole numbers from 0 on", err);
        found++;
    }
    *count = found;
    return true;
}
