/*
 * proto: gen/proto/.../<name>.proto, the public proto3 file of each API.
 *
 * Singular scalars are `optional`, so that "absent" and "zero" differ as they
 * do in JSON; json_name repeats the schema's spelling.
 */
#include <string.h>

#include "emit.h"

const char *cg_source(const struct cg_api *api, struct cg_out *out)
{
    return cg_text(out->ir, "api/%s", api->file);
}

const char *cg_proto_type(const struct cg_field *field)
{
    static const char *const types[] = {
        [MSG_BOOL] = "bool",
        [MSG_I32] = "int32",
        [MSG_U32] = "uint32",
        [MSG_I64] = "int64",
        [MSG_U64] = "uint64",
        [MSG_F32] = "float",
        [MSG_F64] = "double",
        [MSG_STR] = "string",
        [MSG_BYTES] = "bytes",
        [MSG_JSON] = "string",
        [MSG_TIME] = "google.protobuf.Timestamp",
        [MSG_ENUM] = "",
        [MSG_MSG] = "", /* have a name */
    };

    return field->decl ? field->decl->name : types[field->kind];
}

/* "optional ", "repeated " or what the kind and place of the field ask for. */
static const char *label(const struct cg_field *field,
                         const struct cg_dialect *dialect)
{
    if (field->card == MSG_LIST)
        return "repeated ";
    if (field->card == MSG_MAP || (field->flags & MSG_IN_ONEOF))
        return "";
    /* A message has presence by itself in proto3. */
    if (dialect->is_public &&
        (field->kind == MSG_MSG || field->kind == MSG_TIME))
        return "";
    return "optional ";
}

/* proto3 packs repeated numbers by itself, proto2 must be told. */
static bool must_say_packed(const struct cg_field *field)
{
    return field->card == MSG_LIST && field->kind != MSG_STR &&
           field->kind != MSG_BYTES && field->kind != MSG_JSON &&
           field->kind != MSG_TIME && field->kind != MSG_MSG;
}

static void put_field(const struct cg_field *field,
                      const struct cg_dialect *dialect, const char *indent,
                      struct cg_out *out, struct buf *to)
{
    const char *lead = cg_text(out->ir, "%s// ", indent);

    if (field->doc && dialect->is_public)
        cg_wrap(to, lead, field->doc, 80);
    buf_printf(to, "%s%s", indent, label(field, dialect));
    if (field->card == MSG_MAP)
        buf_printf(to, "map<string, %s>", cg_proto_type(field));
    else
        buf_string(to, cg_proto_type(field));
    buf_printf(to, " %s = %u", field->name, field->number);
    if (!dialect->is_public && must_say_packed(field))
        buf_string(to, " [packed = true]");
    if (dialect->is_public &&
        strcmp(cg_camel(out->ir, field->name), field->json) != 0)
        buf_printf(to, " [json_name = \"%s\"]", field->json);
    buf_string(to, ";\n");
}

static void put_reserved(const struct cg_decl *decl, struct buf *to)
{
    for (size_t i = 0; i < decl->reserved_count; i++)
        buf_printf(to, "  reserved %u;\n", decl->reserved[i].number);
    /* Names of enum values are not reserved: JSON spells them its own way. */
    for (size_t i = 0; i < decl->reserved_count && decl->tag == CG_MESSAGE; i++)
        buf_printf(to, "  reserved \"%s\";\n", decl->reserved[i].name);
}

static void put_message(const struct cg_decl *decl,
                        const struct cg_dialect *dialect, struct cg_out *out,
                        struct buf *to)
{
    bool is_union = decl->shape == MSG_UNTAGGED;

    buf_printf(to, "message %s {\n", decl->name);
    put_reserved(decl, to);
    if (is_union)
        buf_string(to, "  oneof kind {\n");
    for (size_t i = 0; i < decl->field_count; i++)
        put_field(&decl->fields[i], dialect, is_union ? "    " : "  ", out, to);
    buf_string(to, is_union ? "  }\n}\n" : "}\n");
}

static void put_enum(struct cg_ir *ir, const struct cg_decl *decl,
                     struct buf *to)
{
    buf_printf(to, "enum %s {\n", decl->name);
    put_reserved(decl, to);
    buf_printf(to, "  %s_UNSPECIFIED = 0;\n", cg_upper(ir, decl->name));
    for (size_t i = 0; i < decl->value_count; i++)
        buf_printf(to, "  %s = %u;\n", decl->values[i].name,
                   decl->values[i].number);
    buf_string(to, "}\n");
}

void cg_emit_decls(const struct cg_api *api, const struct cg_dialect *dialect,
                   struct cg_out *out, struct buf *to)
{
    for (size_t i = 0; i < api->decl_count; i++) {
        const struct cg_decl *decl = api->decls[i];

        buf_char(to, '\n');
        if (decl->doc && dialect->is_public)
            cg_wrap(to, "// ", decl->doc, 80);
        if (decl->tag == CG_ENUM)
            put_enum(out->ir, decl, to);
        else
            put_message(decl, dialect, out, to);
    }
}

static void put_service(const struct cg_api *api, struct buf *to)
{
    buf_char(to, '\n');
    cg_wrap(to, "// ", api->doc, 80);
    buf_printf(to, "service %s {\n", api->service);
    for (size_t i = 0; i < api->op_count; i++) {
        const struct cg_op *op = &api->ops[i];

        if (!op->rpc)
            continue;
        cg_wrap(to, "  // ", op->doc, 80);
        buf_printf(to, "  rpc %s(%s%s)", op->rpc,
                   op->stream == OP_EACH ? "stream " : "", op->request->name);
        buf_printf(to, " returns (%s%s);\n",
                   op->stream == OP_UNARY ? "" : "stream ", op->reply->name);
    }
    buf_string(to, "}\n");
}

void cg_emit_proto(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];
        struct cg_dialect dialect = {"proto3", api->package, true};
        struct buf *to;

        if (api->foreign)
            continue;
        to = cg_out_open(out, cg_text(out->ir, "proto/%s", api->proto));
        buf_printf(to, "// Generated by specgen from %s. Do not edit.\n",
                   cg_source(api, out));
        buf_printf(to, "syntax = \"proto3\";\n\npackage %s;\n", api->package);
        if (api->uses_time)
            buf_string(to, "\nimport \"google/protobuf/timestamp.proto\";\n");
        put_service(api, to);
        cg_emit_decls(api, &dialect, out, to);
    }
}
