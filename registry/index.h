/*
 * Index: finds owners by a hash, several per hash allowed.
 *
 * The links live inside what is indexed, so adding cannot fail; the caller
 * compares the real keys of what it finds.
 *
 * Threads: the caller serialises.
 */
#ifndef REGISTRY_INDEX_H
#define REGISTRY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reg_link {
    struct reg_link *next;
    uint64_t hash;
    void *owner; /* NULL = not in an index */
};

struct reg_index {
    struct reg_link **buckets;
    size_t size; /* a power of two */
    size_t count;
};

/* Mixes `text` into `hash`; start with a secret number, so that nobody can
 * choose names that collide. */
uint64_t reg_hash_text(uint64_t hash, const char *text);
uint64_t reg_hash_number(uint64_t hash, uint64_t number);

/* false: out of memory. */
bool reg_index_init(struct reg_index *index);
void reg_index_release(struct reg_index *index);

void reg_index_add(struct reg_index *index, struct reg_link *link,
                   uint64_t hash, void *owner);

/* Does nothing if the link is in no index. */
void reg_index_remove(struct reg_index *index, struct reg_link *link);

/* The first link of this hash, and the next of the same; NULL at the end. */
struct reg_link *reg_index_first(const struct reg_index *index, uint64_t hash);
struct reg_link *reg_index_next(const struct reg_link *link);

#endif
