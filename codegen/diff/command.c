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

bool cg_keep_release(struct cg_ir *ir, struct error *err)
{
    static const struct {
        const char *folder, *ending;
    } parts[] = {{"ops", ".yaml"},
                 {"schema", ".json"},
                 {"foreign", ".proto"},
                 {"foreign/google/protobuf", ".proto"}};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char **files = cg_load_list(ir, parts[i].folder, parts[i].ending);

        for (; *files; files++)
            if (!keep_file(ir, *files, err))
                return false;
    }
    for (size_t i = 0; i < ir->document_count; i++) {
        const char **files = cg_load_list(
            ir, cg_text(ir, "documents/%s", ir->documents[i].name), ".yaml");

        for (; *files; files++)
            if (!keep_file(ir, *files, err))
                return false;
    }
    return keep_file(ir, "errors.yaml", err) &&
           keep_file(ir, "specgen.lock", err);
}
