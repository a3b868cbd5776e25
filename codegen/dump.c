/*
 * Dump: one function per part of the IR, in the order of ir.h.
 */
#include "dump.h"

#include "json.h"

static const char *const kinds[] = {
    [MSG_BOOL] = "bool", [MSG_I32] = "i32",   [MSG_U32] = "u32",
    [MSG_I64] = "i64",   [MSG_U64] = "u64",   [MSG_F32] = "f32",
    [MSG_F64] = "f64",   [MSG_STR] = "str",   [MSG_BYTES] = "bytes",
    [MSG_JSON] = "json", [MSG_TIME] = "time", [MSG_ENUM] = "enum",
    [MSG_MSG] = "msg",
};

static const char *const cards[] = {
    [MSG_ONE] = "one", [MSG_LIST] = "list", [MSG_MAP] = "map"};

static const char *const runs[] = {
    [OP_INLINE] = "inline", [OP_QUEUE] = "queue"};

static const char *const streams[] = {
    [OP_UNARY] = "none", [OP_SERVER] = "server", [OP_EACH] = "each"};

static const char *const safeties[] = {
    [OP_READ] = "read", [OP_IDEMPOTENT] = "idempotent", [OP_ONCE] = "once"};

static void put_optional(struct cg_json *json, const char *key,
                         const char *text)
{
    if (text)
        cg_json_string(json, key, text);
}

static void put_field(struct cg_json *json, const struct cg_field *field)
{
    cg_json_open(json, NULL, '{');
    cg_json_string(json, "json", field->json);
    cg_json_string(json, "name", field->name);
    cg_json_number(json, "number", field->number);
    cg_json_string(json, "kind", kinds[field->kind]);
    cg_json_string(json, "card", cards[field->card]);
    if (field->decl)
        cg_json_string(json, "of", field->decl->name);
    cg_json_bool(json, "required", (field->flags & MSG_REQUIRED) != 0);
    cg_json_bool(json, "nullable", (field->flags & MSG_NULLABLE) != 0);
    cg_json_bool(json, "emit_always", (field->flags & MSG_EMIT_ALWAYS) != 0);
    cg_json_bool(json, "secret", (field->flags & MSG_SECRET) != 0);
    put_optional(json, "doc", field->doc);
    cg_json_close(json, '}');
}

static void put_decl(struct cg_json *json, const struct cg_decl *decl)
{
    cg_json_open(json, NULL, '{');
    cg_json_string(json, "name", decl->name);
    cg_json_string(json, "form",
                   decl->tag == CG_ENUM          ? "enum"
                   : decl->shape == MSG_UNTAGGED ? "union"
                                                 : "message");
    put_optional(json, "doc", decl->doc);
    cg_json_bool(json, "open", decl->open);
    cg_json_open(json, "fields", '[');
    for (size_t i = 0; i < decl->field_count; i++)
        put_field(json, &decl->fields[i]);
    cg_json_close(json, ']');
    cg_json_open(json, "values", '[');
    for (size_t i = 0; i < decl->value_count; i++) {
        cg_json_open(json, NULL, '{');
        cg_json_string(json, "json", decl->values[i].json);
        cg_json_string(json, "name", decl->values[i].name);
        cg_json_number(json, "number", decl->values[i].number);
        cg_json_close(json, '}');
    }
    cg_json_close(json, ']');
    cg_json_close(json, '}');
}

static void put_op(struct cg_json *json, const struct cg_op *op)
{
    cg_json_open(json, NULL, '{');
    cg_json_string(json, "id", op->id);
    cg_json_string(json, "doc", op->doc);
    put_optional(json, "verb", op->verb);
    put_optional(json, "path", op->path);
    put_optional(json, "rpc", op->rpc);
    put_optional(json, "codec", op->codec);
    cg_json_open(json, "also", '[');
    for (size_t i = 0; i < op->also_count; i++) {
        cg_json_open(json, NULL, '{');
        cg_json_string(json, "verb", op->also[i].verb);
        cg_json_string(json, "path", op->also[i].path);
        cg_json_close(json, '}');
    }
    cg_json_close(json, ']');
    cg_json_string(json, "request", op->request->name);
    if (op->reply)
        cg_json_string(json, "reply", op->reply->name);
    put_optional(json, "media", op->media);
    put_optional(json, "binary", op->binary);
    cg_json_open(json, "binds", '[');
    for (size_t i = 0; i < op->bind_count; i++) {
        cg_json_open(json, NULL, '{');
        cg_json_string(json, "name", op->binds[i].name);
        cg_json_string(json, "from",
                       op->binds[i].source == OP_FROM_PATH ? "path" : "query");
        cg_json_close(json, '}');
    }
    cg_json_close(json, ']');
    cg_json_string(json, "run", runs[op->run]);
    cg_json_string(json, "stream", streams[op->stream]);
    cg_json_string(json, "safety", safeties[op->safety]);
    cg_json_bool(json, "own_failure", op->own_failure);
    cg_json_bool(json, "refuses", op->refuses);
    cg_json_number(json, "deadline_ms", op->deadline_ms);
    cg_json_number(json, "max_body", (long long)op->max_body);
    cg_json_open(json, "errors", '[');
    for (size_t i = 0; i < op->error_count; i++)
        cg_json_string(json, NULL, op->errors[i]->name);
    cg_json_close(json, ']');
    cg_json_close(json, '}');
}

static void put_api(struct cg_json *json, const struct cg_api *api)
{
    cg_json_open(json, NULL, '{');
    cg_json_string(json, "package", api->package);
    cg_json_string(json, "prefix", api->prefix);
    cg_json_string(json, "service", api->service);
    cg_json_string(json, "proto", api->proto);
    cg_json_bool(json, "foreign", api->foreign != NULL);
    cg_json_open(json, "messages", '[');
    for (size_t i = 0; i < api->decl_count; i++)
        put_decl(json, api->decls[i]);
    cg_json_close(json, ']');
    cg_json_open(json, "operations", '[');
    for (size_t i = 0; i < api->op_count; i++)
        put_op(json, &api->ops[i]);
    cg_json_close(json, ']');
    cg_json_close(json, '}');
}

static void put_error(struct cg_json *json, const struct cg_error *error)
{
    cg_json_open(json, NULL, '{');
    cg_json_string(json, "name", error->name);
    cg_json_number(json, "http", error->http);
    cg_json_string(json, "grpc", error->grpc);
    cg_json_string(json, "retry", error->retry);
    cg_json_string(json, "doc", error->doc);
    cg_json_close(json, '}');
}

void cg_dump(const struct cg_ir *ir, struct buf *to)
{
    struct cg_json json = {.to = to, .empty = true};

    cg_json_open(&json, NULL, '{');
    cg_json_open(&json, "apis", '[');
    for (size_t i = 0; i < ir->api_count; i++)
        put_api(&json, ir->apis[i]);
    cg_json_close(&json, ']');
    cg_json_open(&json, "errors", '[');
    for (size_t i = 0; i < ir->error_count; i++)
        put_error(&json, &ir->errors[i]);
    cg_json_close(&json, ']');
    cg_json_open(&json, "documents", '[');
    for (size_t i = 0; i < ir->document_count; i++)
        cg_json_string(&json, NULL, ir->documents[i].name);
    cg_json_close(&json, ']');
    cg_json_close(&json, '}');
    buf_char(to, '\n');
}
