/*
 * Json: an indenting writer of JSON documents.
 *
 * Threads: one.
 */
#ifndef CODEGEN_JSON_H
#define CODEGEN_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "doc.h"

struct cg_json {
    struct buf *to;
    int depth;
    bool empty; /* nothing in the innermost object or list yet */
};

/* Opens an object '{' or a list '['; `key` is NULL inside lists. */
void cg_json_open(struct cg_json *json, const char *key, char bracket);
void cg_json_close(struct cg_json *json, char bracket);

void cg_json_string(struct cg_json *json, const char *key, const char *text);
void cg_json_number(struct cg_json *json, const char *key, long long number);
void cg_json_bool(struct cg_json *json, const char *key, bool value);

/* A node of a document as it stands. */
void cg_json_node(struct cg_json *json, const char *key,
                  const struct doc_node *node);

#endif
