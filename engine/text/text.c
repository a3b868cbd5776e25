/*
 * Text and its pieces, see text.h.
 */
#include "text.h"

enum { FIRST_CAPACITY = 256 };

void *text_grown(struct arena *arena, const void *old, size_t size,
                 size_t capacity)
{
    void *new = arena_alloc(arena, capacity);

    if (new &&size > 0)
        memcpy(new, old, size);
    return new;
}

void text_init(struct text *text, struct arena *arena, bool tracked)
{
    *text = (struct text){.arena = arena, .tracked = tracked};
}

bool text_reserve(struct text *text, size_t extra)
{
    size_t capacity = text->capacity > 0 ? text->capacity : FIRST_CAPACITY;
    char *bytes = NULL;
    uint32_t *from = NULL;

    if (text->failed || text->size + extra <= text->capacity)
        return !text->failed;
    while (capacity < text->size + extra)
        capacity *= 2;
    text->failed = text->size + extra > TEXT_SIZE_MAX;
    if (!text->failed) {
        bytes = text_grown(text->arena, text->bytes, text->size, capacity);
        if (text->tracked)
            from = text_grown(text->arena, text->from,
                              text->size * sizeof(*text->from),
                              capacity * sizeof(*text->from));
        text->failed = !bytes || (text->tracked && !from);
    }
    if (text->failed) { /* what is there stays, for the steps behind */
        text->capacity = text->size;
        return false;
    }
    text->bytes = bytes;
    text->from = from;
    text->capacity = capacity;
    return true;
}

struct reader text_reader(const struct text *text, size_t start, size_t end,
                          uint32_t next)
{
    /* one that nothing was written to has none */
    const char *bytes = text->bytes ? text->bytes : "";

    return (struct reader){bytes, text->from, start, end, next};
}

void text_put_rest(struct text *text, struct reader *reader)
{
    size_t size = reader->end - reader->at;

    if (size == 0 || !text_reserve(text, size))
        return;
    memcpy(text->bytes + text->size, reader->bytes + reader->at, size);
    if (text->from && reader->from)
        memcpy(text->from + text->size, reader->from + reader->at,
               size * sizeof(*text->from));
    for (size_t i = 0; text->from && !reader->from && i < size; i++) {
        reader->next += i > 0 && uc_starts(reader->bytes[reader->at + i]);
        text->from[text->size + i] = reader->next;
    }
    text->size += size;
    reader->at = reader->end;
}

void changes_put(struct changes *changes, uint32_t cp, int32_t change)
{
    if (changes->count == changes->capacity) {
        size_t capacity =
            changes->capacity > 0 ? 2 * changes->capacity : FIRST_CAPACITY;
        struct change *items = text_grown(changes->arena, changes->items,
                                          changes->count * sizeof(*items),
                                          capacity * sizeof(*items));

        changes->failed = changes->failed || !items;
        if (!items)
            return;
        changes->items = items;
        changes->capacity = capacity;
    }
    changes->items[changes->count++] = (struct change){cp, change};
}

void text_change(struct text *out, struct reader old,
                 const struct changes *changes)
{
    uint32_t last = old.from ? 0 : old.next;

    for (size_t i = 0; i < changes->count; i++) {
        int32_t skip = -changes->items[i].change;

        /* What is put in shares the origin of what stood before it. */
        if (skip >= 0 && old.at < old.end)
            (void)reader_next(&old, &last);
        text_put(out, changes->items[i].cp, last);
        for (uint32_t from; skip > 0 && old.at < old.end; skip--) {
            (void)reader_next(&old, &from);
            last = from;
        }
    }
    out->failed = out->failed || changes->failed;
}

bool cuts_grow(struct cuts *cuts)
{
    size_t capacity = cuts->capacity > 0 ? 2 * cuts->capacity : FIRST_CAPACITY;
    struct cut *items =
        text_grown(cuts->arena, cuts->items, cuts->count * sizeof(*items),
                   capacity * sizeof(*items));

    if (!items) {
        cuts->failed = true;
        return false;
    }
    cuts->items = items;
    cuts->capacity = capacity;
    return true;
}
