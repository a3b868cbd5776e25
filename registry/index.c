/*
 * Index: chained hash table that doubles; see index.h.
 */
#include "index.h"

#include <stdlib.h>

/* FNV-1a, 64 bit. */
static const uint64_t fnv_prime = 0x100000001b3;

uint64_t reg_hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * fnv_prime;
    return (hash ^ 0xff) * fnv_prime; /* "ab","c" is not "a","bc" */
}

uint64_t reg_hash_number(uint64_t hash, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        hash = (hash ^ ((number >> (8 * i)) & 0xff)) * fnv_prime;
    return hash;
}

bool reg_index_init(struct reg_index *index)
{
    *index = (struct reg_index){.size = 256};
    index->buckets = calloc(index->size, sizeof *index->buckets);
    return index->buckets != NULL;
}

void reg_index_release(struct reg_index *index)
{
    free(index->buckets);
    *index = (struct reg_index){0};
}

static struct reg_link **bucket_of(const struct reg_index *index, uint64_t hash)
{
    return &index->buckets[(hash ^ (hash >> 32)) & (index->size - 1)];
}

/* Without memory the chains just get longer. */
static void grow(struct reg_index *index)
{
    struct reg_index bigger = {.size = 2 * index->size, .count = index->count};

    bigger.buckets = calloc(bigger.size, sizeof(struct reg_link *));
    if (!bigger.buckets)
        return;
    for (size_t i = 0; i < index->size; i++)
        for (struct reg_link *link = index->buckets[i], *next; link;
             link = next) {
            struct reg_link **bucket = bucket_of(&bigger, link->hash);

            next = link->next;
            link->next = *bucket;
            *bucket = link;
        }
    free(index->buckets);
    *index = bigger;
}

void reg_index_add(struct reg_index *index, struct reg_link *link,
                   uint64_t hash, void *owner)
{
    struct reg_link **bucket;

    if (index->count >= index->size)
        grow(index);
    bucket = bucket_of(index, hash);
    *link = (struct reg_link){.next = *bucket, .hash = hash, .owner = owner};
    *bucket = link;
    index->count++;
}

void reg_index_remove(struct reg_index *index, struct reg_link *link)
{
    struct reg_link **at;

    if (!link->owner)
        return;
    at = bucket_of(index, link->hash);
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    *link = (struct reg_link){0};
    index->count--;
}

struct reg_link *reg_index_first(const struct reg_index *index, uint64_t hash)
{
    struct reg_link *link = *bucket_of(index, hash);

    while (link && link->hash != hash)
        link = link->next;
    return link;
}

struct reg_link *reg_index_next(const struct reg_link *link)
{
    uint64_t hash = link->hash;
    struct reg_link *next = link->next;

    while (next && next->hash != hash)
        next = next->next;
    return next;
}
