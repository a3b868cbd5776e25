/*
 * foreign/: .proto files that others defined, taken as they are.
 *
 * protoc turns each into a descriptor, which answers what messages it has and
 * is handed out by the reflection service. A file is compiled under the name
 * that its own project gives it, so that a client which already knows that
 * file sees the same one.
 */
#include <string.h>

#include "descriptor.h"
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
    struct cg_loc at = {.file = path};
    struct cg_foreign *foreign;
    struct buf text = {0};
    struct error err;

    if (known(ir, path))
        return known(ir, path);
    if (!cg_file_read(path, &text, &err)) {
        cg_fault(ir, at, "file", "%s", err.msg);
        buf_release(&text);
        return NULL;
    }
    foreign = add(ir, path, text.data ? text.data : "");
    (void)cg_descriptor_make(ir, cg_text(ir, "%s/compiled", scratch),
                             foreign->canonical, &text, path,
                             &foreign->descriptor);
    buf_release(&text);
    return foreign;
}

/* The first field 1 inside the bytes is this name. */
static bool is_named(const struct cg_wire_field *field, const char *name)
{
    struct cg_wire inside = cg_wire_inside(field);
    struct cg_wire_field found;

    return cg_wire_find(&inside, SERVICE_NAME, &found) &&
           found.size == strlen(name) &&
           memcmp(found.bytes, name, found.size) == 0;
}

bool cg_foreign_has_method(const struct cg_foreign *foreign,
                           const char *service, const char *method)
{
    const unsigned char *bytes = foreign->descriptor.bytes;
    struct cg_wire wire = {bytes, bytes + foreign->descriptor.size};
    struct cg_wire_field found, inner;

    while (bytes && cg_wire_find(&wire, FILE_SERVICE, &found)) {
        struct cg_wire inside = cg_wire_inside(&found);

        if (!is_named(&found, service))
            continue;
        while (cg_wire_find(&inside, SERVICE_METHOD, &inner))
            if (is_named(&inner, method))
                return true;
    }
    return false;
}
