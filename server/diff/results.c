/*
 * Bundle diff, results: outputs, whose readers rely on name, type, length and
 * meaning.
 */
#include <string.h>

#include "diff/diff.h"

static bool lists(const struct doc_node *dimensions, int64_t size)
{
    for (size_t i = 0; i < doc_count(dimensions); i++)
        if (doc_integer(doc_item(dimensions, i), 0) == size)
            return true;
    return false;
}

static void compare_lengths(struct bundle_diff *diff,
                            const struct bundle_output *was,
                            const struct bundle_output *now, const char *path)
{
    if (was->length && !now->length)
        bundle_change(diff, BUNDLE_RULE_O3, path,
                      "had %lld elements, has any number",
                      (long long)was->length);
    else if (was->length && was->length != now->length)
        bundle_change(diff, BUNDLE_RULE_O3, path, "had %lld elements, has %lld",
                      (long long)was->length, (long long)now->length);
    for (size_t i = 0; i < doc_count(was->dimensions); i++) {
        int64_t size = doc_integer(doc_item(was->dimensions, i), 0);

        if (!lists(now->dimensions, size))
            bundle_change(diff, BUNDLE_RULE_O3, path,
                          "can no longer be cut to %lld", (long long)size);
    }
}

static void compare(struct bundle_diff *diff, const struct bundle_output *was,
                    const struct bundle_output *now, const char *path)
{
    if (was->type != now->type || was->as_string != now->as_string)
        bundle_change(
            diff, BUNDLE_RULE_O2, path, "was %s%s, is %s%s",
            bundle_type_name(was->type), was->as_string ? " as text" : "",
            bundle_type_name(now->type), now->as_string ? " as text" : "");
    compare_lengths(diff, was, now, path);
    if (strcmp(was->unit, now->unit) != 0)
        bundle_change(diff, BUNDLE_RULE_O4, path, "was in '%s', is in '%s'",
                      was->unit, now->unit);
    if (strcmp(was->property, now->property) != 0)
        bundle_change(diff, BUNDLE_RULE_O4, path, "was of '%s', is of '%s'",
                      was->property, now->property);
}

void bundle_diff_results(struct bundle_diff *diff)
{
    const struct srv_bundle *was = diff->was.bundle, *now = diff->now.bundle;
    const struct bundle_signature *new = &now->signature;

    for (size_t i = 0; i < was->signature.output_count; i++) {
        const struct bundle_output *output = &was->signature.outputs[i];
        const char *path = bundle_diff_path(diff, "outputs.%s", output->name);
        const struct bundle_output *other =
            bundle_find_output(now, output->name);
        const char *there = i < new->output_count ? new->outputs[i].name : NULL;

        if (other)
            compare(diff, output, other, path);
        else
            bundle_diff_gone(diff, BUNDLE_RULE_O1, path,
                             there && !bundle_find_output(was, there) ? there
                                                                      : NULL);
    }
    for (size_t i = 0; i < new->output_count; i++)
        if (!bundle_find_output(was, new->outputs[i].name))
            bundle_change(
                diff, BUNDLE_RULE_A2,
                bundle_diff_path(diff, "outputs.%s", new->outputs[i].name),
                "is new");
}
