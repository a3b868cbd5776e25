/*
 * Route path: see route_path.h.
 */
#include "route_path.h"

#include <string.h>

#include "num.h"
#include "utf8.h"

static bool bad_request(struct error *err, const char *what)
{
    return fail(err, ERR_BAD_REQUEST, "%s", what);
}

bool route_text_decode(const char *text, size_t text_size, bool plus, char *out,
                       size_t *size, struct error *err)
{
    size_t used = 0;

    for (size_t i = 0; i < text_size; i++) {
        char byte = text[i];

        if (byte == '%') {
            int high = text_size - i > 2 ? num_hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? num_hex_digit(text[i + 2]) : -1;

            if (low < 0)
                return bad_request(err, "the URL has a bad escape");
            byte = (char)(high * 16 + low);
            i += 2;
        } else if (plus && byte == '+') {
            byte = ' ';
        }
        if (byte == '\0')
            return bad_request(err, "the URL has a NUL in it");
        out[used++] = byte;
    }
    *size = used;
    return utf8_valid(out, used) || bad_request(err, "the URL is not UTF-8");
}

/* Bytes that a decoded path segment must not have. */
static bool is_safe_segment(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
            text[i] == '/' || text[i] == '\\')
            return false;
    return !(size == 1 && text[0] == '.') &&
           !(size == 2 && text[0] == '.' && text[1] == '.');
}

/* Appends a slash and the decoded segment. */
static bool decode_segment(struct route_path *path, const char *raw,
                           size_t raw_size, size_t *used, struct error *err)
{
    char *out = path->text + *used;
    size_t size = 0;

    *out++ = '/';
    if (!route_text_decode(raw, raw_size, false, out, &size, err))
        return false;
    if (!is_safe_segment(out, size))
        return bad_request(err, "the path has a segment that is not allowed");
    if (path->count < ROUTE_SEGMENTS_MAX)
        path->segments[path->count++] =
            (struct route_segment){.text = out, .size = size, .bind = -1};
    else
        path->too_long = true;
    *used += size + 1;
    return true;
}

bool route_path_read(const char *raw, size_t raw_size, struct arena *arena,
                     struct route_path *path, struct error *err)
{
    const char *end = raw + raw_size;
    size_t used = 0;

    *path = (struct route_path){.text = arena_alloc(arena, raw_size + 2)};
    if (!path->text)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the URL");
    if (raw_size == 0 || *raw != '/')
        return bad_request(err, "the request target does not begin with '/'");
    while (raw < end) { /* at a slash */
        const char *first = ++raw;
        const char *slash = memchr(first, '/', (size_t)(end - first));

        raw = slash ? slash : end;
        if (slash == first)
            return bad_request(err, "the path has an empty segment");
        if (!decode_segment(path, first, (size_t)(raw - first), &used, err))
            return false;
    }
    path->text[used] = '\0';
    return true;
}
