/*
 * openapi: gen/openapi/<prefix>.json, the REST side of each program as OpenAPI
 * 3.1, and gen/c/openapi.[ch], the same text for the server to hand out. An API
 * that names another one as its `document` stands in that one's.
 *
 * OpenAPI 3.1 schemas are JSON Schema 2020-12, so the schemas of api/ are
 * copied: without our own x- keywords, and with references to components. A
 * union becomes anyOf, because its last alternative takes any value and oneOf
 * would then match twice. Messages of a foreign API have their JSON in $defs of
 * their names.
 */
#include <stdio.h>
#include <string.h>

#include "emit.h"
#include "json.h"
#include "schema.h"

/* One REST form of an endpoint. */
struct form {
    const struct cg_api *api;
    const struct cg_op *op; /* its other forms are cg_op, too */
    size_t number;          /* 0 = the endpoint's own form */
};

struct forms {
    struct form *list;
    size_t count, capacity;
};

/* The components that the paths refer to, in the order of api/. */
struct used {
    const struct cg_api *api;
    const char **names;
    size_t count, capacity;
    struct cg_ir *ir;
};

/* ---- schemas ---- */

static bool is_used(const struct used *used, const char *name)
{
    for (size_t i = 0; i < used->count; i++)
        if (strcmp(used->names[i], name) == 0)
            return true;
    return false;
}

/* Notes the definition and all that it refers to. */
static void use(struct used *used, const char *name);

static void use_node(struct used *used, const struct doc_node *node)
{
    const char *name = cg_schema_ref(node);

    if (name)
        use(used, name);
    for (size_t i = 0; i < doc_count(node); i++)
        use_node(used, node->type == DOC_MAP ? node->entries[i].value
                                             : doc_item(node, i));
}

static void use(struct used *used, const char *name)
{
    if (is_used(used, name))
        return;
    used->names = cg_grow(used->ir, used->names, used->count, &used->capacity,
                          sizeof *used->names);
    used->names[used->count++] = name;
    use_node(used, cg_api_def(used->api, name));
}

static void put_schema(struct cg_json *json, const char *key,
                       const struct doc_node *schema);

static void put_ref(struct cg_json *json, const char *name)
{
    struct buf ref = {0};

    buf_printf(&ref, "#/components/schemas/%s", name);
    cg_json_string(json, "$ref", buf_ok(&ref) ? ref.data : "");
    buf_release(&ref);
}

static void put_schemas(struct cg_json *json, const char *key,
                        const struct doc_node *schemas)
{
    bool is_map = schemas->type == DOC_MAP;

    cg_json_open(json, key, is_map ? '{' : '[');
    for (size_t i = 0; i < schemas->size; i++)
        put_schema(json, is_map ? schemas->entries[i].key : NULL,
                   is_map ? schemas->entries[i].value : schemas->items[i]);
    cg_json_close(json, is_map ? '}' : ']');
}

/* One keyword of a schema. */
static void put_keyword(struct cg_json *json, const struct doc_node *schema,
                        const struct doc_entry *entry)
{
    const char *key = entry->key;

    if (strncmp(key, "x-", 2) == 0 || strcmp(key, "$comment") == 0)
        return;
    if (strcmp(key, "$ref") == 0)
        put_ref(json, cg_schema_ref(schema));
    else if (strcmp(key, "oneOf") == 0)
        put_schemas(json, "anyOf", entry->value);
    else if (strcmp(key, "properties") == 0)
        put_schemas(json, key, entry->value);
    else if (strcmp(key, "items") == 0 || strcmp(key, "propertyNames") == 0 ||
             strcmp(key, "additionalProperties") == 0)
        put_schema(json, key, entry->value);
    else
        cg_json_node(json, key, entry->value);
}

static void put_schema(struct cg_json *json, const char *key,
                       const struct doc_node *schema)
{
    if (schema->type != DOC_MAP) {
        cg_json_node(json, key, schema); /* true or false */
        return;
    }
    cg_json_open(json, key, '{');
    for (size_t i = 0; i < schema->size; i++)
        put_keyword(json, schema, &schema->entries[i]);
    cg_json_close(json, '}');
}

/* ---- parameters and body ---- */

static const struct doc_node *field_schema(const struct cg_op *op,
                                           const char *name)
{
    return doc_get(doc_get(op->request->schema, "properties"), name);
}

static bool is_bound(const struct cg_op *op, const char *name)
{
    for (size_t i = 0; i < op->bind_count; i++)
        if (strcmp(op->binds[i].name, name) == 0)
            return true;
    return false;
}

/* Of foreign messages only texts are taken from a URL. */
static void put_text_schema(struct cg_json *json)
{
    cg_json_open(json, "schema", '{');
    cg_json_string(json, "type", "string");
    cg_json_close(json, '}');
}

static void put_parameters(struct cg_json *json, const struct cg_op *op)
{
    if (!op->bind_count)
        return;
    cg_json_open(json, "parameters", '[');
    for (size_t i = 0; i < op->bind_count; i++) {
        const struct cg_bind *bind = &op->binds[i];
        const struct cg_field *field = &op->request->fields[bind->field];
        bool path = bind->source == OP_FROM_PATH;

        cg_json_open(json, NULL, '{');
        cg_json_string(json, "name", bind->name);
        cg_json_string(json, "in", path ? "path" : "query");
        cg_json_bool(json, "required",
                     path || (field->flags & MSG_REQUIRED) != 0);
        if (field->doc)
            cg_json_string(json, "description", field->doc);
        if (field_schema(op, bind->name))
            put_schema(json, "schema", field_schema(op, bind->name));
        else
            put_text_schema(json);
        cg_json_close(json, '}');
    }
    cg_json_close(json, ']');
}

/* The request without what the URL holds. */
static void put_rest_of_request(struct cg_json *json, const struct cg_op *op)
{
    const struct cg_decl *request = op->request;

    cg_json_open(json, "schema", '{');
    cg_json_string(json, "type", "object");
    cg_json_open(json, "properties", '{');
    for (size_t i = 0; i < request->field_count; i++)
        if (!is_bound(op, request->fields[i].json))
            put_schema(json, request->fields[i].json,
                       field_schema(op, request->fields[i].json));
    cg_json_close(json, '}');
    cg_json_open(json, "required", '[');
    for (size_t i = 0; i < request->field_count; i++)
        if (!is_bound(op, request->fields[i].json) &&
            (request->fields[i].flags & MSG_REQUIRED))
            cg_json_string(json, NULL, request->fields[i].json);
    cg_json_close(json, ']');
    cg_json_bool(json, "additionalProperties", request->open);
    cg_json_close(json, '}');
}

static bool must_have_body(const struct cg_op *op)
{
    for (size_t i = 0; i < op->request->field_count; i++)
        if ((op->request->fields[i].flags & MSG_REQUIRED) &&
            !is_bound(op, op->request->fields[i].json))
            return true;
    return false;
}

/* A media type and its schema, a component; NULL: any. */
static void put_media(struct cg_json *json, const char *media,
                      const char *component)
{
    cg_json_open(json, media, '{');
    cg_json_open(json, "schema", '{');
    if (component)
        put_ref(json, component);
    cg_json_close(json, '}');
    cg_json_close(json, '}');
}

static void put_body(struct cg_json *json, const struct form *form)
{
    const struct cg_op *op = form->op;
    bool foreign = form->api->foreign != NULL;

    if (!op->has_body)
        return;
    cg_json_open(json, "requestBody", '{');
    cg_json_bool(json, "required",
                 foreign ? doc_get(cg_api_def(form->api, op->request->name),
                                   "required") != NULL
                         : must_have_body(op));
    cg_json_open(json, "content", '{');
    if (op->bind_count && !foreign) {
        cg_json_open(json, "application/json", '{');
        put_rest_of_request(json, op);
        cg_json_close(json, '}');
    } else {
        put_media(json, "application/json", op->request->name);
    }
    if (op->binary)
        put_media(json, op->binary, NULL);
    cg_json_close(json, '}');
    cg_json_close(json, '}');
}

/* ---- responses ---- */

/* 200 in the catalogue is an answer, unless the endpoint refuses those. */
static int status_of(const struct cg_op *op, const struct cg_error *error)
{
    return op->refuses && error->http == 200 ? 400 : error->http;
}

/* "CODE: meaning." for each error of this status; `later`: may be retried. */
static void describe(const struct cg_op *op, int status, struct buf *text,
                     bool *later)
{
    *later = false;
    for (size_t i = 0; i < op->error_count; i++) {
        const struct cg_error *error = op->errors[i];

        if (status_of(op, error) != status)
            continue;
        buf_printf(text, "%s%s: %s.", text->size ? "\n" : "", error->name,
                   error->doc);
        *later = *later || strcmp(error->retry, "LATER") == 0;
    }
}

static void put_failure(struct cg_json *json, const struct form *form,
                        int status)
{
    const struct cg_op *op = form->op;
    const char *failure = form->api->failure ? form->api->failure : "Error";
    struct buf text = {0};
    char key[16];
    bool later;

    describe(op, status, &text, &later);
    (void)snprintf(key, sizeof key, "%d", status);
    cg_json_open(json, key, '{');
    cg_json_string(json, "description", buf_ok(&text) ? text.data : "");
    if (later) {
        cg_json_open(json, "headers", '{');
        cg_json_open(json, "Retry-After", '{');
        cg_json_string(json, "description",
                       "Seconds to wait before the next "
                       "attempt, where known.");
        cg_json_open(json, "schema", '{');
        cg_json_string(json, "type", "integer");
        cg_json_close(json, '}');
        cg_json_close(json, '}');
        cg_json_close(json, '}');
    }
    cg_json_open(json, "content", '{');
    put_media(json, "application/json",
              op->own_failure ? op->reply->name : failure);
    cg_json_close(json, '}');
    cg_json_close(json, '}');
    buf_release(&text);
}

static void put_responses(struct cg_json *json, const struct form *form)
{
    const struct cg_op *op = form->op;

    cg_json_open(json, "responses", '{');
    cg_json_open(json, "200", '{');
    cg_json_string(json, "description",
                   op->reply && op->reply->doc ? op->reply->doc : op->doc);
    cg_json_open(json, "content", '{');
    put_media(json, op->reply ? "application/json" : op->media,
              op->reply ? op->reply->name : NULL);
    if (op->binary)
        put_media(json, op->binary, NULL);
    cg_json_close(json, '}');
    cg_json_close(json, '}');
    for (int status = 201; status < 600; status++)
        for (size_t i = 0; i < op->error_count; i++)
            if (status_of(op, op->errors[i]) == status) {
                put_failure(json, form, status);
                break;
            }
    cg_json_close(json, '}');
}

/* ---- paths ---- */

static void put_op(struct cg_json *json, const struct form *form)
{
    const struct cg_op *op = form->op;
    char verb[8] = "", id[128];

    for (size_t i = 0; op->verb[i] && i < sizeof verb - 1; i++)
        verb[i] = (char)(op->verb[i] | 0x20); /* lower case */
    (void)snprintf(id, sizeof id, form->number ? "%s_%zu" : "%s", op->name,
                   form->number + 1);
    cg_json_open(json, verb, '{');
    cg_json_string(json, "operationId", id);
    cg_json_string(json, "summary", op->doc);
    cg_json_open(json, "tags", '[');
    cg_json_string(json, NULL, form->api->service);
    cg_json_close(json, ']');
    put_parameters(json, op);
    put_body(json, form);
    put_responses(json, form);
    cg_json_close(json, '}');
}

static bool is_of_path(const struct form *form, const char *path)
{
    return strcmp(form->op->path, path) == 0;
}

/* Endpoints of one path stand together, at the place of the first. */
static void put_paths(struct cg_json *json, const struct forms *forms)
{
    cg_json_open(json, "paths", '{');
    for (size_t i = 0; i < forms->count; i++) {
        const char *path = forms->list[i].op->path;
        size_t first = 0;

        while (!is_of_path(&forms->list[first], path))
            first++;
        if (first < i)
            continue;
        cg_json_open(json, path, '{');
        for (size_t k = i; k < forms->count; k++)
            if (is_of_path(&forms->list[k], path))
                put_op(json, &forms->list[k]);
        cg_json_close(json, '}');
    }
    cg_json_close(json, '}');
}

/* ---- components ---- */

static void put_member(struct cg_json *json, const char *name, const char *type,
                       const char *doc)
{
    cg_json_open(json, name, '{');
    cg_json_string(json, "type", type);
    cg_json_string(json, "description", doc);
    cg_json_close(json, '}');
}

/* The body of failures that have no message of their own. */
static void put_error(struct cg_json *json)
{
    cg_json_open(json, "Error", '{');
    cg_json_string(json, "type", "object");
    cg_json_string(json, "description", "A failed call.");
    cg_json_open(json, "required", '[');
    cg_json_string(json, NULL, "success");
    cg_json_string(json, NULL, "error");
    cg_json_string(json, NULL, "error_code");
    cg_json_close(json, ']');
    cg_json_open(json, "properties", '{');
    put_member(json, "success", "boolean", "Always false.");
    put_member(json, "error", "string", "What went wrong, for people.");
    put_member(json, "error_code", "string", "What went wrong, for programs.");
    cg_json_open(json, "details", '{');
    cg_json_string(json, "type", "array");
    cg_json_string(json, "description",
                   "The fields that broke a rule, by JSON pointer.");
    cg_json_open(json, "items", '{');
    cg_json_string(json, "type", "object");
    cg_json_open(json, "properties", '{');
    put_member(json, "pointer", "string", "JSON pointer of the field.");
    put_member(json, "rule", "string", "The rule it broke.");
    cg_json_close(json, '}');
    cg_json_close(json, '}');
    cg_json_close(json, '}');
    cg_json_close(json, '}');
    cg_json_close(json, '}');
}

static void collect(const struct form *form, struct used *used)
{
    const struct cg_op *op = form->op;

    if (op->has_body && (!op->bind_count || form->api->foreign))
        use(used, op->request->name);
    else
        use_node(used, op->request->schema);
    if (op->reply)
        use(used, op->reply->name);
    if (form->api->failure)
        use(used, form->api->failure);
}

static void put_schemas_of(struct cg_json *json, const struct cg_api *api,
                           const struct used *used)
{
    for (size_t i = 0; i < api->defs_count; i++)
        for (size_t k = 0; k < doc_count(api->defs[i]); k++) {
            const struct doc_entry *entry = &api->defs[i]->entries[k];

            if (is_used(used, entry->key))
                put_schema(json, entry->key, entry->value);
        }
}

/* Forms of one API stand together. */
static void put_components(struct cg_json *json, const struct forms *forms,
                           struct cg_ir *ir)
{
    cg_json_open(json, "components", '{');
    cg_json_open(json, "schemas", '{');
    for (size_t i = 0; i < forms->count;) {
        struct used used = {.api = forms->list[i].api, .ir = ir};

        for (; i < forms->count && forms->list[i].api == used.api; i++)
            collect(&forms->list[i], &used);
        put_schemas_of(json, used.api, &used);
    }
    put_error(json);
    cg_json_close(json, '}');
    cg_json_close(json, '}');
}

/* ---- the document ---- */

static void add_forms(struct cg_ir *ir, const struct cg_api *api,
                      struct forms *forms)
{
    for (size_t i = 0; i < api->op_count; i++)
        for (size_t k = 0; k <= api->ops[i].also_count; k++) {
            const struct cg_op *op =
                k ? &api->ops[i].also[k - 1] : &api->ops[i];

            if (!op->verb)
                continue;
            forms->list = cg_grow(ir, forms->list, forms->count,
                                  &forms->capacity, sizeof *forms->list);
            forms->list[forms->count++] =
                (struct form){.api = api, .op = op, .number = k};
        }
}

/* The REST forms of the API, then of those that stand in its document. */
static struct forms forms_of(struct cg_ir *ir, const struct cg_api *api)
{
    struct forms forms = {0};

    add_forms(ir, api, &forms);
    for (size_t i = 0; i < ir->api_count; i++)
        if (ir->apis[i]->document &&
            strcmp(ir->apis[i]->document, api->prefix) == 0)
            add_forms(ir, ir->apis[i], &forms);
    return forms;
}

/* Does the API have a document of its own? */
static bool has_document(const struct cg_api *api)
{
    for (size_t i = 0; i < api->op_count; i++)
        if (api->ops[i].verb)
            return !api->document && !api->foreign;
    return false;
}

static void put_document(const struct cg_api *api, struct cg_out *out,
                         struct buf *to)
{
    const struct forms forms = forms_of(out->ir, api);
    const char *last = strrchr(api->package, '.');
    const char *version = api->version ? api->version
                          : last       ? last + 1
                                       : api->package;
    struct cg_json json = {.to = to, .empty = true};

    cg_json_open(&json, NULL, '{');
    cg_json_string(&json, "openapi", "3.1.0");
    cg_json_open(&json, "info", '{');
    cg_json_string(&json, "title", api->service);
    cg_json_string(&json, "version", version);
    cg_json_string(&json, "description", api->doc);
    cg_json_open(&json, "license", '{');
    cg_json_string(&json, "name", "Apache-2.0");
    cg_json_string(&json, "identifier", "Apache-2.0");
    cg_json_close(&json, '}');
    cg_json_close(&json, '}');
    cg_json_open(&json, "servers", '[');
    cg_json_open(&json, NULL, '{');
    cg_json_string(&json, "url", "/");
    cg_json_close(&json, '}');
    cg_json_close(&json, ']');
    put_paths(&json, &forms);
    put_components(&json, &forms, out->ir);
    cg_json_close(&json, '}');
    buf_char(to, '\n');
}

/* The document as a C string, one literal per line of JSON. */
static void put_literal(const struct cg_api *api, const struct buf *document,
                        struct buf *to)
{
    const char *line = document->data;

    buf_printf(to, "\nconst char openapi_%s_json[] =", api->prefix);
    while (*line) {
        size_t length = strcspn(line, "\n");

        buf_string(to, "\n    \"");
        for (size_t i = 0; i < length; i++)
            buf_printf(to, line[i] == '"' || line[i] == '\\' ? "\\%c" : "%c",
                       line[i]);
        buf_string(to, "\\n\"");
        line += length + (line[length] == '\n');
    }
    buf_printf(to,
               ";\n\nconst size_t openapi_%s_json_size =\n"
               "    sizeof openapi_%s_json - 1;\n",
               api->prefix, api->prefix);
}

static void put_header(const struct cg_ir *ir, struct buf *to)
{
    cg_head(to, "api/ops");
    buf_string(to, "#ifndef GEN_OPENAPI_H\n#define GEN_OPENAPI_H\n\n"
                   "#include <stddef.h>\n\n"
                   "/* The OpenAPI documents, each with its length. */\n");
    for (size_t i = 0; i < ir->api_count; i++)
        if (has_document(ir->apis[i]))
            buf_printf(to,
                       "extern const char openapi_%s_json[];\n"
                       "extern const size_t openapi_%s_json_size;\n",
                       ir->apis[i]->prefix, ir->apis[i]->prefix);
    buf_string(to, "\n#endif\n");
}

void cg_emit_openapi(const struct cg_ir *ir, struct cg_out *out)
{
    struct buf *code = cg_out_open(out, "c/openapi.c");

    put_header(ir, cg_out_open(out, "c/openapi.h"));
    cg_head(code, "api/ops");
    buf_string(code,
               "#include \"openapi.h\"\n\n"
               "/* C11 promises 4095 bytes per literal; gcc and clang take "
               "more. */\n"
               "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n");
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];
        struct buf *to;

        if (!has_document(api))
            continue;
        to = cg_out_open(out, cg_text(out->ir, "openapi/%s.json", api->prefix));
        put_document(api, out, to);
        if (buf_ok(to))
            put_literal(api, to, code);
    }
}
