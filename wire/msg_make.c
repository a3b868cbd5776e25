/*
 * Msg make: a place of the same size for every field behind protobuf-c's head,
 * so that the layout is a multiplication.
 *
 *   ProtobufCMessage | has or count, member | has or count, member | ...
 */
#include "msg_make.h"

#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>

struct place {
    union {
        protobuf_c_boolean has;
        size_t count;
    } quantifier;
    union {
        int64_t number;
        double real;
        void *pointer;
        ProtobufCBinaryData bytes;
    } member;
};

static ProtobufCType wire_type(enum msg_kind kind)
{
    switch (kind) {
    case MSG_BOOL:
        return PROTOBUF_C_TYPE_BOOL;
    case MSG_I64:
        return PROTOBUF_C_TYPE_INT64;
    case MSG_F32:
        return PROTOBUF_C_TYPE_FLOAT;
    case MSG_F64:
        return PROTOBUF_C_TYPE_DOUBLE;
    case MSG_BYTES:
        return PROTOBUF_C_TYPE_BYTES;
    case MSG_STR:
    case MSG_JSON:
    case MSG_I32:
    case MSG_U32:
    case MSG_U64:
    case MSG_TIME:
    case MSG_ENUM:
    case MSG_MSG:
    default:
        return PROTOBUF_C_TYPE_STRING;
    }
}

static bool is_pointer(enum msg_kind kind)
{
    return kind == MSG_STR || kind == MSG_JSON;
}

/* Field `i` by both tables. */
static void lay_out(const struct msg_make_field *from, size_t i,
                    struct msg_field *field, ProtobufCFieldDescriptor *wire)
{
    size_t start = sizeof(ProtobufCMessage) + i * sizeof(struct place);
    bool list = from->card == MSG_LIST;
    bool counted = list || !is_pointer(from->kind);

    *field = (struct msg_field){
        .json = from->name,
        .number = from->number,
        .kind = from->kind,
        .card = from->card,
        .offset = (uint32_t)(start + offsetof(struct place, member)),
        .quantifier = counted ? (uint32_t)start : 0,
    };
    *wire = (ProtobufCFieldDescriptor){
        .name = from->name,
        .id = from->number,
        .label = list ? PROTOBUF_C_LABEL_REPEATED : PROTOBUF_C_LABEL_OPTIONAL,
        .type = wire_type(from->kind),
        .quantifier_offset = field->quantifier,
        .offset = field->offset,
        .flags = list && !is_pointer(from->kind) && from->kind != MSG_BYTES
                     ? PROTOBUF_C_FIELD_FLAG_PACKED
                     : 0,
    };
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = ((const ProtobufCFieldDescriptor *)a)->id;
    uint32_t right = ((const ProtobufCFieldDescriptor *)b)->id;

    return left < right ? -1 : left > right;
}

/* protobuf-c finds a number in ranges of numbers that follow each other; the
 * last range has no number and the count of all fields. */
static unsigned make_ranges(const ProtobufCFieldDescriptor *fields,
                            size_t count, ProtobufCIntRange *ranges)
{
    unsigned made = 0;

    for (size_t i = 0; i < count; i++)
        if (i == 0 || fields[i].id != fields[i - 1].id + 1)
            ranges[made++] =
                (ProtobufCIntRange){(int)fields[i].id, (unsigned)i};
    ranges[made] = (ProtobufCIntRange){0, (unsigned)count};
    return made;
}

/* Of the sorted fields; they are few. */
static void sort_names(const ProtobufCFieldDescriptor *fields, size_t count,
                       unsigned *indices)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;

        for (;
             at > 0 && strcmp(fields[indices[at - 1]].name, fields[i].name) > 0;
             at--)
            indices[at] = indices[at - 1];
        indices[at] = (unsigned)i;
    }
}

const struct msg_def *msg_make(struct arena *arena, const char *name,
                               const struct msg_make_field *fields,
                               size_t count)
{
    const char *dot = strrchr(name, '.');
    struct msg_def *def = arena_zalloc(arena, 1, sizeof *def);
    ProtobufCMessageDescriptor *wire = arena_zalloc(arena, 1, sizeof *wire);
    struct msg_field *rows = arena_zalloc(arena, count + 1, sizeof *rows);
    ProtobufCFieldDescriptor *places =
        arena_zalloc(arena, count + 1, sizeof *places);
    ProtobufCIntRange *ranges = arena_zalloc(arena, count + 1, sizeof *ranges);
    unsigned *names = arena_zalloc(arena, count + 1, sizeof *names);

    if (!def || !wire || !rows || !places || !ranges || !names)
        return NULL;
    for (size_t i = 0; i < count; i++)
        lay_out(&fields[i], i, &rows[i], &places[i]);
    qsort(places, count, sizeof *places, compare_numbers);
    sort_names(places, count, names);
    *def = (struct msg_def){
        .name = name,
        .descriptor = wire,
        .size = sizeof(ProtobufCMessage) + count * sizeof(struct place),
        .shape = MSG_OBJECT,
        .fields = rows,
        .field_count = count,
    };
    *wire = (ProtobufCMessageDescriptor){
        .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
        .name = name,
        .short_name = dot ? dot + 1 : name,
        .c_name = name,
        .package_name = name,
        .sizeof_message = def->size,
        .n_fields = (unsigned)count,
        .fields = places,
        .fields_sorted_by_name = names,
        .n_field_ranges = make_ranges(places, count, ranges),
        .field_ranges = ranges,
    };
    return def;
}
