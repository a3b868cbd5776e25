/*
 * Msg: reaching into a message through its table.
 *
 * Messages are protobuf-c structs, but nothing here knows protobuf-c: members
 * are found by offset, presence as struct msg_field says. Shared by the JSON
 * codec and the validator.
 *
 * Threads: any; no state.
 */
#ifndef WIRE_MSG_H
#define WIRE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "contract.h"

/* An enum of JSON whose text is not in the list: a later version's. */
enum { MSG_ENUM_OTHER = -1 };

/* The layout of google.protobuf.Timestamp as protobuf-c has it (proto3). */
struct msg_time {
    const void *descriptor;
    unsigned unknown_count;
    void *unknown;
    int64_t seconds; /* since 1970, UTC */
    int32_t nanos;   /* 0 to 999,999,999 */
};

/* A zeroed message with its descriptor set; NULL when the arena is used up. */
void *msg_new(const struct msg_def *def, struct arena *arena);

/* The size of one element of the field: of a pointer for MSG, STR, MAP ... */
size_t msg_element_size(const struct msg_field *field);

/* Address of the member; for LIST and MAP the address of the pointer. */
static inline void *msg_member(const struct msg_field *field, void *message)
{
    return (char *)message + field->offset;
}

static inline const void *msg_member_const(const struct msg_field *field,
                                           const void *message)
{
    return (const char *)message + field->offset;
}

/* The field holds a value; lists and maps always do. */
bool msg_is_set(const struct msg_field *field, const void *message);

/* Marks a ONE field as set (has_x or the oneof case; pointers need nothing). */
void msg_mark(const struct msg_field *field, void *message);

/* Number of elements of a LIST or MAP. */
static inline size_t msg_count(const struct msg_field *field,
                               const void *message)
{
    return *(const size_t *)(const void *)((const char *)message +
                                           field->quantifier);
}

/* The alternative is a message that holds nothing but one list: in JSON it is
 * that list. */
bool msg_is_list(const struct msg_field *field);

/* The field of a union that holds the value, or NULL. */
const struct msg_field *msg_chosen(const struct msg_def *def,
                                   const void *message);

/* Where a value is inside the outermost message; links live on the stack. */
struct msg_place {
    const struct msg_place *outer; /* NULL: a field of the outermost message */
    const char *key;               /* NULL: element `index` of a list */
    size_t key_size;
    size_t index;
};

enum { MSG_POINTER_MAX = 120 };

/*
 * The place as JSON pointer, "/data/text", cut at the end if it is too long;
 * NULL is "the message". Returns `text` or a static text.
 */
const char *msg_pointer(const struct msg_place *place,
                        char text[MSG_POINTER_MAX]);

#endif
