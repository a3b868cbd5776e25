/*
 * Msg: sizes and presence of members, by the tables.
 */
#include "msg.h"

#include <stdio.h>

void *msg_new(const struct msg_def *def, struct arena *arena)
{
    void *message = arena_zalloc(arena, 1, def->size);

    if (message) /* the first member of every protobuf-c struct */
        *(const void **)message = def->descriptor;
    return message;
}

size_t msg_element_size(const struct msg_field *field)
{
    if (field->card == MSG_MAP)
        return sizeof(void *);
    switch (field->kind) {
    case MSG_BOOL:
    case MSG_ENUM:
    case MSG_I32:
    case MSG_U32:
    case MSG_F32:
        return 4;
    case MSG_I64:
    case MSG_U64:
    case MSG_F64:
        return 8;
    case MSG_BYTES:
        return sizeof(struct msg_bytes);
    case MSG_STR:
    case MSG_JSON:
    case MSG_TIME:
    case MSG_MSG:
        break;
    }
    return sizeof(void *);
}

/* The int at the quantifier: has_x or the oneof case. */
static int quantifier(const struct msg_field *field, const void *message)
{
    return *(const int *)(const void *)((const char *)message +
                                        field->quantifier);
}

static bool is_pointer(enum msg_kind kind)
{
    return kind == MSG_STR || kind == MSG_JSON || kind == MSG_TIME ||
           kind == MSG_MSG;
}

bool msg_is_set(const struct msg_field *field, const void *message)
{
    if (field->card != MSG_ONE)
        return true;
    if ((field->flags & MSG_IN_ONEOF) &&
        quantifier(field, message) != (int)field->number)
        return false;
    if (is_pointer(field->kind))
        return *(void *const *)msg_member_const(field, message) != NULL;
    if (field->flags & MSG_IN_ONEOF || field->quantifier == 0)
        return true;
    return quantifier(field, message) != 0;
}

void msg_mark(const struct msg_field *field, void *message)
{
    int *mark = (int *)(void *)((char *)message + field->quantifier);

    if (field->flags & MSG_IN_ONEOF)
        *mark = (int)field->number;
    else if (!is_pointer(field->kind) && field->quantifier)
        *mark = 1;
}

bool msg_is_list(const struct msg_field *field)
{
    return field->kind == MSG_MSG && field->sub->field_count == 1 &&
           field->sub->fields[0].card == MSG_LIST;
}

const struct msg_field *msg_chosen(const struct msg_def *def,
                                   const void *message)
{
    for (size_t i = 0; i < def->field_count; i++)
        if (msg_is_set(&def->fields[i], message))
            return &def->fields[i];
    return NULL;
}

/* ---- where a value is ---- */

/* Appends one token of a JSON pointer; stops at the end of the buffer. */
static size_t put_token(const char *token, size_t size, char *out, size_t room)
{
    size_t used = 0;

    for (size_t i = 0; i < size && used + 2 < room; i++) {
        if (token[i] == '~' || token[i] == '/') {
            out[used++] = '~';
            out[used++] = token[i] == '~' ? '0' : '1';
        } else {
            out[used++] = token[i];
        }
    }
    return used;
}

static size_t put_place(const struct msg_place *place, char *out, size_t room)
{
    char digits[24];
    size_t used = 0;
    const char *token = place->key;
    size_t size = place->key_size;

    if (place->outer)
        used = put_place(place->outer, out, room);
    if (!token) {
        size = (size_t)snprintf(digits, sizeof digits, "%zu", place->index);
        token = digits;
    }
    if (used + 2 >= room)
        return used;
    out[used++] = '/';
    return used + put_token(token, size, out + used, room - used);
}

const char *msg_pointer(const struct msg_place *place,
                        char text[MSG_POINTER_MAX])
{
    if (!place)
        return "the message";
    text[put_place(place, text, MSG_POINTER_MAX)] = '\0';
    return text;
}
