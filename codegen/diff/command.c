/*
 * Command: see command.h.
 */
#include "command.h"

#include "diff.h"
#include "load.h"
#include "out.h"

/* Faults of waivers are faults of the newer contract. */
static void take_faults(struct cg_ir *ir, const struct doc_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct doc_issue *issue = &report->issues[i];

        cg_fault(ir, (struct cg_loc){issue->file, issue->line, issue->col},
                 issue->rule, "%s", issue->message);
    }
}

bool cg_diff_command(struct cg_ir *was, struct cg_ir *now,
                     const struct change_options *options, struct buf *report,
                     size_t *broken, struct error *err)
{
    struct cg_diff diff = {.was = was, .now = now};
    struct doc_report faults;

    doc_report_init(&faults, &now->arena);
    cg_diff_run(&diff);
    if (!changes_report(&diff.changes, options,
                        was->released ? was->released : "then", &faults, report,
                        err))
        return false;
    take_faults(now, &faults);
    *broken = changes_broken(&diff.changes);
    return true;
}

/* ---- release ---- */

static bool keep_file(struct cg_ir *ir, const char *file, struct error *err)
{
    struct buf text = {0};
    bool ok = cg_file_read(cg_text(ir, "%s/%s", ir->dir, file), &text, err) &&
              cg_file_write(cg_text(ir, "%s/released/%s", ir->dir, file),
                            text.data, text.size, err);

    buf_release(&text);
    return ok;
}

static bool keep_files(struct cg_ir *ir, const char *folder, const char *ending,
                       struct error *err)
{
    for (const char **file = cg_load_list(ir, folder, ending); *file; file++)
        if (!keep_file(ir, *file, err))
            return false;
    return true;
}

/* Foreign files that an API speaks; others are formats of files on disk. */
static bool keep_foreign(struct cg_ir *ir, struct error *err)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_foreign *foreign = ir->apis[i]->foreign;

        if (foreign &&
            !keep_file(ir, cg_text(ir, "foreign/%s", foreign->file), err))
            return false;
    }
    return keep_files(ir, "foreign/google/protobuf", ".proto", err);
}

bool cg_keep_release(struct cg_ir *ir, struct error *err)
{
    for (size_t i = 0; i < ir->document_count; i++)
        if (!keep_files(ir, cg_text(ir, "documents/%s", ir->documents[i].name),
                        ".yaml", err))
            return false;
    return keep_files(ir, "ops", ".yaml", err) &&
           keep_files(ir, "schema", ".json", err) && keep_foreign(ir, err) &&
           keep_file(ir, "errors.yaml", err) &&
           keep_file(ir, "specgen.lock", err);
}
