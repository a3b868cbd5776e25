/*
 * Wire: an iterative walk over protobuf bytes, guided by protobuf-c's own
 * descriptors. A level of nesting is an entry of a fixed stack.
 */
#include "onnx_load_wire.h"

#include <string.h>

enum { DEPTH_MAX = 128, FIELD_NUMBER_MAX = (1 << 29) - 1 };

enum wire_type { WIRE_VARINT, WIRE_64BIT, WIRE_BYTES, WIRE_32BIT = 5 };

/* What protobuf-c keeps per field while it parses a message (ScannedMember),
 * and what malloc adds per block. */
enum { BYTES_PER_FIELD = 48, BYTES_PER_BLOCK = 32 };

struct wire_field {
    uint32_t number;
    unsigned type;          /* enum wire_type */
    struct wire_span value; /* contents of WIRE_BYTES, else the raw value */
};

struct level {
    const uint8_t *end;
    const ProtobufCMessageDescriptor *kind;
};

struct walk {
    const uint8_t *start;
    const uint8_t *at;
    struct level stack[DEPTH_MAX];
    unsigned depth;
    size_t fields;
    size_t memory;
};

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    const uint8_t *p = *at;
    uint64_t result = 0;

    for (unsigned shift = 0; shift < 70 && p < end; shift += 7) {
        uint8_t byte = *p++;

        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *at = p;
            *value = result;
            return true;
        }
    }
    return false;
}

static const char *read_value(const uint8_t **at, const uint8_t *end,
                              struct wire_field *field)
{
    uint64_t size;

    field->value.bytes = *at;
    switch (field->type) {
    case WIRE_VARINT:
        if (!read_varint(at, end, &size))
            return "a varint is broken";
        field->value.size = (size_t)(*at - field->value.bytes);
        return NULL;
    case WIRE_64BIT:
        size = 8;
        break;
    case WIRE_32BIT:
        size = 4;
        break;
    case WIRE_BYTES:
        if (!read_varint(at, end, &size))
            return "a length is broken";
        field->value.bytes = *at;
        break;
    default:
        return "a wire type is not allowed";
    }
    if (size > (uint64_t)(end - *at))
        return "a field reaches past its end";
    field->value.size = (size_t)size;
    *at += size;
    return NULL;
}

/* One field from *at; NULL, or what is wrong. */
static const char *read_field(const uint8_t **at, const uint8_t *end,
                              struct wire_field *field)
{
    uint64_t tag;

    if (!read_varint(at, end, &tag))
        return "a tag is broken";
    if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return "a field number is not allowed";
    field->number = (uint32_t)(tag >> 3);
    field->type = tag & 7;
    return read_value(at, end, field);
}

static const ProtobufCFieldDescriptor *
find_field(const ProtobufCMessageDescriptor *kind, uint32_t number)
{
    for (unsigned i = 0; i < kind->n_fields; i++) {
        if (kind->fields[i].id == number)
            return &kind->fields[i];
    }
    return NULL;
}

/* How a known field must be encoded, and what an element takes in memory. */
static void encoding_of(ProtobufCType type, unsigned *wire, size_t *element)
{
    *wire = WIRE_VARINT;
    *element = 8;
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        *wire = WIRE_32BIT;
        *element = 4;
        break;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        *wire = WIRE_64BIT;
        break;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        *wire = WIRE_BYTES;
        *element = sizeof(ProtobufCBinaryData);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        break;
    }
}

/* A packed list: every varint complete, fixed sizes divide the length. */
static const char *check_packed(const struct wire_field *field, unsigned wire,
                                size_t element, size_t *memory)
{
    const uint8_t *at = field->value.bytes;
    const uint8_t *end = at + field->value.size;
    uint64_t value;

    if (wire != WIRE_VARINT) {
        *memory += field->value.size;
        return field->value.size % element ? "a packed list is cut off" : NULL;
    }
    while (at < end) {
        if (!read_varint(&at, end, &value))
            return "a packed varint is broken";
        *memory += element;
    }
    return NULL;
}

static const char *push(struct walk *walk, const struct wire_field *field,
                        const ProtobufCFieldDescriptor *known,
                        const struct wire_limits *limits)
{
    const ProtobufCMessageDescriptor *kind = known->descriptor;

    if (walk->depth >= limits->depth || walk->depth >= DEPTH_MAX)
        return "messages are nested too deeply";
    walk->memory += kind->sizeof_message + BYTES_PER_BLOCK;
    walk->at = field->value.bytes;
    walk->stack[walk->depth++] =
        (struct level){field->value.bytes + field->value.size, kind};
    return NULL;
}

static const char *check_field(struct walk *walk,
                               const struct wire_field *field,
                               const struct wire_limits *limits)
{
    const ProtobufCMessageDescriptor *kind = walk->stack[walk->depth - 1].kind;
    const ProtobufCFieldDescriptor *known = find_field(kind, field->number);
    unsigned wire;
    size_t element;

    walk->memory += BYTES_PER_FIELD;
    if (!known) {
        walk->memory += field->value.size + BYTES_PER_BLOCK;
        return NULL;
    }
    encoding_of(known->type, &wire, &element);
    walk->memory += element;
    if (field->type == WIRE_BYTES && wire != WIRE_BYTES &&
        known->label == PROTOBUF_C_LABEL_REPEATED)
        return check_packed(field, wire, element, &walk->memory);
    if (field->type != wire)
        return "a field has the wrong wire type";
    if (known->type == PROTOBUF_C_TYPE_MESSAGE)
        return push(walk, field, known, limits);
    if (wire == WIRE_BYTES)
        walk->memory += field->value.size + BYTES_PER_BLOCK;
    if (known->type == PROTOBUF_C_TYPE_STRING &&
        memchr(field->value.bytes, '\0', field->value.size))
        return "a text holds a NUL byte";
    return NULL;
}

static const char *walk_step(struct walk *walk,
                             const struct wire_limits *limits)
{
    struct wire_field field;
    const char *wrong =
        read_field(&walk->at, walk->stack[walk->depth - 1].end, &field);

    if (!wrong)
        wrong = check_field(walk, &field, limits);
    if (!wrong && ++walk->fields > limits->fields)
        wrong = "there are too many fields";
    if (!wrong && walk->memory > limits->memory)
        wrong = "parsing would take too much memory";
    return wrong;
}

bool wire_check(struct wire_span span, const ProtobufCMessageDescriptor *kind,
                const struct wire_limits *limits, struct error *err)
{
    struct walk walk = {.start = span.bytes, .at = span.bytes, .depth = 1};

    walk.stack[0] = (struct level){span.bytes + span.size, kind};
    while (walk.depth) {
        const char *wrong;

        if (walk.at == walk.stack[walk.depth - 1].end) {
            walk.depth--;
            continue;
        }
        wrong = walk_step(&walk, limits);
        if (wrong)
            return fail(err, ERR_MODEL_INVALID,
                        "not an ONNX model: at byte %zu %s",
                        (size_t)(walk.at - walk.start), wrong);
    }
    return true;
}

bool wire_cut(struct wire_span span, uint32_t number, struct buf *rest,
              struct buf *cut, struct error *err)
{
    const uint8_t *at = span.bytes, *end = span.bytes + span.size;

    while (at < end) {
        const uint8_t *start = at;
        struct wire_field field;

        if (read_field(&at, end, &field))
            break; /* cannot be: the bytes were checked */
        if (field.number == number && field.type == WIRE_BYTES)
            buf_append(cut, &field.value, sizeof field.value);
        else
            buf_append(rest, start, (size_t)(at - start));
    }
    return (buf_ok(rest) && buf_ok(cut)) ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory to read the model");
}
