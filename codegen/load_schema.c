/*
 * schema/: JSON Schema 2020-12, the profile that maps onto messages.
 *
 * Every `$defs` entry that is an object, a oneOf or an enum becomes a message
 * or enum of the API; other entries are names for scalars, lists or maps and
 * are put in where they are referred to. Two passes: first the names, so that
 * references may point forward, then the members.
 */
#include <string.h>

#include "load.h"
#include "names.h"
#include "schema.h"

/* The schema files of one API while they are being read. */
struct reader {
    struct cg_ir *ir;
    struct cg_api *api;
    const char *file; /* of what is being read */
};

/* Keywords of the profile; a new one is a decision, not an accident. */
static const char *const keywords[] = {"$comment",
                                       "$ref",
                                       "additionalProperties",
                                       "const",
                                       "contentEncoding",
                                       "default",
                                       "description",
                                       "enum",
                                       "examples",
                                       "format",
                                       "items",
                                       "maxItems",
                                       "maxLength",
                                       "maxProperties",
                                       "maximum",
                                       "minItems",
                                       "minLength",
                                       "minProperties",
                                       "minimum",
                                       "oneOf",
                                       "pattern",
                                       "properties",
                                       "propertyNames",
                                       "required",
                                       "title",
                                       "type",
                                       "x-emit",
                                       "x-json",
                                       "x-n",
                                       "x-open",
                                       "x-secret",
                                       "x-since",
                                       "x-was",
                                       NULL};

static const char *const root_keywords[] = {
    "$schema", "$id", "$defs", "title", "description", "$comment", NULL};

static void fault(struct reader *reader, const struct doc_node *node,
                  const char *rule, const char *name, const char *message)
{
    cg_fault(reader->ir, cg_at(reader->file, node), rule, "'%s' %s", name,
             message);
}

/* ---- references ---- */

/*
 * Follows references until something that is not one: `decl` is set if it is
 * a message or enum with a name. NULL after a fault.
 */
static const struct doc_node *resolve(struct reader *reader,
                                      const struct doc_node *schema,
                                      struct cg_decl **decl)
{
    enum { HOPS_MAX = 16 };
    const struct doc_node *ref;

    *decl = NULL;
    for (int hops = 0; (ref = doc_get(schema, "$ref")); hops++) {
        const char *name = cg_schema_ref(schema);

        schema = name ? cg_api_def(reader->api, name) : NULL;
        if (!schema || hops == HOPS_MAX) {
            fault(reader, ref, "schema.ref", doc_string(ref, ""),
                  schema ? "refers to itself" : "is not defined");
            return NULL;
        }
        *decl = cg_api_decl(reader->api, name);
    }
    return schema;
}

/* ---- declarations ---- */

static struct cg_decl *add_decl(struct reader *reader, enum cg_tag tag,
                                const char *name, const struct doc_node *schema)
{
    struct cg_ir *ir = reader->ir;
    struct cg_api *api = reader->api;
    struct cg_decl *decl = cg_zalloc(ir, 1, sizeof *decl);

    *decl = (struct cg_decl){
        .tag = tag,
        .name = name,
        .doc = doc_string(doc_get(schema, "description"), NULL),
        .api = api,
        .schema = schema,
        .at = cg_at(reader->file, schema),
    };
    if (!cg_is_pascal(name))
        fault(reader, schema, "schema.name", name, "is not PascalCase");
    if (cg_api_decl(api, name))
        fault(reader, schema, "schema.name", name, "is defined twice");
    api->decls = cg_grow(ir, api->decls, api->decl_count, &api->decl_capacity,
                         sizeof *api->decls);
    api->decls[api->decl_count++] = decl;
    return decl;
}

/* The message or enum of an inline schema: "<Owner><Member>". */
static struct cg_decl *add_inline(struct reader *reader, const char *owner,
                                  const char *member, enum cg_tag tag,
                                  const struct doc_node *schema)
{
    const char *name =
        cg_text(reader->ir, "%s%s", owner, cg_pascal(reader->ir, member));

    return add_decl(reader, tag, name, schema);
}

/* ---- the kind of a member ---- */

/* One value, list element or map value; neither list nor map itself. */
static bool set_value(struct reader *reader, const char *owner,
                      struct cg_field *field, const struct doc_node *schema)
{
    struct cg_decl *decl;
    const struct doc_node *seen = resolve(reader, schema, &decl);

    if (!seen)
        return false;
    if (!decl && !cg_schema_is_free(seen) && cg_schema_is_message(seen))
        decl = add_inline(reader, owner, field->json, CG_MESSAGE, seen);
    else if (!decl && cg_schema_is_enum(seen))
        decl = add_inline(reader, owner, field->json, CG_ENUM, seen);

    field->decl = decl;
    if (decl)
        field->kind = decl->tag == CG_ENUM ? MSG_ENUM : MSG_MSG;
    else if (cg_schema_is_free(seen))
        field->kind = MSG_JSON;
    else if (!cg_schema_scalar(seen, &field->kind)) {
        fault(reader, seen, "schema.type", field->json,
              "is of no kind that can be an element or a value");
        return false;
    }
    field->limits = cg_schema_limits(seen, field->kind);
    return true;
}

static bool set_map(struct reader *reader, const char *owner,
                    struct cg_field *field, const struct doc_node *schema)
{
    field->card = MSG_MAP;
    field->keys = cg_schema_limits(doc_get(schema, "propertyNames"), MSG_STR);
    field->min_count =
        (uint32_t)doc_integer(doc_get(schema, "minProperties"), 0);
    field->max_count =
        (uint32_t)doc_integer(doc_get(schema, "maxProperties"), 0);
    return set_value(reader, owner, field,
                     doc_get(schema, "additionalProperties"));
}

static bool set_list(struct reader *reader, const char *owner,
                     struct cg_field *field, const struct doc_node *schema)
{
    field->card = MSG_LIST;
    field->min_count = (uint32_t)doc_integer(doc_get(schema, "minItems"), 0);
    field->max_count = (uint32_t)doc_integer(doc_get(schema, "maxItems"), 0);
    return set_value(reader, owner, field, doc_get(schema, "items"));
}

static bool set_kind(struct reader *reader, const char *owner,
                     struct cg_field *field, const struct doc_node *schema)
{
    struct cg_decl *decl;
    const struct doc_node *seen = resolve(reader, schema, &decl);
    bool nullable;
    const char *type = cg_schema_type(seen, &nullable);
    bool is_list = strcmp(type, "array") == 0;

    if (!seen)
        return false;
    if (nullable)
        field->flags |= MSG_NULLABLE;
    if (nullable && (is_list || cg_schema_is_map(seen)))
        fault(reader, schema, "schema.null", field->json,
              "is a list or map and cannot be null: absent means empty");
    if (is_list)
        return set_list(reader, owner, field, seen);
    if (cg_schema_is_map(seen))
        return set_map(reader, owner, field, seen);
    return set_value(reader, owner, field, schema);
}

/* ---- members ---- */

/* Free JSON says so in its name, on the wire and in C. */
static const char *proto_name(struct reader *reader,
                              const struct cg_field *field)
{
    const char *name = field->json;
    size_t length = strlen(name);

    if (field->kind != MSG_JSON || field->card != MSG_ONE ||
        strcmp(name, "json") == 0 ||
        (length > 5 && strcmp(name + length - 5, "_json") == 0))
        return name;
    return cg_text(reader->ir, "%s_json", name);
}

static void set_marks(struct reader *reader, struct cg_field *field,
                      const struct doc_node *schema)
{
    const char *emit = doc_string(doc_get(schema, "x-emit"), "");

    field->doc = doc_string(doc_get(schema, "description"), NULL);
    field->number = (uint32_t)doc_integer(doc_get(schema, "x-n"), 0);
    if (strcmp(emit, "always") == 0)
        field->flags |= MSG_EMIT_ALWAYS;
    else if (*emit)
        fault(reader, doc_get(schema, "x-emit"), "schema.emit", emit,
              "is not 'always'");
    if (doc_bool(doc_get(schema, "x-secret"), false))
        field->flags |= MSG_SECRET;
    field->name = proto_name(reader, field);
    field->c_name = cg_c_member(reader->ir, field->name);
}

static void fill_object(struct reader *reader, struct cg_decl *decl)
{
    const struct doc_node *members = doc_get(decl->schema, "properties");
    const struct doc_node *rest = doc_get(decl->schema, "additionalProperties");

    decl->open = !rest || doc_bool(rest, true);
    if (rest && rest->type != DOC_BOOL)
        fault(reader, rest, "schema.map", decl->name,
              "has named members and a schema for the others");
    decl->fields =
        cg_zalloc(reader->ir, doc_count(members), sizeof *decl->fields);
    for (size_t i = 0; i < doc_count(members); i++) {
        const struct doc_entry *entry = &members->entries[i];
        struct cg_field *field = &decl->fields[decl->field_count];

        *field = (struct cg_field){
            .json = entry->key,
            .at = {reader->file, entry->line, entry->col},
        };
        if (!set_kind(reader, decl->name, field, entry->value))
            continue;
        set_marks(reader, field, entry->value);
        if (cg_schema_requires(decl->schema, field->json))
            field->flags |= MSG_REQUIRED;
        decl->field_count++;
    }
}

/* The wrapper message of a list in a oneOf, "FloatList", one per element. */
static bool set_wrapped(struct reader *reader, struct cg_decl *owner,
                        struct cg_field *field, const struct doc_node *schema)
{
    static const char *const kinds[] = {
        [MSG_BOOL] = "Bool",  [MSG_I32] = "Int32",  [MSG_U32] = "Uint32",
        [MSG_I64] = "Int64",  [MSG_U64] = "Uint64", [MSG_F32] = "Float",
        [MSG_F64] = "Double", [MSG_STR] = "String", [MSG_BYTES] = "Bytes",
        [MSG_JSON] = "Json",  [MSG_TIME] = "Time",  [MSG_ENUM] = "",
        [MSG_MSG] = "",
    };
    struct cg_field values = {.json = "values", .at = field->at};
    const char *name;

    if (!set_list(reader, owner->name, &values, schema))
        return false;
    values.name = "values";
    values.c_name = "values";
    values.doc = "The elements, in order.";
    name = cg_text(reader->ir, "%s%sList", kinds[values.kind],
                   values.decl ? values.decl->name : "");
    field->kind = MSG_MSG;
    field->limits = cg_schema_limits(NULL, MSG_MSG);
    field->decl = cg_api_decl(reader->api, name);
    if (field->decl)
        return true;
    field->decl = add_decl(reader, CG_MESSAGE, name, schema);
    field->decl->doc = "A list that is one value among others.";
    field->decl->fields = cg_zalloc(reader->ir, 1, sizeof values);
    field->decl->fields[0] = values;
    field->decl->field_count = 1;
    return true;
}

/* An untagged union: one oneof, told apart by JSON type. */
static void fill_union(struct reader *reader, struct cg_decl *decl)
{
    const struct doc_node *members = doc_get(decl->schema, "oneOf");
    const struct doc_node *form = doc_get(decl->schema, "x-json");

    decl->shape = MSG_UNTAGGED;
    if (strcmp(doc_string(form, ""), "untagged") != 0)
        fault(reader, decl->schema, "schema.union", decl->name,
              "is a oneOf without 'x-json: untagged'");
    decl->fields =
        cg_zalloc(reader->ir, doc_count(members), sizeof *decl->fields);
    for (size_t i = 0; i < doc_count(members); i++) {
        const struct doc_node *member = doc_item(members, i);
        struct cg_field *field = &decl->fields[decl->field_count];
        bool nullable;

        *field = (struct cg_field){
            .json = doc_string(doc_get(member, "title"), NULL),
            .flags = MSG_IN_ONEOF,
            .at = cg_at(reader->file, member),
        };
        if (!field->json) {
            fault(reader, member, "schema.union", decl->name,
                  "has an alternative without a title");
            continue;
        }
        bool known = strcmp(cg_schema_type(member, &nullable), "array") == 0
                         ? set_wrapped(reader, decl, field, member)
                         : set_value(reader, decl->name, field, member);
        if (!known)
            continue;
        set_marks(reader, field, member);
        decl->field_count++;
    }
}

static void fill_enum(struct reader *reader, struct cg_decl *decl)
{
    const struct doc_node *values = doc_get(decl->schema, "enum");
    const char *stem = cg_upper(reader->ir, decl->name);

    decl->values =
        cg_zalloc(reader->ir, doc_count(values), sizeof *decl->values);
    for (size_t i = 0; i < doc_count(values); i++) {
        const struct doc_node *value = doc_item(values, i);
        const char *json = doc_string(value, NULL);

        if (!json) {
            fault(reader, value, "schema.enum", decl->name,
                  "has a value that is not a string");
            continue;
        }
        decl->values[decl->value_count++] = (struct cg_value){
            .json = json,
            .name = cg_text(reader->ir, "%s_%s", stem,
                            cg_upper(reader->ir, cg_word(reader->ir, json))),
            .at = cg_at(reader->file, value),
        };
    }
}

/* Inline declarations are added behind and filled in their turn. */
static void fill_decls(struct reader *reader)
{
    for (size_t i = 0; i < reader->api->decl_count; i++) {
        struct cg_decl *decl = reader->api->decls[i];

        reader->file = decl->at.file;
        if (decl->tag == CG_ENUM)
            fill_enum(reader, decl);
        else if (doc_get(decl->schema, "oneOf"))
            fill_union(reader, decl);
        else if (doc_get(decl->schema, "properties"))
            fill_object(reader, decl);
    }
}

/* ---- files ---- */

static void check_keywords(struct reader *reader, const struct doc_node *schema)
{
    static const char *const inside[] = {"items", "additionalProperties",
                                         "propertyNames"};
    const struct doc_node *members = doc_get(schema, "properties");
    const struct doc_node *options = doc_get(schema, "oneOf");

    if (!schema || schema->type != DOC_MAP)
        return;
    cg_load_keys(reader->ir, reader->file, schema, "schema.keyword", keywords);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        check_keywords(reader, doc_get(schema, inside[i]));
    for (size_t i = 0; i < doc_count(members); i++)
        check_keywords(reader, members->entries[i].value);
    for (size_t i = 0; i < doc_count(options); i++)
        check_keywords(reader, doc_item(options, i));
}

static void declare(struct reader *reader, const struct doc_node *defs)
{
    for (size_t i = 0; i < doc_count(defs); i++) {
        const struct doc_entry *entry = &defs->entries[i];

        check_keywords(reader, entry->value);
        if (cg_schema_is_enum(entry->value))
            (void)add_decl(reader, CG_ENUM, entry->key, entry->value);
        else if (cg_schema_is_message(entry->value))
            (void)add_decl(reader, CG_MESSAGE, entry->key, entry->value);
    }
}

void cg_load_defs(struct cg_ir *ir, struct cg_api *api,
                  const char *const *files, size_t count)
{
    api->defs = cg_zalloc(ir, count, sizeof *api->defs);
    for (size_t i = 0; i < count; i++) {
        const struct doc_node *root = cg_load_tree(ir, files[i]);

        api->defs[api->defs_count++] = doc_get(root, "$defs");
        if (root)
            cg_load_keys(ir, cg_load_name(ir, files[i]), root, "schema.keyword",
                         root_keywords);
        else
            api->broken = true;
    }
}

void cg_load_schema(struct cg_ir *ir, struct cg_api *api,
                    const char *const *files, size_t count)
{
    struct reader reader = {.ir = ir, .api = api};

    cg_load_defs(ir, api, files, count);
    for (size_t i = 0; i < api->defs_count; i++) {
        reader.file = cg_load_name(ir, files[i]);
        declare(&reader, api->defs[i]);
    }
    fill_decls(&reader);
}
