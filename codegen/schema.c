/*
 * Schema: see schema.h.
 */
#include "schema.h"

#include <math.h>
#include <string.h>

/* 2^53 - 1: the largest integer that every JSON reader keeps. */
static const double json_integer_max = 9007199254740991.0;

static bool is_text(const struct doc_node *node, const char *text)
{
    return strcmp(doc_string(node, ""), text) == 0;
}

const char *cg_schema_type(const struct doc_node *schema, bool *nullable)
{
    const struct doc_node *type = doc_get(schema, "type");
    const char *found = doc_string(type, "");

    *nullable = false;
    for (size_t i = 0; type && type->type == DOC_LIST && i < type->size; i++)
        if (is_text(type->items[i], "null"))
            *nullable = true;
        else
            found = doc_string(type->items[i], "");
    return found;
}

/* Keywords that say what a node is, besides "type". */
static bool has_form(const struct doc_node *schema)
{
    return doc_get(schema, "$ref") || doc_get(schema, "oneOf") ||
           doc_get(schema, "enum") || doc_get(schema, "const") ||
           doc_get(schema, "properties");
}

bool cg_schema_is_free(const struct doc_node *schema)
{
    const struct doc_node *rest = doc_get(schema, "additionalProperties");
    bool nullable;

    if (!schema || schema->type == DOC_BOOL)
        return true;
    if (has_form(schema))
        return false;
    if (!doc_get(schema, "type"))
        return true;
    return strcmp(cg_schema_type(schema, &nullable), "object") == 0 &&
           cg_schema_is_free(rest);
}

bool cg_schema_is_map(const struct doc_node *schema)
{
    const struct doc_node *rest = doc_get(schema, "additionalProperties");

    return rest && rest->type == DOC_MAP && !doc_get(schema, "properties") &&
           !cg_schema_is_free(schema);
}

bool cg_schema_is_message(const struct doc_node *schema)
{
    return doc_get(schema, "properties") || doc_get(schema, "oneOf");
}

bool cg_schema_is_enum(const struct doc_node *schema)
{
    return doc_get(schema, "enum") &&
           !doc_bool(doc_get(schema, "x-open"), false);
}

struct scalar {
    const char *type, *format;
    enum msg_kind kind;
};

/* The first row whose type and format fit; NULL fits any format. */
static const struct scalar scalars[] = {
    {"boolean", NULL, MSG_BOOL},    {"integer", "int32", MSG_I32},
    {"integer", "uint32", MSG_U32}, {"integer", "uint64", MSG_U64},
    {"integer", NULL, MSG_I64},     {"number", "float", MSG_F32},
    {"number", NULL, MSG_F64},      {"string", "date-time", MSG_TIME},
    {"string", NULL, MSG_STR},
};

bool cg_schema_scalar(const struct doc_node *schema, enum msg_kind *kind)
{
    const char *format = doc_string(doc_get(schema, "format"), "");
    bool nullable;
    const char *type = cg_schema_type(schema, &nullable);

    if (doc_get(schema, "const") && !*type)
        type = "string";
    if (is_text(doc_get(schema, "contentEncoding"), "base64")) {
        *kind = MSG_BYTES;
        return true;
    }
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        const struct scalar *row = &scalars[i];

        if (strcmp(row->type, type) != 0 ||
            (row->format && strcmp(row->format, format) != 0))
            continue;
        *kind = row->kind;
        return true;
    }
    return false;
}

struct cg_limits cg_schema_limits(const struct doc_node *schema,
                                  enum msg_kind kind)
{
    bool wide = kind == MSG_I64 && !doc_get(schema, "format");
    double low = wide ? -json_integer_max : (double)NAN;
    double high = wide || kind == MSG_U64 ? json_integer_max : (double)NAN;

    return (struct cg_limits){
        .min = doc_number(doc_get(schema, "minimum"), low),
        .max = doc_number(doc_get(schema, "maximum"), high),
        .min_size = (uint32_t)doc_integer(doc_get(schema, "minLength"), 0),
        .max_size = (uint32_t)doc_integer(doc_get(schema, "maxLength"), 0),
        .pattern = doc_string(doc_get(schema, "pattern"), NULL),
        .constant = doc_string(doc_get(schema, "const"), NULL),
    };
}

const char *cg_schema_ref(const struct doc_node *schema)
{
    static const char marker[] = "#/$defs/";
    const char *ref = doc_string(doc_get(schema, "$ref"), "");
    const char *at = strstr(ref, marker);

    return at ? at + sizeof marker - 1 : NULL;
}

bool cg_schema_requires(const struct doc_node *schema, const char *name)
{
    const struct doc_node *required = doc_get(schema, "required");

    for (size_t i = 0; i < doc_count(required); i++)
        if (is_text(doc_item(required, i), name))
            return true;
    return false;
}
