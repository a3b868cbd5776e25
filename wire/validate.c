/*
 * Validate: one walk over the tables and the message.
 *
 * Recursion follows the message, whose depth the decoders bound; the walk has
 * a bound of its own, so that it holds whoever calls it.
 */
#include "validate.h"

#include <math.h>
#include <string.h>

#include "codec_json.h"
#include "msg.h"
#include "pattern.h"
#include "rfc3339.h"

enum { DEPTH_MAX = 64 };

struct check {
    struct arena *arena;
    const struct msg_place *place; /* of the value being checked */
    int depth;
};

static bool check_message(struct check *check, const struct msg_def *def,
                          const void *message, struct error *err);

static bool refuse(struct check *check, const char *what, struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    return fail(err, ERR_VALIDATION_ERROR, "%s: %s",
                msg_pointer(check->place, pointer), what);
}

/* ---- numbers ---- */

static bool check_number(struct check *check, const struct msg_rule *rule,
                         double number, struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    if (!isfinite(number))
        return refuse(check, "is not a finite number", err);
    if (rule && number < rule->min)
        return fail(err, ERR_VALIDATION_ERROR, "%s: %.17g is below %.17g",
                    msg_pointer(check->place, pointer), number, rule->min);
    if (rule && number > rule->max)
        return fail(err, ERR_VALIDATION_ERROR, "%s: %.17g is above %.17g",
                    msg_pointer(check->place, pointer), number, rule->max);
    return true; /* NaN bounds compare false: no limit */
}

static double number_at(enum msg_kind kind, const void *slot)
{
    if (kind == MSG_I32)
        return *(const int32_t *)slot;
    if (kind == MSG_U32)
        return *(const uint32_t *)slot;
    if (kind == MSG_I64)
        return (double)*(const int64_t *)slot;
    if (kind == MSG_U64)
        return (double)*(const uint64_t *)slot;
    if (kind == MSG_F32)
        return (double)*(const float *)slot;
    return *(const double *)slot;
}

static bool check_enum(struct check *check, const struct msg_enum *values,
                       int number, struct error *err)
{
    for (; values && values->json; values++)
        if (values->number == number)
            return true;
    return refuse(check, "is not one of the listed values", err);
}

/* ---- strings ---- */

static bool check_size(struct check *check, const struct msg_rule *rule,
                       size_t size, const char *unit, struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    if (size < rule->min_size)
        return fail(
            err, ERR_VALIDATION_ERROR, "%s: %zu %s, at least %u are needed",
            msg_pointer(check->place, pointer), size, unit, rule->min_size);
    if (rule->max_size && size > rule->max_size)
        return fail(
            err, ERR_VALIDATION_ERROR, "%s: %zu %s, at most %u are allowed",
            msg_pointer(check->place, pointer), size, unit, rule->max_size);
    return true;
}

static bool is_listed(const char *const *values, const char *text)
{
    for (; *values; values++)
        if (strcmp(*values, text) == 0)
            return true;
    return false;
}

/* Pattern and closed list; sizes are the caller's, lists have their own. */
static bool check_text(struct check *check, const struct msg_rule *rule,
                       const char *text, struct error *err)
{
    char pointer[MSG_POINTER_MAX];
    bool matches = true;

    if (rule->values && !is_listed(rule->values, text))
        return refuse(check, "is not one of the listed values", err);
    if (!rule->pattern)
        return true;
    if (!pattern_match(rule->pattern, text, strlen(text), &matches, err))
        return false;
    if (!matches)
        return fail(err, ERR_VALIDATION_ERROR, "%s: does not match %s",
                    msg_pointer(check->place, pointer), rule->pattern);
    return true;
}

static bool check_time(struct check *check, const struct msg_time *time,
                       struct error *err)
{
    char text[RFC3339_TEXT_MAX];

    return rfc3339_print(time->seconds, time->nanos, text) ||
           refuse(check, "is outside the years 1 to 9999", err);
}

static bool check_free(struct check *check, const char *text, struct error *err)
{
    if (json_check(text, strlen(text), check->arena, err))
        return true;
    if (err->code == ERR_MALFORMED_JSON)
        return refuse(check, "is not JSON that may be kept", err);
    return false;
}

/* ---- values ---- */

/* The value in `slot`, a member or a list's element, without its size. */
static bool check_value(struct check *check, const struct msg_field *field,
                        const void *slot, struct error *err)
{
    const void *pointer;

    switch (field->kind) {
    case MSG_BOOL:
    case MSG_BYTES:
        return true;
    case MSG_I32:
    case MSG_U32:
    case MSG_I64:
    case MSG_U64:
    case MSG_F32:
    case MSG_F64:
        return check_number(check, field->rule, number_at(field->kind, slot),
                            err);
    case MSG_ENUM:
        return check_enum(check, field->values, *(const int *)slot, err);
    case MSG_STR:
    case MSG_JSON:
    case MSG_TIME:
    case MSG_MSG:
        break;
    }
    pointer = *(const void *const *)slot;
    if (!pointer)
        return refuse(check, "is not set", err);
    if (field->kind == MSG_JSON)
        return check_free(check, pointer, err);
    if (field->kind == MSG_TIME)
        return check_time(check, pointer, err);
    if (field->kind == MSG_MSG)
        return check_message(check, field->sub, pointer, err);
    return !field->rule || check_text(check, field->rule, pointer, err);
}

/* The sizes of a single string or run of bytes. */
static bool check_length(struct check *check, const struct msg_field *field,
                         const void *slot, struct error *err)
{
    if (!field->rule)
        return true;
    if (field->kind == MSG_STR || field->kind == MSG_JSON)
        return check_size(check, field->rule, strlen(*(char *const *)slot),
                          "bytes", err);
    if (field->kind == MSG_BYTES)
        return check_size(check, field->rule,
                          ((const struct msg_bytes *)slot)->len, "bytes", err);
    return true;
}

/* ---- lists and maps ---- */

/* No element of these kinds can break a rule that is not there. */
static bool needs_no_check(const struct msg_field *field)
{
    return field->kind == MSG_BOOL || field->kind == MSG_BYTES ||
           (!field->rule && field->kind == MSG_STR);
}

/* All finite? Almost always, so this comes before looking for which is not. */
static bool all_finite(const float *floats, size_t count)
{
    const uint32_t exponent = 0x7f800000U; /* all ones: infinite or NaN */
    bool finite = true;

    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &floats[i], sizeof bits);
        finite &= (bits & exponent) != exponent;
    }
    return finite;
}

static bool check_list(struct check *check, const struct msg_field *field,
                       const void *message, struct error *err)
{
    struct msg_place place = {.outer = check->place};
    const char *elements = *(char *const *)msg_member_const(field, message);
    size_t size = msg_element_size(field);
    size_t count = msg_count(field, message);
    bool ok = true;

    if (field->rule && !check_size(check, field->rule, count, "elements", err))
        return false;
    if (needs_no_check(field))
        return true;
    if (field->kind == MSG_F32 && !field->rule &&
        all_finite((const float *)(const void *)elements, count))
        return true;
    check->place = &place;
    for (size_t i = 0; ok && i < count; i++) {
        place.index = i;
        ok = check_value(check, field, elements + i * size, err);
    }
    check->place = place.outer;
    return ok;
}

static bool check_field(struct check *check, const struct msg_field *field,
                        const void *message, struct error *err);

static bool check_entry(struct check *check, const struct msg_field *map,
                        const void *entry, struct error *err)
{
    const struct msg_field *fields = map->sub->fields;
    const char *key = *(char *const *)msg_member_const(&fields[0], entry);
    struct msg_place place = {.outer = check->place};
    bool ok;

    place.key = key ? key : "";
    place.key_size = strlen(place.key);
    check->place = &place;
    ok = !fields[0].rule ||
         (check_size(check, fields[0].rule, place.key_size, "bytes", err) &&
          check_text(check, fields[0].rule, place.key, err));
    if (ok && !msg_is_set(&fields[1], entry) &&
        !(fields[1].flags & MSG_NULLABLE))
        ok = refuse(check, "has no value", err);
    ok = ok && check_field(check, &fields[1], entry, err);
    check->place = place.outer;
    return ok;
}

static bool check_map(struct check *check, const struct msg_field *field,
                      const void *message, struct error *err)
{
    void *const *entries =
        *(void *const *const *)msg_member_const(field, message);
    size_t count = msg_count(field, message);

    if (field->rule && !check_size(check, field->rule, count, "keys", err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!check_entry(check, field, entries[i], err))
            return false;
    return true;
}

/* ---- messages ---- */

static bool check_field(struct check *check, const struct msg_field *field,
                        const void *message, struct error *err)
{
    const void *slot = msg_member_const(field, message);

    if (field->card == MSG_LIST)
        return check_list(check, field, message, err);
    if (field->card == MSG_MAP)
        return check_map(check, field, message, err);
    if (!msg_is_set(field, message)) {
        if (field->flags & MSG_REQUIRED)
            return refuse(check, "is required", err);
        return true;
    }
    return check_length(check, field, slot, err) &&
           check_value(check, field, slot, err);
}

static bool check_named(struct check *check, const struct msg_field *field,
                        const void *message, struct error *err)
{
    struct msg_place place = {.outer = check->place,
                              .key = field->json,
                              .key_size = strlen(field->json)};
    bool ok;

    check->place = &place;
    ok = check_field(check, field, message, err);
    check->place = place.outer;
    return ok;
}

static bool check_union(struct check *check, const struct msg_def *def,
                        const void *message, struct error *err)
{
    const struct msg_field *field = msg_chosen(def, message);

    if (!field)
        return refuse(check, "has no value", err);
    if (!msg_is_list(field))
        return check_field(check, field, message, err);
    return check_list(check, &field->sub->fields[0],
                      *(void *const *)msg_member_const(field, message), err);
}

static bool check_object(struct check *check, const struct msg_def *def,
                         const void *message, struct error *err)
{
    for (size_t i = 0; i < def->field_count; i++)
        if (!check_named(check, &def->fields[i], message, err))
            return false;
    return true;
}

static bool check_message(struct check *check, const struct msg_def *def,
                          const void *message, struct error *err)
{
    bool ok;

    if (check->depth >= DEPTH_MAX)
        return refuse(check, "is nested too deep", err);
    check->depth++;
    ok = def->shape == MSG_UNTAGGED ? check_union(check, def, message, err)
                                    : check_object(check, def, message, err);
    check->depth--;
    return ok;
}

bool validate_message(const struct msg_def *def, const void *message,
                      struct arena *arena, struct error *err)
{
    struct check check = {.arena = arena};

    return check_message(&check, def, message, err);
}

/* ---- patterns, before the first request ---- */

/* Messages may contain themselves; the bound ends such a walk. */
static bool prepare_message(const struct msg_def *def, int depth,
                            struct error *err)
{
    if (depth >= 8)
        return true;
    for (size_t i = 0; i < def->field_count; i++) {
        const struct msg_field *field = &def->fields[i];

        if (field->rule && field->rule->pattern &&
            !pattern_prepare(field->rule->pattern, err))
            return false;
        if (field->sub && !prepare_message(field->sub, depth + 1, err))
            return false;
    }
    return true;
}

bool validate_prepare(const struct op_table *const *tables, struct error *err)
{
    for (; *tables; tables++)
        for (size_t i = 0; i < (*tables)->count; i++)
            if (!prepare_message((*tables)->ops[i].request, 0, err))
                return false;
    return true;
}
