/*
 * Building a double-array trie, see trie.h.
 *
 * Strings are sorted, so the children of a node are runs of one byte. Nodes
 * are placed breadth first: the first base from a moving start at which all
 * children fall on free places; after some failures the node goes to the end,
 * which bounds the time whatever the strings are.
 */
#include "trie.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 1 << 26, TRIES_MAX = 64, BYTES = 256 };

/* A node whose children are to be placed: entries [low, high) pass it. */
struct pending {
    size_t low, high;
    size_t depth;
    int32_t node;
};

struct build {
    struct trie *trie;
    const struct trie_entry *entries;
    size_t capacity;
    size_t start; /* where the search for free places begins */
    struct pending *queue;
    size_t queue_count, queue_capacity;
};

static int compare(const void *a, const void *b)
{
    const struct trie_entry *left = a, *right = b;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = size > 0 ? memcmp(left->bytes, right->bytes, size) : 0;

    if (order != 0)
        return order;
    if (left->size != right->size)
        return left->size < right->size ? -1 : 1;
    return left->value < right->value ? -1 : left->value > right->value;
}

static bool reserve(struct build *build, size_t count)
{
    struct trie *trie = build->trie;
    size_t capacity = build->capacity > 0 ? build->capacity : 1024;
    struct trie_node *nodes;

    if (count > NODES_MAX)
        return false;
    while (capacity < count)
        capacity *= 2;
    if (capacity > build->capacity) {
        nodes = realloc(trie->nodes, capacity * sizeof(*nodes));
        if (!nodes)
            return false;
        trie->nodes = nodes;
        build->capacity = capacity;
    }
    for (; trie->count < count; trie->count++)
        trie->nodes[trie->count] = (struct trie_node){0, -1, -1};
    return true;
}

static bool push(struct build *build, struct pending item)
{
    if (build->queue_count == build->queue_capacity) {
        size_t capacity =
            build->queue_capacity > 0 ? 2 * build->queue_capacity : 256;
        struct pending *queue =
            realloc(build->queue, capacity * sizeof(*queue));

        if (!queue)
            return false;
        build->queue = queue;
        build->queue_capacity = capacity;
    }
    build->queue[build->queue_count++] = item;
    return true;
}

static bool is_free(const struct trie *trie, size_t node)
{
    return node >= trie->count || (node > 0 && trie->nodes[node].parent < 0);
}

static bool fits(const struct trie *trie, size_t base,
                 const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_free(trie, base + bytes[i]))
            return false;
    }
    return true;
}

/* A base at which all the bytes fall on free places. */
static size_t find_base(struct build *build, const unsigned char *bytes,
                        size_t count)
{
    const struct trie *trie = build->trie;
    size_t tries = 0, at;

    while (build->start < trie->count && !is_free(trie, build->start))
        build->start++;
    at = build->start > bytes[0] ? build->start : (size_t)bytes[0] + 1;
    for (; at < trie->count && tries < TRIES_MAX; at++) {
        if (!is_free(trie, at))
            continue;
        if (fits(trie, at - bytes[0], bytes, count))
            return at - bytes[0];
        tries++;
    }
    /* Leave places behind that were tried in vain too often. */
    if (tries == TRIES_MAX)
        build->start = at > TRIES_MAX ? at - TRIES_MAX / 2 : build->start;
    return trie->count > bytes[0] ? trie->count - bytes[0] : 1;
}

/* The children's bytes of a node, and where each one's entries begin. */
static size_t find_children(const struct build *build,
                            const struct pending *item,
                            unsigned char bytes[BYTES],
                            size_t starts[BYTES + 1])
{
    size_t count = 0;

    for (size_t i = item->low; i < item->high; i++) {
        const struct trie_entry *entry = &build->entries[i];
        unsigned char byte;

        if (entry->size <= item->depth)
            continue;
        byte = (unsigned char)entry->bytes[item->depth];
        if (count > 0 && bytes[count - 1] == byte)
            continue;
        bytes[count] = byte;
        starts[count++] = i;
    }
    starts[count] = item->high;
    return count;
}

static bool place(struct build *build, struct pending item)
{
    struct trie *trie = build->trie;
    unsigned char bytes[BYTES];
    size_t starts[BYTES + 1], count, base;

    for (size_t i = item.low; i < item.high; i++) {
        if (build->entries[i].size == item.depth && item.depth > 0 &&
            trie->nodes[item.node].value < 0)
            trie->nodes[item.node].value = build->entries[i].value;
    }
    count = find_children(build, &item, bytes, starts);
    if (count == 0)
        return true;
    base = find_base(build, bytes, count);
    if (!reserve(build, base + bytes[count - 1] + 1))
        return false;
    trie->nodes[item.node].base = (int32_t)base;
    for (size_t i = 0; i < count; i++) {
        size_t node = base + bytes[i];

        trie->nodes[node].parent = item.node;
        if (!push(build, (struct pending){starts[i], starts[i + 1],
                                          item.depth + 1, (int32_t)node}))
            return false;
    }
    return true;
}

bool trie_build(struct trie *trie, struct trie_entry *entries, size_t count)
{
    struct build build = {.trie = trie, .entries = entries, .start = 1};
    bool ok;

    *trie = (struct trie){0};
    if (count > 0)
        qsort(entries, count, sizeof(*entries), compare);
    ok = reserve(&build, 1) && push(&build, (struct pending){0, count, 0, 0});
    for (size_t i = 0; ok && i < build.queue_count; i++)
        ok = place(&build, build.queue[i]);
    free(build.queue);
    if (!ok)
        trie_release(trie);
    return ok;
}

void trie_release(struct trie *trie)
{
    free(trie->nodes);
    *trie = (struct trie){0};
}
