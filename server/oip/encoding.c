/*
 * Content-Encoding: gzip and deflate by zlib, both ways.
 *
 * What comes in is unpacked into memory that grows with what is there, up to
 * the endpoint's limit and one byte more: a bomb costs as much as the largest
 * honest body and is then refused.
 */
#include <string.h>
#include <strings.h>

#include <zlib.h>

#include "oip.h"

enum {
    WINDOW = 15,
    GZIP_WINDOW = WINDOW + 16, /* zlib's way to ask for gzip */
    ANY_WINDOW = WINDOW + 32,  /* gzip or zlib, as the bytes say */
    FIRST_GUESS = 4,           /* unpacked bytes per packed one */
    LEVEL = 1,                 /* tensors hardly pack; do not try hard */
    MEMORY_LEVEL = 8
};

static bool same(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

bool oip_encoding_of(const char *header, enum oip_encoding *encoding,
                     struct error *err)
{
    size_t size = header ? strlen(header) : 0;

    *encoding = OIP_IDENTITY;
    if (size == 0 || same(header, size, "identity"))
        return true;
    if (same(header, size, "gzip"))
        *encoding = OIP_GZIP;
    else if (same(header, size, "deflate"))
        *encoding = OIP_DEFLATE;
    else
        return fail(err, ERR_UNSUPPORTED_MEDIA_TYPE,
                    "Content-Encoding is gzip, deflate or identity");
    return true;
}

/* "gzip;q=0" forbids it. */
static bool is_allowed(const char *item, size_t size, const char *word)
{
    size_t name = strcspn(item, " \t;,");
    const char *q;

    if (name > size || !same(item, name, word))
        return false;
    q = memchr(item, '=', size);
    return !q || strspn(q + 1, "0.") != (size_t)(item + size - (q + 1));
}

enum oip_encoding oip_encoding_accepted(const char *header)
{
    enum oip_encoding best = OIP_IDENTITY;

    while (header && *header) {
        size_t size;

        header += strspn(header, " \t,");
        size = strcspn(header, ",");
        if (is_allowed(header, size, "gzip"))
            return OIP_GZIP;
        if (is_allowed(header, size, "deflate"))
            best = OIP_DEFLATE;
        header += size;
    }
    return best;
}

/* ---- unpack ---- */

/* Unpacks into `out` until the end, a fault, or `limit` bytes. */
static int inflate_all(z_stream *stream, struct buf *out, size_t limit)
{
    int status = Z_OK;

    while (status == Z_OK && out->size < limit) {
        size_t room = out->size < 4096 ? 4096 : out->size;

        if (room > limit - out->size)
            room = limit - out->size;
        if (!buf_reserve(out, room))
            return Z_MEM_ERROR;
        stream->next_out = (Bytef *)out->data + out->size;
        stream->avail_out = (uInt)room;
        status = inflate(stream, Z_NO_FLUSH);
        out->size += room - stream->avail_out;
        if (status == Z_BUF_ERROR && stream->avail_out == 0)
            status = Z_OK; /* only the room was used up */
    }
    return status;
}

static bool verdict(int status, const z_stream *stream, const struct buf *out,
                    size_t max, struct error *err)
{
    if (status == Z_MEM_ERROR)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to unpack the body");
    if (out->size > max)
        return fail(err, ERR_PAYLOAD_TOO_LARGE,
                    "the body unpacks to more than %zu bytes", max);
    if (status != Z_STREAM_END || stream->avail_in > 0)
        return fail(err, ERR_BAD_REQUEST,
                    "the body is not in its Content-Encoding");
    return true;
}

bool oip_unpack(enum oip_encoding encoding, const struct oip_bytes *packed,
                size_t max, struct arena *arena, struct oip_bytes *out,
                struct error *err)
{
    size_t size = packed->size;
    z_stream stream = {0};
    struct buf plain = {0};
    bool ok;

    if (encoding == OIP_IDENTITY) {
        *out = *packed;
        return true;
    }
    if (size > UINT32_MAX || max >= UINT32_MAX)
        return fail(err, ERR_PAYLOAD_TOO_LARGE, "the body is too large");
    stream.next_in = (z_const Bytef *)(uintptr_t)packed->data;
    stream.avail_in = (uInt)size;
    if (inflateInit2(&stream, ANY_WINDOW) != Z_OK)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to unpack the body");
    (void)buf_reserve(&plain,
                      size < max / FIRST_GUESS ? size * FIRST_GUESS : max + 1);
    ok = verdict(inflate_all(&stream, &plain, max + 1), &stream, &plain, max,
                 err);
    (void)inflateEnd(&stream);
    if (ok) {
        out->size = plain.size;
        out->data = (const uint8_t *)arena_copy(
            arena, plain.data ? plain.data : "", plain.size);
        ok = out->data ||
             fail(err, ERR_OUT_OF_MEMORY, "no memory to unpack the body");
    }
    buf_release(&plain);
    return ok;
}

/* ---- pack ---- */

bool oip_pack(enum oip_encoding encoding, struct buf *out, struct error *err)
{
    z_stream stream = {0};
    struct buf packed = {0};
    int status = Z_MEM_ERROR;

    if (encoding == OIP_IDENTITY)
        return true;
    if (out->size < UINT32_MAX &&
        deflateInit2(&stream, LEVEL, Z_DEFLATED,
                     encoding == OIP_GZIP ? GZIP_WINDOW : WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) == Z_OK) {
        uLong bound = deflateBound(&stream, (uLong)out->size);

        if (buf_reserve(&packed, bound)) {
            stream.next_in = (Bytef *)out->data;
            stream.avail_in = (uInt)out->size;
            stream.next_out = (Bytef *)packed.data;
            stream.avail_out = (uInt)bound;
            status = deflate(&stream, Z_FINISH);
            packed.size = bound - stream.avail_out;
        }
        (void)deflateEnd(&stream);
    }
    if (status != Z_STREAM_END) {
        buf_release(&packed);
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to pack the answer");
    }
    buf_release(out);
    *out = packed;
    return true;
}
