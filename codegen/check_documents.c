/*
 * Check of trees by JSON Schema: the schemas of api/ against the meta-schema of
 * their draft, the kept documents against the schemas.
 *
 * api/documents/<schema>/ holds documents as people have written them. They
 * stay: a change of a schema that refuses one of them is seen here.
 */
#include <string.h>

#include "check.h"
#include "jsonschema/jsonschema.h"
#include "load.h"
#include "out.h"

static void put_faults(struct cg_ir *ir, const char *rule,
                       const struct doc_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct doc_issue *issue = &report->issues[i];

        cg_fault(ir, (struct cg_loc){issue->file, issue->line, issue->col},
                 rule, "%s at '%s'", issue->message, issue->pointer);
    }
}

/* One check; what ends it without an answer is a fault, too. */
static void check(struct cg_ir *ir, struct js_store *store, const char *uri,
                  const struct js_instance *instance, const char *rule)
{
    struct doc_report report;
    struct error err;
    bool valid;

    doc_report_init(&report, &ir->arena);
    if (!js_check(store, uri, instance, &report, &valid, &err))
        cg_fault(ir, cg_at(instance->file, instance->root), rule, "%s",
                 err.msg);
    else if (!valid)
        put_faults(ir, rule, &report);
}

void cg_check_schemas(struct cg_ir *ir)
{
    static const char folder[] = "schema/";
    struct js_store store;
    struct error err;

    if (ir->fault_count) /* the loaders have said it in their own words */
        return;
    js_init(&store, &ir->arena);
    if (!js_add_meta(&store, &err)) {
        cg_fault(ir, (struct cg_loc){.file = ir->dir}, "schema.meta", "%s",
                 err.msg);
        return;
    }
    for (size_t i = 0; i < ir->tree_count; i++) {
        const struct cg_tree *tree = &ir->trees[i];
        const struct js_instance instance = {cg_load_name(ir, tree->file),
                                             tree->root};

        if (tree->root && strncmp(tree->file, folder, strlen(folder)) == 0)
            check(ir, &store, js_meta, &instance, "schema.meta");
    }
}

/* ---- documents ---- */

static const char **kept(struct cg_ir *ir, const struct cg_document *document)
{
    return cg_load_list(ir, cg_text(ir, "documents/%s", document->name),
                        ".yaml");
}

bool cg_document_fits(struct cg_ir *ir, const struct cg_document *document,
                      const struct js_instance *instance,
                      struct doc_report *report)
{
    static const char uri[] = "specgen:document";
    struct js_store store;
    struct error err;
    bool valid = false;

    js_init(&store, &ir->arena);
    if (js_add(&store, uri, document->root, &err) &&
        js_check(&store, uri, instance, report, &valid, &err))
        return valid;
    doc_fault(report, "SCHEMA", instance->file, instance->root, "", "%s",
              err.msg);
    return false;
}

void cg_each_document(struct cg_ir *ir, const struct cg_document *document,
                      cg_document_visit *visit, void *context)
{
    for (const char **file = kept(ir, document); *file; file++) {
        const struct js_instance instance = {cg_load_name(ir, *file),
                                             cg_load_tree(ir, *file)};

        if (instance.root)
            visit(context, *file, &instance);
    }
}

struct fit {
    struct cg_ir *ir;
    const struct cg_document *document;
};

static void check_fit(void *context, const char *file,
                      const struct js_instance *instance)
{
    const struct fit *fit = context;
    struct doc_report report;

    (void)file;
    doc_report_init(&report, &fit->ir->arena);
    if (!cg_document_fits(fit->ir, fit->document, instance, &report))
        put_faults(fit->ir, "document.refused", &report);
}

void cg_check_documents(struct cg_ir *ir)
{
    for (size_t i = 0; i < ir->document_count; i++)
        cg_each_document(ir, &ir->documents[i], check_fit,
                         &(struct fit){ir, &ir->documents[i]});
}
