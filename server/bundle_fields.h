/*
 * Bundle fields: what this server does with each field of the documents. The
 * table is bundle_fields.def.
 *
 * Threads: any; no state.
 */
#ifndef SERVER_BUNDLE_FIELDS_H
#define SERVER_BUNDLE_FIELDS_H

#include "bundle.h"

enum bundle_use_of { ACTED, TOLD, NOT_YET };

struct bundle_field {
    enum bundle_kind kind;
    const char *path; /* dotted */
    enum bundle_use_of use;
};

/* The row that decides about the field at `path`, or NULL. */
const struct bundle_field *bundle_field_at(enum bundle_kind kind,
                                           const char *path);

#endif
