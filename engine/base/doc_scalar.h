/*
 * Doc scalar: what a plain YAML scalar means, by YAML 1.1 as PyYAML's
 * SafeLoader reads it, and by the core schema of YAML 1.2.
 *
 * Both readings are rows of one table of patterns, so that "do they differ"
 * is a comparison and not a second list of traps.
 *
 * Threads: a reader belongs to its caller.
 */
#ifndef BASE_DOC_SCALAR_H
#define BASE_DOC_SCALAR_H

#include "doc.h"

/* One reading of a scalar. */
struct doc_scalar {
    enum doc_type type;
    bool boolean;
    int64_t integer;   /* DOC_INT */
    double number;     /* DOC_INT, DOC_NUMBER; may be infinite or NaN */
    bool decimal;      /* a number written with base 10 digits */
    const char *other; /* "a date": a type that documents do not have */
};

struct doc_patterns;

/* The compiled patterns of both schemas, or NULL: memory. */
struct doc_patterns *doc_patterns_new(void);
void doc_patterns_free(struct doc_patterns *patterns);

/* How `dialect` reads the NUL-terminated `text`. */
struct doc_scalar doc_scalar_read(const struct doc_patterns *patterns,
                                  enum doc_dialect dialect, const char *text);

/* Same type and same value? */
bool doc_scalar_equal(const struct doc_scalar *a, const struct doc_scalar *b);

enum { DOC_SCALAR_TEXT = 64 };

/* "the integer 10", "text", "a date" ... */
void doc_scalar_describe(const struct doc_scalar *scalar,
                         char text[DOC_SCALAR_TEXT]);

#endif
