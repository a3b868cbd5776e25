/*
 * Store: which schema a URI means.
 *
 * Threads: one.
 */
#ifndef JSONSCHEMA_STORE_H
#define JSONSCHEMA_STORE_H

#include "jsonschema/jsonschema.h"

/* Groups of keywords that a meta-schema switches on. */
enum js_vocabulary {
    JS_CORE = 1, /* always on */
    JS_APPLICATOR = 2,
    JS_UNEVALUATED = 4,
    JS_VALIDATION = 8
};

struct js_anchor {
    const char *name;
    const struct doc_node *node;
    bool dynamic;
};

struct js_resource {
    const char *uri; /* absolute, without fragment */
    const struct doc_node *root;
    const char *dialect;   /* its $schema, or that around it; NULL = none */
    unsigned vocabularies; /* 0 = not looked up yet */
    struct js_anchor *anchors;
    size_t anchor_count, anchor_capacity;
};

/* Where a reference leads. */
struct js_target {
    struct js_resource *resource;
    const struct doc_node *node;
};

/* The resource whose root is this node, or NULL. */
struct js_resource *js_store_at(struct js_store *store,
                                const struct doc_node *node);

/* The anchor of this name, or NULL. */
const struct js_anchor *js_anchor_find(const struct js_resource *resource,
                                       const char *name);

/* What the absolute URI, which may have a fragment, means.
 * ERR_DOCUMENT_INVALID: nothing; ERR_OUT_OF_MEMORY. */
bool js_store_find(struct js_store *store, const char *uri,
                   struct js_target *target, struct error *err);

/* The keywords that count in this resource: enum js_vocabulary, or'ed. */
unsigned js_store_vocabularies(struct js_store *store,
                               struct js_resource *resource);

#endif
