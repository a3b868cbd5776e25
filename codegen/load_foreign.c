/*
 * foreign/: .proto files that others defined, taken as they are.
 *
 * protoc turns each into a descriptor, which answers what messages it has and
 * is handed out by the reflection service. A file is compiled under the name
 * that its own project gives it, so that a client which already knows that
 * file sees the same one.
 */
#include <string.h>

#include "load.h"
#include "names.h"
#include "out.h"
#include "wire.h"

/* "grpc.health.v1" of the line `package grpc.health.v1;`, or "". */
static const char *package_of(struct cg_ir *ir, const char *text)
{
    const char *line = strncmp(text, "package ", 8) == 0 ? text : NULL;

    if (!line) {
        line = strstr(text, "\npackage ");
        if (!line)
            return "";
        line++;
    }
    line += strlen("package ");
    return cg_text(ir, "%.*s", (int)strcspn(line, " ;\n"), line);
}

/* Runs protoc on `name` below `folder`; its descriptor set goes to `set`. */
static bool compile(struct cg_ir *ir, const char *folder, const char *name,
                    struct buf *set, struct buf *said)
{
    const char *result = cg_text(ir, "%s/descriptor.bin", folder);
    const char *argv[] = {
        "protoc",
        cg_text(ir, "-I%s", folder),
        cg_text(ir, "-I%s/foreign", ir->dir),
        cg_text(ir, "--descriptor_set_out=%s", result),
        name,
        NULL,
    };
    struct error err;

    if (!cg_run(argv, said, &err)) {
        if (!said->size)
            buf_string(said, err.msg);
        return false;
    }
    return cg_file_read(result, set, &err);
}

/* The bytes of the only file in the set. */
static void keep_descriptor(struct cg_ir *ir, struct cg_foreign *foreign,
                            const struct buf *set)
{
    const unsigned char *bytes = (const unsigned char *)set->data;
    struct cg_wire wire = {bytes, bytes + set->size};
    struct cg_wire_field file;

    if (!cg_wire_find(&wire, SET_FILE, &file))
        return;
    unsigned char *copy = cg_zalloc(ir, file.size, 1);
    memcpy(copy, file.bytes, file.size);
    foreign->bytes = copy;
    foreign->size = file.size;
}

static const struct cg_foreign *known(const struct cg_ir *ir, const char *path)
{
    for (size_t i = 0; i < ir->foreign_count; i++)
        if (strcmp(ir->foreigns[i]->path, path) == 0)
            return ir->foreigns[i];
    return NULL;
}

static struct cg_foreign *add(struct cg_ir *ir, const char *path,
                              const char *text)
{
    struct cg_foreign *foreign = cg_zalloc(ir, 1, sizeof *foreign);

    foreign->path = path;
    foreign->file = strrchr(path, '/') + 1;
    foreign->canonical = cg_proto_path(ir, package_of(ir, text), foreign->file);
    ir->foreigns = cg_grow(ir, ir->foreigns, ir->foreign_count,
                           &ir->foreign_capacity, sizeof *ir->foreigns);
    ir->foreigns[ir->foreign_count++] = foreign;
    return foreign;
}

const struct cg_foreign *cg_load_foreign(struct cg_ir *ir, const char *file,
                                         const char *scratch)
{
    const char *path = cg_load_name(ir, file);
    const char *folder = cg_text(ir, "%s/foreign", scratch);
    struct cg_loc at = {.file = path};
    struct cg_foreign *foreign = NULL;
    struct buf text = {0}, set = {0}, said = {0};
    struct error err;

    if (known(ir, path))
        return known(ir, path);
    if (!cg_file_read(path, &text, &err)) {
        cg_fault(ir, at, "file", "%s", err.msg);
        goto out;
    }
    foreign = add(ir, path, text.data ? text.data : "");
    if (!cg_file_write(cg_text(ir, "%s/%s", folder, foreign->canonical),
                       text.data, text.size, &err))
        cg_fault(ir, at, "file", "%s", err.msg);
    else if (!compile(ir, folder, foreign->canonical, &set, &said))
        cg_fault(ir, at, "foreign", "protoc: %.*s",
                 (int)strcspn(said.data ? said.data : "", "\n"), said.data);
    else
        keep_descriptor(ir, foreign, &set);
out:
    buf_release(&text);
    buf_release(&set);
    buf_release(&said);
    return foreign;
}

static void add_decl(struct cg_ir *ir, struct cg_api *api,
                     const struct cg_wire_field *message)
{
    struct cg_wire inside = cg_wire_inside(message);
    struct cg_decl *decl = cg_zalloc(ir, 1, sizeof *decl);
    struct cg_wire_field name;

    if (!cg_wire_find(&inside, MESSAGE_NAME, &name))
        return;
    decl->name = cg_text(ir, "%.*s", (int)name.size, (const char *)name.bytes);
    decl->foreign = true;
    decl->api = api;
    decl->at = api->at;
    api->decls = cg_grow(ir, api->decls, api->decl_count, &api->decl_capacity,
                         sizeof *api->decls);
    api->decls[api->decl_count++] = decl;
}

void cg_load_foreign_decls(struct cg_ir *ir, struct cg_api *api)
{
    const unsigned char *bytes = api->foreign->bytes;
    struct cg_wire wire = {bytes, bytes + api->foreign->size};
    struct cg_wire_field message;

    while (bytes && cg_wire_find(&wire, FILE_MESSAGE, &message))
        add_decl(ir, api, &message);
}
