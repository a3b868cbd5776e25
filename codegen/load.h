/*
 * Load: from the files of api/ to the IR, faults included.
 *
 * One loader per kind of file; each adds what it understood and a fault for
 * everything else, so one run shows all that is wrong.
 *
 * Threads: one.
 */
#ifndef CODEGEN_LOAD_H
#define CODEGEN_LOAD_H

#include "ir.h"

/* Everything below ir->dir. Foreign files need protoc and a scratch folder. */
void cg_load(struct cg_ir *ir, const char *scratch);

/* The whole way from files to an IR that emitters can read: load, name, number,
 * check. What is wrong is in ir->faults. */
void cg_load_all(struct cg_ir *ir, const char *scratch);

/* The tree of a YAML or JSON file (by its ending) below ir->dir, or NULL after
 * a fault. Each file is read once. */
const struct doc_node *cg_load_tree(struct cg_ir *ir, const char *file);

/* How the file is called in faults: ir->dir and the name below it. */
const char *cg_load_name(struct cg_ir *ir, const char *file);

/* Sorted names of the files in a folder of ir->dir with this ending;
 * NULL-ended, empty if there is no such folder. */
const char **cg_load_list(struct cg_ir *ir, const char *folder,
                          const char *ending);

/* Reports every key of the map that is not in the NULL-ended list. */
void cg_load_keys(struct cg_ir *ir, const char *file,
                  const struct doc_node *map, const char *rule,
                  const char *const *allowed);

/* The string under `key`; NULL after a fault if it is absent or no string. */
const char *cg_load_string(struct cg_ir *ir, const char *file,
                           const struct doc_node *map, const char *rule,
                           const char *key);

/* errors.yaml -> ir->errors. */
void cg_load_errors(struct cg_ir *ir);

/* foreign/<name>.proto: compiles it to a descriptor; NULL after a fault. */
const struct cg_foreign *cg_load_foreign(struct cg_ir *ir, const char *file,
                                         const char *scratch);

/* The file defines this method of this service. */
bool cg_foreign_has_method(const struct cg_foreign *foreign,
                           const char *service, const char *method);

/* load_foreign_messages.c: adds the messages and enums of a foreign file to the
 * API, those inside messages as "Outer.Inner". */
void cg_load_foreign_decls(struct cg_ir *ir, struct cg_api *api);

/* ops/<file>: the API with its operations; schemas are loaded with it. */
void cg_load_ops(struct cg_ir *ir, const char *file, const char *scratch);

/* schema/<file> listed by an API: its $defs, as they are. */
void cg_load_defs(struct cg_ir *ir, struct cg_api *api,
                  const char *const *files, size_t count);

/* The same, and they become messages and enums. */
void cg_load_schema(struct cg_ir *ir, struct cg_api *api,
                    const char *const *files, size_t count);

/* schema/ files with `x-document: true` -> ir->documents. */
void cg_load_documents(struct cg_ir *ir);

#endif
