/*
 * Schema: what a JSON Schema node is, in the profile that maps onto messages.
 *
 * Questions only; load_schema.c acts on the answers.
 *
 * Threads: any; no state.
 */
#ifndef CODEGEN_SCHEMA_H
#define CODEGEN_SCHEMA_H

#include "ir.h"

/* The node's type without "null", "" if it has none; `nullable`: "null" is
 * allowed besides. */
const char *cg_schema_type(const struct doc_node *schema, bool *nullable);

/* Any JSON: `{}`, `true`, or an object that says nothing about its keys. */
bool cg_schema_is_free(const struct doc_node *schema);

/* An object whose keys are free and whose values are of one kind. */
bool cg_schema_is_map(const struct doc_node *schema);

/* An object with named members, or a oneOf. */
bool cg_schema_is_message(const struct doc_node *schema);

/* A closed list of strings. */
bool cg_schema_is_enum(const struct doc_node *schema);

/* The kind of a scalar by type, format and encoding; false if there is none. */
bool cg_schema_scalar(const struct doc_node *schema, enum msg_kind *kind);

/* Limits of one value, with the bounds that integers always have in JSON. */
struct cg_limits cg_schema_limits(const struct doc_node *schema,
                                  enum msg_kind kind);

/* "#/$defs/X" or "other.json#/$defs/X": "X"; NULL otherwise. */
const char *cg_schema_ref(const struct doc_node *schema);

/* `name` is in the schema's list `required`. */
bool cg_schema_requires(const struct doc_node *schema, const char *name);

#endif
