/*
 * Bundle diff, behaviour: rules may be added and tightened; one that is gone or
 * no longer enforced breaks what the last version promised.
 */
#include <string.h>

#include "diff/diff.h"

static const struct doc_node *rules_of(const struct bundle_version *version)
{
    return doc_at(version->bundle->documents[BUNDLE_BEHAVIORSPEC].root,
                  "spec.rules");
}

static const char *text_of(const struct doc_node *rule, const char *key)
{
    return doc_string(doc_get(rule, key), "");
}

static const struct doc_node *find(const struct doc_node *rules, const char *id)
{
    for (size_t i = 0; i < doc_count(rules); i++)
        if (strcmp(text_of(doc_item(rules, i), "id"), id) == 0)
            return doc_item(rules, i);
    return NULL;
}

static void compare(struct bundle_diff *diff, const struct doc_node *was,
                    const struct doc_node *now, const char *path)
{
    static const char *const keys[] = {"level", "severity", "scope",
                                       "when",  "action",   "authority"};

    if (strcmp(text_of(was, "mode"), "enforce") == 0 &&
        strcmp(text_of(now, "mode"), "enforce") != 0)
        bundle_change(diff, BUNDLE_RULE_B2, path, "was enforced, is '%s'",
                      text_of(now, "mode"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!bundle_diff_same(doc_get(was, keys[i]), doc_get(now, keys[i])))
            bundle_change(diff, BUNDLE_RULE_B3, path, "has another '%s'",
                          keys[i]);
}

void bundle_diff_behavior(struct bundle_diff *diff)
{
    const struct doc_node *was = rules_of(&diff->was);
    const struct doc_node *now = rules_of(&diff->now);

    if (diff->was.bundle->documents[BUNDLE_BEHAVIORSPEC].root &&
        !diff->now.bundle->documents[BUNDLE_BEHAVIORSPEC].root) {
        bundle_diff_gone(diff, BUNDLE_RULE_B1, "behavior", NULL);
        return;
    }
    for (size_t i = 0; i < doc_count(was); i++) {
        const struct doc_node *rule = doc_item(was, i);
        const char *id = text_of(rule, "id");
        const char *path = bundle_diff_path(diff, "behavior.%s", id);
        const struct doc_node *other = find(now, id);

        if (other)
            compare(diff, rule, other, path);
        else
            bundle_diff_gone(diff, BUNDLE_RULE_B2, path, NULL);
    }
    for (size_t i = 0; i < doc_count(now); i++)
        if (!find(was, text_of(doc_item(now, i), "id")))
            bundle_change(diff, BUNDLE_RULE_A2,
                          bundle_diff_path(diff, "behavior.%s",
                                           text_of(doc_item(now, i), "id")),
                          "is new");
}
