/*
 * Diff: what the change from one contract to another breaks.
 *
 *   two IRs -> one walk per part of the contract -> changes -> waivers -> report
 *
 * A change has a rule of rules.def; base/changes.h lists, waives and reports
 * them. What breaks depends on who writes: a request may not take less, an answer may
 * not hold less or other things, a stored document may not be refused.
 *
 * Levels: an error of an API whose package says alpha or beta is a warning;
 * documents lie on their users' disks and are always held to errors.
 *
 * Threads: one.
 */
#ifndef CODEGEN_DIFF_H
#define CODEGEN_DIFF_H

#include "changes.h"
#include "ir.h"

enum cg_rule {
#define RULE(id, level, meaning) CG_RULE_##id,
#include "rules.def"
#undef RULE
    CG_RULE_COUNT
};

struct cg_diff {
    struct cg_ir *was, *now;
    bool beta; /* of the API that is being compared */
    struct changes changes;
};

/* Adds a change; the texts are copied. */
void cg_change(struct cg_diff *diff, enum cg_rule rule, const char *path,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Empties the list and compares everything. Both IRs are loaded, numbered and without faults. */
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

#endif
