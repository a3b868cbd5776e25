/*
 * codec: gen/c/<prefix>_codec.c, the messages as tables.
 *
 * Data only: which member of which struct is which JSON key, within which
 * limits. The shapes are in engine/base/contract.h; the logic that walks them
 * is in server/door.
 */
#include <math.h>
#include <string.h>

#include "emit.h"

static const char *const kinds[] = {
    [MSG_BOOL] = "MSG_BOOL", [MSG_I32] = "MSG_I32",   [MSG_U32] = "MSG_U32",
    [MSG_I64] = "MSG_I64",   [MSG_U64] = "MSG_U64",   [MSG_F32] = "MSG_F32",
    [MSG_F64] = "MSG_F64",   [MSG_STR] = "MSG_STR",   [MSG_BYTES] = "MSG_BYTES",
    [MSG_JSON] = "MSG_JSON", [MSG_TIME] = "MSG_TIME", [MSG_ENUM] = "MSG_ENUM",
    [MSG_MSG] = "MSG_MSG",
};

static const char *const cards[] = {
    [MSG_ONE] = "MSG_ONE", [MSG_LIST] = "MSG_LIST", [MSG_MAP] = "MSG_MAP"};

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {
    {MSG_REQUIRED, "MSG_REQUIRED"},       {MSG_NULLABLE, "MSG_NULLABLE"},
    {MSG_EMIT_ALWAYS, "MSG_EMIT_ALWAYS"}, {MSG_SECRET, "MSG_SECRET"},
    {MSG_IN_ONEOF, "MSG_IN_ONEOF"},
};

/* One row of a field table, as text. */
struct row {
    const char *json;
    uint32_t number;
    enum msg_kind kind;
    enum msg_card card;
    unsigned flags;
    const char *owner;  /* C type of the struct */
    const char *member; /* in that struct */
    const char *sub;    /* "&runtime_value_def" or NULL */
    const char *values; /* name of the msg_enum table or NULL */
    const char *rule;   /* name of the msg_rule or NULL */
    const char *oneof;  /* that holds it */
    bool implicit;      /* see cg_field */
};

/* ---- limits ---- */

static void put_bound(struct buf *to, const char *name, double bound)
{
    if (isnan(bound))
        buf_printf(to, "    .%s = (double)NAN,\n", name);
    else
        buf_printf(to, "    .%s = %.17g,\n", name, bound);
}

static bool is_limited(const struct cg_limits *limits)
{
    return !isnan(limits->min) || !isnan(limits->max) || limits->min_size ||
           limits->max_size || limits->pattern || limits->constant;
}

/* Writes the rule and returns its name; NULL if nothing is limited. */
static const char *put_rule(const struct cg_limits *limits, const char *name,
                            struct buf *to)
{
    if (!is_limited(limits))
        return NULL;
    if (limits->constant) {
        buf_printf(to, "static const char *const %s_values[] = {", name);
        cg_quote(to, limits->constant);
        buf_string(to, ", NULL};\n\n");
    }
    buf_printf(to, "static const struct msg_rule %s = {\n", name);
    put_bound(to, "min", limits->min);
    put_bound(to, "max", limits->max);
    if (limits->min_size)
        buf_printf(to, "    .min_size = %u,\n", limits->min_size);
    if (limits->max_size)
        buf_printf(to, "    .max_size = %u,\n", limits->max_size);
    if (limits->pattern) {
        buf_string(to, "    .pattern = ");
        cg_quote(to, limits->pattern);
        buf_string(to, ",\n");
    }
    if (limits->constant)
        buf_printf(to, "    .values = %s_values,\n", name);
    buf_string(to, "};\n\n");
    return name;
}

/* Limits of the field itself: of a list or map the number of elements, with
 * the elements' own bounds where they are numbers or patterns. */
static struct cg_limits field_limits(const struct cg_field *field)
{
    struct cg_limits limits = field->limits;

    if (field->card == MSG_MAP)
        limits = (struct cg_limits){.min = (double)NAN, .max = (double)NAN};
    if (field->card != MSG_ONE) {
        limits.min_size = field->min_count;
        limits.max_size = field->max_count;
    }
    return limits;
}

/* ---- field tables ---- */

static void put_flags(unsigned flags, struct buf *to)
{
    const char *between = "";

    buf_string(to, "     .flags = ");
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
        if (flags & flag_names[i].flag) {
            buf_printf(to, "%s%s", between, flag_names[i].name);
            between = " | ";
        }
    buf_string(to, ",\n");
}

/* What "quantifier" points at, or NULL if the field has none. */
static const char *quantifier(const struct row *row, struct cg_out *out)
{
    if (row->flags & MSG_IN_ONEOF)
        return cg_text(out->ir, "%s_case", row->oneof);
    if (row->card != MSG_ONE)
        return cg_text(out->ir, "n_%s", row->member);
    if (row->kind == MSG_STR || row->kind == MSG_JSON ||
        row->kind == MSG_TIME || row->kind == MSG_MSG || row->implicit)
        return NULL;
    return cg_text(out->ir, "has_%s", row->member);
}

static void put_row(const struct row *row, struct cg_out *out, struct buf *to)
{
    const char *counter = quantifier(row, out);

    buf_printf(to, "    {.json = \"%s\",\n     .number = %u,\n", row->json,
               row->number);
    buf_printf(to, "     .kind = %s,\n     .card = %s,\n", kinds[row->kind],
               cards[row->card]);
    if (row->flags)
        put_flags(row->flags, to);
    buf_printf(to, "     .offset = offsetof(%s, %s),\n", row->owner,
               row->member);
    if (counter)
        buf_printf(to, "     .quantifier = offsetof(%s, %s),\n", row->owner,
                   counter);
    if (row->sub)
        buf_printf(to, "     .sub = &%s,\n", row->sub);
    if (row->values)
        buf_printf(to, "     .values = %s,\n", row->values);
    if (row->rule)
        buf_printf(to, "     .rule = &%s,\n", row->rule);
    to->size -= 2; /* the last ",\n" */
    buf_string(to, "},\n");
}

static const char *sub_of(const struct cg_field *field, struct cg_out *out)
{
    return field->kind == MSG_MSG
               ? cg_text(out->ir, "%s_def", field->decl->alias)
           : field->kind == MSG_TIME ? "google_protobuf_timestamp_def"
                                     : NULL;
}

static const char *values_of(const struct cg_field *field, struct cg_out *out)
{
    return field->kind == MSG_ENUM
               ? cg_text(out->ir, "%s_values", field->decl->alias)
               : NULL;
}

static void put_def(const char *name, const char *full, const char *c_type,
                    const char *c_base, struct buf *to)
{
    buf_printf(to, "    .name = \"%s\",\n", full);
    buf_printf(to, "    .descriptor = &%s__descriptor,\n", c_base);
    buf_printf(to, "    .size = sizeof(%s),\n", c_type);
    if (name) {
        buf_printf(to, "    .fields = %s_fields,\n", name);
        buf_printf(to,
                   "    .field_count = sizeof %s_fields /\n"
                   "                   sizeof %s_fields[0],\n",
                   name, name);
    }
}

/* The message that protobuf makes for the entries of a map. */
static void put_entry(const struct cg_decl *decl, const struct cg_field *field,
                      struct cg_out *out, struct buf *to)
{
    struct cg_ir *ir = out->ir;
    const char *name = cg_text(ir, "%s__%s_entry", decl->alias, field->name);
    const char *entry = cg_text(ir, "%sEntry", cg_pascal(ir, field->name));
    const char *c_type = cg_text(ir, "%s__%s", decl->c_type, entry);
    struct row key = {.json = "key",
                      .number = 1,
                      .kind = MSG_STR,
                      .owner = c_type,
                      .member = "key"};
    struct row value = {.json = "value",
                        .number = 2,
                        .kind = field->kind,
                        .owner = c_type,
                        .member = "value",
                        .sub = sub_of(field, out),
                        .values = values_of(field, out),
                        .implicit = field->implicit};

    key.rule = put_rule(&field->keys, cg_text(ir, "%s_key_rule", name), to);
    value.rule =
        put_rule(&field->limits, cg_text(ir, "%s_value_rule", name), to);
    buf_printf(to, "static const struct msg_field %s_fields[] = {\n", name);
    put_row(&key, out, to);
    put_row(&value, out, to);
    buf_printf(to, "};\n\nstatic const struct msg_def %s_def = {\n", name);
    put_def(name, cg_text(ir, "%s.%s", decl->full, entry), c_type,
            cg_text(ir, "%s__%s", decl->c_base, cg_snake(ir, entry)), to);
    buf_string(to, "};\n\n");
}

/* ---- messages ---- */

static void put_fields(const struct cg_decl *decl, const char **rules,
                       struct cg_out *out, struct buf *to)
{
    struct cg_ir *ir = out->ir;

    buf_printf(to, "static const struct msg_field %s_fields[] = {\n",
               decl->alias);
    for (size_t i = 0; i < decl->field_count; i++) {
        const struct cg_field *field = &decl->fields[i];
        struct row row = {.json = field->json,
                          .number = field->number,
                          .kind = field->kind,
                          .card = field->card,
                          .flags = field->flags,
                          .owner = decl->c_type,
                          .member = field->c_name,
                          .sub = sub_of(field, out),
                          .values = values_of(field, out),
                          .rule = rules[i],
                          .oneof = cg_field_oneof(field),
                          .implicit = field->implicit};

        if (field->card == MSG_MAP) {
            row.sub = cg_text(ir, "%s__%s_entry_def", decl->alias, field->name);
            row.values = NULL;
        }
        put_row(&row, out, to);
    }
    buf_string(to, "};\n\n");
}

static void put_message(const struct cg_decl *decl, struct cg_out *out,
                        struct buf *to)
{
    struct cg_ir *ir = out->ir;
    const char **rules = cg_zalloc(ir, decl->field_count, sizeof *rules);

    for (size_t i = 0; i < decl->field_count; i++) {
        const struct cg_field *field = &decl->fields[i];
        struct cg_limits limits = field_limits(field);

        if (field->card == MSG_MAP)
            put_entry(decl, field, out, to);
        rules[i] = put_rule(
            &limits, cg_text(ir, "%s__%s_rule", decl->alias, field->name), to);
    }
    if (decl->field_count)
        put_fields(decl, rules, out, to);
    buf_printf(to, "const struct msg_def %s_def = {\n", decl->alias);
    put_def(decl->field_count ? decl->alias : NULL, decl->full, decl->c_type,
            decl->c_base, to);
    if (decl->shape == MSG_UNTAGGED)
        buf_string(to, "    .shape = MSG_UNTAGGED,\n");
    if (decl->open)
        buf_string(to, "    .open = true,\n");
    buf_string(to, "};\n\n");
}

static void put_enum(const struct cg_decl *decl, struct buf *to)
{
    buf_printf(to, "static const struct msg_enum %s_values[] = {\n",
               decl->alias);
    for (size_t i = 0; i < decl->value_count; i++) {
        buf_string(to, "    {");
        cg_quote(to, decl->values[i].json);
        buf_printf(to, ", %u},\n", decl->values[i].number);
    }
    buf_string(to, "    {NULL, 0},\n};\n\n");
}

/* Timestamps are a foreign message that no handler names. */
static void put_time(struct buf *to)
{
    buf_string(to, "static const struct msg_def "
                   "google_protobuf_timestamp_def = {\n");
    put_def(NULL, "google.protobuf.Timestamp", "Google__Protobuf__Timestamp",
            "google__protobuf__timestamp", to);
    buf_string(to, "};\n\n");
}

void cg_emit_codec(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];
        struct buf *to =
            cg_out_open(out, cg_text(out->ir, "c/%s_codec.c", api->prefix));

        cg_head(to, cg_source(api, out));
        buf_string(to, "#include <math.h>\n#include <stddef.h>\n\n");
        buf_printf(to, "#include \"%s_msg.h\"\n\n", api->prefix);
        if (api->uses_time)
            put_time(to);
        for (size_t k = 0; k < api->decl_count; k++)
            if (api->decls[k]->tag == CG_ENUM)
                put_enum(api->decls[k], to);
        for (size_t k = 0; k < api->decl_count; k++)
            if (api->decls[k]->tag == CG_MESSAGE)
                put_message(api->decls[k], out, to);
        to->size--; /* one line end, not two */
    }
}
