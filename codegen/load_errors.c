/*
 * errors.yaml: one map entry per error, name -> {http, grpc, retry, doc}.
 */
#include <string.h>

#include "load.h"

/* gRPC's status names in the order of their numbers. */
static const char *const grpc_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

static const struct {
    const char *yaml, *table;
} retries[] = {
    {"never", "NEVER"}, {"later", "LATER"}, {"elsewhere", "ELSEWHERE"}};

static const char *const keys[] = {"http", "grpc", "retry", "doc", NULL};

static int grpc_number(const char *name)
{
    for (size_t i = 0; i < sizeof grpc_names / sizeof *grpc_names; i++)
        if (strcmp(grpc_names[i], name) == 0)
            return (int)i;
    return -1;
}

static const char *retry_name(const char *yaml)
{
    for (size_t i = 0; i < sizeof retries / sizeof *retries; i++)
        if (strcmp(retries[i].yaml, yaml) == 0)
            return retries[i].table;
    return NULL;
}

static void load_grpc(struct cg_ir *ir, const char *file,
                      const struct doc_node *row, struct cg_error *error)
{
    const char *name = cg_load_string(ir, file, row, "errors.grpc", "grpc");

    if (!name)
        return;
    error->grpc = name;
    error->grpc_number = grpc_number(name);
    if (error->grpc_number < 0)
        cg_fault(ir, cg_at(file, doc_get(row, "grpc")), "errors.grpc",
                 "'%s' is not a gRPC status", name);
}

static void load_retry(struct cg_ir *ir, const char *file,
                       const struct doc_node *row, struct cg_error *error)
{
    const char *name = cg_load_string(ir, file, row, "errors.retry", "retry");

    if (!name)
        return;
    error->retry = retry_name(name);
    if (!error->retry)
        cg_fault(ir, cg_at(file, doc_get(row, "retry")), "errors.retry",
                 "'%s' is none of never, later, elsewhere", name);
}

static bool is_constant(const char *name)
{
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
               strlen(name) &&
           name[0] >= 'A' && name[0] <= 'Z';
}

static void load_row(struct cg_ir *ir, const char *file,
                     const struct doc_entry *entry, struct cg_error *error)
{
    const struct doc_node *row = entry->value;
    int64_t http = doc_integer(doc_get(row, "http"), 0);

    error->name = entry->key;
    error->at = (struct cg_loc){file, entry->line, entry->col};
    if (!is_constant(entry->key))
        cg_fault(ir, error->at, "errors.name", "'%s' is not UPPER_CASE",
                 entry->key);
    cg_load_keys(ir, file, row, "errors.key", keys);
    if (http < 200 || http > 599)
        cg_fault(ir, error->at, "errors.http",
                 "'%s' needs an http status from 200 to 599", entry->key);
    error->http = (int)http;
    load_grpc(ir, file, row, error);
    load_retry(ir, file, row, error);
    error->doc = cg_load_string(ir, file, row, "errors.doc", "doc");
}

void cg_load_errors(struct cg_ir *ir)
{
    const struct doc_node *root = cg_load_tree(ir, "errors.yaml");
    const char *file = cg_load_name(ir, "errors.yaml");

    ir->errors = cg_zalloc(ir, doc_count(root), sizeof *ir->errors);
    for (size_t i = 0; i < doc_count(root); i++)
        load_row(ir, file, &root->entries[i], &ir->errors[ir->error_count++]);
}
