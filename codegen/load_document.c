/*
 * schema/ with `x-document: true`: the schema of a document that people write.
 *
 * It stays a tree; emit/schema.c turns it into tables. Here it is only held
 * against the keywords that those tables know.
 */
#include <string.h>

#include "load.h"

static const char *const keywords[] = {
    "$comment",      "$schema",    "additionalProperties",
    "const",         "default",    "description",
    "enum",          "examples",   "items",
    "maxItems",      "maxLength",  "maxProperties",
    "maximum",       "minItems",   "minLength",
    "minProperties", "minimum",    "pattern",
    "properties",    "required",   "title",
    "type",          "x-document", "x-secret",
    "x-since",       NULL};

static void check_node(struct cg_ir *ir, const char *file,
                       const struct doc_node *schema)
{
    const struct doc_node *members = doc_get(schema, "properties");
    const struct doc_node *values = doc_get(schema, "enum");
    const struct doc_node *constant = doc_get(schema, "const");

    if (!schema || schema->type != DOC_MAP)
        return;
    cg_load_keys(ir, file, schema, "schema.keyword", keywords);
    if (constant && constant->type != DOC_STRING)
        cg_fault(ir, cg_at(file, constant), "schema.enum",
                 "a document's const is a string");
    for (size_t i = 0; i < doc_count(values); i++)
        if (doc_item(values, i)->type != DOC_STRING)
            cg_fault(ir, cg_at(file, doc_item(values, i)), "schema.enum",
                     "a document's enum has strings only");
    for (size_t i = 0; i < doc_count(members); i++)
        check_node(ir, file, members->entries[i].value);
    check_node(ir, file, doc_get(schema, "items"));
    check_node(ir, file, doc_get(schema, "additionalProperties"));
}

void cg_load_documents(struct cg_ir *ir)
{
    const char **files = cg_load_list(ir, "schema", ".json");

    for (size_t i = 0; files[i]; i++) {
        const struct doc_node *root = cg_load_tree(ir, files[i]);
        const char *base = strrchr(files[i], '/') + 1;

        if (!doc_bool(doc_get(root, "x-document"), false))
            continue;
        check_node(ir, cg_load_name(ir, files[i]), root);
        ir->documents = cg_grow(ir, ir->documents, ir->document_count,
                                &ir->document_capacity, sizeof *ir->documents);
        ir->documents[ir->document_count++] = (struct cg_document){
            .name = cg_text(ir, "%.*s", (int)strcspn(base, "."), base),
            .file = files[i],
            .root = root,
        };
    }
}
