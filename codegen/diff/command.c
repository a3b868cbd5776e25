/*
 * Command: see command.h.
 */
#include "command.h"

#include <string.h>
#include <time.h>

#include "diff.h"
#include "load.h"
#include "out.h"

typedef void report_writer(const struct cg_diff *diff, struct buf *to);

static report_writer *find_writer(const char *format)
{
    static const struct {
        const char *name;
        report_writer *write;
    } formats[] = {{"text", cg_diff_text},
                   {"json", cg_diff_json},
                   {"markdown", cg_diff_markdown}};

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, format) == 0)
            return formats[i].write;
    return NULL;
}

static const char *day(struct cg_ir *ir, const char *given)
{
    time_t now = time(NULL);
    struct tm utc;
    char text[16];

    if (given)
        return given;
    (void)gmtime_r(&now, &utc);
    (void)strftime(text, sizeof text, "%Y-%m-%d", &utc);
    return cg_text(ir, "%s", text);
}

bool cg_diff_command(struct cg_ir *was, struct cg_ir *now,
                     const struct cg_diff_options *options, struct buf *report,
                     size_t *broken, struct error *err)
{
    struct cg_diff diff = {.was = was, .now = now};
    const char *format = options->format ? options->format : "text";
    report_writer *write = find_writer(format);

    if (!write)
        return fail(err, ERR_INVALID_INPUT, "there is no format '%s'", format);
    cg_diff_run(&diff);
    if (options->waivers &&
        !cg_diff_waive(&diff, options->waivers, day(now, options->today), err))
        return false;
    write(&diff, report);
    *broken = cg_diff_broken(&diff);
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
