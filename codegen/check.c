/*
 * Check: first gives every part its spellings, then looks for what no output
 * could carry: names that clash, things named and not there.
 */
#include "check.h"

#include <string.h>

#include "names.h"

/* ---- names ---- */

/* "Outer.Inner" -> "OuterInner" */
static const char *without_dots(struct cg_ir *ir, const char *name)
{
    char *out = cg_text(ir, "%s", name);
    size_t at = 0;

    for (; *name; name++)
        if (*name != '.')
            out[at++] = *name;
    out[at] = '\0';
    return out;
}

static void name_decl(struct cg_ir *ir, const struct cg_api *api,
                      struct cg_decl *decl)
{
    const char *full = cg_text(ir, "%s.%s", api->c_package, decl->name);

    decl->full = cg_text(ir, "%s.%s", api->package, decl->name);
    decl->c_type = cg_c_type(ir, full);
    decl->c_base = cg_c_base(ir, full);
    decl->alias = cg_text(ir, "%s_%s", api->prefix,
                          cg_snake(ir, without_dots(ir, decl->name)));
    for (size_t i = 0; i < decl->field_count; i++)
        if (decl->fields[i].kind == MSG_TIME)
            decl->uses_time = true;
}

void cg_name(struct cg_ir *ir)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        struct cg_api *api = ir->apis[i];

        api->c_package = api->foreign ? api->package : api->prefix;
        api->proto = api->foreign
                         ? api->foreign->canonical
                         : cg_proto_path(ir, api->package,
                                         cg_text(ir, "%s.proto", api->prefix));
        for (size_t k = 0; k < api->decl_count; k++) {
            name_decl(ir, api, api->decls[k]);
            api->uses_time = api->uses_time || api->decls[k]->uses_time;
        }
    }
}

/* ---- messages ---- */

static void check_field(struct cg_ir *ir, const struct cg_decl *decl,
                        size_t index)
{
    const struct cg_field *field = &decl->fields[index];
    const char *hazard = cg_name_hazard(field->name);

    if (!cg_is_snake(field->json))
        cg_fault(ir, field->at, "name.case", "'%s' is not snake_case",
                 field->json);
    if (hazard)
        cg_fault(ir, field->at, "name.hazard", "'%s' %s", field->name, hazard);
    if (field->card == MSG_LIST &&
        (field->limits.min_size || field->limits.max_size))
        cg_fault(ir, field->at, "schema.limit",
                 "'%s' limits the length of its elements, which no table "
                 "holds",
                 field->json);
    if (field->card == MSG_MAP &&
        cg_api_decl(decl->api, cg_text(ir, "%s%sEntry", decl->name,
                                       cg_pascal(ir, field->name))))
        cg_fault(ir, field->at, "name.twin",
                 "'%s' has entries spelt like a message", field->json);
    for (size_t i = 0; i < index; i++)
        if (strcmp(decl->fields[i].c_name, field->c_name) == 0)
            cg_fault(ir, field->at, "name.twin",
                     "'%s' and '%s' are spelt alike in C", field->json,
                     decl->fields[i].json);
}

static void check_enum(struct cg_ir *ir, const struct cg_decl *decl)
{
    for (size_t i = 0; i < decl->value_count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(decl->values[i].name, decl->values[k].name) == 0)
                cg_fault(ir, decl->values[i].at, "name.twin",
                         "'%s' and '%s' are spelt alike in C",
                         decl->values[i].json, decl->values[k].json);
}

/*
 * What a JSON reader sees of an alternative: its JSON type, for a list with
 * the type of its elements. Bytes are never chosen when reading.
 */
static const char *seen_as(const struct cg_field *field)
{
    switch (field->kind) {
    case MSG_BOOL:
        return "boolean";
    case MSG_I32:
    case MSG_U32:
    case MSG_I64:
    case MSG_U64:
    case MSG_F32:
    case MSG_F64:
        return "number";
    case MSG_STR:
    case MSG_TIME:
    case MSG_ENUM:
        return "string";
    case MSG_BYTES:
        return "";
    case MSG_JSON:
        return "anything";
    case MSG_MSG:
        break;
    }
    if (field->decl->field_count == 1 &&
        field->decl->fields[0].card == MSG_LIST)
        return seen_as(&field->decl->fields[0]);
    return "object";
}

static bool is_list(const struct cg_field *field)
{
    return field->kind == MSG_MSG && field->decl->field_count == 1 &&
           field->decl->fields[0].card == MSG_LIST;
}

static void check_union(struct cg_ir *ir, const struct cg_decl *decl)
{
    for (size_t i = 0; i < decl->field_count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct cg_field *a = &decl->fields[k];
            const struct cg_field *b = &decl->fields[i];

            if (*seen_as(b) && strcmp(seen_as(a), seen_as(b)) == 0 &&
                is_list(a) == is_list(b))
                cg_fault(ir, b->at, "schema.union",
                         "'%s' and '%s' look the same in JSON", a->json,
                         b->json);
        }
}

static void check_decl(struct cg_ir *ir, const struct cg_decl *decl)
{
    if (strcmp(decl->name, "Error") == 0 && !decl->foreign)
        cg_fault(ir, decl->at, "schema.name",
                 "'Error' is the common failure in OpenAPI");
    for (size_t i = 0; i < decl->field_count && !decl->foreign; i++)
        check_field(ir, decl, i);
    check_enum(ir, decl);
    if (decl->shape == MSG_UNTAGGED)
        check_union(ir, decl);
}

/* ---- endpoints ---- */

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* REST form `index` of an endpoint: 0 is its own, then the others. */
static const struct cg_op *form(const struct cg_op *op, size_t index)
{
    return index == 0 ? op : &op->also[index - 1];
}

static void check_pair(struct cg_ir *ir, const struct cg_op *a,
                       const struct cg_op *b)
{
    for (size_t i = 0; i <= a->also_count; i++)
        for (size_t k = 0; k <= b->also_count; k++)
            if (same(form(a, i)->verb, form(b, k)->verb) &&
                same(form(a, i)->path, form(b, k)->path))
                cg_fault(ir, b->at, "ops.route", "'%s %s' is also '%s'",
                         form(b, k)->verb, form(b, k)->path, a->id);
    if (same(a->rpc, b->rpc))
        cg_fault(ir, b->at, "ops.route", "method '%s' is also '%s'", b->rpc,
                 a->id);
}

/* Two handlers of one name cannot be linked into one program. */
static void check_handler(struct cg_ir *ir, const struct cg_api *api,
                          const struct cg_op *op)
{
    for (size_t i = 0; i < ir->api_count && ir->apis[i] != api; i++)
        for (size_t k = 0; k < ir->apis[i]->op_count; k++)
            if (same(ir->apis[i]->ops[k].handler, op->handler))
                cg_fault(ir, op->at, "ops.handler", "'%s' also serves '%s'",
                         op->handler, ir->apis[i]->ops[k].id);
}

/* A file's name and package belong to one API. */
static void check_prefix(struct cg_ir *ir, const struct cg_api *api)
{
    for (size_t i = 0; i < ir->api_count && ir->apis[i] != api; i++)
        if (same(ir->apis[i]->prefix, api->prefix) ||
            same(ir->apis[i]->package, api->package))
            cg_fault(ir, api->at, "ops.file",
                     "'%s' has the prefix or package of another file",
                     api->prefix);
}

/* ---- OpenAPI documents ---- */

static const struct cg_api *find_api(const struct cg_ir *ir, const char *prefix)
{
    for (size_t i = 0; i < ir->api_count; i++)
        if (same(ir->apis[i]->prefix, prefix))
            return ir->apis[i];
    return NULL;
}

/* Two APIs of one document have no component in common. */
static void check_components(struct cg_ir *ir, const struct cg_api *a,
                             const struct cg_api *b)
{
    for (size_t i = 0; i < b->defs_count; i++)
        for (size_t k = 0; k < doc_count(b->defs[i]); k++)
            if (cg_api_def(a, b->defs[i]->entries[k].key))
                cg_fault(ir, b->at, "ops.document", "'%s' is also in '%s'",
                         b->defs[i]->entries[k].key, a->file);
}

/* What a foreign message is in JSON has to be said. */
static void check_json(struct cg_ir *ir, const struct cg_api *api,
                       const struct cg_op *op)
{
    if (!api->foreign || !api->document || !op->verb)
        return;
    if (op->has_body && !cg_api_def(api, op->request->name))
        cg_fault(ir, op->at, "ops.document", "'%s' is in no schema",
                 op->request->name);
    if (op->reply && !cg_api_def(api, op->reply->name))
        cg_fault(ir, op->at, "ops.document", "'%s' is in no schema",
                 op->reply->name);
}

static void check_document(struct cg_ir *ir, const struct cg_api *api)
{
    const struct cg_api *of =
        api->document ? find_api(ir, api->document) : NULL;

    if (api->failure && !cg_api_def(api, api->failure))
        cg_fault(ir, api->at, "ops.failure", "'%s' is in no schema",
                 api->failure);
    if (!api->document)
        return;
    if (!of || of->document || of->foreign)
        cg_fault(ir, api->at, "ops.document",
                 "'%s' is no API with a document of its own", api->document);
    for (size_t i = 0; i < ir->api_count && ir->apis[i] != api; i++)
        if (same(ir->apis[i]->document, api->document))
            check_components(ir, ir->apis[i], api);
    if (of)
        check_components(ir, of, api);
}

void cg_check(struct cg_ir *ir)
{
    for (size_t i = 0; i < ir->api_count; i++) {
        const struct cg_api *api = ir->apis[i];

        check_prefix(ir, api);
        check_document(ir, api);
        for (size_t k = 0; k < api->decl_count; k++)
            check_decl(ir, api->decls[k]);
        for (size_t k = 0; k < api->op_count; k++) {
            check_handler(ir, api, &api->ops[k]);
            check_json(ir, api, &api->ops[k]);
            for (size_t j = 0; j < k; j++)
                check_pair(ir, &api->ops[j], &api->ops[k]);
        }
    }
}
