/*
 * Bundle internals: the stages between a folder and a checked bundle.
 *
 *   bundle_load    files -> trees that obey their schemas
 *   bundle_read    trees -> the typed parts of struct srv_bundle
 *   bundle_check*  the parts against each other and the files they name
 *
 * Threads: the caller serialises.
 */
#ifndef SERVER_BUNDLE_INTERNAL_H
#define SERVER_BUNDLE_INTERNAL_H

#include "bundle.h"

struct bundle_kind_info {
    const char *api_version, *kind; /* as the document says */
    const struct doc_schema *schema;
    enum doc_dialect dialect;
};

/* The row of `kind`. */
const struct bundle_kind_info *bundle_kind_info(enum bundle_kind kind);

/*
 * Parses `size` bytes of `file` and checks them against the schema of the kind
 * they say they are. False when no tree came out; the faults are in `report`.
 */
bool bundle_load_text(const char *file, const char *text, size_t size,
                      struct arena *arena, struct doc_report *report,
                      struct bundle_document *document);

/* Finds and loads the documents in the folder `dir_fd`. */
void bundle_load(struct srv_bundle *bundle, int dir_fd,
                 struct doc_report *report);

/* Fills the typed parts from the trees; false: memory. */
bool bundle_read(struct srv_bundle *bundle);

/* What the checks share. */
struct bundle_check {
    struct srv_bundle *bundle;
    struct doc_report *report;
    int dir_fd;
};

/* References between documents, and the files they name (fills bibtex). */
void bundle_check_files(struct bundle_check *check);

/* Signature, capabilities, ranges, elements, steps, serving. */
void bundle_check_service(struct bundle_check *check);
void bundle_check_signature(struct bundle_check *check);

/* Examples against the signature. */
void bundle_check_examples(struct bundle_check *check);

/*
 * Adds a row of rule MS190 at the JSON pointer of a document, or at the nearest
 * place above it that exists.
 */
void bundle_fault(const struct bundle_check *check, enum bundle_kind kind,
                  const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void bundle_warn(const struct bundle_check *check, enum bundle_kind kind,
                 const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A formatted JSON pointer in the bundle's arena; "" when memory is out. */
const char *bundle_where(const struct bundle_check *check, const char *format,
                         ...) __attribute__((format(printf, 2, 3)));

/* Is `text` in the list? */
bool bundle_has(const struct bundle_strings *list, const char *text);

#endif
