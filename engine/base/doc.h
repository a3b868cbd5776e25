/*
 * Doc: a document as a tree that remembers where each node stood.
 *
 * Loaded from YAML (a strict subset: no anchors, aliases, tags, merge keys,
 * duplicate keys, tabs, second documents) or from JSON; `doc_check` walks a
 * generated schema over it. Nothing stops at the first fault: every fault
 * becomes a row of a report with file, line, column and JSON pointer.
 *
 * Limits: YAML 64 KiB and 32 levels, JSON 1 MiB and 64 levels; UTF-8, no NUL,
 * no byte order mark. libyaml takes quadratic time on nested brackets, so the
 * loader stops at the event that goes too deep; libyaml looks at most 1,024
 * characters ahead of it, which bounds the damage to about 3 ms.
 *
 * Threads: a tree is immutable once loaded; loading: the caller serialises.
 */
#ifndef BASE_DOC_H
#define BASE_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "contract.h"
#include "error.h"

/* One key and its value; maps keep the order of the file. */
struct doc_entry;

struct doc_node {
    enum doc_type type;      /* exactly one */
    int line, col;           /* from 1, of the first character */
    bool plain;              /* YAML: the scalar had no quotes */
    const char *text;        /* scalars: the text as written, NUL-terminated */
    size_t size;             /* of text in bytes; lists and maps: children */
    bool boolean;            /* DOC_BOOL */
    double number;           /* DOC_INT, DOC_NUMBER */
    int64_t integer;         /* DOC_INT */
    struct doc_node **items; /* DOC_LIST */
    struct doc_entry *entries; /* DOC_MAP */
};

struct doc_entry {
    const char *key;
    int line, col;
    struct doc_node *value;
};

enum doc_severity { DOC_FAULT, DOC_WARNING, DOC_INFO };

struct doc_issue {
    enum doc_severity severity;
    const char *rule;    /* "YAML", "SCHEMA", "MS190" ... */
    const char *file;    /* as given to the loader */
    int line, col;       /* 0 = the whole file */
    const char *pointer; /* JSON pointer, "" = the root */
    const char *message;
    const char *hint; /* "" = none */
};

/* Everything that was found, in the order of the files. */
struct doc_report {
    struct arena *arena; /* holds the rows and their texts */
    struct doc_issue *issues;
    size_t count, capacity;
    size_t faults;  /* rows of severity DOC_FAULT, kept or not */
    size_t dropped; /* rows that were not kept */
};

/* An empty report whose rows live in `arena`. */
void doc_report_init(struct doc_report *report, struct arena *arena);

/* Adds a row; texts are copied. Rows beyond 1,000 are counted, not kept.
 * NULL texts stand for "". */
void doc_report_add(struct doc_report *report, const struct doc_issue *issue);

/* The common case: a fault at `node` (NULL: the file) of `file`. */
void doc_fault(struct doc_report *report, const char *rule, const char *file,
               const struct doc_node *node, const char *pointer,
               const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Sorts the rows by line and column within their file; files keep the order of
 * their first rows. */
void doc_report_sort(struct doc_report *report);

/* "file:line:col: error: message [RULE] at /pointer (hint)" per row. Control
 * bytes come out as '?'. */
void doc_report_print(const struct doc_report *report, struct buf *out);

/* How plain YAML scalars become types. */
enum doc_dialect {
    DOC_YAML_CORE, /* YAML 1.2 core schema; ambiguous scalars are faults */
    DOC_YAML_1_1   /* as the reference ModelSpec validator (YAML 1.1); a
                      warning wherever 1.2 would read something else */
};

enum {
    DOC_SIZE_MAX = 64 * 1024, /* of a YAML text */
    DOC_DEPTH_MAX = 32,
    DOC_JSON_SIZE_MAX = 1024 * 1024,
    DOC_JSON_DEPTH_MAX = 64
};

/*
 * Parses `size` bytes called `file` in reports. Returns the root, which lives
 * in `arena`, or NULL after adding at least one fault to `report` when the text
 * has no structure. A fault in one place (a duplicate key, an ambiguous scalar,
 * an alias) keeps the tree, so that a schema check can list the other faults
 * too: whoever acts on the tree looks at report->faults first.
 */
struct doc_node *doc_parse_yaml(const char *file, const char *text, size_t size,
                                enum doc_dialect dialect, struct arena *arena,
                                struct doc_report *report);
struct doc_node *doc_parse_json(const char *file, const char *text, size_t size,
                                struct arena *arena, struct doc_report *report);

/* The same for JSON as such: strings, but not keys, may hold NUL. */
struct doc_node *doc_parse_json_nul(const char *file, const char *text,
                                    size_t size, struct arena *arena,
                                    struct doc_report *report);

/*
 * Checks the tree against the schema; adds a row of rule "SCHEMA" per fault.
 * An unknown key brings the nearest known one as its hint.
 */
void doc_check(const char *file, const struct doc_node *root,
               const struct doc_schema *schema, struct doc_report *report);

/*
 * The one of `count` names that `name` is most likely a misspelling of, or NULL
 * when none is near.
 */
const char *doc_nearest(const char *name, const char *const *names,
                        size_t count);

/* ---- reading a tree; NULL in gives NULL out, so calls can be chained ---- */

/* The value under `key` of a map, or NULL. */
const struct doc_node *doc_get(const struct doc_node *map, const char *key);

/* The node at a dotted path, "spec.info.license", or NULL. */
const struct doc_node *doc_at(const struct doc_node *root, const char *path);

/* The node at a JSON pointer, "/spec/examples/3", "" = the root; or NULL. */
const struct doc_node *doc_find(const struct doc_node *root,
                                const char *pointer);

/* "<pointer>/<key>" in the arena, the key escaped; "" when memory is out. */
const char *doc_pointer_key(struct arena *arena, const char *pointer,
                            const char *key);
const char *doc_pointer_index(struct arena *arena, const char *pointer,
                              size_t index);

/* Scalars with a default for absent or other types. */
const char *doc_string(const struct doc_node *node, const char *otherwise);
double doc_number(const struct doc_node *node, double otherwise);
int64_t doc_integer(const struct doc_node *node, int64_t otherwise);
bool doc_bool(const struct doc_node *node, bool otherwise);

/* Children of a list or map; 0 for NULL and scalars. */
size_t doc_count(const struct doc_node *node);

/* Item `index` of a list, or NULL. */
const struct doc_node *doc_item(const struct doc_node *list, size_t index);

/* Writes the tree as JSON without white space; numbers keep their value. */
void doc_write_json(const struct doc_node *node, struct buf *out);

#endif
