/*
 * cmsg: gen/c/<prefix>_msg.h, the messages as handlers see them.
 *
 * Short names for protoc-c's structs, constructors, and setters wherever a
 * value also needs its presence flag or oneof case.
 */
#include <string.h>

#include "emit.h"

const char *cg_value_type(const struct cg_field *field, struct cg_out *out)
{
    static const char *const types[] = {
        [MSG_BOOL] = "bool ",
        [MSG_I32] = "int32_t ",
        [MSG_U32] = "uint32_t ",
        [MSG_I64] = "int64_t ",
        [MSG_U64] = "uint64_t ",
        [MSG_F32] = "float ",
        [MSG_F64] = "double ",
        [MSG_STR] = "char *",
        [MSG_BYTES] = "struct msg_bytes ",
        [MSG_JSON] = "char *",
        [MSG_TIME] = "Google__Protobuf__Timestamp *",
    };

    if (field->kind == MSG_ENUM)
        return cg_text(out->ir, "enum %s ", field->decl->alias);
    if (field->kind == MSG_MSG)
        return cg_text(out->ir, "struct %s *", field->decl->alias);
    return types[field->kind];
}

/* Pointers say themselves whether they are set, proto3's scalars never do. */
static bool has_flag(const struct cg_field *field)
{
    return field->kind != MSG_STR && field->kind != MSG_JSON &&
           field->kind != MSG_TIME && field->kind != MSG_MSG &&
           !field->implicit;
}

/* The head of a setter, on two lines if it is long. */
static void put_prototype(const struct cg_decl *decl,
                          const struct cg_field *field, struct cg_out *out,
                          struct buf *to)
{
    const char *open = cg_text(out->ir, "%s_set_%s(", decl->alias, field->name);
    const char *first = cg_text(out->ir, "struct %s *message,", decl->alias);
    const char *second =
        cg_text(out->ir, "%svalue)", cg_value_type(field, out));
    size_t width = strlen(open) + strlen(first) + 1 + strlen(second);

    buf_printf(to, "\nstatic inline void\n%s%s", open, first);
    if (width <= 80)
        buf_printf(to, " %s\n{\n", second);
    else
        buf_printf(to, "\n%*s%s\n{\n", (int)strlen(open), "", second);
}

static void put_setter(const struct cg_decl *decl, const struct cg_field *field,
                       struct cg_out *out, struct buf *to)
{
    bool in_oneof = (field->flags & MSG_IN_ONEOF) != 0;
    bool bytes = field->kind == MSG_BYTES;

    if (field->card != MSG_ONE || (!in_oneof && !has_flag(field)))
        return;
    put_prototype(decl, field, out, to);
    if (in_oneof)
        buf_printf(
            to, "    message->%s_case = %s__%s_%s;\n", cg_field_oneof(field),
            cg_c_upper(out->ir, cg_text(out->ir, "%s.%s", decl->api->c_package,
                                        decl->name)),
            cg_upper(out->ir, cg_field_oneof(field)),
            cg_upper(out->ir, field->name));
    else
        buf_printf(to, "    message->has_%s = true;\n", field->c_name);
    if (bytes)
        buf_printf(to,
                   "    message->%s.len = value.len;\n"
                   "    message->%s.data = value.data;\n",
                   field->c_name, field->c_name);
    else
        buf_printf(to, "    message->%s = %svalue;\n", field->c_name,
                   field->kind == MSG_ENUM
                       ? cg_text(out->ir, "(%s)", field->decl->c_type)
                       : "");
    buf_string(to, "}\n");
}

static void put_new(const struct cg_decl *decl, struct buf *to)
{
    const char *alias = decl->alias;

    buf_printf(to, "\nstatic inline struct %s *\n", alias);
    buf_printf(to, "%s_new(struct arena *arena)\n{\n", alias);
    buf_printf(to, "    struct %s *message =\n", alias);
    buf_printf(to, "        (struct %s *)", alias);
    buf_string(to, "arena_alloc(arena, sizeof *message);\n\n");
    buf_string(to, "    if (message)\n");
    buf_printf(to, "        %s_init(message);\n", alias);
    buf_string(to, "    return message;\n}\n");
}

/* Names of the entry struct of a map; entries are protobuf's own messages. */
static void put_entry_names(const struct cg_decl *decl,
                            const struct cg_field *field, struct cg_out *out,
                            struct buf *to)
{
    struct cg_ir *ir = out->ir;
    const char *entry = cg_text(ir, "%sEntry", cg_pascal(ir, field->name));

    if (field->card != MSG_MAP)
        return;
    buf_printf(to, "#define %s_%s_entry %s__%s\n", decl->alias, field->name,
               decl->c_type, entry);
    buf_printf(to, "#define %s_%s_entry_init %s__%s__init\n", decl->alias,
               field->name, decl->c_base, cg_snake(ir, entry));
}

static void put_names(const struct cg_decl *decl, struct cg_out *out,
                      struct buf *to)
{
    buf_char(to, '\n');
    if (decl->doc)
        cg_comment(to, decl->doc);
    buf_printf(to, "#define %s %s\n", decl->alias, decl->c_type);
    buf_printf(to, "#define %s_init %s__init\n", decl->alias, decl->c_base);
    for (size_t i = 0; i < decl->field_count; i++)
        put_entry_names(decl, &decl->fields[i], out, to);
    buf_printf(to, "extern const struct msg_def %s_def;\n", decl->alias);
}

static void put_enum(const struct cg_decl *decl, struct cg_out *out,
                     struct buf *to)
{
    struct cg_ir *ir = out->ir;
    const char *full = cg_text(ir, "%s.%s", decl->api->c_package, decl->name);
    const char *prefix = cg_upper(ir, decl->api->prefix);

    buf_char(to, '\n');
    if (decl->doc)
        cg_comment(to, decl->doc);
    /* protoc-c's tag has a leading underscore. */
    buf_printf(to, "#define %s _%s\n", decl->alias, decl->c_type);
    if (decl->foreign) /* two enums of theirs may have a constant of one name */
        return;
    buf_printf(to, "#define %s_%s_UNSPECIFIED %s__%s_UNSPECIFIED\n", prefix,
               cg_upper(ir, decl->name), cg_c_upper(ir, full),
               cg_upper(ir, decl->name));
    for (size_t i = 0; i < decl->value_count; i++)
        buf_printf(to, "#define %s_%s %s__%s\n", prefix, decl->values[i].name,
                   cg_c_upper(ir, full), decl->values[i].name);
}

static void put_functions(const struct cg_decl *decl, struct cg_out *out,
                          struct buf *to)
{
    if (decl->tag != CG_MESSAGE)
        return;
    put_new(decl, to);
    for (size_t i = 0; i < decl->field_count; i++)
        put_setter(decl, &decl->fields[i], out, to);
}

static void put_head(const struct cg_api *api, struct cg_out *out,
                     struct buf *to)
{
    const char *guard = cg_upper(out->ir, api->prefix);
    const char *file =
        api->foreign
            ? cg_text(out->ir, "%.*s", (int)strcspn(api->foreign->file, "."),
                      api->foreign->file)
            : api->prefix;

    cg_head(to, cg_source(api, out));
    buf_printf(to, "#ifndef GEN_%s_MSG_H\n#define GEN_%s_MSG_H\n\n", guard,
               guard);
    buf_string(to, "#include <stdbool.h>\n#include <stdint.h>\n\n"
                   "#include \"arena.h\"\n#include \"contract.h\"\n");
    buf_printf(to, "#include \"%s.pb-c.h\"\n", file);
}

void cg_emit_cmsg(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];
        struct buf *to =
            cg_out_open(out, cg_text(out->ir, "c/%s_msg.h", api->prefix));

        put_head(api, out, to);
        /* All names first: a setter may take another message. */
        for (size_t k = 0; k < api->decl_count; k++)
            if (api->decls[k]->tag == CG_ENUM)
                put_enum(api->decls[k], out, to);
            else
                put_names(api->decls[k], out, to);
        for (size_t k = 0; k < api->decl_count; k++)
            put_functions(api->decls[k], out, to);
        buf_string(to, "\n#endif\n");
    }
}
