/*
 * Validate: one schema against one instance, keyword by keyword.
 *
 * Threads: one.
 */
#ifndef JSONSCHEMA_VALIDATE_H
#define JSONSCHEMA_VALIDATE_H

#include "jsonschema/store.h"

/* One js_check(). */
struct js_run {
    struct js_store *store;
    const char *file;
    struct doc_report *report; /* NULL = only the answer counts */
    int quiet;                 /* > 0: a fault here need not be one */
    int depth;
    struct error *err; /* code set: there will be no answer */
};

/* The resources that led here, innermost first: the dynamic scope. */
struct js_scope {
    struct js_resource *resource;
    const struct js_scope *up;
};

/* Where in the instance: the way back to the root. */
struct js_path {
    const struct js_path *up;
    const char *key; /* NULL = an index */
    size_t index;
};

/* A schema meeting an instance. */
struct js_visit {
    struct js_run *run;
    const struct js_scope *scope;
    const struct doc_node *schema;
    const struct doc_node *instance;
    const struct js_path *path;
    unsigned char *seen; /* per child of the instance: a keyword took it */
};

/* A keyword: `value` is what the schema says under it. */
typedef bool js_keyword(struct js_visit *visit, const struct doc_node *value);

#define KEYWORD(name, vocabulary, function)                                    \
    bool js_##function(struct js_visit *visit, const struct doc_node *value);
#include "jsonschema/keywords.def"
#undef KEYWORD

/* The whole schema; false also when run->err is set. */
bool js_visit(struct js_visit *visit);

/* Another schema on the same instance: what it took counts here if it holds. */
bool js_apply(const struct js_visit *visit, const struct doc_node *schema);

/* The same in another resource. */
bool js_apply_in(const struct js_visit *visit, const struct js_target *target);

/* A schema on child `index` of the instance. */
bool js_descend(const struct js_visit *visit, const struct doc_node *schema,
                size_t index);

/* A schema on another instance at the same place (a property's name). */
bool js_judge(const struct js_visit *visit, const struct doc_node *schema,
              const struct doc_node *instance);

/* Notes a fault unless the run is quiet; false. */
bool js_fault(const struct js_visit *visit, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends the run without an answer; false. */
bool js_stop(const struct js_visit *visit, enum err_code code,
             const char *format, ...) __attribute__((format(printf, 3, 4)));

/* JSON values are equal: numbers by value, objects whatever their order. */
bool js_equal(const struct doc_node *a, const struct doc_node *b);

/* The text has a part that matches the pattern. */
bool js_match(const struct js_visit *visit, const char *pattern,
              const char *text, size_t size);

#endif
