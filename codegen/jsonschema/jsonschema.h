/*
 * Jsonschema: JSON Schema 2020-12, all of it, over trees of doc.h.
 *
 *   js_init(&store, &arena);
 *   js_add(&store, "https://example.org/thing", schema, &err);
 *   js_check(&store, "https://example.org/thing", &instance, &report, &err);
 *
 * What specgen holds its own input against: the schemas of api/ against the
 * meta-schema, kept documents against the schemas. The programs themselves
 * check by generated tables, which know the few keywords that api/ uses.
 *
 * As the specification says: `format` and `content*` are annotations, unknown
 * keywords are ignored, a schema may switch vocabularies off by its meta-schema.
 * Nothing is fetched: a reference leads to what was added, or is an error.
 *
 * Source: https://json-schema.org/draft/2020-12/json-schema-core and
 * json-schema-validation.
 *
 * Threads: one.
 */
#ifndef JSONSCHEMA_H
#define JSONSCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "doc.h"

/* A schema that was added, or one inside it with an $id of its own. */
struct js_resource;

struct js_store {
    struct arena *arena; /* holds everything below */
    struct js_resource *resources;
    size_t count, capacity;
};

/* An empty store. */
void js_init(struct js_store *store, struct arena *arena);

/*
 * Adds a schema under an absolute URI without fragment, and under its own $id;
 * the tree must outlive the store.
 * ERR_DOCUMENT_INVALID: an $id, $ref or $anchor is no string
 * ERR_OUT_OF_MEMORY
 */
bool js_add(struct js_store *store, const char *uri,
            const struct doc_node *schema, struct error *err);

/* Adds the meta-schema of 2020-12 with its vocabularies. Errors of js_add(). */
bool js_add_meta(struct js_store *store, struct error *err);

/* The URI of the meta-schema. */
extern const char js_meta[];

/* A tree to check and what to call it in the report. */
struct js_instance {
    const char *file;
    const struct doc_node *root;
};

/*
 * Checks the instance against the schema at `uri`, which may have a fragment;
 * adds a row of rule "SCHEMA" per fault to `report` unless that is NULL. Sets
 * `*valid`. false: no answer, because
 *   ERR_DOCUMENT_INVALID   a reference leads nowhere or in circles, or a pattern
 *                          is no regular expression; names it
 *   ERR_OUT_OF_MEMORY
 */
bool js_check(struct js_store *store, const char *uri,
              const struct js_instance *instance, struct doc_report *report,
              bool *valid, struct error *err);

#endif
