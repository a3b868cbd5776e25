/*
 * server: gen/c/<prefix>_server.h, what the program has to define: one handler
 * per endpoint, and one failure writer where the endpoint answers failures in
 * its own message.
 */
#include <string.h>

#include "emit.h"

/* "GET /health, specserve.runtime.v1.ModelRuntime/Health" */
static const char *forms(const struct cg_api *api, const struct cg_op *op,
                         struct cg_out *out)
{
    const char *rest =
        op->verb ? cg_text(out->ir, "%s %s", op->verb, op->path) : "";
    const char *rpc = op->rpc ? cg_text(out->ir, "%s.%s/%s", api->package,
                                        api->service, op->rpc)
                              : "";

    return cg_text(out->ir, "%s%s%s", rest, *rest && *rpc ? ", " : "", rpc);
}

/* One parameter on its own line, below the first one. */
static void put_parameter(const char *open, const char *qualifier,
                          const struct cg_decl *decl, const char *name,
                          struct buf *to)
{
    buf_printf(to, ",\n%*s%sstruct %s *%s", (int)strlen(open), "", qualifier,
               decl->alias, name);
}

static void put_handler(const struct cg_api *api, const struct cg_op *op,
                        struct cg_out *out, struct buf *to)
{
    const char *open;

    buf_string(to, "\n/*\n");
    cg_wrap(to, " * ", op->doc, 80);
    buf_printf(to, " * %s\n */\n", forms(api, op, out));
    open = cg_text(out->ir, "bool %s(", op->handler);
    buf_printf(to, "%sstruct srv_call *call", open);
    put_parameter(open, "const ", op->request, "request", to);
    if (op->reply)
        put_parameter(open, "", op->reply, "reply", to);
    else /* it answers with call_answer_raw() */
        buf_printf(to, ",\n%*svoid *reply", (int)strlen(open), "");
    buf_printf(to, ",\n%*sstruct error *err);\n", (int)strlen(open), "");
    if (!op->failer || !op->reply)
        return;
    open = cg_text(out->ir, "void %s(", op->failer);
    buf_printf(to, "\n/* The answer of a failed %s; see op_failure. */\n",
               op->name);
    buf_printf(to, "%sstruct srv_call *call, const struct error *err", open);
    put_parameter(open, "", op->reply, "reply", to);
    buf_string(to, ");\n");
}

/* Each codec once, in the order of the endpoints. */
static void put_codecs(const struct cg_api *api, struct buf *to)
{
    for (size_t i = 0; i < api->op_count; i++) {
        const char *codec = api->ops[i].codec;
        bool seen = !codec;

        for (size_t k = 0; k < i && !seen; k++)
            seen = api->ops[k].codec && strcmp(api->ops[k].codec, codec) == 0;
        if (!seen)
            buf_printf(to, "extern const struct op_codec %s;\n", codec);
    }
}

void cg_emit_server(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];
        const char *guard = cg_upper(out->ir, api->prefix);
        struct buf *to =
            cg_out_open(out, cg_text(out->ir, "c/%s_server.h", api->prefix));

        cg_head(to, cg_source(api, out));
        buf_printf(to, "#ifndef GEN_%s_SERVER_H\n#define GEN_%s_SERVER_H\n\n",
                   guard, guard);
        buf_printf(to,
                   "#include \"contract.h\"\n#include \"error.h\"\n"
                   "#include \"%s_msg.h\"\n\n",
                   api->prefix);
        buf_string(to, "struct srv_call;\n\n");
        cg_comment(to, api->doc);
        buf_printf(to, "extern const struct op_table %s_ops;\n", api->prefix);
        put_codecs(api, to);
        for (size_t k = 0; k < api->op_count; k++)
            put_handler(api, &api->ops[k], out, to);
        buf_string(to, "\n#endif\n");
    }
}
