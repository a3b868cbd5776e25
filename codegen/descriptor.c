/*
 * Descriptor: runs protoc on one file and walks what it wrote.
 */
#include "descriptor.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "wire.h"

/* The bytes of the only file in a FileDescriptorSet. */
static bool take_file(struct cg_ir *ir, const struct buf *set,
                      struct cg_descriptor *descriptor)
{
    const unsigned char *bytes = (const unsigned char *)set->data;
    struct cg_wire wire = {bytes, bytes + set->size};
    struct cg_wire_field file;

    if (!set->size || !cg_wire_find(&wire, SET_FILE, &file))
        return false;
    unsigned char *copy = cg_zalloc(ir, file.size, 1);
    memcpy(copy, file.bytes, file.size);
    *descriptor = (struct cg_descriptor){copy, file.size};
    return true;
}

static bool run_protoc(struct cg_ir *ir, const char *folder, const char *name,
                       struct buf *said, struct buf *set)
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

    if (cg_run(argv, said, &err) && cg_file_read(result, set, &err))
        return true;
    if (!said->size)
        buf_string(said, err.msg);
    return false;
}

/* The number behind the colon at `*text`, which is moved past it. */
static int read_position(const char **text)
{
    char *end = NULL;
    long value = 0;

    if (**text == ':')
        value = strtol(*text + 1, &end, 10);
    if (!end || end == *text + 1 || value < 0 || value > INT_MAX)
        return 0;
    *text = end;
    return (int)value;
}

/* protoc says "<name>:line:col: message", a line per fault. */
static void fault_each(struct cg_ir *ir, struct cg_loc at, char *said)
{
    for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n")) {
        const char *rest = line + strcspn(line, ":");

        at.line = read_position(&rest);
        at.col = at.line ? read_position(&rest) : 0;
        if (at.col && strncmp(rest, ": ", 2) == 0)
            cg_fault(ir, at, "protoc", "%s", rest + 2);
        else
            cg_fault(ir, at, "protoc", "%s", line);
    }
}

bool cg_descriptor_make(struct cg_ir *ir, const char *folder, const char *name,
                        const struct buf *text, const char *blame,
                        struct cg_descriptor *descriptor)
{
    struct cg_loc at = {.file = blame};
    struct buf said = {0}, set = {0};
    struct error err;
    bool made;

    made = cg_file_write(cg_text(ir, "%s/%s", folder, name), text->data,
                         text->size, &err);
    if (!made)
        cg_fault(ir, at, "file", "%s", err.msg);
    made = made && run_protoc(ir, folder, name, &said, &set) &&
           take_file(ir, &set, descriptor);
    if (!made && said.size)
        fault_each(ir, at, said.data);
    buf_release(&said);
    buf_release(&set);
    return made;
}
