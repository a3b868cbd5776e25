/*
 * routes: gen/c/<prefix>_routes.c, the endpoints as one op_table.
 *
 * The table names the handlers, so it is linked only into a program that
 * defines them. The thunks turn `void *` into the typed message; casting the
 * function pointers instead would be undefined.
 */
#include <string.h>

#include "emit.h"

static void put_thunk(const struct cg_op *op, struct buf *to)
{
    buf_printf(to,
               "\nstatic bool serve_%s(struct srv_call *call, "
               "const void *request,\n",
               op->name);
    for (size_t i = strlen(op->name) + 19; i; i--)
        buf_char(to, ' ');
    buf_string(to, "void *reply, struct error *err)\n{\n");
    buf_printf(to, "    return %s(call, request, reply, err);\n}\n",
               op->handler);
    if (!op->own_failure)
        return;
    buf_printf(to,
               "\nstatic void refuse_%s(struct srv_call *call, "
               "const struct error *err,\n",
               op->name);
    for (size_t i = strlen(op->name) + 20; i; i--)
        buf_char(to, ' ');
    buf_printf(to, "void *reply)\n{\n    %s(call, err, reply);\n}\n",
               op->failer);
}

/* "predict_binds"; those of its other REST forms are numbered from 1. */
static void put_binds_name(const struct cg_op *op, size_t form, struct buf *to)
{
    buf_printf(to, "%s_binds", op->name);
    if (form)
        buf_printf(to, "_%zu", form);
}

static void put_binds(const struct cg_op *op, size_t form, struct buf *to)
{
    if (!op->bind_count)
        return;
    buf_string(to, "\nstatic const struct op_bind ");
    put_binds_name(op, form, to);
    buf_string(to, "[] = {\n");
    for (size_t i = 0; i < op->bind_count; i++)
        buf_printf(to, "    {\"%s\", %s, %u},\n", op->binds[i].name,
                   op->binds[i].source == OP_FROM_PATH ? "OP_FROM_PATH"
                                                       : "OP_FROM_QUERY",
                   op->binds[i].field);
    buf_string(to, "};\n");
}

static void put_behaviour(const struct cg_op *op, struct buf *to)
{
    static const char *const runs[] = {
        [OP_INLINE] = "OP_INLINE", [OP_QUEUE] = "OP_QUEUE"};
    static const char *const streams[] = {[OP_UNARY] = "OP_UNARY",
                                          [OP_SERVER] = "OP_SERVER",
                                          [OP_EACH] = "OP_EACH"};
    static const char *const safeties[] = {[OP_READ] = "OP_READ",
                                           [OP_IDEMPOTENT] = "OP_IDEMPOTENT",
                                           [OP_ONCE] = "OP_ONCE"};

    buf_printf(to, "        .run = %s,\n", runs[op->run]);
    buf_printf(to, "        .stream = %s,\n", streams[op->stream]);
    buf_printf(to, "        .safety = %s,\n", safeties[op->safety]);
    buf_printf(to, "        .deadline_ms = %u,\n", op->deadline_ms);
    buf_printf(to, "        .max_body = %zu,\n", op->max_body);
}

static void put_op(const struct cg_api *api, const struct cg_op *op,
                   size_t form, struct buf *to)
{
    buf_printf(to, "    {\n        .id = \"%s\",\n", op->id);
    if (op->verb)
        buf_printf(to, "        .verb = \"%s\",\n        .path = \"%s\",\n",
                   op->verb, op->path);
    if (op->rpc)
        buf_printf(to, "        .method = \"/%s.%s/%s\",\n", api->package,
                   api->service, op->rpc);
    buf_printf(to, "        .request = &%s_def,\n", op->request->alias);
    if (op->reply)
        buf_printf(to, "        .reply = &%s_def,\n", op->reply->alias);
    if (op->bind_count) {
        buf_string(to, "        .binds = ");
        put_binds_name(op, form, to);
        buf_printf(to, ",\n        .bind_count = %zu,\n", op->bind_count);
    }
    buf_printf(to, "        .has_body = %s,\n",
               op->has_body ? "true" : "false");
    put_behaviour(op, to);
    buf_printf(to, "        .handle = serve_%s,\n", op->name);
    if (op->refuses)
        buf_string(to, "        .refuses = true,\n");
    if (op->own_failure)
        buf_printf(to, "        .failure = refuse_%s,\n", op->name);
    if (op->codec)
        buf_printf(to, "        .codec = &%s,\n", op->codec);
    buf_string(to, "    },\n");
}

static void put_table(const struct cg_api *api, struct buf *to)
{
    buf_string(to, "\nstatic const struct op_def ops[] = {\n");
    for (size_t k = 0; k < api->op_count; k++) {
        const struct cg_op *op = &api->ops[k];

        put_op(api, op, 0, to);
        for (size_t i = 0; i < op->also_count; i++)
            put_op(api, &op->also[i], i + 1, to);
    }
    buf_string(to, "};\n\n");
    buf_printf(to, "const struct op_table %s_ops = {\n", api->prefix);
    buf_printf(to, "    .service = \"%s.%s\",\n", api->package, api->service);
    buf_string(to, "    .ops = ops,\n"
                   "    .count = sizeof ops / sizeof ops[0],\n};\n");
}

void cg_emit_routes(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];
        struct buf *to =
            cg_out_open(out, cg_text(out->ir, "c/%s_routes.c", api->prefix));

        cg_head(to, cg_source(api, out));
        buf_printf(to, "#include \"%s_server.h\"\n", api->prefix);
        for (size_t k = 0; k < api->op_count; k++) {
            const struct cg_op *op = &api->ops[k];

            put_thunk(op, to);
            put_binds(op, 0, to);
            for (size_t f = 0; f < op->also_count; f++)
                put_binds(&op->also[f], f + 1, to);
        }
        put_table(api, to);
    }
}
