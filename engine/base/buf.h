/*
 * Buf: bytes that grow at the end.
 *
 * Writers append without looking; a failed allocation sets `failed`, later
 * appends do nothing, and the reader of the result asks once (buf_ok). The
 * bytes are always followed by a NUL that `size` does not count.
 *
 * Threads: the caller serialises.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while empty */
    size_t size;
    size_t capacity;
    bool failed; /* an allocation failed: the content is not complete */
};

/* An empty buffer is `struct buf buf = {0}`. Frees the bytes; empty again. */
void buf_release(struct buf *buf);

/* Empties the buffer, keeps its memory and clears `failed`. */
void buf_clear(struct buf *buf);

/* Room for `extra` more bytes; false (and failed) when memory is out. */
bool buf_reserve(struct buf *buf, size_t extra);

void buf_append(struct buf *buf, const void *bytes, size_t size);
void buf_char(struct buf *buf, char byte);
void buf_string(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Nothing was lost: the content is what the writers wrote. */
bool buf_ok(const struct buf *buf);

/*
 * Hands the bytes over (malloc'ed, NUL-terminated, free() them; never NULL
 * unless the buffer failed) and leaves the buffer empty.
 */
char *buf_take(struct buf *buf, size_t *size);

#endif
