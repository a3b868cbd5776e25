/*
 * Uri: see uri.h. The five parts of a reference, then section 5.2.2.
 */
#include "jsonschema/uri.h"

#include <stdbool.h>
#include <string.h>

#include "buf.h"

/* Part of a text; NULL = the part is not there. */
struct span {
    const char *at;
    size_t size;
};

struct parts {
    struct span scheme, authority, path, query, fragment;
};

static struct parts split(const char *uri)
{
    struct parts parts = {0};
    size_t size = strcspn(uri, ":/?#");

    if (size && uri[size] == ':') {
        parts.scheme = (struct span){uri, size};
        uri += size + 1;
    }
    if (strncmp(uri, "//", 2) == 0) {
        size = strcspn(uri + 2, "/?#");
        parts.authority = (struct span){uri + 2, size};
        uri += 2 + size;
    }
    parts.path = (struct span){uri, strcspn(uri, "?#")};
    uri += parts.path.size;
    if (*uri == '?') {
        parts.query = (struct span){uri + 1, strcspn(uri + 1, "#")};
        uri += 1 + parts.query.size;
    }
    if (*uri == '#')
        parts.fragment = (struct span){uri + 1, strlen(uri + 1)};
    return parts;
}

static void put(struct buf *to, const char *before, struct span span,
                const char *after)
{
    if (!span.at)
        return;
    buf_string(to, before);
    buf_append(to, span.at, span.size);
    buf_string(to, after);
}

/* Drops the last segment behind `start`, and its slash. */
static void drop_segment(struct buf *path, size_t start)
{
    while (path->size > start && path->data[path->size - 1] != '/')
        path->size--;
    if (path->size > start)
        path->size--;
}

/* Appends a path without its "." and ".." segments (section 5.2.4). */
static void put_path(struct buf *to, const char *path, size_t size)
{
    const char *end = path + size;
    size_t start = to->size;

    while (path < end) {
        size_t slash = *path == '/' ? 1 : 0;
        const char *segment = path + slash;
        size_t length = 0;

        while (segment + length < end && segment[length] != '/')
            length++;
        path = segment + length;
        if (length == 2 && memcmp(segment, "..", 2) == 0)
            drop_segment(to, start);
        else if (length != 1 || *segment != '.')
            buf_append(to, segment - slash, slash + length);
        if (length && segment[0] == '.' && path == end &&
            (length == 1 || (length == 2 && segment[1] == '.')))
            buf_char(to, '/');
    }
}

/* The base's path up to its last slash, and the reference's. */
static void merge_path(struct buf *to, const struct parts *base,
                       const struct parts *reference)
{
    struct buf merged = {0};
    size_t keep = base->path.size;

    while (keep && base->path.at[keep - 1] != '/')
        keep--;
    if (base->authority.at && !base->path.size)
        buf_char(&merged, '/');
    buf_append(&merged, base->path.at, keep);
    buf_append(&merged, reference->path.at, reference->path.size);
    put_path(to, merged.data ? merged.data : "", merged.size);
    buf_release(&merged);
}

static void put_rest(struct buf *to, const struct parts *base,
                     const struct parts *reference)
{
    put(to, "//", base->authority, "");
    if (!reference->path.size) {
        buf_append(to, base->path.at, base->path.size);
        put(to, "?", reference->query.at ? reference->query : base->query, "");
        return;
    }
    if (*reference->path.at == '/')
        put_path(to, reference->path.at, reference->path.size);
    else
        merge_path(to, base, reference);
    put(to, "?", reference->query, "");
}

char *js_uri_resolve(struct arena *arena, const char *base,
                     const char *reference)
{
    struct parts from = split(base), parts = split(reference);
    struct buf to = {0};
    char *copy = NULL;

    put(&to, "", parts.scheme.at ? parts.scheme : from.scheme, ":");
    if (parts.scheme.at || parts.authority.at) {
        put(&to, "//", parts.authority, "");
        put_path(&to, parts.path.at, parts.path.size);
        put(&to, "?", parts.query, "");
    } else {
        put_rest(&to, &from, &parts);
    }
    put(&to, "#", parts.fragment, "");
    if (buf_ok(&to))
        copy = arena_strdup(arena, to.data ? to.data : "");
    buf_release(&to);
    return copy;
}

size_t js_uri_stem(const char *uri)
{
    return strcspn(uri, "#");
}

static int hex(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit | 0x20) : NULL;

    return found ? (int)(found - digits) : -1;
}

char *js_uri_fragment(struct arena *arena, const char *uri)
{
    const char *from = strchr(uri, '#');
    char *text = arena_strdup(arena, from ? from + 1 : "");
    char *to = text;

    for (const char *at = text; at && *at; at++) {
        if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
            *to++ = (char)(hex(at[1]) * 16 + hex(at[2]));
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    if (to)
        *to = '\0';
    return text;
}
