/*
 * Meta: the meta-schema of 2020-12 and its vocabularies, as published (meta/),
 * made part of the program by the build.
 */
#include "jsonschema/meta.h"

#include "jsonschema/jsonschema.h"

const char js_meta[] = "https://json-schema.org/draft/2020-12/schema";

static bool add(struct js_store *store, const struct js_meta_file *file,
                struct error *err)
{
    struct doc_report report;
    const struct doc_node *root;

    doc_report_init(&report, store->arena);
    root = doc_parse_json(file->name, (const char *)file->text, file->size,
                          store->arena, &report);
    if (!root)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for '%s'", file->name);
    return js_add(store, doc_string(doc_get(root, "$id"), file->name), root,
                  err);
}

bool js_add_meta(struct js_store *store, struct error *err)
{
    for (size_t i = 0; i < js_meta_count; i++)
        if (!add(store, &js_meta_files[i], err))
            return false;
    return true;
}
