/*
 * Rest answer: walks one JSON object and picks; see rest_answer.h.
 */
#include "rest_answer.h"

#include <stdlib.h>
#include <string.h>

#include "json_scan.h"
#include "transport.h"

enum { MAX_DEPTH = 32 };

/* What to do with the value of `key`, which must be taken from the scan. */
typedef bool member_reader(struct json_scan *scan, const char *key, size_t size,
                           void *context, struct error *err);

static bool skip(struct json_scan *scan, struct error *err)
{
    const char *text;
    size_t size;

    return json_scan_skip(scan, MAX_DEPTH, &text, &size, err);
}

/* Shows every member of the object that comes next. */
static bool read_object(struct json_scan *scan, member_reader *read,
                        void *context, struct error *err)
{
    const char *key;
    size_t size;

    if (!json_scan_expect(scan, '{', err))
        return false;
    if (json_scan_accept(scan, '}'))
        return true;
    do {
        if (!json_scan_string(scan, &key, &size, err) ||
            !json_scan_expect(scan, ':', err) ||
            !read(scan, key, size, context, err))
            return false;
    } while (json_scan_accept(scan, ','));
    return json_scan_expect(scan, '}', err);
}

static bool is_key(const char *key, size_t size, const char *name)
{
    return size == strlen(name) && memcmp(key, name, size) == 0;
}

/* A string as NUL-terminated text; any other value is skipped. */
static bool read_text(struct json_scan *scan, const char **text,
                      struct error *err)
{
    const char *bytes;
    size_t size;

    if (json_scan_peek(scan) != '"')
        return skip(scan, err);
    if (!json_scan_string(scan, &bytes, &size, err))
        return false;
    *text = arena_copy(scan->arena, bytes, size);
    return *text || fail(err, ERR_OUT_OF_MEMORY, "the answer is too long");
}

/* A whole number; any other value is skipped. */
static bool read_number(struct json_scan *scan, int64_t *number,
                        struct error *err)
{
    char first = json_scan_peek(scan), text[24];
    const char *bytes;
    size_t size;

    if (!json_scan_skip(scan, MAX_DEPTH, &bytes, &size, err))
        return false;
    if ((first != '-' && (first < '0' || first > '9')) || size >= sizeof text)
        return true;
    memcpy(text, bytes, size);
    text[size] = '\0';
    *number = strtoll(text, NULL, 10);
    return true;
}

static bool read_field(struct json_scan *scan, const char *key, size_t size,
                       void *context, struct error *err)
{
    struct rest_fields *fields = context;
    const char *value;

    if (is_key(key, size, "registration_id"))
        return read_text(scan, &fields->registration_id, err);
    if (is_key(key, size, "message"))
        return read_text(scan, &fields->message, err);
    if (is_key(key, size, "expires_at"))
        return read_text(scan, &fields->expires_at, err);
    if (is_key(key, size, "error"))
        return read_text(scan, &fields->error, err);
    if (is_key(key, size, "assigned_port"))
        return read_number(scan, &fields->assigned_port, err);
    if (is_key(key, size, "ttl_s"))
        return read_number(scan, &fields->ttl_s, err);
    if (!is_key(key, size, "success"))
        return skip(scan, err);
    if (!json_scan_skip(scan, MAX_DEPTH, &value, &size, err))
        return false;
    fields->has_success = true;
    fields->success = size == 4 && memcmp(value, "true", 4) == 0;
    return true;
}

static void start(struct json_scan *scan, const struct buf *answer,
                  struct arena *arena)
{
    json_scan_init(scan, answer->data ? answer->data : "", answer->size, arena);
}

bool rest_read_fields(const struct buf *answer, struct arena *arena,
                      struct rest_fields *fields, struct error *err)
{
    struct json_scan scan;

    start(&scan, answer, arena);
    return read_object(&scan, read_field, fields, err) &&
           json_scan_end(&scan, err);
}

/* ---- instances ---- */

struct instance {
    const char *host;
    int64_t port;
};

static bool read_instance(struct json_scan *scan, const char *key, size_t size,
                          void *context, struct error *err)
{
    struct instance *instance = context;

    if (is_key(key, size, "port"))
        return read_number(scan, &instance->port, err);
    if (is_key(key, size, "host"))
        return read_text(scan, &instance->host, err);
    return skip(scan, err);
}

static bool read_list(struct json_scan *scan, struct registry_addresses *found,
                      struct error *err)
{
    if (!json_scan_expect(scan, '[', err))
        return false;
    if (json_scan_accept(scan, ']'))
        return true;
    do {
        struct instance instance = {.host = "127.0.0.1"};

        if (!read_object(scan, read_instance, &instance, err))
            return false;
        registry_addresses_add(found, instance.host, instance.port);
    } while (json_scan_accept(scan, ','));
    return json_scan_expect(scan, ']', err);
}

static bool read_instances(struct json_scan *scan, const char *key, size_t size,
                           void *context, struct error *err)
{
    return is_key(key, size, "instances") ? read_list(scan, context, err)
                                          : skip(scan, err);
}

bool rest_read_instances(const struct buf *answer, struct arena *arena,
                         struct registry_addresses *found, struct error *err)
{
    struct json_scan scan;

    found->count = 0;
    start(&scan, answer, arena);
    return read_object(&scan, read_instances, found, err) &&
           json_scan_end(&scan, err);
}
