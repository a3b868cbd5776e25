/*
 * Vocabulary by hash, see vocab.h.
 */
#include "vocab.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t value)
{
    value *= UINT64_C(0x9e3779b97f4a7c15);
    return value ^ (value >> 32);
}

/* Eight bytes at a time; the last ones overlap or are read one by one. */
static uint64_t hash_of(const char *bytes, size_t size)
{
    uint64_t hash = size * UINT64_C(0xff51afd7ed558ccd), word = 0;

    for (; size > 8; size -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        hash = mix(hash ^ word);
    }
    word = 0;
    for (size_t i = 0; i < size; i++)
        word = (word << 8) | (unsigned char)bytes[i];
    return mix(mix(hash ^ word));
}

/* The slot that holds this token, or the empty one where it would go. */
static size_t slot_of(const struct vocab *vocab, const char *token, size_t size)
{
    size_t mask = vocab->slot_count - 1;
    size_t slot = (size_t)hash_of(token, size) & mask;

    for (; vocab->slots[slot] != 0; slot = (slot + 1) & mask) {
        const struct vocab_entry *entry =
            &vocab->entries[vocab->slots[slot] - 1];

        if (entry->size == size &&
            (size == 0 ||
             memcmp(vocab->bytes + entry->start, token, size) == 0))
            break;
    }
    return slot;
}

static bool grow_slots(struct vocab *vocab)
{
    size_t count = vocab->slot_count > 0 ? 2 * vocab->slot_count : 64;
    uint32_t *slots = calloc(count, sizeof(*slots));

    if (!slots)
        return false;
    free(vocab->slots);
    vocab->slots = slots;
    vocab->slot_count = count;
    for (size_t i = 0; i < vocab->count; i++) {
        const struct vocab_entry *entry = &vocab->entries[i];

        slots[slot_of(vocab, vocab->bytes + entry->start, entry->size)] =
            (uint32_t)i + 1;
    }
    return true;
}

/* Room for one more entry of `size` bytes. */
static bool reserve(struct vocab *vocab, size_t size)
{
    void *grown;

    if (vocab->count == vocab->capacity) {
        size_t capacity = vocab->capacity > 0 ? 2 * vocab->capacity : 64;

        grown = realloc(vocab->entries, capacity * sizeof(*vocab->entries));
        if (!grown)
            return false;
        vocab->entries = grown;
        vocab->capacity = capacity;
    }
    if (vocab->bytes_capacity - vocab->bytes_size < size) {
        size_t capacity = 2 * vocab->bytes_capacity + size + 256;

        if (capacity > UINT32_MAX)
            return false;
        grown = realloc(vocab->bytes, capacity);
        if (!grown)
            return false;
        vocab->bytes = grown;
        vocab->bytes_capacity = capacity;
    }
    return 2 * (vocab->count + 1) <= vocab->slot_count || grow_slots(vocab);
}

bool vocab_add(struct vocab *vocab, const char *token, size_t size, int32_t id)
{
    size_t slot;

    if (!reserve(vocab, size))
        return false;
    slot = slot_of(vocab, token, size);
    if (size > 0)
        memcpy(vocab->bytes + vocab->bytes_size, token, size);
    vocab->entries[vocab->count] =
        (struct vocab_entry){(uint32_t)vocab->bytes_size, (uint32_t)size, id};
    vocab->bytes_size += size;
    vocab->slots[slot] = (uint32_t)++vocab->count;
    return true;
}

int32_t vocab_find(const struct vocab *vocab, const char *token, size_t size)
{
    uint32_t entry;

    if (vocab->slot_count == 0)
        return -1;
    entry = vocab->slots[slot_of(vocab, token, size)];
    return entry > 0 ? vocab->entries[entry - 1].id : -1;
}

void vocab_release(struct vocab *vocab)
{
    free(vocab->bytes);
    free(vocab->entries);
    free(vocab->slots);
    *vocab = (struct vocab){0};
}
