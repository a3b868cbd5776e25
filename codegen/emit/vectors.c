/*
 * vectors: gen/vectors/<prefix>.json, what every client must send, take and
 * refuse, as data.
 *
 * `operations` is the contract of each endpoint with all its errors; `cases`
 * are the files api/examples/<prefix>.<operation>[.<case>].json, completed
 * with what the contract says: the HTTP form of the request, the statuses of
 * the error. gen/README.md says how they are replayed.
 */
#include <string.h>

#include "client.h"
#include "emit.h"
#include "json.h"
#include "load.h"

struct writer {
    struct cg_ir *ir;
    struct cg_json json;
    const char *file; /* of the example, as faults call it */
};

/* ---- operations ---- */

static void put_error(const struct cg_error *error, struct cg_json *json)
{
    cg_json_open(json, NULL, '{');
    cg_json_string(json, "code", error->name);
    cg_json_number(json, "http", error->http);
    cg_json_number(json, "grpc", error->grpc_number);
    cg_json_string(json, "retry", error->retry);
    cg_json_close(json, '}');
}

static const char *method_of(const struct cg_api *api, const struct cg_op *op,
                             struct cg_ir *ir)
{
    return cg_text(ir, "/%s.%s/%s", api->package, api->service, op->rpc);
}

static void put_op(const struct cg_api *api, const struct cg_op *op,
                   struct writer *to)
{
    struct cg_json *json = &to->json;

    cg_json_open(json, NULL, '{');
    cg_json_string(json, "id", op->id);
    if (op->verb) {
        cg_json_string(json, "verb", op->verb);
        cg_json_string(json, "path", op->path);
    }
    if (op->rpc)
        cg_json_string(json, "method", method_of(api, op, to->ir));
    cg_json_string(json, "safety", cg_client_safety(op));
    cg_json_bool(json, "stream", op->stream == OP_SERVER);
    cg_json_bool(json, "own_failure", op->own_failure);
    cg_json_number(json, "deadline_ms", op->deadline_ms);
    cg_json_open(json, "errors", '[');
    for (size_t i = 0; i < op->error_count; i++)
        put_error(op->errors[i], json);
    cg_json_close(json, ']');
    cg_json_close(json, '}');
}

/* ---- cases ---- */

/* Appends a scalar as part of a URL: all but the unreserved is escaped. */
static void put_escaped(const struct doc_node *value, struct buf *to)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-._~";
    const char *text = value->type == DOC_BOOL
                           ? (value->boolean ? "true" : "false")
                           : doc_string(value, value->text);

    for (const char *c = text ? text : ""; *c; c++)
        buf_printf(to, strchr(plain, *c) ? "%c" : "%%%02X", (unsigned char)*c);
}

/* "/heartbeat/{port}" with the values of the request. */
static void put_path(const struct cg_op *op, const struct doc_node *request,
                     struct writer *writer, struct buf *to)
{
    const char *mark = "?";

    for (const char *c = op->path; *c; c++) {
        size_t length = strcspn(c + 1, "}");
        const struct doc_node *value;

        if (*c != '{') {
            buf_char(to, *c);
            continue;
        }
        value =
            doc_get(request, cg_text(writer->ir, "%.*s", (int)length, c + 1));
        if (value)
            put_escaped(value, to);
        c += length + 1;
    }
    for (size_t i = 0; i < op->bind_count; i++) {
        const struct doc_node *value = doc_get(request, op->binds[i].name);

        if (op->binds[i].source != OP_FROM_QUERY || !value)
            continue;
        buf_printf(to, "%s%s=", mark, op->binds[i].name);
        put_escaped(value, to);
        mark = "&";
    }
}

/* The field of this key comes from the body. */
static bool in_body(const struct cg_op *op, const char *key)
{
    for (size_t i = 0; i < op->bind_count; i++)
        if (strcmp(op->binds[i].name, key) == 0)
            return false;
    return op->has_body;
}

/* The request as it must look on HTTP. */
static void put_rest(const struct cg_op *op, const struct doc_node *request,
                     struct writer *to)
{
    struct cg_json *json = &to->json;
    struct buf path = {0};

    put_path(op, request, to, &path);
    cg_json_open(json, "rest", '{');
    cg_json_string(json, "verb", op->verb);
    cg_json_string(json, "target", path.data);
    if (op->has_body) {
        cg_json_open(json, "body", '{');
        for (size_t i = 0; i < doc_count(request); i++)
            if (in_body(op, request->entries[i].key))
                cg_json_node(json, request->entries[i].key,
                             request->entries[i].value);
        cg_json_close(json, '}');
    }
    cg_json_close(json, '}');
    buf_release(&path);
}

/*
 * Statuses of the error that the case ends in. A request that the server
 * refuses ends in one of the catalogue; an answer may end in what only clients
 * say (BAD_ANSWER, UNAVAILABLE) or bring a code of a later catalogue.
 */
static void put_outcome(const struct doc_node *node, bool refused,
                        struct writer *to)
{
    const char *code = doc_string(node, "");
    const struct cg_error *error = cg_ir_error(to->ir, code);
    struct cg_json *json = &to->json;

    cg_json_open(json, "error", '{');
    cg_json_string(json, "code", code);
    if (error) {
        cg_json_number(json, "http", error->http);
        cg_json_number(json, "grpc", error->grpc_number);
        cg_json_string(json, "retry", error->retry);
    } else if (refused) {
        cg_fault(to->ir, cg_at(to->file, node), "example",
                 "'%s' is not in errors.yaml", code);
    }
    cg_json_close(json, '}');
}

static void put_case(const char *name, const struct cg_api *api,
                     const struct cg_op *op, const struct doc_node *root,
                     struct writer *to)
{
    static const char *const keys[] = {"request", "send",  "answer",
                                       "error",   "about", NULL};
    const struct doc_node *request = doc_get(root, "request");
    const struct doc_node *send = doc_get(root, "send");
    struct cg_json *json = &to->json;

    cg_load_keys(to->ir, to->file, root, "example", keys);
    if (!request == !send)
        cg_fault(to->ir, cg_at(to->file, root), "example",
                 "needs one of 'request' and 'send'");
    cg_json_open(json, NULL, '{');
    cg_json_string(json, "name", name);
    cg_json_string(json, "operation", op->id);
    if (op->rpc)
        cg_json_string(json, "method", method_of(api, op, to->ir));
    if (doc_get(root, "about"))
        cg_json_node(json, "about", doc_get(root, "about"));
    if (request)
        cg_json_node(json, "request", request);
    if (request && op->verb)
        put_rest(op, request, to);
    if (send)
        cg_json_node(json, "send", send);
    if (doc_get(root, "answer"))
        cg_json_node(json, "answer", doc_get(root, "answer"));
    if (doc_get(root, "error"))
        put_outcome(doc_get(root, "error"), send != NULL, to);
    cg_json_close(json, '}');
}

/* ---- files ---- */

/* "examples/runtime.predict.text.json" is a case of "runtime.predict". */
static bool is_case_of(const char *file, const struct cg_op *op)
{
    const char *name = file + strlen("examples/");
    size_t length = strlen(op->id);

    return strncmp(name, op->id, length) == 0 && name[length] == '.';
}

static void put_cases(const struct cg_api *api, const struct cg_op *op,
                      const char *const *files, struct writer *to)
{
    for (size_t i = 0; files[i]; i++) {
        const char *name = files[i] + strlen("examples/");
        int length = (int)(strlen(name) - strlen(".json"));
        const struct doc_node *root;

        if (!is_case_of(files[i], op))
            continue;
        root = cg_load_tree(to->ir, files[i]);
        to->file = cg_load_name(to->ir, files[i]);
        if (root)
            put_case(cg_text(to->ir, "%.*s", length, name), api, op, root, to);
    }
}

/* An example of an endpoint that is not there would never be replayed. */
static void check_files(const struct cg_ir *ir, const char *const *files,
                        struct cg_ir *faults)
{
    for (size_t i = 0; files[i]; i++) {
        bool found = false;

        for (size_t k = 0; k < ir->api_count; k++)
            for (size_t m = 0; m < ir->apis[k]->op_count; m++)
                found = found || is_case_of(files[i], &ir->apis[k]->ops[m]);
        if (!found)
            cg_fault(faults,
                     (struct cg_loc){.file = cg_load_name(faults, files[i])},
                     "example", "is of no endpoint");
    }
}

static void put_api(const struct cg_api *api, const char *const *files,
                    struct cg_out *out)
{
    const char *path = cg_text(out->ir, "vectors/%s.json", api->prefix);
    struct writer to = {out->ir, {.to = cg_out_open(out, path)}, NULL};

    to.json.empty = true;
    cg_json_open(&to.json, NULL, '{');
    cg_json_string(&to.json, "service",
                   cg_text(out->ir, "%s.%s", api->package, api->service));
    cg_json_open(&to.json, "operations", '[');
    for (size_t i = 0; i < api->op_count; i++)
        if (cg_client_op(&api->ops[i]))
            put_op(api, &api->ops[i], &to);
    cg_json_close(&to.json, ']');
    cg_json_open(&to.json, "cases", '[');
    for (size_t i = 0; i < api->op_count; i++)
        put_cases(api, &api->ops[i], files, &to);
    cg_json_close(&to.json, ']');
    cg_json_close(&to.json, '}');
    buf_char(to.json.to, '\n');
}

void cg_emit_vectors(const struct cg_ir *ir, struct cg_out *out)
{
    const char **files = cg_load_list(out->ir, "examples", ".json");

    for (size_t i = 0; i < ir->api_count; i++)
        if (cg_client_api(ir->apis[i]))
            put_api(ir->apis[i], files, out);
    check_files(ir, files, out->ir);
}
