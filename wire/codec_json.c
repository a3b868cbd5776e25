/*
 * JSON codec, in: objects, lists, maps and unions; see json_read.c for scalars.
 *
 * One function per shape, calling each other as deep as the text nests, which
 * is at most JSON_DEPTH_MAX. Values go straight to their place in the struct.
 */
#include "codec_json.h"

#include <stdlib.h>
#include <string.h>

#include "json_free.h"
#include "json_read.h"
#include "nearest.h"

static bool read_message(struct json_reader *in, const struct msg_def *def,
                         void **message, struct error *err);

static bool unknown_field(struct json_reader *in, const struct msg_def *def,
                          const struct json_key *key, struct error *err)
{
    struct msg_place place = {
        .outer = in->place, .key = key->text, .key_size = key->size};
    const char *nearest = nearest_field(def, key->text, key->size);
    char pointer[MSG_POINTER_MAX];

    if (nearest)
        return fail(err, ERR_VALIDATION_ERROR,
                    "%s: unknown field, did you mean '%s'?",
                    msg_pointer(&place, pointer), nearest);
    return fail(err, ERR_VALIDATION_ERROR, "%s: unknown field",
                msg_pointer(&place, pointer));
}

/* ---- lists ---- */

/* A list that grows in the arena. */
struct growing {
    char *elements;
    size_t count, capacity;
};

/* Room for one more element, zeroed; NULL when the arena is used up. */
static void *next_slot(struct growing *list, size_t size, struct arena *arena)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 4;
        char *elements = arena_zalloc(arena, capacity, size);

        if (!elements)
            return NULL;
        if (list->elements)
            memcpy(elements, list->elements, list->count * size);
        list->elements = elements;
        list->capacity = capacity;
    }
    return list->elements + list->count++ * size;
}

static bool open_level(struct json_reader *in, char bracket, struct error *err)
{
    if (json_scan_peek(&in->scan) != bracket)
        return json_wrong_type(in, bracket == '{' ? "an object" : "a list",
                               err);
    if (in->depth >= JSON_DEPTH_MAX)
        return json_scan_fail(&in->scan, err, "nested too deep");
    in->scan.at++;
    in->depth++;
    return true;
}

static bool close_level(struct json_reader *in, char bracket, struct error *err)
{
    in->depth--;
    return json_scan_expect(&in->scan, bracket, err);
}

/* The elements behind '[', up to and with ']'. */
static bool read_elements(struct json_reader *in, const struct msg_field *field,
                          struct growing *list, struct error *err)
{
    struct msg_place place = {.outer = in->place};
    size_t size = msg_element_size(field);
    bool ok = true;

    if (json_scan_accept(&in->scan, ']'))
        return true;
    in->place = &place;
    do {
        void *slot = next_slot(list, size, in->scan.arena);

        place.index = list->count - 1;
        if (!slot)
            ok = json_no_memory(err);
        else if (!json_count(in, err))
            ok = false;
        else if (field->kind == MSG_MSG)
            ok = read_message(in, field->sub, slot, err);
        else
            ok = json_read_scalar(in, field, slot, err);
    } while (ok && json_scan_accept(&in->scan, ','));
    in->place = place.outer;
    return ok && json_scan_expect(&in->scan, ']', err);
}

static bool read_list(struct json_reader *in, const struct msg_field *field,
                      void *message, struct error *err)
{
    struct growing list = {0};
    void *numbers = NULL;
    bool ok;

    if (!open_level(in, '[', err))
        return false;
    if (field->kind == MSG_F32 || field->kind == MSG_F64) {
        ok = json_read_numbers(in, field->kind, &numbers, &list.count, err);
        list.elements = numbers;
    } else {
        ok = read_elements(in, field, &list, err);
    }
    if (!ok)
        return false;
    in->depth--;
    *(void **)msg_member(field, message) = list.elements;
    *(size_t *)(void *)((char *)message + field->quantifier) = list.count;
    return true;
}

/* ---- single values ---- */

static bool takes_any(const struct msg_field *field)
{
    const struct msg_def *sub = field->sub;

    if (field->kind == MSG_JSON)
        return true;
    if (field->kind != MSG_MSG || sub->shape != MSG_UNTAGGED)
        return false;
    for (size_t i = 0; i < sub->field_count; i++)
        if (sub->fields[i].kind == MSG_JSON)
            return true;
    return false;
}

/* Takes null, which is there, for a field that may be unset. */
static bool read_null(struct json_reader *in, const struct msg_field *field,
                      struct error *err)
{
    char pointer[MSG_POINTER_MAX], literal;

    if (!json_scan_literal(&in->scan, &literal, err))
        return false;
    if ((field->flags & MSG_NULLABLE) || in->lenient)
        return true;
    return fail(err, ERR_VALIDATION_ERROR, "%s: must not be null",
                msg_pointer(in->place, pointer));
}

static bool read_one(struct json_reader *in, const struct msg_field *field,
                     void *message, struct error *err)
{
    void *slot = msg_member(field, message);
    bool nullable = (field->flags & MSG_NULLABLE) != 0;
    bool ok;

    if (!json_count(in, err))
        return false;
    if (json_scan_peek(&in->scan) == 'n' && (nullable || !takes_any(field)))
        return read_null(in, field, err);
    ok = field->kind == MSG_MSG ? read_message(in, field->sub, slot, err)
                                : json_read_scalar(in, field, slot, err);
    if (ok)
        msg_mark(field, message);
    return ok;
}

/* ---- maps ---- */

static const char *entry_key(const struct msg_field *map, const void *entry)
{
    return *(char *const *)msg_member_const(&map->sub->fields[0], entry);
}

/* Takes `"key": value` into a new entry; the key is its first field. */
static bool read_entry(struct json_reader *in, const struct msg_field *map,
                       void **entry, struct error *err)
{
    const struct msg_field *fields = map->sub->fields;
    struct msg_place place = {.outer = in->place};
    char *key;
    bool ok;

    if (!json_scan_string(&in->scan, &place.key, &place.key_size, err) ||
        !json_scan_expect(&in->scan, ':', err))
        return false;
    *entry = msg_new(map->sub, in->scan.arena);
    key = arena_copy(in->scan.arena, place.key, place.key_size);
    if (!*entry || !key)
        return json_no_memory(err);
    *(char **)msg_member(&fields[0], *entry) = key;
    in->place = &place;
    if (fields[1].card == MSG_LIST)
        ok = json_count(in, err) && read_list(in, &fields[1], *entry, err);
    else
        ok = read_one(in, &fields[1], *entry, err);
    in->place = place.outer;
    return ok;
}

/* Entries of every map begin with protobuf-c's head, then the key. */
struct keyed {
    const char *key;
    void *entry;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;

    return strcmp(left->key, right->key);
}

/* Sorts the entries by key; ERR_MALFORMED_JSON when two are the same. */
static bool sort_entries(struct json_reader *in, const struct msg_field *map,
                         void **entries, size_t count, struct error *err)
{
    struct keyed *sorted = arena_zalloc(in->scan.arena, count, sizeof *sorted);

    if (!sorted)
        return json_no_memory(err);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct keyed){.key = entry_key(map, entries[i]),
                                   .entry = entries[i]};
    qsort(sorted, count, sizeof *sorted, compare_keyed);
    for (size_t i = 0; i < count; i++) {
        entries[i] = sorted[i].entry;
        if (i > 0 && strcmp(sorted[i - 1].key, sorted[i].key) == 0)
            return fail(err, ERR_MALFORMED_JSON,
                        "duplicate key '%.60s' before byte %zu", sorted[i].key,
                        (size_t)(in->scan.at - in->scan.start));
    }
    return true;
}

static bool read_entries(struct json_reader *in, const struct msg_field *field,
                         struct growing *list, struct error *err)
{
    if (json_scan_peek(&in->scan) == '}')
        return true;
    do {
        void **slot = next_slot(list, sizeof *slot, in->scan.arena);

        if (!slot)
            return json_no_memory(err);
        if (!read_entry(in, field, slot, err))
            return false;
    } while (json_scan_accept(&in->scan, ','));
    return true;
}

static bool read_map(struct json_reader *in, const struct msg_field *field,
                     void *message, struct error *err)
{
    struct growing list = {0};

    if (!open_level(in, '{', err) || !read_entries(in, field, &list, err) ||
        !close_level(in, '}', err))
        return false;
    if (list.count > 1 &&
        !sort_entries(in, field, (void **)(void *)list.elements, list.count,
                      err))
        return false;
    *(void **)msg_member(field, message) = list.elements;
    *(size_t *)(void *)((char *)message + field->quantifier) = list.count;
    return true;
}

/* ---- unions without a tag ---- */

/* Could a value that begins with `next` be this alternative? */
static bool may_be(const struct msg_field *field, char next)
{
    switch (field->kind) {
    case MSG_I32:
    case MSG_U32:
    case MSG_I64:
    case MSG_U64:
    case MSG_F32:
    case MSG_F64:
        return next == '-' || (next >= '0' && next <= '9');
    case MSG_BOOL:
        return next == 't' || next == 'f';
    case MSG_STR:
    case MSG_BYTES:
    case MSG_TIME:
    case MSG_ENUM:
        return next == '"';
    case MSG_JSON:
        return true;
    case MSG_MSG:
        break;
    }
    return next == (msg_is_list(field) ? '[' : '{');
}

/* Reads the value as this alternative. */
static bool read_alternative(struct json_reader *in,
                             const struct msg_field *field, void *message,
                             struct error *err)
{
    void *slot = msg_member(field, message);
    bool ok;

    if (msg_is_list(field)) {
        void *wrapper = msg_new(field->sub, in->scan.arena);

        if (!wrapper)
            return json_no_memory(err);
        *(void **)slot = wrapper;
        ok = read_list(in, &field->sub->fields[0], wrapper, err);
    } else if (field->kind == MSG_MSG) {
        ok = read_message(in, field->sub, slot, err);
    } else {
        ok = json_read_scalar(in, field, slot, err);
    }
    if (ok)
        msg_mark(field, message);
    return ok;
}

/*
 * The first alternative that takes the value. A list is told by its elements,
 * so an alternative may fail half way and the next one starts over;
 * alternatives are few, and only a wrong type goes on to the next.
 */
static bool read_union(struct json_reader *in, const struct msg_def *def,
                       void *message, struct error *err)
{
    struct json_reader before;
    char next = json_scan_peek(&in->scan);

    before = *in;
    for (size_t i = 0; i < def->field_count; i++) {
        if (!may_be(&def->fields[i], next))
            continue;
        *in = before;
        in->mismatch = false;
        if (read_alternative(in, &def->fields[i], message, err)) {
            in->mismatch = false;
            error_clear(err); /* of an alternative before */
            return true;
        }
        if (!in->mismatch)
            return false;
        /* only messages fail half way; what was read of this one is dropped */
        *(void **)msg_member(&def->fields[i], message) = NULL;
    }
    *in = before;
    return json_wrong_type(in, "another type of value", err);
}

/* ---- objects ---- */

/* Index of the field with this key, looked for from `hint` on. */
static size_t find_field(const struct msg_def *def, const struct json_key *key,
                         size_t hint)
{
    for (size_t n = 0; n < def->field_count; n++) {
        size_t i = (hint + n) % def->field_count;
        const char *name = def->fields[i].json;

        if (strncmp(name, key->text, key->size) == 0 && !name[key->size])
            return i;
    }
    return def->field_count;
}

/* What an object needs while it is read. */
struct object {
    const struct msg_def *def;
    bool *seen; /* one per field */
    struct json_keys others;
    size_t hint; /* the field that comes next if keys are in order */
};

/* The value of a key that no field has. */
static bool read_other(struct json_reader *in, struct object *object,
                       const struct json_key *key, struct error *err)
{
    const char *text;
    size_t size;

    if (!object->def->open && !in->lenient)
        return unknown_field(in, object->def, key, err);
    return json_keys_add(&object->others, key, in->scan.arena, err) &&
           json_free_value(&in->scan, JSON_DEPTH_MAX - in->depth, &in->budget,
                           &text, &size, err);
}

/* Another field of the same oneof is set already. */
static bool oneof_is_taken(const struct msg_field *field, const void *message)
{
    return (field->flags & MSG_IN_ONEOF) &&
           *(const int *)(const void *)((const char *)message +
                                        field->quantifier) != 0;
}

static bool read_field(struct json_reader *in, const struct msg_field *field,
                       void *message, struct error *err)
{
    struct msg_place place = {.outer = in->place,
                              .key = field->json,
                              .key_size = strlen(field->json)};
    char pointer[MSG_POINTER_MAX];
    bool ok;

    in->place = &place;
    if (oneof_is_taken(field, message))
        ok = fail(err, ERR_VALIDATION_ERROR,
                  "%s: only one field of its group may be given",
                  msg_pointer(&place, pointer));
    else if (field->card != MSG_ONE && in->lenient &&
             json_scan_peek(&in->scan) == 'n')
        ok = read_null(in, field, err);
    else if (field->card == MSG_LIST)
        ok = json_count(in, err) && read_list(in, field, message, err);
    else if (field->card == MSG_MAP)
        ok = json_count(in, err) && read_map(in, field, message, err);
    else
        ok = read_one(in, field, message, err);
    in->place = place.outer;
    return ok;
}

/* Takes `"key": value` of an object. */
static bool read_member(struct json_reader *in, struct object *object,
                        void *message, struct error *err)
{
    struct json_key key;
    size_t i;

    (void)json_scan_peek(&in->scan);
    key.at = in->scan.at;
    if (!json_scan_string(&in->scan, &key.text, &key.size, err))
        return false;
    i = find_field(object->def, &key, object->hint);
    if (i < object->def->field_count && object->seen[i]) {
        in->scan.at = key.at;
        return json_scan_fail(&in->scan, err, "duplicate key");
    }
    if (!json_scan_expect(&in->scan, ':', err))
        return false;
    if (i == object->def->field_count)
        return read_other(in, object, &key, err);
    object->seen[i] = true;
    object->hint = i + 1;
    return read_field(in, &object->def->fields[i], message, err);
}

/*
 * Lists and maps that must be there. On the wire an empty one and none are the
 * same, so the validator cannot ask; in JSON they differ.
 */
static bool lists_are_there(struct json_reader *in, const struct object *object,
                            struct error *err)
{
    for (size_t i = 0; i < object->def->field_count; i++) {
        const struct msg_field *field = &object->def->fields[i];
        struct msg_place place = {.outer = in->place,
                                  .key = field->json,
                                  .key_size = strlen(field->json)};
        char pointer[MSG_POINTER_MAX];

        if (field->card != MSG_ONE && (field->flags & MSG_REQUIRED) &&
            !object->seen[i])
            return fail(err, ERR_VALIDATION_ERROR, "%s: is required",
                        msg_pointer(&place, pointer));
    }
    return true;
}

static bool read_object(struct json_reader *in, struct object *object,
                        void *message, struct error *err)
{
    if (!open_level(in, '{', err))
        return false;
    object->seen = arena_zalloc(in->scan.arena, object->def->field_count, 1);
    if (!object->seen)
        return json_no_memory(err);
    if (json_scan_peek(&in->scan) != '}') {
        do {
            if (!read_member(in, object, message, err))
                return false;
        } while (json_scan_accept(&in->scan, ','));
    }
    return close_level(in, '}', err) &&
           json_keys_close(&object->others, 0, &in->scan, err) &&
           lists_are_there(in, object, err);
}

static bool read_message(struct json_reader *in, const struct msg_def *def,
                         void **message, struct error *err)
{
    struct object object = {.def = def};

    *message = msg_new(def, in->scan.arena);
    if (!*message)
        return json_no_memory(err);
    if (def->shape == MSG_UNTAGGED)
        return read_union(in, def, *message, err);
    return read_object(in, &object, *message, err);
}

/* ---- the interface ---- */

static bool read_whole(struct json_reader *in, const struct msg_def *def,
                       void **message, struct error *err)
{
    void *made = NULL;

    if (!json_count(in, err) || !read_message(in, def, &made, err) ||
        !json_scan_end(&in->scan, err))
        return false;
    *message = made;
    return true;
}

bool json_decode(const struct msg_def *def, const char *text, size_t size,
                 struct arena *arena, void **message, struct error *err)
{
    struct json_reader in;

    json_reader_init(&in, text, size, arena);
    return read_whole(&in, def, message, err);
}

bool json_decode_reply(const struct msg_def *def, const char *text, size_t size,
                       struct arena *arena, void **message, struct error *err)
{
    struct json_reader in;

    json_reader_init(&in, text, size, arena);
    in.lenient = true;
    return read_whole(&in, def, message, err);
}

bool json_decode_into(const struct msg_def *def, const char *text, size_t size,
                      struct arena *arena, void *message, struct error *err)
{
    struct object object = {.def = def};
    struct json_reader in;

    json_reader_init(&in, text, size, arena);
    return json_count(&in, err) && read_object(&in, &object, message, err) &&
           json_scan_end(&in.scan, err);
}
