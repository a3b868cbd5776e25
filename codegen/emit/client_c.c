/*
 * client_c: the generated part of clients/c.
 *
 *   api/<prefix>_api.h   a function per endpoint, and for a stream one more
 *   api/<prefix>_api.c   the endpoints as rows, and those functions
 *   api/api_tables.h     all rows, for tools that call by name
 *
 * Messages are those of gen/c; what the functions do is in clients/c
 * (client_op.h).
 */
#include <string.h>

#include "client.h"
#include "emit.h"

enum { WIDTH = 78 };

/* The text cannot end the comment that it is in. */
static void put_text(struct cg_ir *ir, const char *lead, const char *text,
                     struct buf *to)
{
    char *safe = cg_text(ir, "%s", text);

    for (char *end = strstr(safe, "*/"); end; end = strstr(end, "*/"))
        end[1] = '.';
    cg_wrap(to, lead, safe, WIDTH);
}

/* ---- the header ---- */

static void put_fields(struct cg_ir *ir, const char *what,
                       const struct cg_decl *decl, struct buf *to)
{
    if (!decl || !decl->field_count)
        return;
    buf_printf(to, " *\n * %s, struct %s:\n", what, decl->alias);
    for (size_t i = 0; i < decl->field_count; i++) {
        const struct cg_field *field = &decl->fields[i];
        const char *must = cg_client_required(field) ? ", required" : "";
        const char *doc = cg_client_field_doc(field, ir);

        put_text(ir, " *     ",
                 strcmp(doc, field->json) == 0
                     ? cg_text(ir, "%s%s", field->c_name, must)
                     : cg_text(ir, "%s%s: %s", field->c_name, must, doc),
                 to);
    }
}

static void put_doc(const struct cg_api *api, const struct cg_op *op,
                    struct cg_ir *ir, struct buf *to)
{
    const char **docs = cg_client_doc(api, op, ir);

    buf_string(to, "\n/*\n");
    for (size_t i = 0; docs[i]; i++)
        put_text(ir, " * ", docs[i], to);
    put_fields(ir, "request", op->request, to);
    put_fields(ir, op->stream == OP_SERVER ? "message" : "reply", op->reply,
               to);
    if (!op->reply)
        buf_printf(to, " *\n * The answer's bytes are what it gives: %s.\n",
                   op->media ? op->media : "bytes");
    buf_string(to, " */\n");
}

/* "bool specserve_runtime_predict(" */
static const char *opening(struct cg_ir *ir, const struct cg_api *api,
                           const struct cg_op *op)
{
    return cg_text(ir, "%sspecserve_%s_%s(",
                   op->stream == OP_SERVER ? "struct specserve_stream *\n"
                                           : "bool ",
                   api->prefix, op->name);
}

/* Each parameter on its own line, below the first one. */
static void put_head(struct cg_ir *ir, const struct cg_api *api,
                     const struct cg_op *op, struct buf *to)
{
    const char *open = opening(ir, api, op);
    const char *line = strrchr(open, '\n');
    const char *between =
        cg_text(ir, ",\n%*s", (int)strlen(line ? line + 1 : open), "");

    buf_printf(to, "%sstruct specserve_service *service%s", open, between);
    buf_printf(to, "const struct %s *request%s", op->request->alias, between);
    buf_printf(to, "const struct specserve_options *options%s", between);
    if (op->stream != OP_SERVER && op->reply)
        buf_printf(to, "const struct %s **reply%s", op->reply->alias, between);
    if (op->stream != OP_SERVER)
        buf_printf(to, "struct specserve_answer **answer%s", between);
    buf_string(to, "struct specserve_error *err)");
}

static void put_next_head(struct cg_ir *ir, const struct cg_api *api,
                          const struct cg_op *op, struct buf *to)
{
    const char *open =
        cg_text(ir, "bool specserve_%s_%s_next(", api->prefix, op->name);
    int width = (int)strlen(open);

    buf_printf(to,
               "%sstruct specserve_stream *stream,\n"
               "%*sconst struct %s **message,\n"
               "%*sstruct specserve_error *err)",
               open, width, "", op->reply->alias, width, "");
}

static void put_prototypes(const struct cg_api *api, const struct cg_op *op,
                           struct cg_ir *ir, struct buf *to)
{
    put_doc(api, op, ir, to);
    put_head(ir, api, op, to);
    buf_string(to, ";\n");
    if (op->stream != OP_SERVER)
        return;
    buf_string(to, "\n/* Waits for the next message, valid until the one after "
                   "it. false: the end;\n * err->code is SPECSERVE_OK if the "
                   "server ended it, or a cancel. */\n");
    put_next_head(ir, api, op, to);
    buf_string(to, ";\n");
}

static void put_header(const struct cg_api *api, struct cg_out *out)
{
    struct cg_ir *ir = out->ir;
    const char *guard = cg_upper(ir, api->prefix);
    struct buf *to =
        cg_client_open(out, "c", cg_text(ir, "api/%s_api.h", api->prefix));

    cg_head(to, cg_source(api, out));
    buf_string(to, "/*\n");
    put_text(ir, " * ", cg_text(ir, "%s: %s", api->service, api->doc), to);
    buf_string(
        to,
        " *\n * A request that is NULL is an empty one. `*answer` is set "
        "whenever somebody\n * answered, of a failure, too, and NULL "
        "otherwise; "
        "specserve_answer_free() frees\n * it with the reply that lives in it. "
        "Failures: the codes of the catalogue, or\n * SPECSERVE_ARGUMENT when "
        "nothing was sent.\n *\n * Threads: any.\n */\n");
    buf_printf(to,
               "#ifndef SPECSERVE_%s_API_H\n#define SPECSERVE_%s_API_H\n\n"
               "#include \"%s_msg.h\"\n#include \"specserve.h\"\n",
               guard, guard, api->prefix);
    for (size_t i = 0; i < api->op_count; i++)
        if (cg_client_offers(api, &api->ops[i]))
            put_prototypes(api, &api->ops[i], ir, to);
    buf_string(to, "\n#endif\n");
}

/* ---- the source ---- */

/* Streams of this client are gRPC's. */
static bool has_rest(const struct cg_api *api, const struct cg_op *op)
{
    return cg_client_has_rest(api, op) && op->stream != OP_SERVER;
}

static void put_binds(const struct cg_api *api, const struct cg_op *op,
                      struct buf *to)
{
    if (!has_rest(api, op) || !op->bind_count)
        return;
    buf_printf(to, "\nstatic const struct op_bind %s_binds[] = {\n", op->name);
    for (size_t i = 0; i < op->bind_count; i++)
        buf_printf(to, "    {\"%s\", %s, %u},\n", op->binds[i].name,
                   op->binds[i].source == OP_FROM_PATH ? "OP_FROM_PATH"
                                                       : "OP_FROM_QUERY",
                   op->binds[i].field);
    buf_string(to, "};\n");
}

static void put_row(const struct cg_api *api, const struct cg_op *op,
                    struct buf *to)
{
    static const char *const safeties[] = {[OP_READ] = "OP_READ",
                                           [OP_IDEMPOTENT] = "OP_IDEMPOTENT",
                                           [OP_ONCE] = "OP_ONCE"};

    buf_printf(to, "    {\n        .id = \"%s\",\n", op->id);
    if (has_rest(api, op))
        buf_printf(to, "        .verb = \"%s\",\n        .path = \"%s\",\n",
                   op->verb, op->path);
    if (op->rpc)
        buf_printf(to, "        .method = \"/%s.%s/%s\",\n", api->package,
                   api->service, op->rpc);
    buf_printf(to, "        .request = &%s_def,\n", op->request->alias);
    if (op->reply)
        buf_printf(to, "        .reply = &%s_def,\n", op->reply->alias);
    if (has_rest(api, op) && op->bind_count)
        buf_printf(to,
                   "        .binds = %s_binds,\n"
                   "        .bind_count = %zu,\n",
                   op->name, op->bind_count);
    if (has_rest(api, op) && op->has_body)
        buf_string(to, "        .has_body = true,\n");
    if (op->stream == OP_SERVER)
        buf_string(to, "        .stream = true,\n");
    buf_printf(to,
               "        .safety = %s,\n        .deadline_ms = %u,\n    },\n",
               safeties[op->safety], op->deadline_ms);
}

static void put_stream(struct cg_ir *ir, const struct cg_api *api,
                       const struct cg_op *op, struct buf *to)
{
    buf_string(to, "    return client_stream_open(&ask, err);\n}\n\n");
    put_next_head(ir, api, op, to);
    buf_string(to, "\n{\n    const void *found = NULL;\n\n"
                   "    if (!client_stream_next(stream, &found, err))\n"
                   "        return false;\n"
                   "    *message = found;\n    return true;\n}\n");
}

static void put_function(struct cg_ir *ir, const struct cg_api *api,
                         const struct cg_op *op, size_t row, struct buf *to)
{
    buf_char(to, '\n');
    put_head(ir, api, op, to);
    buf_printf(to,
               "\n{\n    const struct client_ask ask = {service, &ops[%zu], "
               "request, options};\n",
               row);
    if (op->stream == OP_SERVER) {
        buf_char(to, '\n');
        put_stream(ir, api, op, to);
        return;
    }
    buf_string(to, "    const void *found = NULL;\n\n");
    if (op->reply)
        buf_string(to, "    if (!client_call(&ask, &found, answer, err))\n"
                       "        return false;\n"
                       "    *reply = found;\n    return true;\n}\n");
    else
        buf_string(to,
                   "    return client_call(&ask, &found, answer, err);\n}\n");
}

static void put_source(const struct cg_api *api, struct cg_out *out)
{
    struct cg_ir *ir = out->ir;
    struct buf *to =
        cg_client_open(out, "c", cg_text(ir, "api/%s_api.c", api->prefix));
    size_t row = 0;

    cg_head(to, cg_source(api, out));
    buf_printf(to,
               "#include \"%s_api.h\"\n\n#include \"api_tables.h\"\n"
               "#include \"client_op.h\"\n",
               api->prefix);
    for (size_t i = 0; i < api->op_count; i++)
        if (cg_client_offers(api, &api->ops[i]))
            put_binds(api, &api->ops[i], to);
    buf_string(to, "\nstatic const struct client_op ops[] = {\n");
    for (size_t i = 0; i < api->op_count; i++)
        if (cg_client_offers(api, &api->ops[i]))
            put_row(api, &api->ops[i], to);
    buf_printf(to,
               "};\n\nconst struct client_ops client_%s_ops = "
               "{ops, sizeof ops / sizeof *ops};\n",
               api->prefix);
    for (size_t i = 0; i < api->op_count; i++)
        if (cg_client_offers(api, &api->ops[i]))
            put_function(ir, api, &api->ops[i], row++, to);
}

static void put_tables(const struct cg_ir *ir, struct cg_out *out)
{
    struct buf *to = cg_client_open(out, "c", "api/api_tables.h");

    cg_head(to, "api/ops");
    buf_string(to,
               "/*\n * All endpoints that the client has, for tools that call "
               "them by name.\n *\n * Threads: immutable.\n */\n"
               "#ifndef CLIENTS_C_API_TABLES_H\n"
               "#define CLIENTS_C_API_TABLES_H\n\n"
               "struct client_ops;\n\n");
    for (size_t i = 0; i < ir->api_count; i++)
        if (cg_client_typed(ir->apis[i]))
            buf_printf(to, "extern const struct client_ops client_%s_ops;\n",
                       ir->apis[i]->prefix);
    buf_string(to, "\n#endif\n");
}

void cg_emit_client_c(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        if (!cg_client_typed(ir->apis[i]))
            continue;
        put_header(ir->apis[i], out);
        put_source(ir->apis[i], out);
    }
    put_tables(ir, out);
}
