/*
 * Wire scan: one loop over the fields, an explicit stack of open messages.
 *
 * A message that is nested in another ends where its length says, so the stack
 * holds ends. Fields that the descriptor does not know are skipped by wire
 * type (protobuf-c keeps them aside); nothing inside them is looked at, because
 * nothing will ever parse it.
 */
#include "wire_scan.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <string.h>

#include "utf8.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
};

enum {
    LONGEST_VARINT = 10,
    LONGEST_TAG = 5, /* 29 bits of number, 3 of wire type */
    /* What protobuf-c notes per field while it parses one message: the first
       sixteen lie on its stack, then in slabs of doubling size. */
    NOTE_BYTES = 2 * 40,
    FREE_NOTES = 16,
    ALLOCATION_BYTES = 16 /* rounding of one allocation in the arena */
};

struct level {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *end;
    size_t fields;
    uint64_t memory; /* of the whole scan when this level was opened */
    uint64_t seen;   /* single messages that came, by field index modulo 64 */
};

struct scan {
    const uint8_t *start, *at;
    struct level levels[WIRE_MAX_DEPTH];
    int depth; /* levels in use */
    size_t fields;
    uint64_t memory, memory_limit;
};

/* One field as it lies in the input. */
struct field {
    uint32_t number;
    enum wire_type type;
    const uint8_t *data; /* of WIRE_BYTES: behind the length */
    size_t size;
};

static bool refuse(const struct scan *scan, struct error *err, const char *what)
{
    return fail(err, ERR_BAD_REQUEST, "protobuf: %s at byte %zu", what,
                (size_t)(scan->at - scan->start));
}

static struct level *top(struct scan *scan)
{
    return &scan->levels[scan->depth - 1];
}

/* Takes a varint of at most `longest` bytes that ends before `end`. */
static bool take_varint(struct scan *scan, const uint8_t *end, int longest,
                        uint64_t *value)
{
    uint64_t sum = 0;

    for (int i = 0; i < longest && scan->at + i < end; i++) {
        uint8_t byte = scan->at[i];

        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            scan->at += i + 1;
            *value = sum;
            return true;
        }
    }
    return false;
}

static bool take_tag(struct scan *scan, struct field *field, struct error *err)
{
    uint64_t tag;

    if (!take_varint(scan, top(scan)->end, LONGEST_TAG, &tag) ||
        tag > UINT32_MAX)
        return refuse(scan, err, "malformed tag");
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum wire_type)(tag & 7);
    if (!field->number)
        return refuse(scan, err, "field number 0");
    return true;
}

/* The length of the value at scan->at; takes the length prefix itself. */
static bool measure_value(struct scan *scan, struct field *field,
                          struct error *err)
{
    const uint8_t *end = top(scan)->end;
    const uint8_t *start = scan->at;
    uint64_t value;

    switch (field->type) {
    case WIRE_VARINT:
        if (!take_varint(scan, end, LONGEST_VARINT, &value))
            return refuse(scan, err, "malformed varint");
        field->size = (size_t)(scan->at - start);
        scan->at = start;
        break;
    case WIRE_FIXED64:
        field->size = 8;
        break;
    case WIRE_FIXED32:
        field->size = 4;
        break;
    case WIRE_BYTES:
        if (!take_varint(scan, end, LONGEST_TAG, &value))
            return refuse(scan, err, "malformed length");
        field->size = (size_t)value;
        break;
    default:
        return refuse(scan, err, "group or unknown wire type");
    }
    if (field->size > (size_t)(end - scan->at))
        return refuse(scan, err, "value past the end");
    field->data = scan->at;
    return true;
}

/* protobuf-c sorts the fields of a descriptor by number. */
static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *descriptor, uint32_t number)
{
    size_t low = 0, high = descriptor->n_fields;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (descriptor->fields[middle].id < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == descriptor->n_fields || descriptor->fields[low].id != number)
        return NULL;
    return &descriptor->fields[low];
}

/* Bytes of one element in a C array of this type. */
static size_t element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 8;
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    }
    return 8;
}

/*
 * Memory for the elements of a packed list. Each varint is at least one byte,
 * so `size` elements is a bound; counting them exactly keeps honest lists of
 * large numbers out of trouble.
 */
static uint64_t packed_memory(const ProtobufCFieldDescriptor *known,
                              const struct field *field)
{
    size_t each = element_bytes(known->type);
    uint64_t count = 0;

    if (known->type == PROTOBUF_C_TYPE_FLOAT ||
        known->type == PROTOBUF_C_TYPE_DOUBLE ||
        known->type == PROTOBUF_C_TYPE_FIXED32 ||
        known->type == PROTOBUF_C_TYPE_FIXED64 ||
        known->type == PROTOBUF_C_TYPE_SFIXED32 ||
        known->type == PROTOBUF_C_TYPE_SFIXED64)
        return field->size;
    for (size_t i = 0; i < field->size; i++)
        count += field->data[i] < 0x80;
    return count * each;
}

/* What protobuf-c will allocate for the field. */
static uint64_t field_memory(const struct level *level,
                             const ProtobufCFieldDescriptor *known,
                             const struct field *field)
{
    uint64_t memory = level->fields > FREE_NOTES ? NOTE_BYTES : 0;

    if (!known)
        return memory + field->size + sizeof(ProtobufCMessageUnknownField) +
               ALLOCATION_BYTES;
    if (known->label == PROTOBUF_C_LABEL_REPEATED)
        memory += element_bytes(known->type);
    if (field->type != WIRE_BYTES)
        return memory;
    if (known->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessageDescriptor *sub = known->descriptor;

        return memory + sub->sizeof_message + ALLOCATION_BYTES;
    }
    if (known->type == PROTOBUF_C_TYPE_STRING ||
        known->type == PROTOBUF_C_TYPE_BYTES)
        return memory + field->size + ALLOCATION_BYTES;
    return memory + packed_memory(known, field);
}

/*
 * A single message that comes again is merged with what came before, and the
 * lists in it are copied each time, so n times cost n^2. Charging all of the
 * level once more doubles the bill with each repetition: a few are affordable,
 * thousands are not.
 */
static void charge_merge(struct scan *scan,
                         const ProtobufCFieldDescriptor *known)
{
    struct level *level = top(scan);
    uint64_t bit = 1ULL << ((known - level->descriptor->fields) % 64);

    if (known->type != PROTOBUF_C_TYPE_MESSAGE ||
        known->label == PROTOBUF_C_LABEL_REPEATED)
        return;
    if (level->seen & bit)
        scan->memory += scan->memory - level->memory;
    level->seen |= bit;
}

static bool count_field(struct scan *scan,
                        const ProtobufCFieldDescriptor *known,
                        const struct field *field, struct error *err)
{
    top(scan)->fields++;
    if (++scan->fields > WIRE_MAX_FIELDS)
        return refuse(scan, err, "more than 2000000 fields");
    scan->memory += field_memory(top(scan), known, field);
    if (known)
        charge_merge(scan, known);
    if (scan->memory > scan->memory_limit)
        return refuse(scan, err, "too much memory needed");
    return true;
}

static bool check_string(const struct scan *scan, const struct field *field,
                         struct error *err)
{
    const char *text = (const char *)field->data;

    if (field->size && memchr(text, 0, field->size))
        return refuse(scan, err, "NUL in a string");
    if (!utf8_valid(text, field->size))
        return refuse(scan, err, "string that is not UTF-8");
    return true;
}

/* Opens the nested message that starts at scan->at. */
static bool enter(struct scan *scan,
                  const ProtobufCMessageDescriptor *descriptor, size_t size,
                  struct error *err)
{
    if (scan->depth == WIRE_MAX_DEPTH)
        return refuse(scan, err, "more than 64 nested messages");
    scan->levels[scan->depth++] = (struct level){.descriptor = descriptor,
                                                 .end = scan->at + size,
                                                 .memory = scan->memory};
    return true;
}

static bool scan_field(struct scan *scan, struct error *err)
{
    const ProtobufCFieldDescriptor *known;
    struct field field = {.data = scan->at};

    if (!take_tag(scan, &field, err) || !measure_value(scan, &field, err))
        return false;
    known = find_field(top(scan)->descriptor, field.number);
    if (!count_field(scan, known, &field, err))
        return false;
    if (known && field.type == WIRE_BYTES) {
        if (known->type == PROTOBUF_C_TYPE_MESSAGE)
            return enter(scan, known->descriptor, field.size, err);
        if (known->type == PROTOBUF_C_TYPE_STRING &&
            !check_string(scan, &field, err))
            return false;
    }
    scan->at += field.size;
    return true;
}

bool wire_scan(const struct msg_def *def, const void *bytes, size_t size,
               struct error *err)
{
    struct scan scan = {.start = bytes, .at = bytes};

    if (!bytes) /* there are none */
        return true;
    scan.memory_limit =
        (uint64_t)size * WIRE_MEMORY_PER_BYTE + WIRE_MEMORY_BASE;
    if (!enter(&scan, def->descriptor, size, err))
        return false;
    while (scan.depth) {
        if (scan.at == top(&scan)->end)
            scan.depth--;
        else if (!scan_field(&scan, err))
            return false;
    }
    return true;
}
