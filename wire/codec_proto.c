/*
 * Protobuf codec: scan, unpack into the arena, put the maps in order; and back.
 *
 * Handlers fill zeroed structs and know nothing of protobuf-c, which wants a
 * pointer to the descriptor at the head of each message. proto_encode() writes
 * it where it is missing, so nobody else has to.
 */
#include "codec_proto.h"

#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>

#include "wire_scan.h"

/* ---- unpack ---- */

struct arena_allocator {
    struct arena *arena;
    bool exhausted;
};

static void *allocate(void *context, size_t size)
{
    struct arena_allocator *allocator = context;
    void *memory = arena_alloc(allocator->arena, size);

    if (!memory)
        allocator->exhausted = true;
    return memory;
}

/* The arena gives everything back at once. */
static void keep(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static void *unpack(const struct msg_def *def, const void *bytes, size_t size,
                    struct arena *arena, struct error *err)
{
    struct arena_allocator memory = {.arena = arena};
    ProtobufCAllocator allocator = {
        .alloc = allocate, .free = keep, .allocator_data = &memory};
    void *message =
        protobuf_c_message_unpack(def->descriptor, &allocator, size, bytes);

    if (message)
        return message;
    if (memory.exhausted)
        fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
    else
        fail(err, ERR_BAD_REQUEST, "protobuf: the bytes are no %s", def->name);
    return NULL;
}

/* ---- maps ---- */

struct map_key {
    const char *key;
    size_t index; /* in the list of entries */
};

static int compare_keys(const void *left, const void *right)
{
    const struct map_key *a = left, *b = right;
    int order = strcmp(a->key, b->key);

    if (order)
        return order;
    return a->index < b->index ? -1 : 1;
}

/* The last entry of each key stays, in the order of the input. */
static bool drop_duplicates(void **entries, const struct msg_field *key_field,
                            size_t *count, struct arena *arena)
{
    struct map_key *keys = arena_zalloc(arena, *count, sizeof *keys);
    size_t kept = 0;

    if (!keys)
        return false;
    for (size_t i = 0; i < *count; i++) {
        const char *entry = entries[i];

        keys[i].key = *(char *const *)(const void *)(entry + key_field->offset);
        keys[i].index = i;
    }
    qsort(keys, *count, sizeof *keys, compare_keys);
    for (size_t i = 0; i + 1 < *count; i++)
        if (strcmp(keys[i].key, keys[i + 1].key) == 0)
            entries[keys[i].index] = NULL;
    for (size_t i = 0; i < *count; i++)
        if (entries[i])
            entries[kept++] = entries[i];
    *count = kept;
    return true;
}

/* A key or value that was not on the wire is the empty one. */
static bool fill_member(char *entry, const ProtobufCFieldDescriptor *member,
                        struct arena *arena)
{
    void **value = (void **)(void *)(entry + member->offset);
    const ProtobufCMessageDescriptor *sub = member->descriptor;

    if (member->type == PROTOBUF_C_TYPE_STRING) {
        if (!*value)
            *value = arena_strdup(arena, "");
        return *value != NULL;
    }
    if (member->type != PROTOBUF_C_TYPE_MESSAGE) {
        if (member->label == PROTOBUF_C_LABEL_OPTIONAL)
            *(protobuf_c_boolean *)(void *)(entry + member->quantifier_offset) =
                1;
        return true;
    }
    if (*value)
        return true;
    *value = arena_alloc(arena, sub->sizeof_message);
    if (*value)
        sub->message_init(*value);
    return *value != NULL;
}

static bool fill_entries(const struct msg_def *entry_def, void *const *entries,
                         size_t count, struct arena *arena)
{
    const ProtobufCMessageDescriptor *entry = entry_def->descriptor;

    for (size_t i = 0; i < count; i++)
        for (unsigned member = 0; member < entry->n_fields; member++)
            if (!fill_member(entries[i], &entry->fields[member], arena))
                return false;
    return true;
}

static bool settle_message(const struct msg_def *def, char *message,
                           struct arena *arena);

static bool settle_list(const struct msg_def *def, void *const *messages,
                        size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count; i++)
        if (!settle_message(def, messages[i], arena))
            return false;
    return true;
}

static bool settle_field(const struct msg_field *field, char *message,
                         struct arena *arena)
{
    void *member = message + field->offset;
    void *quantifier = message + field->quantifier;

    if (field->card == MSG_ONE) {
        if ((field->flags & MSG_IN_ONEOF) &&
            *(const int *)quantifier != (int)field->number)
            return true;
        return settle_list(field->sub, member, *(void **)member != NULL, arena);
    }
    if (field->card == MSG_MAP && *(const size_t *)quantifier) {
        if (!fill_entries(field->sub, *(void ***)member,
                          *(const size_t *)quantifier, arena) ||
            !drop_duplicates(*(void ***)member, &field->sub->fields[0],
                             quantifier, arena))
            return false;
    }
    return settle_list(field->sub, *(void ***)member,
                       *(const size_t *)quantifier, arena);
}

/* Puts the maps of the message and of those in it in order. Recursive, no
 * deeper than wire_scan() let the bytes nest. */
static bool settle_message(const struct msg_def *def, char *message,
                           struct arena *arena)
{
    for (size_t i = 0; i < def->field_count; i++) {
        const struct msg_field *field = &def->fields[i];

        if (field->sub && !settle_field(field, message, arena))
            return false;
    }
    return true;
}

bool proto_decode(const struct msg_def *def, const void *bytes, size_t size,
                  struct arena *arena, void **message, struct error *err)
{
    void *decoded;

    if (!wire_scan(def, bytes, size, err))
        return false;
    decoded = unpack(def, bytes, size, arena, err);
    if (!decoded)
        return false;
    if (!settle_message(def, decoded, arena))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
    *message = decoded;
    return true;
}

/* ---- pack ---- */

static void stamp(const ProtobufCMessageDescriptor *descriptor,
                  ProtobufCMessage *message);

static void stamp_field(const ProtobufCFieldDescriptor *field,
                        ProtobufCMessage *message)
{
    char *member = (char *)message + field->offset;
    const void *quantifier = (char *)message + field->quantifier_offset;
    ProtobufCMessage **list = (ProtobufCMessage **)(void *)member;
    size_t count;

    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        list = *(ProtobufCMessage ***)(void *)member;
        count = *(const size_t *)quantifier;
    } else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        count = *(const uint32_t *)quantifier == field->id && *list;
    } else {
        count = *list != NULL;
    }
    for (size_t i = 0; i < count; i++)
        stamp(field->descriptor, list[i]);
}

/* Writes the descriptor into the message and those in it. A message that has
 * one already is not written to: it may be shared between threads. */
static void stamp(const ProtobufCMessageDescriptor *descriptor,
                  ProtobufCMessage *message)
{
    if (message->descriptor != descriptor)
        message->descriptor = descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            stamp_field(&descriptor->fields[i], message);
}

bool proto_encode(const struct msg_def *def, const void *message,
                  struct buf *out, struct error *err)
{
    /* Only the descriptor pointers are written, see stamp(). */
    ProtobufCMessage *packed = (ProtobufCMessage *)(uintptr_t)message;
    size_t size;

    stamp(def->descriptor, packed);
    size = protobuf_c_message_get_packed_size(packed);
    if (!buf_reserve(out, size))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory left for the answer");
    out->size +=
        protobuf_c_message_pack(packed, (uint8_t *)out->data + out->size);
    out->data[out->size] = '\0';
    return true;
}
