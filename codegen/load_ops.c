/*
 * ops/: one YAML file per service, one stanza per endpoint.
 *
 * What an endpoint does not say comes from the file's `defaults`; its errors
 * are added to theirs.
 */
#include <ctype.h>
#include <string.h>

#include "load.h"
#include "names.h"

/* One ops file while it is being read. */
struct reader {
    struct cg_ir *ir;
    struct cg_api *api;
    const char *file;
    const struct doc_node *defaults;
};

static const char *const file_keys[] = {
    "api",      "prefix",  "handlers", "service",    "doc",
    "schemas",  "foreign", "defaults", "operations", "version",
    "document", "failure", NULL};

static const char *const default_keys[] = {
    "run",    "stream",  "safety",   "deadline_ms", "max_body",
    "errors", "failure", "declines", "codec",       NULL};

static const char *const op_keys[] = {
    "doc",    "rest",     "grpc",        "query",  "request", "response",
    "media",  "run",      "stream",      "safety", "failure", "declines",
    "errors", "max_body", "deadline_ms", "codec",  "binary",  NULL};

static const char *const verbs[] = {"GET",   "POST",   "PUT",
                                    "PATCH", "DELETE", NULL};

/* A word of YAML and the enum constant it stands for. */
struct word {
    const char *text;
    int value;
};

static const struct word runs[] = {
    {"inline", OP_INLINE}, {"queue", OP_QUEUE}, {NULL, 0}};

static const struct word streams[] = {
    {"none", OP_UNARY}, {"server", OP_SERVER}, {"each", OP_EACH}, {NULL, 0}};

static const struct word safeties[] = {{"read", OP_READ},
                                       {"idempotent", OP_IDEMPOTENT},
                                       {"once", OP_ONCE},
                                       {NULL, 0}};

static const struct word failures[] = {
    {"common", false}, {"own", true}, {NULL, 0}};

static const struct word declines[] = {
    {"answer", false}, {"refuse", true}, {NULL, 0}};

/* The endpoint's own value, or the file's default; NULL = neither. */
static const struct doc_node *setting(const struct reader *reader,
                                      const struct doc_node *node,
                                      const char *key)
{
    const struct doc_node *own = doc_get(node, key);

    return own ? own : doc_get(reader->defaults, key);
}

/* A setting that is one of a few words; the first word if it is absent. */
static int choice(struct reader *reader, const struct doc_node *node,
                  const char *key, const struct word *words)
{
    const struct doc_node *value = setting(reader, node, key);
    const char *text = doc_string(value, "");

    if (!value)
        return words->value;
    for (const struct word *word = words; word->text; word++)
        if (strcmp(word->text, text) == 0)
            return word->value;
    cg_fault(reader->ir, cg_at(reader->file, value), "ops.value",
             "'%s' is not a value of '%s'", text, key);
    return words->value;
}

static int64_t amount(struct reader *reader, const struct doc_node *node,
                      const char *key, int64_t max)
{
    const struct doc_node *value = setting(reader, node, key);
    int64_t number = doc_integer(value, -1);

    if (!value)
        return 0;
    if (number >= 0 && number <= max)
        return number;
    cg_fault(reader->ir, cg_at(reader->file, value), "ops.value",
             "'%s' is not a number from 0 to %lld", key, (long long)max);
    return 0;
}

/* The message under `key`, or NULL after a fault. */
static const struct cg_decl *
message(struct reader *reader, const struct doc_node *node, const char *key)
{
    const char *name =
        cg_load_string(reader->ir, reader->file, node, "ops.message", key);
    const struct cg_decl *decl = name ? cg_api_decl(reader->api, name) : NULL;

    if (name && !reader->api->broken && (!decl || decl->tag != CG_MESSAGE)) {
        cg_fault(reader->ir, cg_at(reader->file, doc_get(node, key)),
                 "ops.message", "'%s' is not a message of this API", name);
        return NULL;
    }
    return decl;
}

/* ---- REST ---- */

static void add_bind(struct reader *reader, struct cg_op *op, const char *name,
                     enum op_source source, struct cg_loc at)
{
    const struct cg_field *field =
        op->request ? cg_decl_field(op->request, name) : NULL;
    size_t capacity = op->bind_count;

    if (!op->request)
        return;
    if (!field || field->card != MSG_ONE || field->kind >= MSG_JSON) {
        cg_fault(reader->ir, at, "ops.bind",
                 "'%s' is not a scalar field of '%s'", name, op->request->name);
        return;
    }
    op->binds = cg_grow(reader->ir, op->binds, op->bind_count, &capacity,
                        sizeof *op->binds);
    op->binds[op->bind_count++] = (struct cg_bind){
        .name = name,
        .source = source,
        .field = (uint32_t)(field - op->request->fields),
    };
}

/* Every "{name}" of the path. */
static void bind_path(struct reader *reader, struct cg_op *op, struct cg_loc at)
{
    const char *open = op->path;

    while ((open = strchr(open, '{'))) {
        size_t length = strcspn(open + 1, "}/");

        if (open[-1] != '/' || open[length + 1] != '}' ||
            (open[length + 2] && open[length + 2] != '/')) {
            cg_fault(reader->ir, at, "ops.path",
                     "'%s' has a parameter that is not a whole segment",
                     op->path);
            return;
        }
        add_bind(reader, op, cg_text(reader->ir, "%.*s", (int)length, open + 1),
                 OP_FROM_PATH, at);
        open += length;
    }
}

static void bind_query(struct reader *reader, struct cg_op *op,
                       const struct doc_node *query)
{
    for (size_t i = 0; i < doc_count(query); i++) {
        const struct doc_node *item = doc_item(query, i);

        add_bind(reader, op, doc_string(item, ""), OP_FROM_QUERY,
                 cg_at(reader->file, item));
    }
}

/* "POST /predict" */
static void load_form(struct reader *reader, struct cg_op *op,
                      const struct doc_node *node, const struct doc_node *form)
{
    const char *text = doc_string(form, "");
    size_t verb = 0, length = strcspn(text, " ");
    struct cg_loc at = cg_at(reader->file, form);

    while (verbs[verb] && (strlen(verbs[verb]) != length ||
                           strncmp(verbs[verb], text, length) != 0))
        verb++;
    if (!verbs[verb] || text[length] != ' ' || text[length + 1] != '/') {
        cg_fault(reader->ir, at, "ops.rest",
                 "'%s' is not a verb and a path, as in 'GET /health'", text);
        return;
    }
    op->verb = verbs[verb];
    op->path = text + length + 1;
    op->has_body = op->verb[0] == 'P'; /* POST, PUT, PATCH */
    bind_path(reader, op, at);
    bind_query(reader, op, doc_get(node, "query"));
}

/* One form or a list of them; the first one is the endpoint's own. */
static void load_rest(struct reader *reader, struct cg_op *op,
                      const struct doc_node *node)
{
    const struct doc_node *rest = doc_get(node, "rest");
    bool is_list = rest && rest->type == DOC_LIST;

    if (!rest)
        return;
    load_form(reader, op, node, is_list ? doc_item(rest, 0) : rest);
    if (!is_list || doc_count(rest) < 2)
        return;
    op->also = cg_zalloc(reader->ir, doc_count(rest) - 1, sizeof *op->also);
    for (size_t i = 1; i < doc_count(rest); i++) {
        struct cg_op *also = &op->also[op->also_count++];

        also->request = op->request;
        load_form(reader, also, node, doc_item(rest, i));
    }
}

/* The other forms share everything but the URL. */
static void share(struct cg_op *op)
{
    for (size_t i = 0; i < op->also_count; i++) {
        const struct cg_op form = op->also[i];

        op->also[i] = *op;
        op->also[i].rpc = NULL;
        op->also[i].also = NULL;
        op->also[i].also_count = 0;
        op->also[i].verb = form.verb;
        op->also[i].path = form.path;
        op->also[i].binds = form.binds;
        op->also[i].bind_count = form.bind_count;
        op->also[i].has_body = form.has_body;
    }
}

/* Who reads and writes the REST form, if it is not plain JSON. */
static void load_codec(struct reader *reader, struct cg_op *op,
                       const struct doc_node *node)
{
    const struct doc_node *codec = setting(reader, node, "codec");
    const char *name = doc_string(codec, "");

    if (!codec || !op->verb)
        return;
    if (!cg_is_snake(name))
        cg_fault(reader->ir, cg_at(reader->file, codec), "ops.codec",
                 "'%s' is not snake_case", name);
    op->codec = cg_text(reader->ir, "%s_%s_codec", reader->api->prefix, name);
}

/* ---- errors ---- */

static void mark_errors(struct reader *reader, const struct doc_node *list,
                        bool *marked)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);
        const char *name = doc_string(item, "");
        const struct cg_error *error = cg_ir_error(reader->ir, name);

        if (error)
            marked[error - reader->ir->errors] = true;
        else
            cg_fault(reader->ir, cg_at(reader->file, item), "ops.error",
                     "'%s' is not in errors.yaml", name);
    }
}

static void load_errors(struct reader *reader, struct cg_op *op,
                        const struct doc_node *node)
{
    const struct cg_ir *ir = reader->ir;
    bool *marked = cg_zalloc(reader->ir, ir->error_count, sizeof *marked);

    mark_errors(reader, doc_get(reader->defaults, "errors"), marked);
    mark_errors(reader, doc_get(node, "errors"), marked);
    op->errors =
        cg_zalloc(reader->ir, ir->error_count, sizeof(struct cg_error *));
    for (size_t i = 0; i < ir->error_count; i++)
        if (marked[i])
            op->errors[op->error_count++] = &ir->errors[i];
}

/* ---- one endpoint ---- */

/* The reply is a message, or `raw` with its media type. */
static void load_reply(struct reader *reader, struct cg_op *op,
                       const struct doc_node *node)
{
    const struct doc_node *response = doc_get(node, "response");

    if (strcmp(doc_string(response, ""), "raw") != 0) {
        op->reply = message(reader, node, "response");
        return;
    }
    op->media =
        cg_load_string(reader->ir, reader->file, node, "ops.media", "media");
    if (op->rpc)
        cg_fault(reader->ir, cg_at(reader->file, response), "ops.reply",
                 "a raw reply has no gRPC form");
}

static void load_behaviour(struct reader *reader, struct cg_op *op,
                           const struct doc_node *node)
{
    op->run = (enum op_run)choice(reader, node, "run", runs);
    op->stream = (enum op_stream)choice(reader, node, "stream", streams);
    op->safety = (enum op_safety)choice(reader, node, "safety", safeties);
    op->own_failure = choice(reader, node, "failure", failures);
    op->refuses = choice(reader, node, "declines", declines);
    op->deadline_ms = (uint32_t)amount(reader, node, "deadline_ms", UINT32_MAX);
    op->max_body = (size_t)amount(reader, node, "max_body", UINT32_MAX);
    if (op->stream != OP_UNARY && op->verb)
        cg_fault(reader->ir, op->at, "ops.stream",
                 "'%s' streams, which REST does not do here", op->name);
    if (op->own_failure && !op->reply)
        cg_fault(reader->ir, op->at, "ops.failure",
                 "'%s' answers failures in a message it does not have",
                 op->name);
}

static void check_rpc(struct reader *reader, const struct cg_op *op)
{
    const struct cg_api *api = reader->api;

    if (!op->rpc)
        return;
    if (!cg_is_pascal(op->rpc))
        cg_fault(reader->ir, op->at, "ops.grpc", "'%s' is not PascalCase",
                 op->rpc);
    if (api->foreign && !api->broken &&
        !cg_foreign_has_method(api->foreign, api->service, op->rpc))
        cg_fault(reader->ir, op->at, "ops.grpc",
                 "'%s' has no method '%s.%s/%s'", api->foreign->file,
                 api->package, api->service, op->rpc);
}

static void load_op(struct reader *reader, const struct doc_entry *entry,
                    struct cg_op *op)
{
    struct cg_ir *ir = reader->ir;
    const struct cg_api *api = reader->api;
    const struct doc_node *node = entry->value;

    *op = (struct cg_op){
        .name = entry->key,
        .id = cg_text(ir, "%s.%s", api->prefix, entry->key),
        .at = {reader->file, entry->line, entry->col},
        .rpc = doc_string(doc_get(node, "grpc"), NULL),
    };
    if (!cg_is_snake(op->name))
        cg_fault(ir, op->at, "ops.name", "'%s' is not snake_case", op->name);
    cg_load_keys(ir, reader->file, node, "ops.key", op_keys);
    op->doc = cg_load_string(ir, reader->file, node, "ops.doc", "doc");
    op->request = message(reader, node, "request");
    check_rpc(reader, op);
    load_rest(reader, op, node);
    load_reply(reader, op, node);
    load_errors(reader, op, node);
    load_behaviour(reader, op, node);
    if (!op->verb && !op->rpc && !doc_get(node, "rest"))
        cg_fault(ir, op->at, "ops.form",
                 "'%s' has neither a REST nor a gRPC form", op->name);
    op->handler = cg_text(ir, "%s_%s", api->handlers, op->name);
    load_codec(reader, op, node);
    op->binary = doc_string(doc_get(node, "binary"), NULL);
    if (op->own_failure)
        op->failer = cg_text(ir, "fail%s_%s", api->handlers + strlen("handle"),
                             op->name);
    share(op);
}

/* ---- the file ---- */

/* "../schema/x.json", as seen from ops/ -> "schema/x.json". */
static const char *from_ops(const char *path)
{
    return strncmp(path, "../", 3) == 0 ? path + 3 : path;
}

static void load_messages(struct reader *reader, const struct doc_node *root,
                          const char *scratch)
{
    struct cg_ir *ir = reader->ir;
    const struct doc_node *list = doc_get(root, "schemas");
    const char *foreign = doc_string(doc_get(root, "foreign"), NULL);
    const char **files = cg_zalloc(ir, doc_count(list), sizeof *files);

    if (!list && !foreign) {
        cg_fault(ir, reader->api->at, "ops.messages",
                 "needs 'schemas' or 'foreign'");
        reader->api->broken = true;
        return;
    }
    for (size_t i = 0; i < doc_count(list); i++)
        files[i] = from_ops(doc_string(doc_item(list, i), ""));
    if (foreign) {
        cg_load_defs(ir, reader->api, files, doc_count(list));
        reader->api->foreign = cg_load_foreign(ir, from_ops(foreign), scratch);
        reader->api->broken =
            !reader->api->foreign || !reader->api->foreign->descriptor.bytes;
        if (!reader->api->broken)
            cg_load_foreign_decls(ir, reader->api);
        return;
    }
    cg_load_schema(ir, reader->api, files, doc_count(list));
}

static struct cg_api *add_api(struct reader *reader,
                              const struct doc_node *root)
{
    struct cg_ir *ir = reader->ir;
    const char *file = reader->file;
    struct cg_api *api = cg_zalloc(ir, 1, sizeof *api);
    const char *handlers = doc_string(doc_get(root, "handlers"), "handle");

    *api = (struct cg_api){
        .package = cg_load_string(ir, file, root, "ops.file", "api"),
        .prefix = cg_load_string(ir, file, root, "ops.file", "prefix"),
        .service = cg_load_string(ir, file, root, "ops.file", "service"),
        .doc = cg_load_string(ir, file, root, "ops.file", "doc"),
        .handlers = handlers,
        .version = doc_string(doc_get(root, "version"), NULL),
        .document = doc_string(doc_get(root, "document"), NULL),
        .failure = doc_string(doc_get(root, "failure"), NULL),
        .at = cg_at(file, root),
    };
    if (strncmp(handlers, "handle", 6) != 0)
        cg_fault(ir, cg_at(file, doc_get(root, "handlers")), "ops.handlers",
                 "'%s' does not start with 'handle'", handlers);
    if (!api->package || !api->prefix || !api->service)
        return NULL;
    if (!cg_is_snake(api->prefix) || !cg_is_pascal(api->service))
        cg_fault(ir, api->at, "ops.file",
                 "the prefix is not snake_case or the service not PascalCase");
    ir->apis = cg_grow(ir, ir->apis, ir->api_count, &ir->api_capacity,
                       sizeof *ir->apis);
    ir->apis[ir->api_count++] = api;
    return api;
}

void cg_load_ops(struct cg_ir *ir, const char *file, const char *scratch)
{
    const struct doc_node *root = cg_load_tree(ir, file);
    const struct doc_node *ops = doc_get(root, "operations");
    struct reader reader = {.ir = ir, .file = cg_load_name(ir, file)};

    if (!root)
        return;
    cg_load_keys(ir, reader.file, root, "ops.key", file_keys);
    reader.defaults = doc_get(root, "defaults");
    cg_load_keys(ir, reader.file, reader.defaults, "ops.key", default_keys);
    reader.api = add_api(&reader, root);
    if (!reader.api)
        return;
    reader.api->file = file;
    load_messages(&reader, root, scratch);
    reader.api->ops = cg_zalloc(ir, doc_count(ops), sizeof *reader.api->ops);
    for (size_t i = 0; i < doc_count(ops); i++)
        load_op(&reader, &ops->entries[i],
                &reader.api->ops[reader.api->op_count++]);
}
