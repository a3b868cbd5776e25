/*
 * Client: see client.h.
 */
#include "client.h"

#include <math.h>
#include <string.h>

bool cg_client_op(const struct cg_op *op)
{
    return op->stream != OP_EACH;
}

/* A foreign format whose messages are names only cannot be typed. */
static bool has_fields(const struct cg_api *api)
{
    for (size_t i = 0; i < api->decl_count; i++)
        if (api->decls[i]->field_count)
            return true;
    return !api->foreign;
}

bool cg_client_typed(const struct cg_api *api)
{
    return cg_client_api(api) && has_fields(api);
}

bool cg_client_api(const struct cg_api *api)
{
    for (size_t i = 0; i < api->op_count; i++)
        if (cg_client_op(&api->ops[i]))
            return true;
    return false;
}

bool cg_client_has_rest(const struct cg_api *api, const struct cg_op *op)
{
    return op->verb && !api->foreign;
}

bool cg_client_offers(const struct cg_api *api, const struct cg_op *op)
{
    return cg_client_op(op) && (op->rpc || cg_client_has_rest(api, op));
}

struct buf *cg_client_open(struct cg_out *out, const char *language,
                           const char *path)
{
    return cg_out_open(out,
                       cg_text(out->ir, "../clients/%s/%s", language, path));
}

void cg_client_query(const struct cg_op *op, struct buf *to)
{
    const char *between = "";

    for (size_t i = 0; i < op->bind_count; i++) {
        if (op->binds[i].source != OP_FROM_QUERY)
            continue;
        buf_printf(to, "%s\"%s\"", between, op->binds[i].name);
        between = ", ";
    }
}

const char *cg_client_safety(const struct cg_op *op)
{
    static const char *const words[] = {
        [OP_READ] = "read", [OP_IDEMPOTENT] = "idempotent", [OP_ONCE] = "once"};

    return words[op->safety];
}

const char *cg_client_card(const struct cg_field *field)
{
    static const char *const words[] = {
        [MSG_ONE] = "one", [MSG_LIST] = "list", [MSG_MAP] = "map"};

    return words[field->card];
}

const char *cg_client_kind(const struct cg_field *field)
{
    static const char *const words[] = {
        [MSG_BOOL] = "bool", [MSG_I32] = "i32",   [MSG_U32] = "u32",
        [MSG_I64] = "i64",   [MSG_U64] = "u64",   [MSG_F32] = "f32",
        [MSG_F64] = "f64",   [MSG_STR] = "str",   [MSG_BYTES] = "bytes",
        [MSG_JSON] = "json", [MSG_TIME] = "time", [MSG_ENUM] = "enum",
        [MSG_MSG] = "msg",
    };

    return cg_client_union(field->decl) ? "union" : words[field->kind];
}

const struct cg_field *cg_client_list(const struct cg_decl *decl)
{
    return decl && decl->field_count == 1 && decl->fields[0].card == MSG_LIST
               ? &decl->fields[0]
               : NULL;
}

bool cg_client_plain(const struct cg_field *field)
{
    return field->implicit && field->card == MSG_ONE &&
           field->kind != MSG_MSG && !(field->flags & MSG_IN_ONEOF);
}

bool cg_client_required(const struct cg_field *field)
{
    return (field->flags & MSG_REQUIRED) && !(field->flags & MSG_NULLABLE);
}

enum { DEPTH = 8 }; /* messages in messages that are followed */

static bool reaches(const struct cg_decl *from, const struct cg_decl *decl,
                    int depth)
{
    if (from == decl)
        return true;
    for (size_t i = 0; i < from->field_count && depth < DEPTH; i++)
        if (from->fields[i].decl &&
            reaches(from->fields[i].decl, decl, depth + 1))
            return true;
    return false;
}

bool cg_client_sent(const struct cg_decl *decl)
{
    for (size_t i = 0; i < decl->api->op_count; i++)
        if (reaches(decl->api->ops[i].request, decl, 0))
            return true;
    return false;
}

const char *cg_client_name(struct cg_ir *ir, const struct cg_decl *decl)
{
    char *out = cg_zalloc(ir, strlen(decl->name) + 1, 1);
    char *at = out;

    for (const char *c = decl->name; *c; c++)
        if (*c != '.')
            *at++ = *c;
    return out;
}

bool cg_client_union(const struct cg_decl *decl)
{
    return decl && decl->tag == CG_MESSAGE && decl->shape == MSG_UNTAGGED;
}

static const char *forms(const struct cg_api *api, const struct cg_op *op,
                         struct cg_ir *ir)
{
    const char *rest =
        op->verb ? cg_text(ir, "REST: %s %s", op->verb, op->path) : "";
    const char *rpc = op->rpc ? cg_text(ir, "gRPC: %s.%s/%s", api->package,
                                        api->service, op->rpc)
                              : "";

    return cg_text(ir, "%s%s%s.", rest, *rest && *rpc ? "; " : "", rpc);
}

static const char *repeats(const struct cg_op *op)
{
    if (op->stream == OP_SERVER)
        return "A stream of messages; it has no deadline of its own.";
    if (op->safety == OP_ONCE)
        return "Is sent once: a call that failed may have been done.";
    return "May be repeated: failures that pass are tried again.";
}

const char **cg_client_doc(const struct cg_api *api, const struct cg_op *op,
                           struct cg_ir *ir)
{
    const char **texts = cg_zalloc(ir, 5, sizeof *texts);
    size_t at = 0;

    texts[at++] = op->doc;
    texts[at++] = forms(api, op, ir);
    texts[at++] = repeats(op);
    if (op->deadline_ms && op->stream != OP_SERVER)
        texts[at++] = cg_text(ir, "Takes %g s at most unless the caller says.",
                              op->deadline_ms / 1000.0);
    return texts;
}

/* "1 to 65535", "at most 64 bytes"; "" = no limits worth words. */
static const char *limits(const struct cg_field *field, struct cg_ir *ir)
{
    const struct cg_limits *limits = &field->limits;

    if (field->card != MSG_ONE && field->max_count)
        return cg_text(ir, "at most %u entries", field->max_count);
    if (limits->max_size)
        return cg_text(ir, "%u to %u bytes", limits->min_size,
                       limits->max_size);
    if (fabs(limits->min) > 9e15 && fabs(limits->max) > 9e15)
        return ""; /* what an integer in JSON can be */
    if (!isnan(limits->min) && !isnan(limits->max))
        return cg_text(ir, "%.15g to %.15g", limits->min, limits->max);
    if (!isnan(limits->min))
        return cg_text(ir, "at least %.15g", limits->min);
    if (!isnan(limits->max))
        return cg_text(ir, "at most %.15g", limits->max);
    return "";
}

const char *cg_client_field_doc(const struct cg_field *field, struct cg_ir *ir)
{
    const char *doc = field->doc ? field->doc : field->json;
    const char *said = limits(field, ir);
    size_t length = strlen(doc);

    if (!*said)
        return doc;
    if (length && doc[length - 1] == '.')
        length--;
    return cg_text(ir, "%.*s; %s.", (int)length, doc, said);
}
