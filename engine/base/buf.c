/*
 * Buf: a doubling byte array with a sticky failure mark.
 */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

static bool grow(struct buf *buf, size_t extra)
{
    size_t capacity = buf->capacity ? buf->capacity : 256;
    char *data;

    if (extra >= SIZE_MAX / 4 || buf->size >= SIZE_MAX / 4) {
        buf->failed = true;
        return false;
    }
    while (capacity < buf->size + extra + 1)
        capacity *= 2;
    data = realloc(buf->data, capacity);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

bool buf_reserve(struct buf *buf, size_t extra)
{
    if (buf->failed)
        return false;
    /* capacity 0 leaves no room for the NUL, so it always grows */
    if (buf->capacity > buf->size && buf->capacity - buf->size > extra)
        return true;
    return grow(buf, extra);
}

void buf_append(struct buf *buf, const void *bytes, size_t size)
{
    if (!buf_reserve(buf, size))
        return;
    if (size)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void buf_char(struct buf *buf, char byte)
{
    buf_append(buf, &byte, 1);
}

void buf_string(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !buf_reserve(buf, (size_t)length)) {
        buf->failed = true;
        return;
    }
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->size, (size_t)length + 1, format, args);
    va_end(args);
    buf->size += (size_t)length;
}

bool buf_ok(const struct buf *buf)
{
    return !buf->failed;
}

char *buf_take(struct buf *buf, size_t *size)
{
    char *data;

    if (!buf_reserve(buf, 0)) {
        buf_release(buf);
        return NULL;
    }
    buf->data[buf->size] = '\0';
    data = buf->data;
    *size = buf->size;
    *buf = (struct buf){0};
    return data;
}
