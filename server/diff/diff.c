/*
 * Bundle diff: opening, identity, and what the parts share.
 */
#include "diff/diff.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct change_rule rules[] = {
#define RULE(id, level, meaning) {#id, CHANGE_##level, meaning},
#include "diff/rules.def"
#undef RULE
};

/* ---- what the parts share ---- */

void bundle_change(struct bundle_diff *diff, enum bundle_rule rule,
                   const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    changes_add(&diff->changes, rule, rules[rule].level, path, format, args);
    va_end(args);
}

const char *bundle_diff_path(struct bundle_diff *diff, const char *format, ...)
{
    char path[512];
    const char *copy;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(path, sizeof path, format, args);
    va_end(args);
    copy = arena_strdup(&diff->arena, path);
    diff->changes.failed = diff->changes.failed || !copy;
    return copy ? copy : "";
}

void bundle_diff_gone(struct bundle_diff *diff, enum bundle_rule rule,
                      const char *path, const char *instead)
{
    if (instead)
        bundle_change(diff, rule, path, "is gone; '%s' stands there now",
                      instead);
    else
        bundle_change(diff, rule, path, "is gone");
}

void bundle_diff_limit(struct bundle_diff *diff, enum bundle_rule rule,
                       const char *path, int64_t was, int64_t now)
{
    if (now > 0 && was <= 0)
        bundle_change(diff, rule, path, "had no limit, has %lld",
                      (long long)now);
    else if (now > 0 && now < was)
        bundle_change(diff, rule, path, "was %lld, is %lld", (long long)was,
                      (long long)now);
}

bool bundle_diff_same(const struct doc_node *was, const struct doc_node *now)
{
    struct buf texts[2] = {{0}};
    bool same;

    if (!was || !now)
        return was == now;
    doc_write_json(was, &texts[0]);
    doc_write_json(now, &texts[1]);
    same = texts[0].size == texts[1].size &&
           memcmp(texts[0].data, texts[1].data, texts[0].size) == 0;
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    return same;
}

/* ---- identity ---- */

/* Takes a number of "1.10.2" and its dot; false: there is none. */
static bool take_number(const char **text, unsigned long *number)
{
    char *end;

    if (!isdigit((unsigned char)**text))
        return false;
    *number = strtoul(*text, &end, 10);
    *text = end + (*end == '.');
    return true;
}

/* "1.10.2" against "1.9": the numbers, as far as both have them. */
static bool went_back(const char *was, const char *now)
{
    unsigned long old, new;

    while (take_number(&was, &old) && take_number(&now, &new))
        if (old != new)
            return new < old;
    return false;
}

static void compare_versions(struct bundle_diff *diff)
{
    const char *was = diff->was.bundle->version;
    const char *now = diff->now.bundle->version;

    if (went_back(was, now))
        bundle_change(diff, BUNDLE_RULE_I4, "identity.version", "was %s, is %s",
                      was, now);
    else
        bundle_change(diff, BUNDLE_RULE_A1, "identity.version", "was %s, is %s",
                      was, now);
}

/* Both documents have a part in them. */
static bool same_steps(const struct bundle_diff *diff)
{
    static const struct {
        enum bundle_kind kind;
        const char *path;
    } parts[] = {{BUNDLE_MODELSPEC, "spec.pipeline"},
                 {BUNDLE_MODELSERVICE, "spec.steps"}};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!bundle_diff_same(
                doc_at(diff->was.bundle->documents[parts[i].kind].root,
                       parts[i].path),
                doc_at(diff->now.bundle->documents[parts[i].kind].root,
                       parts[i].path)))
            return false;
    return true;
}

static void compare_identity(struct bundle_diff *diff)
{
    const struct bundle_version *was = &diff->was, *now = &diff->now;
    bool same_version = strcmp(was->bundle->version, now->bundle->version) == 0;
    bool same_model = strcmp(was->is.model, now->is.model) == 0;

    if (strcmp(was->bundle->name, now->bundle->name) != 0)
        bundle_change(diff, BUNDLE_RULE_I1, "identity.name", "was %s, is %s",
                      was->bundle->name, now->bundle->name);
    if (!same_version)
        compare_versions(diff);
    if (!same_model)
        bundle_change(diff, same_version ? BUNDLE_RULE_I2 : BUNDLE_RULE_A1,
                      "identity.model", "was %s, is %s", was->is.model,
                      now->is.model);
    if (same_version && strcmp(was->is.documents, now->is.documents) != 0)
        bundle_change(diff, BUNDLE_RULE_I3, "identity.documents",
                      "clients that know the bundle say MODEL_CHANGED");
    if (same_version && !same_steps(diff))
        bundle_change(diff, BUNDLE_RULE_I5, "identity.steps",
                      "the same model gives other answers");
}

/* ---- opening ---- */

static bool open_documents(struct bundle_version *version, const char *path,
                           struct doc_report *report, struct error *err)
{
    version->bundle = bundle_open(path, report);
    return version->bundle ? identity_read(path, NULL, &version->is, err)
                           : fail(err, ERR_DOCUMENT_INVALID,
                                  "'%s' is no sound bundle", path);
}

static bool open_model(struct bundle_version *version, struct error *err)
{
    version->model = eng_model_open(version->bundle->model_path, NULL, err);
    return version->model != NULL;
}

bool bundle_diff_open(struct bundle_diff *diff, const char *was,
                      const char *now, struct doc_report *report,
                      struct error *err)
{
    *diff = (struct bundle_diff){.was = {.bundle = NULL}};
    arena_init(&diff->arena, 0);
    diff->changes = (struct changes){
        .rules = rules, .rule_count = BUNDLE_RULE_COUNT, .arena = &diff->arena};
    if (!open_documents(&diff->was, was, report, err) ||
        !open_documents(&diff->now, now, report, err))
        return false;
    if (strcmp(diff->was.is.model, diff->now.is.model) != 0 &&
        (!open_model(&diff->was, err) || !open_model(&diff->now, err)))
        return false;
    compare_identity(diff);
    bundle_diff_tensors(diff);
    bundle_diff_request(diff);
    bundle_diff_results(diff);
    bundle_diff_service(diff);
    bundle_diff_behavior(diff);
    return true;
}

static void release(struct bundle_version *version)
{
    eng_model_put(version->model);
    bundle_close(version->bundle);
}

void bundle_diff_release(struct bundle_diff *diff)
{
    release(&diff->was);
    release(&diff->now);
    arena_release(&diff->arena);
}
