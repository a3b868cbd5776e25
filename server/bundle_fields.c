/*
 * Bundle fields: the table, and what of it a bundle's documents declare.
 */
#include "bundle_fields.h"

#include <string.h>

#include "bundle_internal.h"

static const struct bundle_field fields[] = {
#define FIELD(kind, path, use) {(kind), (path), (use)},
#include "bundle_fields.def"
#undef FIELD
};

enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

/* Is `path` the field itself, or below it? */
static bool covers(const struct bundle_field *field, const char *path)
{
    size_t size = strlen(field->path);

    return strncmp(field->path, path, size) == 0 &&
           (path[size] == '\0' || path[size] == '.');
}

const struct bundle_field *bundle_field_at(enum bundle_kind kind,
                                           const char *path)
{
    const struct bundle_field *best = NULL;

    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].kind == kind && covers(&fields[i], path) &&
            (!best || strlen(fields[i].path) > strlen(best->path)))
            best = &fields[i];
    return best;
}

void bundle_list_unused(const struct srv_bundle *bundle, struct buf *out)
{
    size_t listed = 0;

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct bundle_field *field = &fields[i];
        const struct doc_node *root = bundle->documents[field->kind].root;

        if (field->use == NOT_YET && doc_at(root, field->path))
            buf_printf(out, "%s%s %s", listed++ ? ", " : "",
                       bundle_kind_info(field->kind)->kind, field->path);
    }
}
