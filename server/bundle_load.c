/*
 * Bundle load: finds the documents of a folder and turns them into trees.
 *
 * What a document is, it says itself (apiVersion and kind); the ending of its
 * name only says where to look. The kind decides how plain YAML scalars are
 * read, so a first reading finds the kind and a second one does the work.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "bundle_internal.h"
#include "schemas.h"

static const struct bundle_kind_info kinds[BUNDLE_KIND_COUNT] = {
    [BUNDLE_MODELSPEC] = {"piqc.ai/v1alpha1", "ModelSpec", &modelspec_schema,
                          DOC_YAML_1_1},
    [BUNDLE_MODELSERVICE] = {"specserve/v1alpha1", "ModelService",
                             &modelservice_schema, DOC_YAML_CORE},
    [BUNDLE_BEHAVIORSPEC] = {"specserve/v1alpha1", "BehaviorSpec",
                             &behaviorspec_schema, DOC_YAML_CORE},
};

const struct bundle_kind_info *bundle_kind_info(enum bundle_kind kind)
{
    return &kinds[kind];
}

static bool ends_with(const char *text, size_t size, const char *ending)
{
    size_t length = strlen(ending);

    return size >= length && memcmp(text + size - length, ending, length) == 0;
}

static bool is_json(const char *file)
{
    return ends_with(file, strlen(file), ".json");
}

static struct doc_node *parse(const char *file, const char *text, size_t size,
                              enum doc_dialect dialect, struct arena *arena,
                              struct doc_report *report)
{
    if (is_json(file))
        return doc_parse_json(file, text, size, arena, report);
    return doc_parse_yaml(file, text, size, dialect, arena, report);
}

static const struct bundle_kind_info *find_kind(const struct doc_node *root)
{
    const char *api = doc_string(doc_get(root, "apiVersion"), "");
    const char *kind = doc_string(doc_get(root, "kind"), "");

    for (size_t i = 0; i < BUNDLE_KIND_COUNT; i++)
        if (strcmp(kinds[i].api_version, api) == 0 &&
            strcmp(kinds[i].kind, kind) == 0)
            return &kinds[i];
    return NULL;
}

/* Scanners of running models write documents that look like ours. */
static bool is_observed(const struct doc_node *root)
{
    const char *api = doc_string(doc_get(root, "apiVersion"), "");

    return strncmp(api, "modelspec.paralleliq.ai/", 24) == 0 ||
           strncmp(api, "piqc/", 5) == 0;
}

static void report_kind(const char *file, const struct doc_node *root,
                        struct doc_report *report)
{
    const struct doc_node *api = doc_get(root, "apiVersion");
    const struct doc_node *at = api ? api : root;

    if (is_observed(root)) {
        doc_fault(report, "MS180", file, at, "/apiVersion",
                  "an observed document, not a declared one");
        return;
    }
    doc_report_add(
        report,
        &(struct doc_issue){
            .severity = DOC_FAULT,
            .rule = "MS180",
            .file = file,
            .line = at->line,
            .col = at->col,
            .pointer = api ? "/apiVersion" : "",
            .message = "apiVersion and kind name no known document",
            .hint = "known: piqc.ai/v1alpha1 ModelSpec, specserve/v1alpha1 "
                    "ModelService, specserve/v1alpha1 BehaviorSpec"});
}

/* Without any report; NULL when the text has no tree or no known kind. */
static const struct bundle_kind_info *peek_kind(const char *file,
                                                const char *text, size_t size)
{
    struct arena arena;
    struct doc_report scratch;
    const struct bundle_kind_info *kind;

    arena_init(&arena, 0);
    doc_report_init(&scratch, &arena);
    kind = find_kind(parse(file, text, size, DOC_YAML_1_1, &arena, &scratch));
    arena_release(&arena);
    return kind;
}

bool bundle_load_text(const char *file, const char *text, size_t size,
                      struct arena *arena, struct doc_report *report,
                      struct bundle_document *document)
{
    const struct bundle_kind_info *kind = peek_kind(file, text, size);
    const char *slash = strrchr(file, '/');
    struct doc_node *root = parse(
        file, text, size, kind ? kind->dialect : DOC_YAML_CORE, arena, report);

    if (!root)
        return false;
    if (!kind) {
        report_kind(file, root, report);
        return false;
    }
    doc_check(file, root, kind->schema, report);
    *document = (struct bundle_document){
        .file = file,
        .name = slash ? slash + 1 : file,
        .text = text,
        .size = size,
        .root = root,
        .kind = (enum bundle_kind)(kind - kinds),
    };
    return true;
}

/* ---- the folder ---- */

static void load_named(struct srv_bundle *bundle, int dir_fd, const char *name,
                       enum bundle_kind kind, struct doc_report *report)
{
    const char *file = arena_printf(&bundle->arena, "%s/%s", bundle->dir, name);
    struct bundle_document document = {0};
    struct error err = {0};
    size_t size;
    const char *text;

    if (!file) {
        doc_fault(report, "FILE", name, NULL, "", "no memory");
        return;
    }
    text =
        beneath_read(dir_fd, name, DOC_SIZE_MAX, &bundle->arena, &size, &err);
    if (!text) {
        doc_fault(report, "FILE", file, NULL, "", "%s", err.msg);
        return;
    }
    if (!bundle_load_text(file, text, size, &bundle->arena, report, &document))
        return;
    if (document.kind == kind)
        bundle->documents[kind] = document;
    else
        doc_fault(report, "MS190", file, document.root, "/kind",
                  "its name says %s, it says %s", kinds[kind].kind,
                  kinds[document.kind].kind);
}

struct listing {
    char **names;
    size_t count, capacity;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool list_name(struct listing *list, const char *name)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        char **names = realloc(list->names, capacity * sizeof *names);

        if (!names)
            return false;
        list->names = names;
        list->capacity = capacity;
    }
    list->names[list->count] = strdup(name);
    return list->names[list->count] && ++list->count;
}

/* Names of the folder, sorted; false: memory, or it cannot be read. */
static bool list_folder(int dir_fd, struct listing *list)
{
    int copy = dup(dir_fd);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;
    bool ok = dir != NULL;

    if (!dir && copy >= 0)
        (void)close(copy);
    while (ok && (entry = readdir(dir)))
        ok = list_name(list, entry->d_name);
    if (dir)
        (void)closedir(dir);
    if (list->count)
        qsort(list->names, list->count, sizeof *list->names, compare_names);
    return ok;
}

static void release_listing(struct listing *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}

static void load_kind(struct srv_bundle *bundle, int dir_fd,
                      const struct listing *list, enum bundle_kind kind,
                      struct doc_report *report)
{
    const char *found = NULL;

    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->names[i];

        if (!bundle_names_kind(name, kind))
            continue;
        if (found)
            doc_fault(report, "MS190", bundle->dir, NULL, "",
                      "more than one %s: %s and %s", kinds[kind].kind, found,
                      name);
        else
            load_named(bundle, dir_fd, name, kind, report);
        found = name;
    }
    if (!found && kind != BUNDLE_BEHAVIORSPEC)
        doc_fault(report, "MS190", bundle->dir, NULL, "",
                  "the bundle has no %s, a file *%s.yaml", kinds[kind].kind,
                  bundle_kind_ending(kind));
}

void bundle_load(struct srv_bundle *bundle, int dir_fd,
                 struct doc_report *report)
{
    struct listing list = {0};

    if (list_folder(dir_fd, &list))
        for (size_t i = 0; i < BUNDLE_KIND_COUNT; i++)
            load_kind(bundle, dir_fd, &list, (enum bundle_kind)i, report);
    else
        doc_fault(report, "FILE", bundle->dir, NULL, "",
                  "the folder cannot be read");
    release_listing(&list);
}
