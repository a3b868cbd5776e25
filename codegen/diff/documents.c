/*
 * Diff of documents: what people wrote for the last release must still load.
 * Rule S1 by trying it on the documents that were kept, S2 where a schema takes less, S3 when its apiVersion stayed the same.
 *
 * Both schemas keep to the keywords of load_document.c.
 */
#include <string.h>

#include "check.h"
#include "diff.h"

/* One document, and how many of its changes broke. */
struct walk {
    struct cg_diff *diff;
    const char *name; /* "modelspec" */
    size_t broken;
};

static void breaks(struct walk *walk, const char *path, const char *text)
{
    walk->broken++;
    cg_change(walk->diff, CG_RULE_S2, path, "%s", text);
}

static void breaks_about(struct walk *walk, const char *path, const char *text,
                         const char *about)
{
    breaks(walk, path, cg_text(walk->diff->now, "%s '%s'", text, about));
}

static bool in_list(const struct doc_node *list, const char *text)
{
    for (size_t i = 0; i < doc_count(list); i++)
        if (strcmp(doc_string(doc_item(list, i), ""), text) == 0)
            return true;
    return false;
}

/* `type` is one word or a list of them; none means any. */
static bool takes_type(const struct doc_node *schema, const char *type)
{
    const struct doc_node *types = doc_get(schema, "type");

    if (!types || in_list(types, type) ||
        strcmp(doc_string(types, ""), type) == 0)
        return true;
    return strcmp(type, "integer") == 0 && takes_type(schema, "number");
}

static void diff_types(struct walk *walk, const char *path,
                       const struct doc_node *was, const struct doc_node *now)
{
    static const char *const types[] = {
        "null", "boolean", "integer", "number", "string", "array", "object"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (takes_type(was, types[i]) && !takes_type(now, types[i]))
            breaks_about(walk, path, "may no longer be of type", types[i]);
}

static void diff_words(struct walk *walk, const char *path,
                       const struct doc_node *was, const struct doc_node *now)
{
    const struct doc_node *old = doc_get(was, "enum");
    const struct doc_node *words = doc_get(now, "enum");
    const char *only = doc_string(doc_get(was, "const"), NULL);
    const char *constant = doc_string(doc_get(now, "const"), NULL);

    if (words && !old && !only)
        breaks(walk, path, "must be one of a list");
    if (words && only && !in_list(words, only))
        breaks_about(walk, path, "may no longer be", only);
    for (size_t i = 0; words && i < doc_count(old); i++)
        if (!in_list(words, doc_string(doc_item(old, i), "")))
            breaks_about(walk, path, "may no longer be",
                         doc_string(doc_item(old, i), ""));
    if (constant && (!only || strcmp(constant, only) != 0))
        breaks_about(walk, path, "must be", constant);
}

static void diff_bounds(struct walk *walk, const char *path,
                        const struct doc_node *was, const struct doc_node *now)
{
    static const char *const lower[] = {"minimum", "minLength", "minItems",
                                        "minProperties", NULL};
    static const char *const upper[] = {"maximum", "maxLength", "maxItems",
                                        "maxProperties", NULL};
    const char *pattern = doc_string(doc_get(now, "pattern"), NULL);

    for (size_t i = 0; lower[i]; i++) {
        const struct doc_node *bound = doc_get(now, lower[i]);
        const struct doc_node *old = doc_get(was, lower[i]);

        if (bound && (!old || doc_number(bound, 0) > doc_number(old, 0)))
            breaks_about(walk, path, "has a higher", lower[i]);
    }
    for (size_t i = 0; upper[i]; i++) {
        const struct doc_node *bound = doc_get(now, upper[i]);
        const struct doc_node *old = doc_get(was, upper[i]);

        if (bound && (!old || doc_number(bound, 0) < doc_number(old, 0)))
            breaks_about(walk, path, "has a lower", upper[i]);
    }
    if (pattern &&
        strcmp(pattern, doc_string(doc_get(was, "pattern"), "")) != 0)
        breaks_about(walk, path, "must match", pattern);
}

static bool is_closed(const struct doc_node *schema)
{
    return !doc_bool(doc_get(schema, "additionalProperties"), true);
}

static void diff_schema(struct walk *walk, const char *path,
                        const struct doc_node *was, const struct doc_node *now);

static void diff_members(struct walk *walk, const char *path,
                         const struct doc_node *was, const struct doc_node *now)
{
    const struct doc_node *old = doc_get(was, "properties");
    const struct doc_node *members = doc_get(now, "properties");
    const struct doc_node *required = doc_get(now, "required");
    struct cg_ir *ir = walk->diff->now;

    for (size_t i = 0; i < doc_count(old); i++) {
        const char *key = old->entries[i].key;
        const struct doc_node *member = doc_get(members, key);
        const char *at = cg_text(ir, "%s/%s", path, key);

        if (member)
            diff_schema(walk, at, old->entries[i].value, member);
        else if (is_closed(now))
            breaks(walk, at, "is gone");
    }
    for (size_t i = 0; i < doc_count(members); i++)
        if (!doc_get(old, members->entries[i].key))
            cg_change(
                walk->diff, CG_RULE_A6,
                cg_text(ir, "%s/%s", path, members->entries[i].key), "%s",
                doc_string(doc_get(members->entries[i].value, "description"),
                           "a new key"));
    for (size_t i = 0; i < doc_count(required); i++)
        if (!in_list(doc_get(was, "required"),
                     doc_string(doc_item(required, i), "")))
            breaks_about(walk, path, "needs",
                         doc_string(doc_item(required, i), ""));
    if (!is_closed(was) && is_closed(now))
        breaks(walk, path, "refuses other keys");
}

static void diff_schema(struct walk *walk, const char *path,
                        const struct doc_node *was, const struct doc_node *now)
{
    static const char *const below[] = {"items", "additionalProperties"};

    diff_types(walk, path, was, now);
    diff_words(walk, path, was, now);
    diff_bounds(walk, path, was, now);
    diff_members(walk, path, was, now);
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        const struct doc_node *old = doc_get(was, below[i]);
        const struct doc_node *schema = doc_get(now, below[i]);

        if (old && schema && old->type == DOC_MAP && schema->type == DOC_MAP)
            diff_schema(walk, cg_text(walk->diff->now, "%s/*", path), old,
                        schema);
        else if (!old && schema && schema->type == DOC_MAP)
            breaks_about(walk, path, "is restricted by", below[i]);
    }
}

/* ---- kept documents ---- */

struct kept {
    struct walk *walk;
    const struct cg_document *now;
    const char *file; /* looked for in the new contract */
    bool found;
};

static void find_file(void *context, const char *file,
                      const struct js_instance *instance)
{
    struct kept *kept = context;

    (void)instance;
    if (strcmp(file, kept->file) == 0)
        kept->found = true;
}

static void try_kept(void *context, const char *file,
                     const struct js_instance *instance)
{
    struct kept *kept = context;
    struct cg_diff *diff = kept->walk->diff;
    struct doc_report report;

    doc_report_init(&report, &diff->now->arena);
    if (!cg_document_fits(diff->now, kept->now, instance, &report))
        cg_change(diff, CG_RULE_S1, file, "%s at '%s'",
                  report.count ? report.issues[0].message : "is refused",
                  report.count ? report.issues[0].pointer : "");
    kept->file = file;
    kept->found = false;
    cg_each_document(diff->now, kept->now, find_file, kept);
    if (!kept->found)
        cg_change(diff, CG_RULE_S1, file, "is kept no longer");
}

/* ---- */

static const struct cg_document *find_document(const struct cg_ir *ir,
                                               const char *name)
{
    for (size_t i = 0; i < ir->document_count; i++)
        if (strcmp(ir->documents[i].name, name) == 0)
            return &ir->documents[i];
    return NULL;
}

static const char *version_of(const struct cg_document *document)
{
    return doc_string(doc_at(document->root, "properties.apiVersion.const"),
                      "");
}

void cg_diff_documents(struct cg_diff *diff)
{
    for (size_t i = 0; i < diff->was->document_count; i++) {
        const struct cg_document *was = &diff->was->documents[i];
        const struct cg_document *now = find_document(diff->now, was->name);
        struct walk walk = {.diff = diff, .name = was->name};

        if (!now) {
            breaks(&walk, was->name, "the kind of document is gone");
            continue;
        }
        diff_schema(&walk, was->name, was->root, now->root);
        cg_each_document(diff->was, was, try_kept,
                         &(struct kept){.walk = &walk, .now = now});
        if (walk.broken && strcmp(version_of(was), version_of(now)) == 0)
            cg_change(diff, CG_RULE_S3, was->name,
                      "narrowed, and apiVersion is still '%s'",
                      version_of(now));
    }
    for (size_t i = 0; i < diff->now->document_count; i++)
        if (!find_document(diff->was, diff->now->documents[i].name))
            cg_change(diff, CG_RULE_A6, diff->now->documents[i].name,
                      "a new kind of document");
}
