/*
 * Complete: one walk over the tables and the message; see complete.h.
 */
#include "complete.h"

#include <string.h>

#include "codec_json.h"
#include "msg.h"

enum { DEPTH_MAX = 64 };

struct walk {
    struct arena *arena;
    const struct msg_place *place; /* of the value in hand */
    int depth;
};

static bool walk_message(struct walk *walk, const struct msg_def *def,
                         const void *message, struct error *err);

static bool lacks(struct walk *walk, const char *what, struct error *err)
{
    char pointer[MSG_POINTER_MAX];

    return fail(err, ERR_VALIDATION_ERROR, "%s: %s",
                msg_pointer(walk->place, pointer), what);
}

static bool is_json(struct walk *walk, const char *text, struct error *err)
{
    if (json_check(text, strlen(text), walk->arena, err))
        return true;
    return err->code != ERR_MALFORMED_JSON || lacks(walk, "is not JSON", err);
}

/* The value in `slot`, a member or a list's element. */
static bool walk_value(struct walk *walk, const struct msg_field *field,
                       const void *slot, struct error *err)
{
    const void *pointer;

    if (field->kind != MSG_MSG && field->kind != MSG_JSON &&
        field->kind != MSG_STR && field->kind != MSG_TIME)
        return true;
    pointer = *(const void *const *)slot;
    if (!pointer)
        return lacks(walk, "has no value", err);
    if (field->kind == MSG_JSON)
        return is_json(walk, pointer, err);
    return field->kind != MSG_MSG ||
           walk_message(walk, field->sub, pointer, err);
}

static bool walk_list(struct walk *walk, const struct msg_field *field,
                      const void *message, struct error *err)
{
    struct msg_place place = {.outer = walk->place};
    const char *elements = *(char *const *)msg_member_const(field, message);
    size_t size = msg_element_size(field);
    bool ok = true;

    walk->place = &place;
    for (size_t i = 0; ok && i < msg_count(field, message); i++) {
        place.index = i;
        ok = walk_value(walk, field, elements + i * size, err);
    }
    walk->place = place.outer;
    return ok;
}

static bool walk_entry(struct walk *walk, const struct msg_field *map,
                       const void *entry, struct error *err)
{
    const struct msg_field *value = &map->sub->fields[1];
    const char *key =
        *(char *const *)msg_member_const(&map->sub->fields[0], entry);
    struct msg_place place = {.outer = walk->place, .key = key ? key : ""};
    bool ok;

    place.key_size = strlen(place.key);
    walk->place = &place;
    if (value->card == MSG_LIST)
        ok = walk_list(walk, value, entry, err);
    else if (msg_is_set(value, entry))
        ok = walk_value(walk, value, msg_member_const(value, entry), err);
    else
        ok = (value->flags & MSG_NULLABLE) || lacks(walk, "has no value", err);
    walk->place = place.outer;
    return ok;
}

static bool walk_map(struct walk *walk, const struct msg_field *field,
                     const void *message, struct error *err)
{
    void *const *entries =
        *(void *const *const *)msg_member_const(field, message);

    for (size_t i = 0; i < msg_count(field, message); i++)
        if (!walk_entry(walk, field, entries[i], err))
            return false;
    return true;
}

static bool walk_field(struct walk *walk, const struct msg_field *field,
                       const void *message, struct error *err)
{
    bool must = (field->flags & (MSG_REQUIRED | MSG_NULLABLE)) == MSG_REQUIRED;

    if (field->card == MSG_LIST)
        return walk_list(walk, field, message, err);
    if (field->card == MSG_MAP)
        return walk_map(walk, field, message, err);
    if (!msg_is_set(field, message))
        return !must || lacks(walk, "is required", err);
    return walk_value(walk, field, msg_member_const(field, message), err);
}

static bool walk_object(struct walk *walk, const struct msg_def *def,
                        const void *message, struct error *err)
{
    struct msg_place place = {.outer = walk->place};
    bool ok = true;

    walk->place = &place;
    for (size_t i = 0; ok && i < def->field_count; i++) {
        place.key = def->fields[i].json;
        place.key_size = strlen(place.key);
        ok = walk_field(walk, &def->fields[i], message, err);
    }
    walk->place = place.outer;
    return ok;
}

static bool walk_union(struct walk *walk, const struct msg_def *def,
                       const void *message, struct error *err)
{
    const struct msg_field *field = msg_chosen(def, message);

    if (!field)
        return lacks(walk, "has no value", err);
    return walk_field(walk, field, message, err);
}

static bool walk_message(struct walk *walk, const struct msg_def *def,
                         const void *message, struct error *err)
{
    bool ok;

    if (walk->depth >= DEPTH_MAX)
        return lacks(walk, "is nested too deep", err);
    walk->depth++;
    ok = def->shape == MSG_UNTAGGED ? walk_union(walk, def, message, err)
                                    : walk_object(walk, def, message, err);
    walk->depth--;
    return ok;
}

bool msg_complete(const struct msg_def *def, const void *message,
                  struct arena *arena, struct error *err)
{
    struct walk walk = {.arena = arena};

    return walk_message(&walk, def, message, err);
}
