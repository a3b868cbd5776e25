/*
 * protos: gen/c/protos.[ch], every .proto file of the APIs as bytes of its
 * descriptor, for the reflection service.
 *
 * The descriptors are protoc's; here they are walked only to list what each
 * file imports and defines.
 */
#include <stdlib.h>
#include <string.h>

#include "descriptor.h"
#include "emit.h"
#include "wire.h"

struct table {
    struct cg_out *out;
    struct cg_proto_file *files;
    size_t count, capacity;
};

/* ---- collecting ---- */

static void add_file(struct table *table, const char *name,
                     struct cg_descriptor descriptor)
{
    table->files = cg_grow(table->out->ir, table->files, table->count,
                           &table->capacity, sizeof *table->files);
    table->files[table->count++] = (struct cg_proto_file){name, descriptor};
}

static void add_text(struct table *table, const char *name,
                     const struct buf *text, const char *blame)
{
    struct cg_out *out = table->out;
    struct cg_descriptor descriptor;

    if (cg_descriptor_make(out->ir, cg_text(out->ir, "%s/public", out->scratch),
                           name, text, blame, &descriptor))
        add_file(table, name, descriptor);
}

static void add_timestamp(struct table *table)
{
    static const char name[] = "google/protobuf/timestamp.proto";
    struct cg_ir *ir = table->out->ir;
    const char *path = cg_text(ir, "%s/foreign/%s", ir->dir, name);
    struct buf text = {0};
    struct error err;

    if (cg_file_read(path, &text, &err))
        add_text(table, name, &text, path);
    else
        cg_fault(ir, (struct cg_loc){.file = path}, "file", "%s", err.msg);
    buf_release(&text);
}

static void collect(const struct cg_ir *ir, struct table *table,
                    bool (*wanted)(const struct cg_api *api))
{
    bool uses_time = false;

    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];
        const char *path = cg_text(table->out->ir, "proto/%s", api->proto);
        const struct cg_file *text = cg_out_find(table->out, path);

        if (wanted && !wanted(api))
            continue;
        uses_time = uses_time || api->uses_time;
        if (api->foreign)
            add_file(table, api->proto, api->foreign->descriptor);
        else if (text)
            add_text(table, api->proto, &text->text, path);
    }
    if (uses_time)
        add_timestamp(table);
}

const struct cg_proto_file *
cg_proto_files(const struct cg_ir *ir, struct cg_out *out,
               bool (*wanted)(const struct cg_api *api), size_t *count)
{
    struct table table = {.out = out};

    collect(ir, &table, wanted);
    *count = table.count;
    return table.files;
}

/* ---- writing ---- */

/* "a/b/v1/b.proto" -> "a_b_v1_b_proto" */
static const char *c_name(struct cg_ir *ir, const char *name)
{
    return cg_word(ir, name);
}

static void put_bytes(const struct cg_proto_file *file, struct cg_ir *ir,
                      struct buf *to)
{
    buf_printf(to, "\nstatic const uint8_t %s_bytes[] = {",
               c_name(ir, file->name));
    for (size_t i = 0; i < file->descriptor.size; i++)
        buf_printf(to, "%s0x%02x,", i % 12 ? " " : "\n    ",
                   file->descriptor.bytes[i]);
    buf_string(to, "\n};\n");
}

static void put_symbol(struct buf *to, const char *scope,
                       const struct cg_wire_field *name)
{
    buf_printf(to, "    \"%s%s%.*s\",\n", scope, *scope ? "." : "",
               (int)name->size, (const char *)name->bytes);
}

/* The name of a message, enum, service or method: field 1 of each. */
static bool name_of(const struct cg_wire_field *field,
                    struct cg_wire_field *name)
{
    struct cg_wire inside = cg_wire_inside(field);

    return cg_wire_find(&inside, MESSAGE_NAME, name);
}

/* Every symbol in the bytes: `fields` says which fields define one, each with
 * the fields that may define more inside it. */
struct scope {
    uint32_t field;
    const struct scope *inside;
};

static const struct scope in_service[] = {{SERVICE_METHOD, NULL}, {0, NULL}};
static const struct scope in_message[] = {
    {MESSAGE_NESTED, in_message}, {MESSAGE_ENUM, NULL}, {0, NULL}};
static const struct scope in_file[] = {{FILE_MESSAGE, in_message},
                                       {FILE_ENUM, NULL},
                                       {FILE_SERVICE, in_service},
                                       {0, NULL}};

static void put_symbols(struct cg_ir *ir, struct cg_wire wire,
                        const char *outer, const struct scope *scopes,
                        struct buf *to)
{
    struct cg_wire_field field, name;

    while (cg_wire_next(&wire, &field)) {
        const struct scope *scope = scopes;

        while (scope->field && scope->field != field.number)
            scope++;
        if (!scope->field || !field.bytes || !name_of(&field, &name))
            continue;
        put_symbol(to, outer, &name);
        if (scope->inside)
            put_symbols(ir, cg_wire_inside(&field),
                        cg_text(ir, "%s%s%.*s", outer, *outer ? "." : "",
                                (int)name.size, (const char *)name.bytes),
                        scope->inside, to);
    }
}

static void put_lists(const struct cg_proto_file *file, struct cg_ir *ir,
                      struct buf *to)
{
    const unsigned char *bytes = file->descriptor.bytes;
    const struct cg_wire whole = {bytes, bytes + file->descriptor.size};
    struct cg_wire wire = whole;
    struct cg_wire_field field;
    const char *package = "";

    buf_printf(to, "\nstatic const char *const %s_imports[] = {\n",
               c_name(ir, file->name));
    while (cg_wire_find(&wire, FILE_DEPENDENCY, &field))
        put_symbol(to, "", &field);
    buf_string(to, "    NULL,\n};\n");

    wire = whole;
    if (cg_wire_find(&wire, FILE_PACKAGE, &field))
        package =
            cg_text(ir, "%.*s", (int)field.size, (const char *)field.bytes);
    buf_printf(to, "\nstatic const char *const %s_symbols[] = {\n",
               c_name(ir, file->name));
    put_symbols(ir, whole, package, in_file, to);
    buf_string(to, "    NULL,\n};\n");
}

static void put_file(const struct cg_proto_file *file, struct cg_ir *ir,
                     struct buf *to)
{
    const char *name = c_name(ir, file->name);

    put_bytes(file, ir, to);
    put_lists(file, ir, to);
    buf_printf(to, "\nstatic const struct proto_file %s = {\n", name);
    buf_printf(to, "    .name = \"%s\",\n", file->name);
    buf_printf(to, "    .bytes = %s_bytes,\n    .size = sizeof %s_bytes,\n",
               name, name);
    buf_printf(to, "    .imports = %s_imports,\n    .symbols = %s_symbols,\n",
               name, name);
    buf_string(to, "};\n");
}

static void put_header(struct cg_out *out)
{
    struct buf *to = cg_out_open(out, "c/protos.h");

    cg_head(to, "api/ops");
    buf_string(to, "#ifndef GEN_PROTOS_H\n#define GEN_PROTOS_H\n\n"
                   "#include \"contract.h\"\n\n"
                   "/* Every .proto file of the APIs; NULL ends the list. */\n"
                   "extern const struct proto_file *const proto_files[];\n\n"
                   "#endif\n");
}

void cg_emit_protos(const struct cg_ir *ir, struct cg_out *out)
{
    struct table table = {.out = out};
    struct buf *to = cg_out_open(out, "c/protos.c");

    put_header(out);
    collect(ir, &table, NULL);
    cg_head(to, "api/ops");
    buf_string(to, "#include \"protos.h\"\n");
    for (size_t i = 0; i < table.count; i++)
        put_file(&table.files[i], out->ir, to);
    buf_string(to, "\nconst struct proto_file *const proto_files[] = {\n");
    for (size_t i = 0; i < table.count; i++)
        buf_printf(to, "    &%s,\n", c_name(out->ir, table.files[i].name));
    buf_string(to, "    NULL,\n};\n");
}
