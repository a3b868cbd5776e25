/*
 * Model: see model.h.
 */
#include "model.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>

#include "fetch.h"
#include "names.h"
#include "out.h"

static const struct {
    const char *name, *ending;
    cg_model_writer *write;
} languages[] = {
#define LANGUAGE(name, ending) {#name, ending, cg_model_##name},
#include "languages.def"
#undef LANGUAGE
};

/* ---- load ---- */

/* The path of the service document, or NULL after a fault. */
static const char *find_service(struct cg_ir *ir, const char *dir)
{
    DIR *folder = opendir(dir);
    const char *found = NULL;
    const struct dirent *entry;
    size_t count = 0;

    while (folder && (entry = readdir(folder)))
        if (bundle_names_kind(entry->d_name, BUNDLE_MODELSERVICE)) {
            found = cg_text(ir, "%s/%s", dir, entry->d_name);
            count++;
        }
    if (folder)
        (void)closedir(folder);
    if (count == 1)
        return found;
    cg_fault(ir, (struct cg_loc){.file = dir}, "bundle",
             "holds %zu documents of kind ModelService", count);
    return NULL;
}

static const struct doc_node *parse(struct cg_ir *ir, const char *file,
                                    const struct buf *text, bool is_json)
{
    const char *bytes = text->data ? text->data : "";
    const struct doc_node *root;
    struct doc_report report;

    doc_report_init(&report, &ir->arena);
    root = is_json
               ? doc_parse_json(file, bytes, text->size, &ir->arena, &report)
               : doc_parse_yaml(file, bytes, text->size, DOC_YAML_CORE,
                                &ir->arena, &report);
    for (size_t i = 0; i < report.count; i++)
        if (report.issues[i].severity == DOC_FAULT)
            cg_fault(ir,
                     (struct cg_loc){file, report.issues[i].line,
                                     report.issues[i].col},
                     "syntax", "%s", report.issues[i].message);
    return report.faults ? NULL : root;
}

static const char *need(struct cg_ir *ir, const char *file,
                        const struct doc_node *root, const char *path)
{
    const struct doc_node *node = doc_at(root, path);

    if (node && node->type == DOC_STRING && node->size)
        return node->text;
    cg_fault(ir, cg_at(file, root), "bundle", "needs the text '%s'", path);
    return "";
}

/* A text that becomes part of a program: letters, digits and `more` only, as
 * the schema has it; a bundle need not have been validated. */
static const char *need_name(struct cg_ir *ir, const char *file,
                             const struct doc_node *root, const char *path,
                             const char *more)
{
    const char *name = need(ir, file, root, path);

    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(more, *c)) {
            cg_fault(ir, cg_at(file, doc_at(root, path)), "bundle",
                     "'%s' can only have letters, digits and %s", path, more);
            break;
        }
    return name;
}

/* Every item has a name and a type, and no name is there twice. */
static void check_items(struct cg_ir *ir, const char *file,
                        const struct doc_node *list)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);
        const char *name = need_name(ir, file, item, "name", "_");

        (void)need_name(ir, file, item, "type", "<>");
        if (isdigit((unsigned char)*name))
            cg_fault(ir, cg_at(file, item), "bundle",
                     "'%s' begins with a digit", name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, cg_model_name(doc_item(list, k))) == 0)
                cg_fault(ir, cg_at(file, item), "bundle", "'%s' is there twice",
                         name);
    }
}

/* Takes the model out of its ModelService. */
static bool describe(struct cg_ir *ir, const char *file,
                     const struct doc_node *root, const struct identity *is,
                     struct cg_model *model)
{
    const struct doc_node *types;

    *model = (struct cg_model){
        .name = need_name(ir, file, root, "metadata.name", "._-"),
        .version = need(ir, file, root, "metadata.version"),
        .is = *is,
        .doc = doc_string(doc_at(root, "metadata.description"), "A model."),
        .spec = doc_get(root, "spec"),
        .inputs = doc_at(root, "spec.signature.inputs"),
        .parameters = doc_at(root, "spec.signature.parameters"),
        .outputs = doc_at(root, "spec.signature.outputs")};
    types =
        doc_get(doc_item(doc_at(root, "spec.capabilities"), 0), "inputTypes");
    model->input_type = doc_string(doc_item(types, 0), "");
    if (!*model->input_type || !doc_count(model->outputs))
        cg_fault(ir, cg_at(file, root), "bundle",
                 "declares no input type or no outputs");
    check_items(ir, file, model->inputs);
    check_items(ir, file, model->parameters);
    check_items(ir, file, model->outputs);
    return ir->fault_count == 0;
}

/* ---- from a folder ---- */

bool cg_model_load(struct cg_ir *ir, const char *dir, struct cg_model *model)
{
    const char *file = find_service(ir, dir);
    const struct doc_node *root = NULL;
    struct identity is;
    struct buf text = {0};
    struct error err;

    if (!file)
        return false;
    if (cg_file_read(file, &text, &err))
        root = parse(ir, file, &text,
                     strcmp(file + strlen(file) - 5, ".json") == 0);
    else
        cg_fault(ir, (struct cg_loc){.file = file}, "file", "%s", err.msg);
    buf_release(&text);
    if (!root)
        return false;
    if (!identity_read(dir, NULL, &is, &err)) {
        cg_fault(ir, (struct cg_loc){.file = dir}, "bundle", "%s", err.msg);
        return false;
    }
    return describe(ir, file, root, &is, model);
}

/* ---- from a server ---- */

/* A document of the server, or NULL after a fault. */
static const struct doc_node *fetch(struct cg_ir *ir, const char *url)
{
    const struct doc_node *root = NULL;
    struct buf body = {0};
    bool is_json = false;
    struct error err;

    if (cg_fetch(url, &body, &is_json, &err))
        root = parse(ir, url, &body, is_json);
    else
        cg_fault(ir, (struct cg_loc){.file = url}, "server", "%s", err.msg);
    buf_release(&body);
    return root;
}

/* A digest becomes part of a program, too. */
static bool take_digest(const struct doc_node *info, const char *key,
                        char digest[IDENTITY_TEXT])
{
    static const char prefix[] = "sha256:";
    const char *text = doc_string(doc_get(info, key), "");
    size_t size = sizeof prefix - 1;

    if (strlen(text) != IDENTITY_TEXT - 1 || strncmp(text, prefix, size) != 0 ||
        strspn(text + size, "0123456789abcdef") != IDENTITY_TEXT - 1 - size)
        return false;
    memcpy(digest, text, IDENTITY_TEXT);
    return true;
}

bool cg_model_fetch(struct cg_ir *ir, const char *url, struct cg_model *model)
{
    size_t size = strlen(url);
    const char *file, *about;
    const struct doc_node *info, *root;
    struct identity is;

    while (size && url[size - 1] == '/')
        size--;
    about = cg_text(ir, "%.*s/info", (int)size, url);
    file = cg_text(ir, "%.*s/model/service", (int)size, url);
    info = fetch(ir, about);
    root = info ? fetch(ir, file) : NULL;
    if (!root)
        return false;
    if (!take_digest(info, "bundle_digest", is.bundle) ||
        !take_digest(info, "model_digest", is.model) ||
        !take_digest(info, "documents_digest", is.documents)) {
        cg_fault(ir, (struct cg_loc){.file = about}, "server",
                 "tells no digests; a service that starts does later");
        return false;
    }
    return describe(ir, file, root, &is, model);
}

/* ---- for writers ---- */

bool cg_model_required(const struct doc_node *item, bool parameter)
{
    return doc_bool(doc_get(item, "required"), !parameter);
}

const char *cg_model_name(const struct doc_node *item)
{
    return doc_string(doc_get(item, "name"), "");
}

const char *cg_model_type(const struct doc_node *item)
{
    return doc_string(doc_get(item, "type"), "");
}

/* Arrays are numbers whatever they say, as the server writes them. */
bool cg_model_encoded(const struct doc_node *output)
{
    return strcmp(doc_string(doc_get(output, "encoding"), ""), "string") == 0 &&
           strncmp(cg_model_type(output), "array<", strlen("array<")) != 0;
}

const char *cg_model_class(struct cg_ir *ir, const struct cg_model *model,
                           const char *const *taken)
{
    const char *name = cg_pascal(ir, cg_word(ir, model->name));
    bool free = !isdigit((unsigned char)*name);

    for (; *taken; taken++)
        free = free && strcmp(*taken, name) != 0;
    return free ? name : cg_text(ir, "Model%s", name);
}

const char *cg_model_given(const struct doc_node *output)
{
    return cg_model_encoded(output) ? "string" : cg_model_type(output);
}

long long cg_model_length(const struct doc_node *output)
{
    return doc_get(output, "dimensions")
               ? 0
               : (long long)doc_integer(doc_get(output, "length"), 0);
}

static void put_range(struct buf *to, const char *word,
                      const struct doc_node *range)
{
    if (doc_get(range, "min") && doc_get(range, "max"))
        buf_printf(to, "; %s %.6g to %.6g", word,
                   doc_number(doc_get(range, "min"), 0),
                   doc_number(doc_get(range, "max"), 0));
}

/* What the item may be: "0 to 5", "at most 64 bytes", "one of "a", "b"". */
static void put_limits(struct buf *to, const struct doc_node *item)
{
    const struct doc_node *least = doc_get(item, "minimum");
    const struct doc_node *most = doc_get(item, "maximum");
    const struct doc_node *values = doc_get(item, "enum");

    if (least && most)
        buf_printf(to, "; %.6g to %.6g", doc_number(least, 0),
                   doc_number(most, 0));
    else if (least || most)
        buf_printf(to, "; at %s %.6g", least ? "least" : "most",
                   doc_number(least ? least : most, 0));
    if (doc_get(item, "maxBytes"))
        buf_printf(to, "; at most %lld bytes",
                   (long long)doc_integer(doc_get(item, "maxBytes"), 0));
    if (doc_get(item, "length"))
        buf_printf(to, "; %lld elements",
                   (long long)doc_integer(doc_get(item, "length"), 0));
    for (size_t i = 0; i < doc_count(values); i++) {
        buf_string(to, i ? ", " : "; one of ");
        doc_write_json(doc_item(values, i), to);
    }
}

const char *cg_model_doc(struct cg_ir *ir, const struct cg_model *model,
                         const struct doc_node *item)
{
    const char *property = doc_string(doc_get(item, "property"), NULL);
    const char *unit = doc_string(doc_get(item, "unit"), NULL);
    const char *doc = doc_string(doc_get(item, "description"), NULL);
    const struct doc_node *ranges = NULL;
    struct buf text = {0};
    const char *out;

    if (property)
        ranges = doc_get(doc_at(model->spec, "ranges.properties"), property);
    if (!doc)
        doc = doc_string(doc_get(ranges, "name"), NULL);
    buf_printf(&text, "%s%s%s%s", doc ? doc : "", doc ? "; " : "",
               cg_model_type(item), cg_model_encoded(item) ? " as text" : "");
    if (unit)
        buf_printf(&text, " in %s", unit);
    put_limits(&text, item);
    put_range(&text, "trained on", doc_get(ranges, "training"));
    put_range(&text, "reliable from", doc_get(ranges, "reliable"));
    out = cg_text(ir, "%s", text.data ? text.data : "");
    buf_release(&text);
    return out;
}

const char *cg_model_example(struct cg_ir *ir, const struct cg_model *model,
                             size_t index)
{
    const struct doc_node *list = doc_get(model->spec, "examples");
    const struct doc_node *item = doc_item(list, index);
    struct buf line = {0};
    const char *out;

    if (!item || index > 2)
        return "";
    buf_printf(&line, "%s%s: ", index ? "" : "For example ",
               doc_string(doc_get(item, "name"), ""));
    if (doc_get(item, "data"))
        doc_write_json(doc_get(item, "data"), &line);
    if (doc_at(item, "expect.values")) {
        buf_string(&line, " gives ");
        doc_write_json(doc_at(item, "expect.values"), &line);
    }
    out = cg_text(ir, "%s", line.data ? line.data : "");
    buf_release(&line);
    return out;
}

/* ---- command ---- */

bool cg_model_client(struct cg_ir *ir, const struct cg_model_source *source,
                     const char *out, struct error *err)
{
    struct buf text = {0};
    struct cg_model model;
    size_t at = 0;
    bool ok;

    while (at < sizeof languages / sizeof *languages &&
           strcmp(languages[at].name, source->language) != 0)
        at++;
    if (at == sizeof languages / sizeof *languages)
        return fail(err, ERR_INVALID_INPUT, "there is no language '%s'",
                    source->language);
    if (!(source->url ? cg_model_fetch(ir, source->url, &model)
                      : cg_model_load(ir, source->dir, &model)))
        return true; /* the faults say why */
    languages[at].write(ir, &model, &text);
    ok = buf_ok(&text) || fail(err, ERR_OUT_OF_MEMORY, "no memory");
    if (ir->fault_count) { /* the language cannot say something of it */
        buf_release(&text);
        return true;
    }
    ok = ok && cg_file_write(cg_text(ir, "%s/%s%s", out,
                                     cg_snake(ir, cg_word(ir, model.name)),
                                     languages[at].ending),
                             text.data, text.size, err);
    buf_release(&text);
    return ok;
}
