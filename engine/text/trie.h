/*
 * Trie: byte strings with a number each, to find prefixes of a text.
 *
 * A double array: the child of node n for byte b is base[n] + b, if that
 * node's parent is n. One step is one memory access, whatever the alphabet.
 *
 * Threads: immutable after trie_build().
 */
#ifndef TEXT_TRIE_H
#define TEXT_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trie_node {
    int32_t base;
    int32_t parent; /* -1: nobody's node */
    int32_t value;  /* -1: no string ends here */
};

struct trie {
    struct trie_node *nodes; /* node 0 is the root; NULL = no strings */
    size_t count;
};

struct trie_entry {
    const char *bytes;
    size_t size;
    int32_t value; /* at least 0 */
};

/*
 * Builds it from the entries, which are sorted in place; of equal strings the
 * lowest value counts, empty ones are left out. false if memory is out or
 * it would have more than 2^26 nodes. Free with trie_release().
 */
bool trie_build(struct trie *trie, struct trie_entry *entries, size_t count);

void trie_release(struct trie *trie);

/* The node below `node` for `byte`; -1 if there is none. */
static inline int32_t trie_step(const struct trie *trie, int32_t node,
                                char byte)
{
    size_t next = (size_t)trie->nodes[node].base + (size_t)(unsigned char)byte;

    return next < trie->count && trie->nodes[next].parent == node
               ? (int32_t)next
               : -1;
}

/* The value of the longest string that is at `at`; -1 = none, else *stop is
 * where it ends. */
static inline int32_t trie_longest(const struct trie *trie, const char *bytes,
                                   size_t at, size_t end, size_t *stop)
{
    int32_t node = 0, found = -1;

    while (at < end && trie->nodes) {
        node = trie_step(trie, node, bytes[at++]);
        if (node < 0)
            break;
        if (trie->nodes[node].value >= 0) {
            found = trie->nodes[node].value;
            *stop = at;
        }
    }
    return found;
}

#endif
