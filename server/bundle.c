/*
 * Bundle: the order of the stages, and finding parts by name.
 */
#include "bundle.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "bundle_internal.h"

static void check_all(struct srv_bundle *bundle, int dir_fd,
                      struct doc_report *report)
{
    struct bundle_check check = {bundle, report, dir_fd};

    if (!bundle_read(bundle)) {
        doc_fault(report, "FILE", bundle->dir, NULL, "", "no memory");
        return;
    }
    bundle_check_files(&check);
    bundle_check_signature(&check);
    bundle_check_service(&check);
    bundle_check_examples(&check);
}

static void fill(struct srv_bundle *bundle, struct doc_report *report)
{
    size_t before = report->faults;
    struct error err = {0};
    int dir_fd = beneath_folder(bundle->dir, &err);

    if (dir_fd < 0) {
        doc_fault(report, "FILE", bundle->dir, NULL, "", "%s", err.msg);
        return;
    }
    bundle_load(bundle, dir_fd, report);
    if (report->faults == before) /* the parts rely on the schemas */
        check_all(bundle, dir_fd, report);
    (void)close(dir_fd);
}

/* "models/x" of "models/x//": file names in findings are to look alike. */
static char *trimmed(struct arena *arena, const char *dir)
{
    size_t size = strlen(dir);

    while (size > 1 && dir[size - 1] == '/')
        size--;
    return arena_copy(arena, dir, size);
}

struct srv_bundle *bundle_open(const char *dir, struct doc_report *report)
{
    struct srv_bundle *bundle = calloc(1, sizeof *bundle);
    size_t before = report->faults;

    if (bundle) {
        arena_init(&bundle->arena, 0);
        bundle->dir = trimmed(&bundle->arena, dir);
    }
    if (bundle && bundle->dir)
        fill(bundle, report);
    else
        doc_fault(report, "FILE", dir, NULL, "", "no memory");
    if (report->faults == before)
        return bundle;
    bundle_close(bundle);
    return NULL;
}

void bundle_close(struct srv_bundle *bundle)
{
    if (!bundle)
        return;
    arena_release(&bundle->arena);
    free(bundle);
}

void bundle_check_file(const char *path, struct doc_report *report)
{
    struct bundle_document document;
    struct arena arena;
    struct error err = {0};
    size_t size;
    const char *text;

    arena_init(&arena, 0);
    text = beneath_read_path(path, DOC_SIZE_MAX, &arena, &size, &err);
    if (text)
        (void)bundle_load_text(path, text, size, &arena, report, &document);
    else
        doc_fault(report, "FILE", path, NULL, "", "%s", err.msg);
    arena_release(&arena);
}

const struct doc_node *bundle_step_parameters(const struct srv_bundle *bundle,
                                              const char *name)
{
    const struct doc_node *root = bundle->documents[BUNDLE_MODELSERVICE].root;

    return doc_get(doc_at(root, "spec.steps"), name);
}

const struct bundle_input *bundle_find_input(const struct srv_bundle *bundle,
                                             const char *name)
{
    const struct bundle_signature *signature = &bundle->signature;

    for (size_t i = 0; i < signature->input_count; i++)
        if (strcmp(signature->inputs[i].name, name) == 0)
            return &signature->inputs[i];
    return NULL;
}

const struct bundle_parameter *
bundle_find_parameter(const struct srv_bundle *bundle, const char *name)
{
    const struct bundle_signature *signature = &bundle->signature;

    for (size_t i = 0; i < signature->parameter_count; i++)
        if (strcmp(signature->parameters[i].name, name) == 0)
            return &signature->parameters[i];
    return NULL;
}

const struct bundle_output *bundle_find_output(const struct srv_bundle *bundle,
                                               const char *name)
{
    const struct bundle_signature *signature = &bundle->signature;

    for (size_t i = 0; i < signature->output_count; i++)
        if (strcmp(signature->outputs[i].name, name) == 0)
            return &signature->outputs[i];
    return NULL;
}

const struct bundle_capability *
bundle_find_capability(const struct srv_bundle *bundle, const char *name)
{
    for (size_t i = 0; i < bundle->capability_count; i++)
        if (strcmp(bundle->capabilities[i].name, name) == 0)
            return &bundle->capabilities[i];
    return NULL;
}

const struct bundle_range *bundle_find_range(const struct srv_bundle *bundle,
                                             const char *key)
{
    for (size_t i = 0; i < bundle->ranges.count; i++)
        if (strcmp(bundle->ranges.items[i].key, key) == 0)
            return &bundle->ranges.items[i];
    return NULL;
}
