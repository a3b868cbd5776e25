/*
 * schema: gen/c/<document>_schema.c, the schema of each document as tables of
 * struct doc_schema, and schemas.h that declares them.
 *
 * Parts come before the whole, so every table can point at those above it.
 */
#include <string.h>

#include "emit.h"

static const struct {
    const char *json, *table;
} types[] = {
    {"null", "DOC_NULL"},     {"boolean", "DOC_BOOL"},  {"integer", "DOC_INT"},
    {"number", "DOC_NUMBER"}, {"string", "DOC_STRING"}, {"array", "DOC_LIST"},
    {"object", "DOC_MAP"},
};

/* JSON Schema says the size of strings, lists and maps in different words. */
static const char *const min_words[] = {"minLength", "minItems",
                                        "minProperties"};
static const char *const max_words[] = {"maxLength", "maxItems",
                                        "maxProperties"};

static bool has_type(const struct doc_node *schema, const char *name)
{
    const struct doc_node *type = doc_get(schema, "type");

    for (size_t i = 0; i < doc_count(type); i++)
        if (strcmp(doc_string(doc_item(type, i), ""), name) == 0)
            return true;
    return strcmp(doc_string(type, ""), name) == 0;
}

static void put_types(const struct doc_node *schema, struct buf *to)
{
    const char *between = "    .types = ";
    bool any = false;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!has_type(schema, types[i].json))
            continue;
        buf_printf(to, "%s%s", between, types[i].table);
        between = " | ";
        any = true;
    }
    if (any)
        buf_string(to, ",\n");
}

static void put_size(const struct doc_node *schema, const char *const *words,
                     const char *member, struct buf *to)
{
    for (size_t i = 0; i < 3; i++)
        if (doc_get(schema, words[i]))
            buf_printf(to, "    .%s = %lld,\n", member,
                       (long long)doc_integer(doc_get(schema, words[i]), 0));
}

static void put_text(const struct doc_node *schema, const char *word,
                     const char *member, struct buf *to)
{
    const char *text = doc_string(doc_get(schema, word), NULL);

    if (!text)
        return;
    buf_printf(to, "    .%s = ", member);
    cg_quote(to, text);
    buf_string(to, ",\n");
}

static void put_bound(const struct doc_node *schema, const char *word,
                      const char *member, struct buf *to)
{
    const struct doc_node *bound = doc_get(schema, word);

    if (bound)
        buf_printf(to, "    .has_%s = true,\n    .%s = %.17g,\n", member,
                   member, doc_number(bound, 0));
}

static void put_values(const struct doc_node *schema, const char *name,
                       struct buf *to)
{
    const struct doc_node *values = doc_get(schema, "enum");

    if (!values)
        return;
    buf_printf(to, "static const char *const %s__values[] = {\n", name);
    for (size_t i = 0; i < doc_count(values); i++) {
        buf_string(to, "    ");
        cg_quote(to, doc_string(doc_item(values, i), ""));
        buf_string(to, ",\n");
    }
    buf_string(to, "    NULL,\n};\n\n");
}

static const char *part_name(struct cg_ir *ir, const char *name,
                             const char *part)
{
    return cg_text(ir, "%s_%s", name, cg_snake(ir, cg_word(ir, part)));
}

static bool is_required(const struct doc_node *schema, const char *name)
{
    const struct doc_node *required = doc_get(schema, "required");

    for (size_t i = 0; i < doc_count(required); i++)
        if (strcmp(doc_string(doc_item(required, i), ""), name) == 0)
            return true;
    return false;
}

static void put_properties(struct cg_ir *ir, const struct doc_node *schema,
                           const char *name, struct buf *to)
{
    const struct doc_node *members = doc_get(schema, "properties");

    if (!doc_count(members))
        return;
    buf_printf(to, "static const struct doc_property %s__properties[] = {\n",
               name);
    for (size_t i = 0; i < doc_count(members); i++) {
        const char *key = members->entries[i].key;

        buf_printf(to, "    {\"%s\", &%s, %s},\n", key,
                   part_name(ir, name, key),
                   is_required(schema, key) ? "true" : "false");
    }
    buf_string(to, "};\n\n");
}

static bool is_schema(const struct doc_node *node)
{
    return node && node->type == DOC_MAP;
}

static void put_node(struct cg_ir *ir, const struct doc_node *schema,
                     const char *name, const char *storage, struct buf *to);

/* The tables that this node points at. */
static void put_parts(struct cg_ir *ir, const struct doc_node *schema,
                      const char *name, struct buf *to)
{
    const struct doc_node *members = doc_get(schema, "properties");
    const struct doc_node *rest = doc_get(schema, "additionalProperties");
    const struct doc_node *items = doc_get(schema, "items");

    for (size_t i = 0; i < doc_count(members); i++)
        put_node(ir, members->entries[i].value,
                 part_name(ir, name, members->entries[i].key), "static ", to);
    if (is_schema(rest))
        put_node(ir, rest, cg_text(ir, "%s__rest", name), "static ", to);
    if (is_schema(items))
        put_node(ir, items, cg_text(ir, "%s__item", name), "static ", to);
    put_properties(ir, schema, name, to);
    put_values(schema, name, to);
}

static void put_node(struct cg_ir *ir, const struct doc_node *schema,
                     const char *name, const char *storage, struct buf *to)
{
    const struct doc_node *rest = doc_get(schema, "additionalProperties");

    put_parts(ir, schema, name, to);
    buf_printf(to, "%sconst struct doc_schema %s = {\n", storage, name);
    put_types(schema, to);
    put_text(schema, "const", "constant", to);
    if (doc_get(schema, "enum"))
        buf_printf(to, "    .values = %s__values,\n", name);
    put_bound(schema, "minimum", "min", to);
    put_bound(schema, "maximum", "max", to);
    put_size(schema, min_words, "min_size", to);
    put_size(schema, max_words, "max_size", to);
    put_text(schema, "pattern", "pattern", to);
    if (doc_count(doc_get(schema, "properties")))
        buf_printf(to,
                   "    .properties = %s__properties,\n"
                   "    .property_count = sizeof %s__properties /\n"
                   "                      sizeof %s__properties[0],\n",
                   name, name, name);
    if (rest && !doc_bool(rest, true))
        buf_string(to, "    .closed = true,\n");
    if (is_schema(rest))
        buf_printf(to, "    .rest = &%s__rest,\n", name);
    if (is_schema(doc_get(schema, "items")))
        buf_printf(to, "    .items = &%s__item,\n", name);
    put_text(schema, "description", "doc", to);
    buf_string(to, "};\n\n");
}

static void put_header(const struct cg_ir *ir, struct cg_out *out)
{
    struct buf *to = cg_out_open(out, "c/schemas.h");

    cg_head(to, "api/schema");
    buf_string(to, "#ifndef GEN_SCHEMAS_H\n#define GEN_SCHEMAS_H\n\n"
                   "#include \"contract.h\"\n");
    for (size_t i = 0; i < ir->document_count; i++) {
        const struct cg_document *document = &ir->documents[i];

        buf_char(to, '\n');
        cg_comment(
            to, doc_string(doc_get(document->root, "title"), document->name));
        buf_printf(to, "extern const struct doc_schema %s_schema;\n",
                   document->name);
    }
    buf_string(to, "\n#endif\n");
}

void cg_emit_schema(const struct cg_ir *ir, struct cg_out *out)
{
    put_header(ir, out);
    for (size_t i = 0; i < ir->document_count; i++) {
        const struct cg_document *document = &ir->documents[i];
        struct buf *to =
            cg_out_open(out, cg_text(out->ir, "c/%s_schema.c", document->name));

        cg_head(to, cg_text(out->ir, "api/%s", document->file));
        buf_string(to, "#include \"schemas.h\"\n\n");
        put_node(out->ir, document->root,
                 cg_text(out->ir, "%s_schema", document->name), "", to);
        to->size--;
    }
}
