/*
 * JSON reader: scalars, and lists of floating point numbers.
 */
#include "json_read.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "codec_json.h"
#include "json_free.h"
#include "num.h"
#include "rfc3339.h"

void json_reader_init(struct json_reader *in, const char *text, size_t size,
                      struct arena *arena)
{
    *in = (struct json_reader){.budget = JSON_ELEMENTS_MAX};
    json_scan_init(&in->scan, text, size, arena);
}

bool json_count(struct json_reader *in, struct error *err)
{
    if (in->budget == 0)
        return json_scan_fail(&in->scan, err, "too many values");
    in->budget--;
    return true;
}

bool json_no_memory(struct error *err)
{
    (void)fail(err, ERR_OUT_OF_MEMORY, "the request needs too much memory");
    return false;
}

/* What stands at the scan, or NULL if it cannot begin a value. */
static const char *found_type(struct json_scan *scan)
{
    switch (json_scan_peek(scan)) {
    case '{':
        return "an object";
    case '[':
        return "a list";
    case '"':
        return "a string";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return strchr("-0123456789", json_scan_peek(scan)) ? "a number" : NULL;
    }
}

bool json_wrong_type(struct json_reader *in, const char *expected,
                     struct error *err)
{
    char pointer[MSG_POINTER_MAX];
    const char *found;

    if (json_scan_peek(&in->scan) == '\0')
        return json_scan_fail(&in->scan, err, "expected a value");
    found = found_type(&in->scan);
    if (!found)
        return json_scan_fail(&in->scan, err, "expected a value");
    in->mismatch = true;
    return fail(err, ERR_VALIDATION_ERROR, "%s: expected %s, found %s",
                msg_pointer(in->place, pointer), expected, found);
}

static bool out_of_range(struct json_reader *in, const char *limit,
                         struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    return fail(err, ERR_VALIDATION_ERROR, "%s: the number is outside %s",
                msg_pointer(in->place, pointer), limit);
}

static bool at_number(struct json_scan *scan)
{
    char next = json_scan_peek(scan);

    return next == '-' || (next >= '0' && next <= '9');
}

/* ---- numbers ---- */

/* A number that does not parse: lets the strict scanner say why. */
static bool bad_number(struct json_reader *in, struct error *err)
{
    const char *text;
    size_t size;

    if (!at_number(&in->scan))
        return json_wrong_type(in, "a number", err);
    return json_scan_number(&in->scan, &text, &size, err) &&
           json_scan_fail(&in->scan, err, "bad number");
}

static bool read_double(struct json_reader *in, double *slot, struct error *err)
{
    const char *behind;

    (void)json_scan_peek(&in->scan);
    behind = num_scan_double(in->scan.at, in->scan.end, slot);
    if (!behind)
        return bad_number(in, err);
    if (!isfinite(*slot))
        return out_of_range(in, "the range of a double", err);
    in->scan.at = behind;
    return true;
}

static bool read_float(struct json_reader *in, float *slot, struct error *err)
{
    const char *behind;

    (void)json_scan_peek(&in->scan);
    behind = num_scan_float(in->scan.at, in->scan.end, slot);
    if (!behind)
        return bad_number(in, err);
    if (!isfinite(*slot))
        return out_of_range(in, "the range of a float", err);
    in->scan.at = behind;
    return true;
}

/* Takes an integer of at most these magnitudes below and above zero. */
static bool read_integer(struct json_reader *in, uint64_t below, uint64_t above,
                         uint64_t *value, struct error *err)
{
    char pointer[MSG_POINTER_MAX], limit[64];
    struct num_integer number;
    const char *behind;

    if (!at_number(&in->scan))
        return json_wrong_type(in, "an integer", err);
    behind = num_scan_integer(in->scan.at, in->scan.end, &number);
    if (!behind)
        return bad_number(in, err);
    if (number.fit == NUM_FRACTION)
        return fail(err, ERR_VALIDATION_ERROR,
                    "%s: expected an integer, found a fraction",
                    msg_pointer(in->place, pointer));
    if (number.fit == NUM_TOO_LARGE ||
        number.magnitude > (number.negative ? below : above)) {
        (void)snprintf(limit, sizeof limit, "%s%" PRIu64 " to %" PRIu64,
                       below ? "-" : "", below, above);
        return out_of_range(in, limit, err);
    }
    in->scan.at = behind;
    *value = number.negative ? 0 - number.magnitude : number.magnitude;
    return true;
}

static bool read_any_integer(struct json_reader *in, enum msg_kind kind,
                             void *slot, struct error *err)
{
    static const uint64_t bit31 = (uint64_t)1 << 31, bit63 = (uint64_t)1 << 63;
    bool wide = kind == MSG_I64 || kind == MSG_U64;
    bool is_signed = kind == MSG_I64 || kind == MSG_I32;
    uint64_t above = wide ? UINT64_MAX : UINT32_MAX;
    uint64_t value = 0;
    uint32_t half;

    if (is_signed)
        above /= 2;
    if (!read_integer(in, is_signed ? (wide ? bit63 : bit31) : 0, above, &value,
                      err))
        return false;
    half = (uint32_t)value;
    if (wide)
        memcpy(slot, &value, sizeof value);
    else
        memcpy(slot, &half, sizeof half);
    return true;
}

/* ---- strings ---- */

/* Takes a string; `*text` is a NUL-terminated copy of `*size` bytes. */
static bool take_string(struct json_reader *in, const char *expected,
                        char **text, size_t *size, struct error *err)
{
    const char *raw;

    if (json_scan_peek(&in->scan) != '"') {
        (void)json_wrong_type(in, expected, err);
        return false;
    }
    if (!json_scan_string(&in->scan, &raw, size, err))
        return false;
    *text = arena_copy(in->scan.arena, raw, *size);
    return *text || json_no_memory(err);
}

static bool bad_string(struct json_reader *in, const char *expected,
                       struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    return fail(err, ERR_VALIDATION_ERROR, "%s: expected %s",
                msg_pointer(in->place, pointer), expected);
}

static bool read_bytes(struct json_reader *in, struct msg_bytes *slot,
                       struct error *err)
{
    const char *raw;
    size_t size;

    if (json_scan_peek(&in->scan) != '"')
        return json_wrong_type(in, "a base64 string", err);
    if (!json_scan_string(&in->scan, &raw, &size, err))
        return false;
    slot->data = arena_alloc(in->scan.arena, base64_decoded_size(size));
    if (!slot->data)
        return json_no_memory(err);
    return base64_decode(raw, size, slot->data, &slot->len) ||
           bad_string(in, "base64", err);
}

static bool read_enum(struct json_reader *in, const struct msg_enum *values,
                      int *slot, struct error *err)
{
    char *text = NULL;
    size_t size = 0;

    if (!take_string(in, "a string", &text, &size, err))
        return false;
    for (; values && values->json; values++)
        if (strcmp(values->json, text) == 0) {
            *slot = values->number;
            return true;
        }
    *slot = MSG_ENUM_OTHER;
    return in->lenient || bad_string(in, "one of the listed values", err);
}

static bool read_time(struct json_reader *in, const struct msg_field *field,
                      struct msg_time **slot, struct error *err)
{
    struct msg_time *time = arena_zalloc(in->scan.arena, 1, sizeof *time);
    char *text = NULL;
    size_t size = 0;

    if (!time)
        return json_no_memory(err);
    time->descriptor = field->sub ? field->sub->descriptor : NULL;
    if (!take_string(in, "a time", &text, &size, err))
        return false;
    if (!rfc3339_scan(text, size, &time->seconds, &time->nanos))
        return bad_string(in, "a time as in RFC 3339", err);
    *slot = time;
    return true;
}

static bool read_free(struct json_reader *in, char **slot, struct error *err)
{
    const char *text = NULL;
    size_t size = 0;

    in->budget++; /* the value was counted, and will be again */
    if (!json_free_value(&in->scan, JSON_DEPTH_MAX - in->depth, &in->budget,
                         &text, &size, err))
        return false;
    *slot = arena_copy(in->scan.arena, text, size);
    return *slot || json_no_memory(err);
}

static bool read_bool(struct json_reader *in, int *slot, struct error *err)
{
    char next = json_scan_peek(&in->scan);

    if (next != 't' && next != 'f')
        return json_wrong_type(in, "a boolean", err);
    if (!json_scan_literal(&in->scan, &next, err))
        return false;
    *slot = next == 't';
    return true;
}

bool json_read_scalar(struct json_reader *in, const struct msg_field *field,
                      void *slot, struct error *err)
{
    size_t size = 0;

    switch (field->kind) {
    case MSG_BOOL:
        return read_bool(in, slot, err);
    case MSG_I32:
    case MSG_U32:
    case MSG_I64:
    case MSG_U64:
        return read_any_integer(in, field->kind, slot, err);
    case MSG_F32:
        return read_float(in, slot, err);
    case MSG_F64:
        return read_double(in, slot, err);
    case MSG_STR:
        return take_string(in, "a string", slot, &size, err);
    case MSG_BYTES:
        return read_bytes(in, slot, err);
    case MSG_JSON:
        return read_free(in, slot, err);
    case MSG_TIME:
        return read_time(in, field, slot, err);
    case MSG_ENUM:
        return read_enum(in, field->values, slot, err);
    case MSG_MSG:
        break;
    }
    return fail(err, ERR_INTERNAL, "field '%s' is not a scalar", field->json);
}

/* ---- lists of floating point numbers ---- */

/* How many elements a flat list has at most: its commas, and one. */
static size_t count_elements(const struct json_scan *scan)
{
    size_t left = (size_t)(scan->end - scan->at);
    const char *close = memchr(scan->at, ']', left);
    const char *end = close ? close : scan->end;
    size_t commas = 0;

    for (const char *at = scan->at; at < end; at++)
        commas += *at == ',';
    return commas + 1;
}

/* Takes ',' (true) or leaves what is there; the common case costs nothing. */
static bool another(struct json_scan *scan)
{
    if (scan->at < scan->end && *scan->at == ',') {
        scan->at++;
        return true;
    }
    return json_scan_accept(scan, ',');
}

/* One element; the place is made only for an error. */
static bool read_element(struct json_reader *in, enum msg_kind kind,
                         void *elements, size_t index, struct error *err)
{
    struct msg_place place = {.outer = in->place, .index = index};
    bool ok;

    in->place = &place;
    ok = kind == MSG_F32 ? read_float(in, (float *)elements + index, err)
                         : read_double(in, (double *)elements + index, err);
    in->place = place.outer;
    return ok;
}

bool json_read_numbers(struct json_reader *in, enum msg_kind kind,
                       void **elements, size_t *count, struct error *err)
{
    size_t size = kind == MSG_F32 ? sizeof(float) : sizeof(double);
    size_t room, used = 0;

    if (json_scan_accept(&in->scan, ']'))
        return true;
    if (!at_number(&in->scan)) /* before anything is allocated for it */
        return json_wrong_type(in, "a number", err);
    room = count_elements(&in->scan);
    if (room > in->budget)
        return json_scan_fail(&in->scan, err, "too many values");
    *elements = arena_alloc(in->scan.arena, room * size);
    if (!*elements)
        return json_no_memory(err);
    do {
        if (!read_element(in, kind, *elements, used, err))
            return false;
        used++;
    } while (another(&in->scan));
    in->budget -= used;
    *count = used;
    return json_scan_expect(&in->scan, ']', err);
}
