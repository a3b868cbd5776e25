/*
 * Bundle diff: what the step from one version of a bundle to the next breaks
 * for those who call it.
 *
 * The rules are rules.def; listing, waiving and reporting are base/changes.h,
 * as for `specgen diff`, which compares contracts. What breaks depends on the
 * direction: a request may not take less, an answer may not lack or change
 * what it held. Paths name the thing: "outputs.LogS", "inputs.text.maxBytes".
 *
 * Threads: one.
 */
#ifndef SERVER_BUNDLE_DIFF_H
#define SERVER_BUNDLE_DIFF_H

#include "bundle.h"
#include "changes.h"

enum bundle_rule {
#define RULE(id, level, meaning) BUNDLE_RULE_##id,
#include "diff/rules.def"
#undef RULE
    BUNDLE_RULE_COUNT
};

/* One version. */
struct bundle_version {
    struct srv_bundle *bundle;
    struct identity is;
    struct eng_model *model; /* NULL when both have the same */
};

struct bundle_diff {
    struct bundle_version was, now;
    struct arena arena;
    struct changes changes;
};

/*
 * Opens and compares the bundles; release it, whatever comes out. What is wrong
 * with a bundle is in `report`, whose arena must outlive the diff; then, or
 * when a model cannot be read, false.
 */
bool bundle_diff_open(struct bundle_diff *diff, const char *was,
                      const char *now, struct doc_report *report,
                      struct error *err);
void bundle_diff_release(struct bundle_diff *diff);

/* ---- for the parts ---- */

/* Adds a change; the texts are copied. */
void bundle_change(struct bundle_diff *diff, enum bundle_rule rule,
                   const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "inputs.text"; "" when memory is out. */
const char *bundle_diff_path(struct bundle_diff *diff, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Something with a name is gone; `instead` is what stands in its place, or
 * NULL. */
void bundle_diff_gone(struct bundle_diff *diff, enum bundle_rule rule,
                      const char *path, const char *instead);

/* A limit went from `was` to `now`, 0 = none. */
void bundle_diff_limit(struct bundle_diff *diff, enum bundle_rule rule,
                       const char *path, int64_t was, int64_t now);

/* Do both nodes say the same? NULL is a value. */
bool bundle_diff_same(const struct doc_node *was, const struct doc_node *now);

void bundle_diff_tensors(struct bundle_diff *diff);
void bundle_diff_request(struct bundle_diff *diff);
void bundle_diff_results(struct bundle_diff *diff);
void bundle_diff_service(struct bundle_diff *diff);
void bundle_diff_behavior(struct bundle_diff *diff);

#endif
