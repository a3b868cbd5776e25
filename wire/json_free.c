/*
 * Free JSON: one loop over the tokens, a stack of open containers, and one list
 * of the keys of all open objects; an object's part of it is sorted when it
 * closes, so a million equal-looking keys cost no more than sorting them.
 */
#include "json_free.h"

#include <stdlib.h>
#include <string.h>

#include "codec_json.h"

bool json_keys_add(struct json_keys *keys, const struct json_key *key,
                   struct arena *arena, struct error *err)
{
    if (keys->count == keys->capacity) {
        size_t capacity = keys->capacity ? keys->capacity * 2 : 16;
        struct json_key *items =
            arena_zalloc(arena, capacity, sizeof *keys->items);

        if (!items)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for JSON keys");
        if (keys->count)
            memcpy(items, keys->items, keys->count * sizeof *items);
        keys->items = items;
        keys->capacity = capacity;
    }
    keys->items[keys->count++] = *key;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct json_key *left = a, *right = b;

    if (left->size != right->size)
        return left->size < right->size ? -1 : 1;
    return memcmp(left->text, right->text, left->size);
}

bool json_keys_close(struct json_keys *keys, size_t first,
                     struct json_scan *scan, struct error *err)
{
    size_t count = keys->count - first;
    struct json_key *items;

    keys->count = first;
    if (count < 2)
        return true;
    items = keys->items + first;
    qsort(items, count, sizeof *items, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (compare_keys(&items[i - 1], &items[i]) != 0)
            continue;
        scan->at =
            items[i - 1].at > items[i].at ? items[i - 1].at : items[i].at;
        return json_scan_fail(scan, err, "duplicate key");
    }
    return true;
}

/* A walk over one free value. */
struct walk {
    struct json_scan *scan;
    struct json_keys keys;
    size_t budget;    /* values that may still come */
    int level, depth; /* open containers, and how many may be open */
    struct {
        char kind; /* '{' or '[' */
        size_t first_key;
    } open[JSON_DEPTH_MAX];
};

/* Takes "key:". */
static bool take_key(struct walk *walk, struct error *err)
{
    struct json_key key;

    (void)json_scan_peek(walk->scan);
    key.at = walk->scan->at;
    return json_scan_string(walk->scan, &key.text, &key.size, err) &&
           json_scan_expect(walk->scan, ':', err) &&
           json_keys_add(&walk->keys, &key, walk->scan->arena, err);
}

static bool open_container(struct walk *walk, char kind, struct error *err)
{
    if (walk->level >= walk->depth)
        return json_scan_fail(walk->scan, err, "nested too deep");
    walk->scan->at++;
    walk->open[walk->level].kind = kind;
    walk->open[walk->level].first_key = walk->keys.count;
    walk->level++;
    return true;
}

static bool close_container(struct walk *walk, struct error *err)
{
    walk->level--;
    if (walk->open[walk->level].kind == '[')
        return json_scan_expect(walk->scan, ']', err);
    return json_scan_expect(walk->scan, '}', err) &&
           json_keys_close(&walk->keys, walk->open[walk->level].first_key,
                           walk->scan, err);
}

/* Behind a value: closes containers until another value follows, if any. */
static bool next_value(struct walk *walk, struct error *err)
{
    while (walk->level > 0) {
        if (json_scan_accept(walk->scan, ','))
            return walk->open[walk->level - 1].kind == '[' ||
                   take_key(walk, err);
        if (!close_container(walk, err))
            return false;
    }
    return true;
}

/* Takes a scalar, a whole empty container, or the opening of another one. */
static bool begin_value(struct walk *walk, bool *opened, struct error *err)
{
    char next = json_scan_peek(walk->scan);

    *opened = false;
    if (walk->budget == 0)
        return json_scan_fail(walk->scan, err, "too many values");
    walk->budget--;
    if (next != '{' && next != '[')
        return json_scan_skip_scalar(walk->scan, err);
    if (!open_container(walk, next, err))
        return false;
    if (json_scan_peek(walk->scan) == (next == '{' ? '}' : ']'))
        return close_container(walk, err);
    *opened = true;
    return next == '[' || take_key(walk, err);
}

bool json_free_value(struct json_scan *scan, int depth, size_t *budget,
                     const char **text, size_t *size, struct error *err)
{
    struct walk walk = {.scan = scan, .budget = *budget, .depth = depth};
    const char *first;
    bool opened;

    if (walk.depth > JSON_DEPTH_MAX)
        walk.depth = JSON_DEPTH_MAX;
    (void)json_scan_peek(scan);
    first = scan->at;
    do {
        if (!begin_value(&walk, &opened, err))
            return false;
        if (!opened && !next_value(&walk, err))
            return false;
    } while (walk.level > 0);
    *text = first;
    *size = (size_t)(scan->at - first);
    *budget = walk.budget;
    return true;
}

bool json_check(const char *text, size_t size, struct arena *arena,
                struct error *err)
{
    struct json_scan scan;
    size_t budget = JSON_ELEMENTS_MAX;
    const char *value;
    size_t value_size;

    json_scan_init(&scan, text, size, arena);
    return json_free_value(&scan, JSON_DEPTH_MAX, &budget, &value, &value_size,
                           err) &&
           json_scan_end(&scan, err);
}
