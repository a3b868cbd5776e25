/*
 * JSON codec, out: a walk over the tables that appends text.
 *
 * Depth is bounded by JSON_DEPTH_MAX; messages of ours are trees of that depth
 * at most, so anything deeper is a bug and not a client's doing.
 */
#include "codec_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "json_put.h"
#include "msg.h"
#include "num.h"
#include "rfc3339.h"

struct writer {
    struct buf *out;
    int depth;
    const struct msg_place *place; /* of the value being written */
    bool sparse;                   /* see json_encode_request() */
    const struct op_bind *binds;   /* of the outermost message */
    size_t bind_count;
};

static bool write_message(struct writer *to, const struct msg_def *def,
                          const void *message, struct error *err);

/* ---- scalars ---- */

static bool not_finite(struct writer *to, struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    return fail(err, ERR_OUTPUT_INVALID, "%s is not a finite number",
                msg_pointer(to->place, pointer));
}

/* Our own bug: the client gets the catalogue's sentence, the log this one. */
static bool broken(struct writer *to, const char *what, struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    return fail(err, ERR_INTERNAL, "reply: %s %s",
                msg_pointer(to->place, pointer), what);
}

static bool write_integer(struct writer *to, enum msg_kind kind,
                          const void *slot)
{
    char *end;

    if (!buf_reserve(to->out, NUM_TEXT_MAX))
        return true; /* the buffer remembers; json_encode() asks it */
    end = to->out->data + to->out->size;
    if (kind == MSG_I32)
        to->out->size += num_print_i64(*(const int32_t *)slot, end);
    else if (kind == MSG_U32)
        to->out->size += num_print_u64(*(const uint32_t *)slot, end);
    else if (kind == MSG_I64)
        to->out->size += num_print_i64(*(const int64_t *)slot, end);
    else
        to->out->size += num_print_u64(*(const uint64_t *)slot, end);
    return true;
}

static bool write_float(struct writer *to, float value, struct error *err)
{
    if (!isfinite(value))
        return not_finite(to, err);
    if (buf_reserve(to->out, NUM_TEXT_MAX))
        to->out->size += num_print_float(value, to->out->data + to->out->size);
    return true;
}

static bool write_double(struct writer *to, double value, struct error *err)
{
    if (!isfinite(value))
        return not_finite(to, err);
    if (buf_reserve(to->out, NUM_TEXT_MAX))
        to->out->size += num_print_double(value, to->out->data + to->out->size);
    return true;
}

static bool write_bytes(struct writer *to, const struct msg_bytes *bytes)
{
    size_t size = base64_encoded_size(bytes->len);

    buf_char(to->out, '"');
    if (buf_reserve(to->out, size)) {
        base64_encode(bytes->data, bytes->len, to->out->data + to->out->size);
        to->out->size += size;
    }
    buf_char(to->out, '"');
    return true;
}

static bool write_time(struct writer *to, const struct msg_time *time,
                       struct error *err)
{
    char text[RFC3339_TEXT_MAX];

    if (!rfc3339_print(time->seconds, time->nanos, text))
        return broken(to, "is not a time", err);
    json_put_text(to->out, text);
    return true;
}

static bool write_enum(struct writer *to, const struct msg_enum *values,
                       int number, struct error *err)
{
    for (; values && values->json; values++)
        if (values->number == number) {
            json_put_text(to->out, values->json);
            return true;
        }
    return broken(to, "has no name for its number", err);
}

static bool write_text(struct writer *to, const char *text, bool as_is,
                       struct error *err)
{
    if (!text)
        return broken(to, "is NULL", err);
    if (as_is)
        buf_string(to->out, text);
    else
        json_put_text(to->out, text);
    return true;
}

/* Writes the value in `slot`, a member or list element. */
static bool write_value(struct writer *to, const struct msg_field *field,
                        const void *slot, struct error *err)
{
    switch (field->kind) {
    case MSG_BOOL:
        buf_string(to->out, *(const int *)slot ? "true" : "false");
        return true;
    case MSG_I32:
    case MSG_U32:
    case MSG_I64:
    case MSG_U64:
        return write_integer(to, field->kind, slot);
    case MSG_F32:
        return write_float(to, *(const float *)slot, err);
    case MSG_F64:
        return write_double(to, *(const double *)slot, err);
    case MSG_STR:
    case MSG_JSON:
        return write_text(to, *(const char *const *)slot,
                          field->kind == MSG_JSON, err);
    case MSG_BYTES:
        return write_bytes(to, slot);
    case MSG_TIME:
        return write_time(to, *(const struct msg_time *const *)slot, err);
    case MSG_ENUM:
        return write_enum(to, field->values, *(const int *)slot, err);
    case MSG_MSG:
        break;
    }
    if (!*(const void *const *)slot)
        return broken(to, "is NULL", err);
    return write_message(to, field->sub, *(const void *const *)slot, err);
}

/* ---- lists and maps ---- */

static bool write_element(struct writer *to, const struct msg_field *field,
                          const void *elements, size_t index, struct error *err)
{
    struct msg_place place = {.outer = to->place, .index = index};
    bool ok;

    to->place = &place;
    ok = write_value(to, field,
                     (const char *)elements + index * msg_element_size(field),
                     err);
    to->place = place.outer;
    return ok;
}

static bool write_list(struct writer *to, const struct msg_field *field,
                       const void *message, struct error *err)
{
    const void *elements = *(void *const *)msg_member_const(field, message);
    size_t count = msg_count(field, message);

    buf_char(to->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_char(to->out, ',');
        if (!write_element(to, field, elements, i, err))
            return false;
    }
    buf_char(to->out, ']');
    return true;
}

static const char *entry_key(const struct msg_field *map, const void *entry)
{
    const char *key =
        *(char *const *)msg_member_const(&map->sub->fields[0], entry);

    return key ? key : ""; /* protobuf leaves an empty key out */
}

static bool write_entry(struct writer *to, const struct msg_field *map,
                        const void *entry, struct error *err)
{
    const struct msg_field *value = &map->sub->fields[1];
    const char *key = entry_key(map, entry);
    struct msg_place place = {
        .outer = to->place, .key = key, .key_size = strlen(key)};
    bool ok;

    json_put_string(to->out, key, place.key_size);
    buf_char(to->out, ':');
    to->place = &place;
    if (value->card == MSG_LIST)
        ok = write_list(to, value, entry, err);
    else if (msg_is_set(value, entry))
        ok = write_value(to, value, msg_member_const(value, entry), err);
    else if (value->flags & MSG_NULLABLE)
        ok = write_text(to, "null", true, err);
    else
        ok = broken(to, "has no value", err);
    to->place = place.outer;
    return ok;
}

/* An entry and its key, to sort them without the table at hand. */
struct keyed {
    const char *key;
    const void *entry;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;

    return strcmp(left->key, right->key);
}

static bool write_entries(struct writer *to, const struct msg_field *map,
                          const struct keyed *sorted, size_t count,
                          struct error *err)
{
    buf_char(to->out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_char(to->out, ',');
        if (!write_entry(to, map, sorted[i].entry, err))
            return false;
    }
    buf_char(to->out, '}');
    return true;
}

/* Maps have no order of their own; sorted, the same map is the same text. */
static bool write_map(struct writer *to, const struct msg_field *field,
                      const void *message, struct error *err)
{
    enum { FEW = 32 };
    void *const *entries =
        *(void *const *const *)msg_member_const(field, message);
    size_t count = msg_count(field, message);
    struct keyed few[FEW], *sorted = few;
    bool ok;

    if (count > FEW)
        sorted = calloc(count, sizeof *sorted);
    if (!sorted)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to write a map");
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct keyed){.key = entry_key(field, entries[i]),
                                   .entry = entries[i]};
    qsort(sorted, count, sizeof *sorted, compare_keyed);
    ok = write_entries(to, field, sorted, count, err);
    if (sorted != few)
        free(sorted);
    return ok;
}

/* ---- messages ---- */

static bool write_union(struct writer *to, const struct msg_def *def,
                        const void *message, struct error *err)
{
    const struct msg_field *field = msg_chosen(def, message);
    const void *inner;

    if (!field)
        return broken(to, "has no value", err);
    if (!msg_is_list(field))
        return write_value(to, field, msg_member_const(field, message), err);
    inner = *(void *const *)msg_member_const(field, message);
    return write_list(to, &field->sub->fields[0], inner, err);
}

/* A list or map that a request need not mention. */
static bool is_idle(const struct writer *to, const struct msg_field *field,
                    const void *message)
{
    return to->sparse && field->card != MSG_ONE &&
           !(field->flags & MSG_REQUIRED) && msg_count(field, message) == 0;
}

/* Is there something to write for this field? Fails for what must be there. */
static bool has_output(struct writer *to, const struct msg_field *field,
                       const void *message, bool *has, struct error *err)
{
    *has = !is_idle(to, field, message) &&
           (msg_is_set(field, message) || (field->flags & MSG_EMIT_ALWAYS));
    if (!*has && (field->flags & MSG_REQUIRED))
        return broken(to, "is required and not set", err);
    return true;
}

static bool write_content(struct writer *to, const struct msg_field *field,
                          const void *message, struct error *err)
{
    if (field->card == MSG_LIST)
        return write_list(to, field, message, err);
    if (field->card == MSG_MAP)
        return write_map(to, field, message, err);
    if (!msg_is_set(field, message))
        return write_text(to, "null", true, err);
    return write_value(to, field, msg_member_const(field, message), err);
}

/* Writes `"key":value` behind what was written before, if there is a value. */
static bool write_field(struct writer *to, const struct msg_field *field,
                        const void *message, bool *first, struct error *err)
{
    struct msg_place place = {.outer = to->place,
                              .key = field->json,
                              .key_size = strlen(field->json)};
    bool has = false;
    bool ok;

    to->place = &place;
    ok = has_output(to, field, message, &has, err);
    if (ok && has) {
        if (!*first)
            buf_char(to->out, ',');
        *first = false;
        json_put_string(to->out, field->json, place.key_size);
        buf_char(to->out, ':');
        ok = write_content(to, field, message, err);
    }
    to->place = place.outer;
    return ok;
}

/* The URL of the request holds the field of the outermost message. */
static bool is_bound(const struct writer *to, size_t field)
{
    for (size_t i = 0; to->depth == 1 && i < to->bind_count; i++)
        if (to->binds[i].field == field)
            return true;
    return false;
}

static bool write_object(struct writer *to, const struct msg_def *def,
                         const void *message, struct error *err)
{
    bool first = true;

    buf_char(to->out, '{');
    for (size_t i = 0; i < def->field_count; i++)
        if (!is_bound(to, i) &&
            !write_field(to, &def->fields[i], message, &first, err))
            return false;
    buf_char(to->out, '}');
    return true;
}

static bool write_message(struct writer *to, const struct msg_def *def,
                          const void *message, struct error *err)
{
    bool ok;

    if (to->depth >= JSON_DEPTH_MAX)
        return broken(to, "is nested too deep", err);
    to->depth++;
    ok = def->shape == MSG_UNTAGGED ? write_union(to, def, message, err)
                                    : write_object(to, def, message, err);
    to->depth--;
    return ok;
}

static bool write_whole(struct writer *to, const struct msg_def *def,
                        const void *message, struct error *err)
{
    struct buf *out = to->out;

    if (!write_message(to, def, message, err))
        return false;
    if (!buf_reserve(out, 0))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the text");
    out->data[out->size] = '\0'; /* numbers are written without */
    return true;
}

bool json_encode(const struct msg_def *def, const void *message,
                 struct buf *out, struct error *err)
{
    struct writer to = {.out = out};

    return write_whole(&to, def, message, err);
}

bool json_encode_request(const struct msg_def *def, const void *message,
                         const struct op_bind *binds, size_t count,
                         struct buf *out, struct error *err)
{
    struct writer to = {
        .out = out, .sparse = true, .binds = binds, .bind_count = count};

    return write_whole(&to, def, message, err);
}
