/*
 * Typed, the .proto file: as text for people and their compilers, and as a
 * FileDescriptorProto for reflection. Both are written from the same fields.
 *
 * proto3 tells whether a single value is set if the field is `optional`, which
 * a descriptor says with a oneof of its own for each.
 */
#include <string.h>

#include "typed.h"

/* Numbers of the fields of descriptor.proto that are used here. */
enum {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_MESSAGE = 4,
    FILE_SERVICE = 6,
    FILE_SYNTAX = 12,
    MESSAGE_NAME = 1,
    MESSAGE_FIELD = 2,
    MESSAGE_ONEOF = 8,
    ONEOF_NAME = 1,
    FIELD_NAME = 1,
    FIELD_NUMBER = 3,
    FIELD_LABEL = 4,
    FIELD_TYPE = 5,
    FIELD_ONEOF = 9,
    FIELD_JSON = 10,
    FIELD_OPTIONAL = 17,
    SERVICE_NAME = 1,
    SERVICE_METHOD = 2,
    METHOD_NAME = 1,
    METHOD_INPUT = 2,
    METHOD_OUTPUT = 3
};

enum { LABEL_OPTIONAL = 1, LABEL_REPEATED = 3 };

const char *typed_proto_type(enum msg_kind kind)
{
    switch (kind) {
    case MSG_BOOL:
        return "bool";
    case MSG_I64:
        return "int64";
    case MSG_F32:
        return "float";
    case MSG_F64:
        return "double";
    case MSG_BYTES:
        return "bytes";
    case MSG_STR:
    case MSG_JSON:
    case MSG_I32:
    case MSG_U32:
    case MSG_U64:
    case MSG_TIME:
    case MSG_ENUM:
    case MSG_MSG:
    default:
        return "string";
    }
}

/* descriptor.proto's number of the type. */
static unsigned type_number(enum msg_kind kind)
{
    static const struct {
        const char *name;
        unsigned number;
    } types[] = {{"double", 1}, {"float", 2},  {"int64", 3},
                 {"bool", 8},   {"string", 9}, {"bytes", 12}};
    size_t i = 0;

    while (strcmp(types[i].name, typed_proto_type(kind)) != 0)
        i++;
    return types[i].number;
}

/* ---- text ---- */

/* A comment ends with its line. */
static void put_comment(struct buf *to, const char *before, const char *text)
{
    buf_string(to, before);
    for (const char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            buf_char(to, ' ');
        else
            buf_char(to, *c);
    buf_char(to, '\n');
}

static void put_message(struct buf *to, const char *name,
                        const struct typed_fields *fields)
{
    buf_printf(to, "\nmessage %s {\n", name);
    for (size_t i = 0; i < fields->count; i++) {
        const struct typed_field *field = &fields->items[i];

        if (*field->doc)
            put_comment(to, "  // ", field->doc);
        buf_printf(to, "  %s %s %s = %u;\n",
                   field->card == MSG_LIST ? "repeated" : "optional",
                   typed_proto_type(field->kind), field->name, field->number);
    }
    buf_string(to, "}\n");
}

static void put_text(struct buf *to, const struct typed_model *typed,
                     const struct srv_bundle *bundle)
{
    put_comment(to, "// ", bundle->name);
    put_comment(to, "// ", bundle->version);
    put_comment(to, "// ", bundle->description);
    buf_printf(to,
               "//\n// Numbers are made of names and types: a field that is "
               "renamed or has another\n// type is absent for older clients.\n"
               "syntax = \"proto3\";\n\npackage %s;\n\nservice Model {\n"
               "  // Runs the model on one input.\n"
               "  rpc Predict(PredictRequest) returns (PredictResponse);\n}\n",
               typed->package);
    put_message(to, "PredictRequest", &typed->request);
    put_message(to, "PredictResponse", &typed->reply);
}

/* ---- descriptor ---- */

static void put_varint(struct buf *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_char(to, (char)(value | 0x80));
    buf_char(to, (char)value);
}

static void put_number(struct buf *to, unsigned field, uint64_t value)
{
    put_varint(to, field << 3);
    put_varint(to, value);
}

static void put_bytes(struct buf *to, unsigned field, const void *bytes,
                      size_t size)
{
    put_varint(to, field << 3 | 2);
    put_varint(to, size);
    buf_append(to, bytes, size);
}

static void put_string(struct buf *to, unsigned field, const char *text)
{
    put_bytes(to, field, text, strlen(text));
}

/* Appends what is in `part`, and releases it. */
static void put_part(struct buf *to, unsigned field, struct buf *part)
{
    put_bytes(to, field, part->data ? part->data : "", part->size);
    to->failed = to->failed || !buf_ok(part);
    buf_release(part);
}

static void describe_field(struct buf *to, const struct typed_field *from,
                           uint64_t *oneofs)
{
    bool list = from->card == MSG_LIST;
    struct buf field = {0};

    put_string(&field, FIELD_NAME, from->name);
    put_number(&field, FIELD_NUMBER, from->number);
    put_number(&field, FIELD_LABEL, list ? LABEL_REPEATED : LABEL_OPTIONAL);
    put_number(&field, FIELD_TYPE, type_number(from->kind));
    if (!list)
        put_number(&field, FIELD_ONEOF, (*oneofs)++);
    put_string(&field, FIELD_JSON, from->name);
    if (!list)
        put_number(&field, FIELD_OPTIONAL, 1);
    put_part(to, MESSAGE_FIELD, &field);
}

static void describe_message(struct buf *to, const char *name,
                             const struct typed_fields *fields)
{
    struct buf message = {0};
    uint64_t oneofs = 0;

    put_string(&message, MESSAGE_NAME, name);
    for (size_t i = 0; i < fields->count; i++)
        describe_field(&message, &fields->items[i], &oneofs);
    for (size_t i = 0; i < fields->count; i++) {
        struct buf oneof = {0}, own = {0};

        if (fields->items[i].card == MSG_LIST)
            continue;
        buf_printf(&own, "_%s", fields->items[i].name);
        put_part(&oneof, ONEOF_NAME, &own);
        put_part(&message, MESSAGE_ONEOF, &oneof);
    }
    put_part(to, FILE_MESSAGE, &message);
}

static void describe_service(struct buf *to, const char *package)
{
    struct buf service = {0}, method = {0}, input = {0}, output = {0};

    buf_printf(&input, ".%s.PredictRequest", package);
    buf_printf(&output, ".%s.PredictResponse", package);
    put_string(&method, METHOD_NAME, "Predict");
    put_part(&method, METHOD_INPUT, &input);
    put_part(&method, METHOD_OUTPUT, &output);
    put_string(&service, SERVICE_NAME, "Model");
    put_part(&service, SERVICE_METHOD, &method);
    put_part(to, FILE_SERVICE, &service);
}

static const char *const *list_symbols(const struct typed_model *typed,
                                       struct arena *arena)
{
    static const char *const names[] = {"PredictRequest", "PredictResponse",
                                        "Model", "Model.Predict"};
    enum { COUNT = sizeof names / sizeof *names };
    const char **symbols = arena_zalloc(arena, COUNT + 1, sizeof *symbols);

    for (size_t i = 0; symbols && i < COUNT; i++) {
        symbols[i] = arena_printf(arena, "%s.%s", typed->package, names[i]);
        if (!symbols[i])
            return NULL;
    }
    return symbols;
}

bool typed_write_proto(struct typed_model *typed, struct srv_bundle *bundle)
{
    static const char *const no_imports[] = {NULL};
    struct arena *arena = &bundle->arena;
    struct buf text = {0}, file = {0};
    char *name = arena_printf(arena, "%s.proto", typed->package);
    size_t size;

    for (char *c = name; c && *c; c++)
        if (*c == '.' && strcmp(c, ".proto") != 0)
            *c = '/';
    if (!name)
        return false;
    put_text(&text, typed, bundle);
    put_string(&file, FILE_NAME, name);
    put_string(&file, FILE_PACKAGE, typed->package);
    describe_message(&file, "PredictRequest", &typed->request);
    describe_message(&file, "PredictResponse", &typed->reply);
    describe_service(&file, typed->package);
    put_string(&file, FILE_SYNTAX, "proto3");
    typed->proto = typed_keep(&text, arena, &size);
    typed->file = (struct proto_file){
        .name = name,
        .imports = no_imports,
        .symbols = list_symbols(typed, arena),
    };
    typed->file.bytes = (const uint8_t *)typed_keep(&file, arena, &size);
    typed->file.size = size;
    return typed->proto && typed->file.bytes && typed->file.symbols;
}
