/*
 * Changes: what the step from one version of something to the next breaks.
 *
 *   a comparison -> changes_add() -> waivers -> report
 *
 * A change has a rule, the path of what changed and a sentence. Rules are a
 * table of whoever compares; a waiver is a permission to break one rule at one
 * path until a day:
 *
 *   waivers:
 *     - rule: J1
 *       path: specserve.runtime.v1.HealthResponse.status
 *       reason: nobody has read it since 1.1
 *       expires: "2026-12-31"
 *
 * Threads: one.
 */
#ifndef BASE_CHANGES_H
#define BASE_CHANGES_H

#include <stdarg.h>

#include "doc.h"

enum change_level { CHANGE_INFO, CHANGE_WARNING, CHANGE_ERROR };

struct change_rule {
    const char *name; /* "J1" */
    enum change_level level;
    const char *meaning;
};

struct change_waiver {
    const char *rule, *path, *reason;
    const char *expires; /* the last day that it holds */
    bool used;
    const struct doc_node *at;
};

struct change {
    const struct change_rule *rule;
    enum change_level level; /* the rule's, unless who added it knew better */
    const char *path, *text;
    const struct change_waiver *waiver; /* NULL = it counts */
};

struct changes {
    const struct change_rule *rules;
    size_t rule_count;
    struct arena *arena; /* holds everything; borrowed */
    struct change *items;
    size_t count, capacity;
    struct change_waiver *waivers;
    size_t waiver_count;
    bool failed; /* memory was out: changes are missing */
};

/* How a report is asked for; NULL takes what stands in the comment. */
struct change_options {
    const char *format;  /* "text" */
    const char *waivers; /* a file; no waivers */
    const char *today;   /* "2026-12-31"; the day it is in UTC */
};

/* Adds a change; the texts are copied. */
void changes_add(struct changes *changes, size_t rule, enum change_level level,
                 const char *path, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

/* Changes of level error that nothing waives. */
size_t changes_broken(const struct changes *changes);

/*
 * Applies the file of waivers, if there is one, and writes the report: as lines,
 * as one JSON document or as a Markdown changelog "since" something. A waiver
 * that is malformed, past its day or not needed by any change is a fault of
 * `faults`: it would hide the next break. false: ERR_INVALID_INPUT, there is no
 * such format or day, ERR_FILE_MISSING, ERR_FILE_INVALID or ERR_OUT_OF_MEMORY.
 */
bool changes_report(struct changes *changes,
                    const struct change_options *options, const char *since,
                    struct doc_report *faults, struct buf *to,
                    struct error *err);

/* ---- the parts of it ---- */

/* "2026-12-31": days compare as text. */
bool change_is_day(const char *text);

/* `text` of `file` holds the waivers; `today` as "2026-11-28". */
void changes_waive(struct changes *changes, const char *file, const char *text,
                   size_t size, const char *today, struct doc_report *faults);

void changes_text(const struct changes *changes, struct buf *to);
void changes_json(const struct changes *changes, struct buf *to);
void changes_markdown(const struct changes *changes, const char *since,
                      struct buf *to);

#endif
