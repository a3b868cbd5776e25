/*
 * Writes protobuf wire format by hand, for tests that need bytes no library
 * would write.
 */
#ifndef TEST_WIRE_PUT_H
#define TEST_WIRE_PUT_H

#include <stdint.h>
#include <string.h>

#include "buf.h"

enum { PUT_VARINT = 0, PUT_FIXED64 = 1, PUT_BYTES = 2, PUT_FIXED32 = 5 };

static inline void put_varint(struct buf *out, uint64_t value)
{
    while (value >= 0x80) {
        buf_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    buf_char(out, (char)value);
}

static inline void put_tag(struct buf *out, uint32_t field, uint32_t type)
{
    put_varint(out, (uint64_t)field << 3 | type);
}

static inline void put_bytes(struct buf *out, uint32_t field, const void *bytes,
                             size_t size)
{
    put_tag(out, field, PUT_BYTES);
    put_varint(out, size);
    buf_append(out, bytes, size);
}

static inline void put_text(struct buf *out, uint32_t field, const char *text)
{
    put_bytes(out, field, text, strlen(text));
}

/* Field `field` holding what `inner` holds; empties `inner`. */
static inline void put_buf(struct buf *out, uint32_t field, struct buf *inner)
{
    put_bytes(out, field, inner->data, inner->size);
    buf_release(inner);
}

static inline void put_double(struct buf *out, uint32_t field, double value)
{
    put_tag(out, field, PUT_FIXED64);
    buf_append(out, &value, sizeof value);
}

#endif
