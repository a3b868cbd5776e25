/*
 * Messages of foreign .proto files, read from the descriptor protoc made.
 *
 * Two passes: first every message and enum, those inside messages too, gets a
 * declaration; then fields can refer to them. The JSON keys are the names of
 * the .proto file. Presence is that of proto3: a number or text that is not
 * set is its zero, and no member of the struct says whether it was.
 */
#include <math.h>
#include <string.h>

#include "load.h"
#include "names.h"
#include "wire.h"

/* FieldDescriptorProto.Type and Label. */
enum {
    TYPE_DOUBLE = 1,
    TYPE_FLOAT,
    TYPE_INT64,
    TYPE_UINT64,
    TYPE_INT32,
    TYPE_FIXED64,
    TYPE_FIXED32,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_GROUP,
    TYPE_MESSAGE,
    TYPE_BYTES,
    TYPE_UINT32,
    TYPE_ENUM,
    TYPE_SFIXED32,
    TYPE_SFIXED64,
    TYPE_SINT32,
    TYPE_SINT64,
    TYPE_COUNT,
    LABEL_REPEATED = 3
};

static const enum msg_kind kinds[TYPE_COUNT] = {
    [TYPE_DOUBLE] = MSG_F64,   [TYPE_FLOAT] = MSG_F32,
    [TYPE_INT64] = MSG_I64,    [TYPE_UINT64] = MSG_U64,
    [TYPE_INT32] = MSG_I32,    [TYPE_FIXED64] = MSG_U64,
    [TYPE_FIXED32] = MSG_U32,  [TYPE_BOOL] = MSG_BOOL,
    [TYPE_STRING] = MSG_STR,   [TYPE_MESSAGE] = MSG_MSG,
    [TYPE_BYTES] = MSG_BYTES,  [TYPE_UINT32] = MSG_U32,
    [TYPE_ENUM] = MSG_ENUM,    [TYPE_SFIXED32] = MSG_I32,
    [TYPE_SFIXED64] = MSG_I64, [TYPE_SINT32] = MSG_I32,
    [TYPE_SINT64] = MSG_I64,
};

/* A message of the descriptor, and its declaration. */
struct source {
    struct cg_decl *decl; /* NULL: the entries of a map */
    const char *name;
    struct cg_wire_field bytes;
};

struct reader {
    struct cg_ir *ir;
    struct cg_api *api;
    struct source *sources;
    size_t count, capacity;
};

static const char *text(struct cg_ir *ir, const struct cg_wire_field *field)
{
    return cg_text(ir, "%.*s", (int)field->size, (const char *)field->bytes);
}

/* The text or varint of the first field of this number; "" or 0 without. */
static const char *text_of(struct cg_ir *ir, const struct cg_wire_field *outer,
                           uint32_t number)
{
    struct cg_wire inside = cg_wire_inside(outer);
    struct cg_wire_field found;

    return cg_wire_find(&inside, number, &found) ? text(ir, &found) : "";
}

static uint64_t number_of(const struct cg_wire_field *outer, uint32_t number,
                          uint64_t otherwise)
{
    struct cg_wire inside = cg_wire_inside(outer);
    struct cg_wire_field found;

    while (cg_wire_next(&inside, &found))
        if (found.number == number && !found.bytes)
            return found.value;
    return otherwise;
}

/* ---- first pass: declarations ---- */

static struct cg_decl *add_decl(struct reader *reader, enum cg_tag tag,
                                const char *name)
{
    struct cg_ir *ir = reader->ir;
    struct cg_api *api = reader->api;
    struct cg_decl *decl = cg_zalloc(ir, 1, sizeof *decl);

    *decl = (struct cg_decl){.tag = tag,
                             .name = name,
                             .api = api,
                             .open = true,
                             .foreign = true,
                             .at = api->at};
    api->decls = cg_grow(ir, api->decls, api->decl_count, &api->decl_capacity,
                         sizeof *api->decls);
    api->decls[api->decl_count++] = decl;
    return decl;
}

static void add_enum(struct reader *reader, const char *outer,
                     const struct cg_wire_field *bytes)
{
    struct cg_ir *ir = reader->ir;
    struct cg_decl *decl =
        add_decl(reader, CG_ENUM,
                 cg_text(ir, "%s%s", outer, text_of(ir, bytes, ENUM_NAME)));
    struct cg_wire inside = cg_wire_inside(bytes);
    struct cg_wire_field value;
    size_t capacity = 0;

    while (cg_wire_find(&inside, ENUM_VALUE, &value)) {
        decl->values = cg_grow(ir, decl->values, decl->value_count, &capacity,
                               sizeof *decl->values);
        decl->values[decl->value_count++] = (struct cg_value){
            .json = text_of(ir, &value, VALUE_NAME),
            .name = text_of(ir, &value, VALUE_NAME),
            .number = (uint32_t)number_of(&value, VALUE_NUMBER, 0),
            .at = decl->at};
    }
}

static bool is_map_entry(const struct cg_wire_field *message)
{
    struct cg_wire inside = cg_wire_inside(message);
    struct cg_wire_field options;

    return cg_wire_find(&inside, MESSAGE_OPTIONS, &options) &&
           number_of(&options, OPTIONS_MAP_ENTRY, 0);
}

static void add_message(struct reader *reader, const char *outer,
                        const struct cg_wire_field *bytes)
{
    struct cg_ir *ir = reader->ir;
    const char *name =
        cg_text(ir, "%s%s", outer, text_of(ir, bytes, MESSAGE_NAME));
    const char *prefix = cg_text(ir, "%s.", name);
    struct cg_wire inside = cg_wire_inside(bytes);
    struct cg_wire_field found;
    struct source source = {.name = name, .bytes = *bytes};

    if (!is_map_entry(bytes))
        source.decl = add_decl(reader, CG_MESSAGE, name);
    reader->sources = cg_grow(ir, reader->sources, reader->count,
                              &reader->capacity, sizeof source);
    reader->sources[reader->count++] = source;
    while (cg_wire_next(&inside, &found)) {
        if (found.number == MESSAGE_NESTED)
            add_message(reader, prefix, &found);
        if (found.number == MESSAGE_ENUM)
            add_enum(reader, prefix, &found);
    }
}

/* ---- second pass: fields ---- */

/* ".inference.ModelInput" -> "ModelInput"; NULL if another package has it. */
static const char *local_name(const struct reader *reader, const char *type)
{
    size_t size = strlen(reader->api->package);

    if (*type != '.' || strncmp(type + 1, reader->api->package, size) != 0 ||
        type[size + 1] != '.')
        return NULL;
    return type + size + 2;
}

static const struct source *find(const struct reader *reader, const char *name)
{
    for (size_t i = 0; name && i < reader->count; i++)
        if (strcmp(reader->sources[i].name, name) == 0)
            return &reader->sources[i];
    return NULL;
}

/* The bytes of field or oneof `index` of a message. */
static bool nth(const struct cg_wire_field *message, uint32_t number,
                size_t index, struct cg_wire_field *found)
{
    struct cg_wire inside = cg_wire_inside(message);

    for (size_t i = 0; cg_wire_find(&inside, number, found); i++)
        if (i == index)
            return true;
    return false;
}

/* Type and, for messages and enums, the declaration. */
static void read_type(struct reader *reader, const struct cg_wire_field *bytes,
                      struct cg_field *field)
{
    struct cg_ir *ir = reader->ir;
    uint64_t type = number_of(bytes, FIELD_TYPE, 0);
    const char *name = local_name(reader, text_of(ir, bytes, FIELD_TYPE_NAME));

    field->kind = type < TYPE_COUNT ? kinds[type] : MSG_STR;
    if (type != TYPE_MESSAGE && type != TYPE_ENUM)
        return;
    field->decl = name ? cg_api_decl(reader->api, name) : NULL;
    if (!field->decl)
        cg_fault(ir, field->at, "foreign.type",
                 "field '%s' has a type of another file", field->json);
}

static void read_field(struct reader *reader, const struct source *source,
                       const struct cg_wire_field *bytes,
                       struct cg_field *field)
{
    struct cg_ir *ir = reader->ir;
    const char *name = text_of(ir, bytes, FIELD_NAME);
    uint64_t oneof = number_of(bytes, FIELD_ONEOF, UINT64_MAX);
    const struct source *entry = NULL;
    struct cg_wire_field found = *bytes;

    *field =
        (struct cg_field){.json = name,
                          .name = name,
                          .c_name = cg_c_member(ir, name),
                          .number = (uint32_t)number_of(bytes, FIELD_NUMBER, 0),
                          .limits = {.min = (double)NAN, .max = (double)NAN},
                          .keys = {.min = (double)NAN, .max = (double)NAN},
                          .implicit = true,
                          .at = source->decl->at};
    if (number_of(bytes, FIELD_LABEL, 0) == LABEL_REPEATED) {
        field->card = MSG_LIST;
        entry = find(reader,
                     local_name(reader, text_of(ir, bytes, FIELD_TYPE_NAME)));
    }
    if (entry && !entry->decl) { /* what counts is the type of its value */
        field->card = MSG_MAP;
        (void)nth(&entry->bytes, MESSAGE_FIELD, 1, &found);
    }
    read_type(reader, &found, field);
    if (oneof != UINT64_MAX &&
        nth(&source->bytes, MESSAGE_ONEOF, (size_t)oneof, &found)) {
        field->flags |= MSG_IN_ONEOF;
        field->oneof = text_of(ir, &found, ONEOF_NAME);
    }
}

static void read_fields(struct reader *reader, const struct source *source)
{
    struct cg_wire inside = cg_wire_inside(&source->bytes);
    struct cg_decl *decl = source->decl;
    struct cg_wire_field found;
    size_t capacity = 0;

    while (decl && cg_wire_find(&inside, MESSAGE_FIELD, &found)) {
        decl->fields = cg_grow(reader->ir, decl->fields, decl->field_count,
                               &capacity, sizeof *decl->fields);
        read_field(reader, source, &found, &decl->fields[decl->field_count++]);
    }
}

void cg_load_foreign_decls(struct cg_ir *ir, struct cg_api *api)
{
    const struct cg_descriptor *descriptor = &api->foreign->descriptor;
    struct cg_wire wire = {descriptor->bytes,
                           descriptor->bytes + descriptor->size};
    struct reader reader = {.ir = ir, .api = api};
    struct cg_wire_field found;

    while (descriptor->bytes && cg_wire_next(&wire, &found)) {
        if (found.number == FILE_MESSAGE)
            add_message(&reader, "", &found);
        if (found.number == FILE_ENUM)
            add_enum(&reader, "", &found);
    }
    for (size_t i = 0; i < reader.count; i++)
        read_fields(&reader, &reader.sources[i]);
}
