/*
 * Copies of bundles in a folder of their own; see pipeline_fixture.h.
 */
#include "pipeline_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "unit.h"

static char *file_text(const char *path)
{
    FILE *file = fopen(path, "r");
    struct buf text = {0};
    char piece[4096];
    size_t size;

    if (!file)
        fail_msg("cannot open %s\n", path);
    while ((size = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_append(&text, piece, size);
    (void)fclose(file);
    assert_true(buf_ok(&text));
    return buf_take(&text, &size);
}

/* Replaces the first `from` of the text, if it has one. */
static char *edit_text(char *text, const struct fixture_edit *edit)
{
    const char *at = *edit->from ? strstr(text, edit->from) : NULL;
    struct buf made = {0};
    size_t size;

    if (!at)
        return text;
    buf_append(&made, text, (size_t)(at - text));
    buf_append(&made, edit->to, strlen(edit->to));
    at += strlen(edit->from);
    buf_append(&made, at, strlen(at) + 1);
    assert_true(buf_ok(&made));
    free(text);
    return buf_take(&made, &size);
}

static bool is_text(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".json") == 0 ||
                   strcmp(dot, ".bib") == 0 || strcmp(dot, ".txt") == 0);
}

typedef void visit_fn(const char *folder, const char *name, void *context);

static void visit(const char *folder, visit_fn *each, void *context)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            each(folder, entry->d_name, context);
    (void)closedir(dir);
}

struct copying {
    const char *target;
    const struct fixture_edit *edits;
    size_t count;
};

static void copy_one(const char *folder, const char *name, void *context)
{
    const struct copying *copying = context;
    char source[512], target[512], *text;
    FILE *file;

    if (!is_text(name))
        return;
    (void)snprintf(source, sizeof(source), "%s/%s", folder, name);
    (void)snprintf(target, sizeof(target), "%s/%s", copying->target, name);
    text = file_text(source);
    for (size_t i = 0; i < copying->count; i++)
        text = edit_text(text, &copying->edits[i]);
    file = fopen(target, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
    free(text);
}

static void remove_one(const char *folder, const char *name, void *context)
{
    char path[512];

    (void)context;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)unlink(path);
}

static void remove_folder(const char *folder)
{
    visit(folder, remove_one, NULL);
    (void)rmdir(folder);
}

/* The fake engine never looks at it. */
static void write_weights(const char *folder)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/model.onnx", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("x", file);
    (void)fclose(file);
}

bool fixture_open_edited(struct fixture *f, const char *bundle,
                         struct eng_model *model,
                         const struct fixture_edit *edits, size_t count)
{
    char folder[] = "/tmp/specserve-pipeline-XXXXXX";
    struct copying copying = {.target = folder, .edits = edits, .count = count};
    struct doc_report report;
    struct buf text = {0};

    *f = (struct fixture){0};
    arena_init(&f->arena, 0);
    doc_report_init(&report, &f->arena);
    assert_non_null(mkdtemp(folder));
    visit(bundle, copy_one, &copying);
    write_weights(folder);
    f->bundle = bundle_open(folder, &report);
    if (!f->bundle) {
        doc_report_print(&report, &text);
        remove_folder(folder);
        fail_msg("%s", text.data);
    }
    f->pipeline = pipeline_open(f->bundle, model, &f->err);
    remove_folder(folder);
    if (!f->pipeline)
        return false;
    f->worker = pipeline_worker_new(f->pipeline, &f->err);
    return f->worker != NULL;
}

bool fixture_open(struct fixture *f, const char *bundle,
                  struct eng_model *model, const char *from, const char *to)
{
    struct fixture_edit edit = {from, to};

    return fixture_open_edited(f, bundle, model, &edit, 1);
}

void fixture_close(struct fixture *f)
{
    pipeline_worker_free(f->worker);
    pipeline_close(f->pipeline);
    bundle_close(f->bundle);
    arena_release(&f->arena);
}

bool fixture_run(struct fixture *f, const struct pipeline_value *values,
                 size_t count)
{
    struct eng_limits limits = {.deadline_ns = UINT64_MAX};
    struct pipeline_request request = {.values = values,
                                       .count = count,
                                       .arena = &f->arena,
                                       .limits = &limits};

    error_clear(&f->err);
    return pipeline_run(f->worker, &request, &f->out, &f->err);
}

bool fixture_run_text(struct fixture *f, const char *text)
{
    struct pipeline_value value = {
        .name = "text", .kind = PIPELINE_STRING, .string = text};

    return fixture_run(f, &value, 1);
}

bool fixture_run_texts(struct fixture *f, char *const *texts, size_t count)
{
    struct pipeline_value value = {.name = "text", .kind = PIPELINE_STRINGS};

    value.strings.items = texts;
    value.strings.count = count;
    return fixture_run(f, &value, 1);
}

const struct pipeline_value *fixture_result(const struct fixture *f,
                                            const char *name)
{
    for (size_t i = 0; i < f->out.result_count; i++) {
        if (strcmp(f->out.results[i].name, name) == 0)
            return &f->out.results[i];
    }
    fail_msg("there is no result '%s'\n", name);
    return NULL;
}

void fixture_declined(struct fixture *f, bool ok, enum err_code code,
                      const char *says)
{
    if (ok)
        fail_msg("taken, expected: %s\n", says);
    if (f->err.code != code || !strstr(f->err.msg, says))
        fail_msg("%s: '%s', expected '%s'\n", err_info(f->err.code)->name,
                 f->err.msg, says);
}

bool fixture_warned(const struct fixture *f, const char *says)
{
    for (size_t i = 0; i < f->out.warning_count; i++) {
        if (strstr(f->out.warnings[i], says))
            return true;
    }
    return false;
}
