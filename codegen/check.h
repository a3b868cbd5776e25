/*
 * Check: completes the IR and reports what no output could carry.
 *
 * Threads: one.
 */
#ifndef CODEGEN_CHECK_H
#define CODEGEN_CHECK_H

#include "ir.h"
#include "jsonschema/jsonschema.h"

/* Gives every declaration its spellings and every API its file names. */
void cg_name(struct cg_ir *ir);

/* Gives every field and enum value its number: what the schema says (x-n),
 * else what the lock file holds, else the next free one. Numbers of removed
 * members become reserved. The lock's new text is ir->lock. */
void cg_number(struct cg_ir *ir);

/* Marks every number of the lock as released with `version`, which must
 * outlive the IR, and writes ir->lock again. */
void cg_release(struct cg_ir *ir, const char *version);

/* Faults: hazards and collisions of names, unions that JSON types cannot tell
 * apart, endpoints that clash. */
void cg_check(struct cg_ir *ir);

/* Faults: a schema that is none (the meta-schema refuses it). */
void cg_check_schemas(struct cg_ir *ir);

/* Faults: a kept document that its schema refuses. */
void cg_check_documents(struct cg_ir *ir);

/* Calls `visit` with every kept document of this kind; `file` is below api/. */
typedef void cg_document_visit(void *context, const char *file,
                               const struct js_instance *instance);
void cg_each_document(struct cg_ir *ir, const struct cg_document *document,
                      cg_document_visit *visit, void *context);

/* The schema takes the document; if not, why is in `report`. */
bool cg_document_fits(struct cg_ir *ir, const struct cg_document *document,
                      const struct js_instance *instance,
                      struct doc_report *report);

#endif
