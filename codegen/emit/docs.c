/*
 * docs: gen/docs/<prefix>.md, the reference of each API, and errors.md.
 *
 * Per endpoint: REST form with a curl line, gRPC form with a grpcurl line,
 * messages and errors; then every message once. A request body comes from
 * api/examples/<prefix>.<operation>.json (member "request") if there is one,
 * else from the required fields.
 */
#include <math.h>
#include <string.h>

#include "emit.h"
#include "json.h"
#include "load.h"

/* Text in a table: a bar would end its cell. */
static void put_cell(struct buf *to, const char *text)
{
    for (; *text; text++)
        buf_printf(to, *text == '|' ? "\\%c" : "%c", *text);
}

/* ---- types in words ---- */

static const char *kind_name(const struct cg_field *field)
{
    static const char *const kinds[] = {
        [MSG_BOOL] = "boolean",       [MSG_I32] = "int32",
        [MSG_U32] = "uint32",         [MSG_I64] = "integer",
        [MSG_U64] = "uint64",         [MSG_F32] = "float",
        [MSG_F64] = "number",         [MSG_STR] = "string",
        [MSG_BYTES] = "base64",       [MSG_JSON] = "any JSON",
        [MSG_TIME] = "RFC 3339 time",
    };

    return field->decl ? field->decl->name : kinds[field->kind];
}

/* "[Value](#value)" for messages and enums, else the plain name. */
static void put_kind(const struct cg_field *field, struct cg_ir *ir,
                     struct buf *to)
{
    const char *name = kind_name(field);
    char *anchor = cg_text(ir, "%s", name);

    for (char *c = anchor; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    if (field->card == MSG_LIST)
        buf_string(to, "list of ");
    if (field->card == MSG_MAP)
        buf_string(to, "map of string to ");
    if (field->decl)
        buf_printf(to, "[%s](#%s)", name, anchor);
    else
        buf_string(to, name);
    if (field->flags & MSG_NULLABLE)
        buf_string(to, " or null");
}

static void put_range(double min, double max, struct buf *to)
{
    static const double widest = 9007199254740991.0; /* of any integer */

    if (!isnan(min) && min > -widest)
        buf_printf(to, ", at least %.17g", min);
    if (!isnan(max) && max < widest)
        buf_printf(to, ", at most %.17g", max);
}

static void put_rules(const struct cg_field *field, struct buf *to)
{
    const struct cg_limits *limits = &field->limits;

    buf_string(to, field->flags & MSG_REQUIRED ? "required" : "optional");
    put_range(limits->min, limits->max, to);
    if (limits->min_size)
        buf_printf(to, ", %u bytes or more", limits->min_size);
    if (limits->max_size)
        buf_printf(to, ", %u bytes or less", limits->max_size);
    if (field->min_count)
        buf_printf(to, ", %u entries or more", field->min_count);
    if (field->max_count)
        buf_printf(to, ", %u entries or less", field->max_count);
    if (limits->pattern) {
        buf_string(to, ", matches `");
        put_cell(to, limits->pattern);
        buf_char(to, '`');
    }
    if (limits->constant)
        buf_printf(to, ", always `%s`", limits->constant);
}

/* ---- messages ---- */

static void put_fields(const struct cg_decl *decl, struct cg_ir *ir,
                       struct buf *to)
{
    bool is_union = decl->shape == MSG_UNTAGGED;

    if (!decl->field_count) {
        buf_string(to, "\nNo fields.\n");
        return;
    }
    buf_printf(to, "\n| %s | no. | type | rules | meaning |\n",
               is_union ? "alternative" : "field");
    buf_string(to, "|---|---|---|---|---|\n");
    for (size_t i = 0; i < decl->field_count; i++) {
        const struct cg_field *field = &decl->fields[i];

        buf_printf(to, "| `%s` | %u | ", field->json, field->number);
        put_kind(field, ir, to);
        buf_string(to, " | ");
        if (!is_union)
            put_rules(field, to);
        buf_string(to, " | ");
        put_cell(to, field->doc ? field->doc : "");
        buf_string(to, " |\n");
    }
}

static void put_decl(const struct cg_decl *decl, struct cg_ir *ir,
                     struct buf *to)
{
    buf_printf(to, "\n### %s\n", decl->name);
    if (decl->doc)
        buf_printf(to, "\n%s\n", decl->doc);
    if (decl->tag == CG_MESSAGE) {
        put_fields(decl, ir, to);
        return;
    }
    buf_string(to, "\n| JSON | protobuf |\n|---|---|\n");
    for (size_t i = 0; i < decl->value_count; i++)
        buf_printf(to, "| `\"%s\"` | `%s = %u` |\n", decl->values[i].json,
                   decl->values[i].name, decl->values[i].number);
}

/* ---- examples ---- */

static const char *sample(const struct cg_field *field)
{
    static const char *const samples[] = {
        [MSG_BOOL] = "true",
        [MSG_I32] = "1",
        [MSG_U32] = "1",
        [MSG_I64] = "1",
        [MSG_U64] = "1",
        [MSG_F32] = "1.5",
        [MSG_F64] = "1.5",
        [MSG_STR] = "\"x\"",
        [MSG_BYTES] = "\"AA==\"",
        [MSG_JSON] = "{}",
        [MSG_ENUM] = "\"x\"",
        [MSG_MSG] = "{}",
        [MSG_TIME] = "\"2030-01-01T00:00:00Z\"",
    };

    if (field->card == MSG_LIST)
        return "[]";
    return field->card == MSG_MAP ? "{}" : samples[field->kind];
}

static bool is_bound(const struct cg_op *op, size_t field)
{
    for (size_t i = 0; i < op->bind_count; i++)
        if (op->binds[i].field == field)
            return true;
    return false;
}

/* The required fields with values of the right type. */
static void put_sample(const struct cg_op *op, bool with_bound, struct buf *to)
{
    const char *between = "";

    buf_char(to, '{');
    for (size_t i = 0; i < op->request->field_count; i++) {
        const struct cg_field *field = &op->request->fields[i];

        if (!(field->flags & MSG_REQUIRED) || (!with_bound && is_bound(op, i)))
            continue;
        buf_printf(to, "%s\"%s\": %s", between, field->json, sample(field));
        between = ", ";
    }
    buf_char(to, '}');
}

/* The request of the endpoint as one line of JSON. */
static void put_request(const struct cg_op *op, bool with_bound,
                        struct cg_ir *ir, struct buf *to)
{
    const char *file = cg_text(ir, "examples/%s.json", op->id);
    const char **files = cg_load_list(ir, "examples", ".json");
    const struct doc_node *request = NULL;

    for (size_t i = 0; files[i]; i++)
        if (strcmp(files[i], file) == 0)
            request = doc_get(cg_load_tree(ir, file), "request");
    if (request)
        doc_write_json(request, to);
    else
        put_sample(op, with_bound, to);
}

static void put_curl(const struct cg_op *op, struct cg_ir *ir, struct buf *to)
{
    const char *mark = "?";

    buf_string(to, "```sh\ncurl -s");
    if (strcmp(op->verb, "GET") != 0 && strcmp(op->verb, "POST") != 0)
        buf_printf(to, " -X %s", op->verb);
    if (op->has_body) {
        buf_string(to, " -H 'Content-Type: application/json' -d '");
        put_request(op, false, ir, to);
        buf_char(to, '\'');
    }
    buf_string(to, " \"$URL");
    for (const char *c = op->path; *c; c++)
        if (*c == '{')
            buf_char(to, '$');
        else if (*c != '}')
            buf_char(to, *c);
    for (size_t i = 0; i < op->bind_count; i++) {
        if (op->binds[i].source != OP_FROM_QUERY)
            continue;
        buf_printf(to, "%s%s=$%s", mark, op->binds[i].name, op->binds[i].name);
        mark = "&";
    }
    buf_string(to, "\"\n```\n");
}

static void put_grpcurl(const struct cg_api *api, const struct cg_op *op,
                        struct buf *to)
{
    buf_string(to, "```sh\ngrpcurl -plaintext");
    if (op->request->field_count && op->request->shape == MSG_OBJECT) {
        buf_string(to, " -d '");
        put_sample(op, true, to);
        buf_char(to, '\'');
    }
    buf_printf(to, " \"$ADDRESS\" %s.%s/%s\n```\n", api->package, api->service,
               op->rpc);
}

/* ---- endpoints ---- */

static void put_errors(const struct cg_op *op, struct buf *to)
{
    if (!op->error_count)
        return;
    buf_string(to, "\n| error | HTTP | gRPC | retry | meaning |\n"
                   "|---|---|---|---|---|\n");
    for (size_t i = 0; i < op->error_count; i++) {
        const struct cg_error *error = op->errors[i];

        buf_printf(to, "| `%s` | %d | %s | %s | %s |\n", error->name,
                   error->http, error->grpc, error->retry, error->doc);
    }
}

static void put_facts(const struct cg_op *op, struct buf *to)
{
    static const char *const safeties[] = {
        [OP_READ] = "changes nothing, may be repeated",
        [OP_IDEMPOTENT] = "may be repeated",
        [OP_ONCE] = "must not be repeated blindly"};

    buf_printf(to, "\nSafety: %s.", safeties[op->safety]);
    if (op->deadline_ms)
        buf_printf(to, " Deadline: %u ms.", op->deadline_ms);
    if (op->has_body && op->max_body)
        buf_printf(to, " Body: at most %zu bytes.", op->max_body);
    if (op->own_failure)
        buf_string(to, " Failures are answered in the response message.");
    if (op->refuses)
        buf_string(to, " What the model declines is refused with 400 and "
                       "INVALID_ARGUMENT.");
    buf_char(to, '\n');
}

static void put_op(const struct cg_api *api, const struct cg_op *op,
                   struct cg_ir *ir, struct buf *to)
{
    buf_printf(to, "\n### %s\n\n%s\n", op->name, op->doc);
    if (op->verb) {
        buf_printf(to, "\nREST: `%s %s`", op->verb, op->path);
        for (size_t i = 0; i < op->also_count; i++)
            buf_printf(to, ", `%s %s`", op->also[i].verb, op->also[i].path);
        buf_string(to, "\n\n");
        put_curl(op, ir, to);
    }
    if (op->rpc) {
        buf_printf(to, "\ngRPC: `%s.%s/%s`%s\n\n", api->package, api->service,
                   op->rpc,
                   op->stream == OP_SERVER ? ", a stream of replies"
                   : op->stream == OP_EACH ? ", a stream both ways"
                                           : "");
        put_grpcurl(api, op, to);
    }
    buf_printf(to, "\nRequest: `%s`. ", op->request->name);
    if (op->reply)
        buf_printf(to, "Response: `%s`.\n", op->reply->name);
    else
        buf_printf(to, "Response: bytes of type `%s`.\n", op->media);
    put_facts(op, to);
    put_errors(op, to);
}

static void put_api(const struct cg_api *api, struct cg_out *out)
{
    struct buf *to =
        cg_out_open(out, cg_text(out->ir, "docs/%s.md", api->prefix));

    buf_printf(to, "<!-- Generated by specgen from %s. Do not edit. -->\n",
               cg_source(api, out));
    buf_printf(to, "# %s\n\n%s\n\n", api->service, api->doc);
    buf_printf(to, "In the examples `$ADDRESS` is host and port of the server "
                   "and `$URL` is `http://$ADDRESS`.\n");
    buf_string(to, "\n## Endpoints\n");
    for (size_t i = 0; i < api->op_count; i++)
        put_op(api, &api->ops[i], out->ir, to);
    if (api->foreign) {
        buf_printf(to, "\nThe messages are those of `api/foreign/%s`.\n",
                   api->foreign->file);
        return;
    }
    buf_string(to, "\n## Messages\n");
    for (size_t i = 0; i < api->decl_count; i++)
        put_decl(api->decls[i], out->ir, to);
}

static void put_catalogue(const struct cg_ir *ir, struct buf *to)
{
    buf_string(to, "<!-- Generated by specgen from api/errors.yaml. Do not "
                   "edit. -->\n# Errors\n\n");
    buf_string(to, "HTTP 200 marks an answer: the request was well-formed and "
                   "the model or a policy declines it.\n\n"
                   "| error | HTTP | gRPC | retry | meaning |\n"
                   "|---|---|---|---|---|\n");
    for (size_t i = 0; i < ir->error_count; i++) {
        const struct cg_error *error = &ir->errors[i];

        buf_printf(to, "| `%s` | %d | %s | %s | %s |\n", error->name,
                   error->http, error->grpc, error->retry, error->doc);
    }
}

void cg_emit_docs(const struct cg_ir *ir, struct cg_out *out)
{
    put_catalogue(ir, cg_out_open(out, "docs/errors.md"));
    for (size_t i = 0; i < ir->api_count; i++)
        put_api(ir->apis[i], out);
}
