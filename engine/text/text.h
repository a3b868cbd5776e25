/*
 * Text: what the steps of a tokenizer work on.
 *
 * A text is UTF-8 and, where offsets are wanted, for each byte the number of
 * the code point of the input that it came from. A step reads one text and
 * writes another; a text that no step has changed yet is the input itself.
 * Cuts are the pieces into which a text is split, in order; some are tokens
 * already.
 *
 * All memory is the arena's. Appending never fails visibly: `failed` is set
 * when memory is out or the text would pass TEXT_SIZE_MAX, later appends do
 * nothing, and the owner asks once.
 *
 * Threads: the caller serialises.
 */
#ifndef TEXT_TEXT_H
#define TEXT_TEXT_H

#include <string.h>

#include "arena.h"
#include "unicode.h"

enum { TEXT_SIZE_MAX = 1 << 30, TEXT_CHAR_MAX = 4 };

struct text {
    struct arena *arena;
    char *bytes;
    uint32_t *from; /* NULL: not tracked, or the text is the input itself */
    size_t size, capacity;
    bool is_input; /* bytes are borrowed from the caller */
    bool tracked;  /* `from` is wanted */
    bool failed;
};

/* A copy of `size` bytes at `old` with room for `capacity`, in the arena; NULL
 * if memory is out. */
void *text_grown(struct arena *arena, const void *old, size_t size,
                 size_t capacity);

/* An empty text to be written. */
void text_init(struct text *text, struct arena *arena, bool tracked);

/* Room for `extra` more bytes; false (and failed) if there is none. */
bool text_reserve(struct text *text, size_t extra);

/* Appends the code point that comes from code point `from` of the input. */
static inline void text_put(struct text *text, uint32_t cp, uint32_t from)
{
    char *out;
    size_t size;

    if (text->capacity - text->size < TEXT_CHAR_MAX &&
        !text_reserve(text, TEXT_CHAR_MAX))
        return;
    out = text->bytes + text->size;
    if (cp < 0x80) {
        out[0] = (char)cp;
        size = 1;
    } else if (cp < 0x800) {
        out[0] = (char)(0xc0 | (cp >> 6));
        out[1] = (char)(0x80 | (cp & 0x3f));
        size = 2;
    } else if (cp < 0x10000) {
        out[0] = (char)(0xe0 | (cp >> 12));
        out[1] = (char)(0x80 | ((cp >> 6) & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        size = 3;
    } else {
        out[0] = (char)(0xf0 | (cp >> 18));
        out[1] = (char)(0x80 | ((cp >> 12) & 0x3f));
        out[2] = (char)(0x80 | ((cp >> 6) & 0x3f));
        out[3] = (char)(0x80 | (cp & 0x3f));
        size = 4;
    }
    if (text->from) {
        for (size_t i = 0; i < size; i++)
            text->from[text->size + i] = from;
    }
    text->size += size;
}

/* A part of a text, read front to back. */
struct reader {
    const char *bytes;
    const uint32_t *from; /* NULL: code points count up from `next` */
    size_t at, end;
    uint32_t next;
};

/* A reader of text[start, end); `next` is the code point of the input at which
 * it starts, for a text that is the input. */
struct reader text_reader(const struct text *text, size_t start, size_t end,
                          uint32_t next);

/* The next code point and where it came from; only before the end. */
static inline uint32_t reader_next(struct reader *reader, uint32_t *from)
{
    *from = reader->from ? reader->from[reader->at] : reader->next++;
    return uc_next(reader->bytes, &reader->at);
}

/* Appends what is left of the reader as it is. */
void text_put_rest(struct text *text, struct reader *reader);

/*
 * One code point of a changed text, in the way of Hugging Face's alignments:
 * change 0 replaces the next code point of the old text, -n replaces it and
 * drops n behind it, above 0 is put in.
 */
struct change {
    uint32_t cp;
    int32_t change;
};

struct changes {
    struct arena *arena;
    struct change *items;
    size_t count, capacity;
    bool failed;
};

/* Appends a change. */
void changes_put(struct changes *changes, uint32_t cp, int32_t change);

/* Appends to `out` the old text, as the changes make it. */
void text_change(struct text *out, struct reader old,
                 const struct changes *changes);

/* A piece [start, end) of a text. */
struct cut {
    uint32_t start, end;
    uint32_t origin; /* code point of the input at which it starts */
    int32_t id;      /* an added token; -1 = text for the model */
};

struct cuts {
    struct arena *arena;
    struct cut *items;
    size_t count, capacity;
    bool failed;
};

/* Room for one more; false (and failed) if memory is out. */
bool cuts_grow(struct cuts *cuts);

/* Appends a piece; empty ones are left out. */
static inline void cuts_put(struct cuts *cuts, size_t start, size_t end,
                            uint32_t origin, int32_t id)
{
    if (start == end || (cuts->count == cuts->capacity && !cuts_grow(cuts)))
        return;
    cuts->items[cuts->count++] =
        (struct cut){(uint32_t)start, (uint32_t)end, origin, id};
}

#endif
