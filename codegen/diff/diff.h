/*
 * Diff: what the change from one contract to another breaks.
 *
 *   two IRs -> one walk per part of the contract -> changes -> waivers -> report
 *
 * A change has a rule of rules.def, the path of what changed and a sentence.
 * What breaks depends on who writes: a request may not take less, an answer may
 * not hold less or other things, a stored document may not be refused.
 *
 * Levels: an error of an API whose package says alpha or beta is a warning;
 * documents lie on their users' disks and are always held to errors.
 *
 * Threads: one.
 */
#ifndef CODEGEN_DIFF_H
#define CODEGEN_DIFF_H

#include "ir.h"

enum cg_level { CG_INFO, CG_WARNING, CG_ERROR };

enum cg_rule {
#define RULE(id, level, meaning) CG_RULE_##id,
#include "rules.def"
#undef RULE
    CG_RULE_COUNT
};

/* A permission to break one rule at one path until a day. */
struct cg_waiver {
    const char *rule, *path, *reason;
    const char *expires; /* "2026-12-31", the last day that it holds */
    bool used;
    struct cg_loc at;
};

struct cg_change {
    enum cg_rule rule;
    enum cg_level level;
    const char *path; /* "specserve.runtime.v1.HealthResponse.status" */
    const char *text;
    const struct cg_waiver *waiver; /* NULL = it counts */
};

struct cg_diff {
    struct cg_ir *was, *now;
    bool beta; /* of the API that is being compared */
    struct cg_change *changes;
    size_t count, capacity;
    struct cg_waiver *waivers;
    size_t waiver_count, waiver_capacity;
};

const char *cg_rule_name(enum cg_rule rule);
const char *cg_rule_meaning(enum cg_rule rule);

/* Adds a change; the texts are copied. */
void cg_change(struct cg_diff *diff, enum cg_rule rule, const char *path,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Compares everything. Both IRs are loaded, numbered and without faults. */
void cg_diff_run(struct cg_diff *diff);

/* The parts, in this order. */
void cg_diff_apis(struct cg_diff *diff);
void cg_diff_errors(struct cg_diff *diff);
void cg_diff_documents(struct cg_diff *diff);
void cg_diff_lock(struct cg_diff *diff);

/* Messages and enums of one API; called by cg_diff_apis(). */
void cg_diff_messages(struct cg_diff *diff, const struct cg_api *was,
                      const struct cg_api *now);

/* Endpoints of one API; called by cg_diff_apis(). */
void cg_diff_ops(struct cg_diff *diff, const struct cg_api *was,
                 const struct cg_api *now);

/*
 * Reads waivers.yaml and applies it as of `today` ("2026-11-28"). A waiver that
 * is past its day, or that nothing needs, is a fault of diff->now: it would
 * hide the next break. false with `err` if the file cannot be read.
 */
bool cg_diff_waive(struct cg_diff *diff, const char *file, const char *today,
                   struct error *err);

/* Changes of level error that nothing waives. */
size_t cg_diff_broken(const struct cg_diff *diff);

/* The report as lines, as one JSON document, as a Markdown changelog. */
void cg_diff_text(const struct cg_diff *diff, struct buf *to);
void cg_diff_json(const struct cg_diff *diff, struct buf *to);
void cg_diff_markdown(const struct cg_diff *diff, struct buf *to);

#endif
