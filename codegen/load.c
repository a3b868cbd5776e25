/*
 * Load: which loader takes which file of api/, and what loaders share.
 */
#include "load.h"

#include "check.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

const char *cg_load_name(struct cg_ir *ir, const char *file)
{
    return cg_text(ir, "%s/%s", ir->dir, file);
}

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);

    return length > tail && strcmp(name + length - tail, ending) == 0;
}

/* The document loader's findings in our own form. */
static void take_report(struct cg_ir *ir, const struct doc_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct doc_issue *issue = &report->issues[i];

        if (issue->severity != DOC_FAULT)
            continue;
        struct cg_loc at = {issue->file, issue->line, issue->col};
        cg_fault(ir, at, "syntax", "%s", issue->message);
    }
}

static const struct doc_node *parse(struct cg_ir *ir, const char *name,
                                    const struct buf *text)
{
    const char *bytes = text->data ? text->data : "";
    const struct doc_node *root;
    struct doc_report report;

    doc_report_init(&report, &ir->arena);
    if (ends_with(name, ".json"))
        root = doc_parse_json(name, bytes, text->size, &ir->arena, &report);
    else
        root = doc_parse_yaml(name, bytes, text->size, DOC_YAML_CORE,
                              &ir->arena, &report);
    take_report(ir, &report);
    if (root && root->type != DOC_MAP) {
        cg_fault(ir, cg_at(name, root), "file", "is not a map");
        return NULL;
    }
    return root;
}

static const struct doc_node *read_tree(struct cg_ir *ir, const char *file)
{
    const char *name = cg_load_name(ir, file);
    const struct doc_node *root = NULL;
    struct buf text = {0};
    struct error err;

    if (cg_file_read(name, &text, &err))
        root = parse(ir, name, &text);
    else
        cg_fault(ir, (struct cg_loc){.file = name}, "file", "%s", err.msg);
    buf_release(&text);
    return root;
}

const struct doc_node *cg_load_tree(struct cg_ir *ir, const char *file)
{
    for (size_t i = 0; i < ir->tree_count; i++)
        if (strcmp(ir->trees[i].file, file) == 0)
            return ir->trees[i].root;
    ir->trees = cg_grow(ir, ir->trees, ir->tree_count, &ir->tree_capacity,
                        sizeof *ir->trees);
    ir->trees[ir->tree_count++] = (struct cg_tree){file, read_tree(ir, file)};
    return ir->trees[ir->tree_count - 1].root;
}

static int by_name(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

const char **cg_load_list(struct cg_ir *ir, const char *folder,
                          const char *ending)
{
    DIR *dir = opendir(cg_load_name(ir, folder));
    size_t count = 0, capacity = 0;
    const char **names = cg_grow(ir, NULL, 0, &capacity, sizeof *names);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (!ends_with(entry->d_name, ending))
            continue;
        names = cg_grow(ir, names, count + 1, &capacity, sizeof *names);
        names[count++] = cg_text(ir, "%s/%s", folder, entry->d_name);
        names[count] = NULL;
    }
    if (dir)
        (void)closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    return names;
}

void cg_load_keys(struct cg_ir *ir, const char *file,
                  const struct doc_node *map, const char *rule,
                  const char *const *allowed)
{
    for (size_t i = 0; i < doc_count(map); i++) {
        const struct doc_entry *entry = &map->entries[i];
        struct cg_loc at = {file, entry->line, entry->col};
        size_t known = 0;

        while (allowed[known] && strcmp(allowed[known], entry->key) != 0)
            known++;
        if (!allowed[known])
            cg_fault(ir, at, rule, "'%s' is not a key here", entry->key);
    }
}

const char *cg_load_string(struct cg_ir *ir, const char *file,
                           const struct doc_node *map, const char *rule,
                           const char *key)
{
    const struct doc_node *node = doc_get(map, key);

    if (!node)
        cg_fault(ir, cg_at(file, map), rule, "'%s' is missing", key);
    else if (node->type != DOC_STRING)
        cg_fault(ir, cg_at(file, node), rule, "'%s' is not a string", key);
    else
        return node->text;
    return NULL;
}

void cg_load(struct cg_ir *ir, const char *scratch)
{
    const char **files;

    cg_load_errors(ir);
    files = cg_load_list(ir, "foreign", ".proto");
    for (size_t i = 0; files[i]; i++)
        (void)cg_load_foreign(ir, files[i], scratch);
    files = cg_load_list(ir, "ops", ".yaml");
    for (size_t i = 0; files[i]; i++)
        cg_load_ops(ir, files[i], scratch);
    cg_load_documents(ir);
}

void cg_load_all(struct cg_ir *ir, const char *scratch)
{
    cg_load(ir, scratch);
    cg_name(ir);
    cg_number(ir);
    cg_check(ir);
    cg_check_schemas(ir);
    cg_check_documents(ir);
}
