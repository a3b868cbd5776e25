/*
 * Bundle diff, service: ranges, limits, capabilities and examples.
 */
#include <string.h>

#include "diff/diff.h"

static bool has_text(struct bundle_strings strings, const char *text)
{
    for (size_t i = 0; i < strings.count; i++)
        if (strcmp(strings.items[i], text) == 0)
            return true;
    return false;
}

/* ---- ranges ---- */

static void narrower(struct bundle_diff *diff, const char *path,
                     const double was[2], const double now[2])
{
    if (now[0] > was[0] || now[1] < was[1])
        bundle_change(diff, BUNDLE_RULE_R3, path, "was %g to %g, is %g to %g",
                      was[0], was[1], now[0], now[1]);
}

static void compare_range(struct bundle_diff *diff,
                          const struct bundle_range *was,
                          const struct bundle_range *now, const char *path)
{
    if (strcmp(was->unit, now->unit) != 0)
        bundle_change(diff, BUNDLE_RULE_R2, path, "was in '%s', is in '%s'",
                      was->unit, now->unit);
    narrower(diff, bundle_diff_path(diff, "%s.training", path),
             (const double[]){was->min, was->max},
             (const double[]){now->min, now->max});
    narrower(diff, bundle_diff_path(diff, "%s.reliable", path),
             (const double[]){was->reliable_min, was->reliable_max},
             (const double[]){now->reliable_min, now->reliable_max});
}

static void compare_ranges(struct bundle_diff *diff)
{
    const struct srv_bundle *was = diff->was.bundle, *now = diff->now.bundle;
    const struct bundle_strings *elements = &was->elements;

    for (size_t i = 0; i < was->ranges.count; i++) {
        const struct bundle_range *range = &was->ranges.items[i];
        const char *path = bundle_diff_path(diff, "ranges.%s", range->key);
        const struct bundle_range *other = bundle_find_range(now, range->key);

        if (other)
            compare_range(diff, range, other, path);
        else
            bundle_diff_gone(diff, BUNDLE_RULE_R1, path, NULL);
    }
    for (size_t i = 0; i < now->ranges.count; i++)
        if (!bundle_find_range(was, now->ranges.items[i].key))
            bundle_change(
                diff, BUNDLE_RULE_A2,
                bundle_diff_path(diff, "ranges.%s", now->ranges.items[i].key),
                "is new");
    for (size_t i = 0; i < elements->count; i++)
        if (now->elements.count && !has_text(now->elements, elements->items[i]))
            bundle_change(diff, BUNDLE_RULE_R4, "elements", "'%s' is gone",
                          elements->items[i]);
}

/* ---- limits ---- */

static void compare_limits(struct bundle_diff *diff)
{
    const struct bundle_serving *was = &diff->was.bundle->serving;
    const struct bundle_serving *now = &diff->now.bundle->serving;

    bundle_diff_limit(diff, BUNDLE_RULE_L1, "limits.bodyLimitBytes",
                      (int64_t)diff->was.bundle->api.body_limit_bytes,
                      (int64_t)diff->now.bundle->api.body_limit_bytes);
    bundle_diff_limit(diff, BUNDLE_RULE_L1, "limits.maxBatchSize",
                      was->max_batch_size, now->max_batch_size);
    bundle_diff_limit(diff, BUNDLE_RULE_L1, "limits.maxSequenceLengthTokens",
                      was->max_sequence_tokens, now->max_sequence_tokens);
    if (was->timeout_s >= 0 && now->timeout_s >= 0)
        bundle_diff_limit(diff, BUNDLE_RULE_L2, "limits.timeoutSeconds",
                          was->timeout_s, now->timeout_s);
    bundle_diff_limit(diff, BUNDLE_RULE_L2, "limits.maxConcurrency",
                      was->max_concurrency, now->max_concurrency);
}

/* ---- capabilities ---- */

static bool gives(const struct bundle_capability *capability, const char *name)
{
    for (size_t i = 0; i < capability->output_count; i++)
        if (strcmp(capability->outputs[i].name, name) == 0)
            return true;
    return false;
}

static void compare_capability(struct bundle_diff *diff,
                               const struct bundle_capability *was,
                               const struct bundle_capability *now,
                               const char *path)
{
    for (size_t i = 0; i < was->input_types.count; i++)
        if (!has_text(now->input_types, was->input_types.items[i]))
            bundle_change(diff, BUNDLE_RULE_C2, path, "no longer takes '%s'",
                          was->input_types.items[i]);
    for (size_t i = 0; i < was->output_count; i++)
        if (!gives(now, was->outputs[i].name))
            bundle_change(diff, BUNDLE_RULE_C3, path, "no longer gives '%s'",
                          was->outputs[i].name);
    if (was->batch && !now->batch)
        bundle_change(diff, BUNDLE_RULE_C4, path,
                      "takes one input at a time now");
}

static void compare_capabilities(struct bundle_diff *diff)
{
    const struct srv_bundle *was = diff->was.bundle, *now = diff->now.bundle;

    for (size_t i = 0; i < was->capability_count; i++) {
        const struct bundle_capability *capability = &was->capabilities[i];
        const char *path =
            bundle_diff_path(diff, "capabilities.%s", capability->name);
        const struct bundle_capability *other =
            bundle_find_capability(now, capability->name);

        if (other)
            compare_capability(diff, capability, other, path);
        else
            bundle_diff_gone(diff, BUNDLE_RULE_C1, path, NULL);
    }
    for (size_t i = 0; i < now->capability_count; i++)
        if (!bundle_find_capability(was, now->capabilities[i].name))
            bundle_change(diff, BUNDLE_RULE_A2,
                          bundle_diff_path(diff, "capabilities.%s",
                                           now->capabilities[i].name),
                          "is new");
}

/* ---- examples ---- */

static const struct doc_node *find_example(const struct srv_bundle *bundle,
                                           const char *name)
{
    const struct doc_node *list =
        doc_at(bundle->documents[BUNDLE_MODELSERVICE].root, "spec.examples");

    for (size_t i = 0; i < doc_count(list); i++)
        if (strcmp(doc_string(doc_get(doc_item(list, i), "name"), ""), name) ==
            0)
            return doc_item(list, i);
    return NULL;
}

static void compare_examples(struct bundle_diff *diff)
{
    const struct srv_bundle *was = diff->was.bundle;

    for (size_t i = 0; i < was->example_count; i++) {
        const char *name = was->examples[i].name;
        const char *path = bundle_diff_path(diff, "examples.%s", name);
        const struct doc_node *old = find_example(was, name);
        const struct doc_node *new = find_example(diff->now.bundle, name);

        if (!new)
            bundle_diff_gone(diff, BUNDLE_RULE_E1, path, NULL);
        else if (!bundle_diff_same(doc_get(old, "data"),
                                   doc_get(new, "data")) ||
                 !bundle_diff_same(doc_get(old, "expect"),
                                   doc_get(new, "expect")))
            bundle_change(diff, BUNDLE_RULE_E1, path,
                          "asks or expects something else");
    }
}

void bundle_diff_service(struct bundle_diff *diff)
{
    compare_ranges(diff);
    compare_limits(diff);
    compare_capabilities(diff);
    compare_examples(diff);
}
