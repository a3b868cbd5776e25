/*
 * Vocabulary: tokens as byte strings, each with its id, both ways.
 *
 * Threads: immutable after it is filled.
 */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vocab_entry {
    uint32_t start; /* in `bytes` */
    uint32_t size;
    int32_t id;
};

struct vocab {
    char *bytes;
    size_t bytes_size, bytes_capacity;
    struct vocab_entry *entries;
    size_t count, capacity;
    uint32_t *slots;   /* open addressing: entry + 1, 0 = empty */
    size_t slot_count; /* a power of two */
};

/*
 * Adds a token; of two with the same text the later one is found. false if
 * memory is out.
 */
bool vocab_add(struct vocab *vocab, const char *token, size_t size, int32_t id);

/* The id of a token; -1 if there is none. */
int32_t vocab_find(const struct vocab *vocab, const char *token, size_t size);

void vocab_release(struct vocab *vocab);

#endif
