/*
 * Validate: the walk, and what keywords share.
 */
#include "jsonschema/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jsonschema/pattern.h"

/* References may run in circles; an honest schema is not that deep. */
enum { DEPTH_MAX = 1000 };

static const struct {
    const char *name;
    unsigned vocabulary;
    js_keyword *check;
} keywords[] = {
#define KEYWORD(name, vocabulary, function) {name, vocabulary, js_##function},
#include "jsonschema/keywords.def"
#undef KEYWORD
};

bool js_stop(const struct js_visit *visit, enum err_code code,
             const char *format, ...)
{
    struct error *err = visit->run->err;
    char text[256];
    va_list args;

    if (err->code != ERR_NONE)
        return false;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(err, code, "%s", text);
}

/* The path as a JSON pointer, from the root on. */
static const char *pointer(struct arena *arena, const struct js_path *path)
{
    if (!path)
        return "";
    if (path->key)
        return doc_pointer_key(arena, pointer(arena, path->up), path->key);
    return doc_pointer_index(arena, pointer(arena, path->up), path->index);
}

bool js_fault(const struct js_visit *visit, const char *format, ...)
{
    const struct js_run *run = visit->run;
    char text[256];
    va_list args;

    if (!run->report || run->quiet)
        return false;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doc_fault(run->report, "SCHEMA", run->file, visit->instance,
              pointer(run->store->arena, visit->path), "%s", text);
    return false;
}

static unsigned char *new_seen(const struct js_visit *visit)
{
    unsigned char *seen = arena_zalloc(visit->run->store->arena,
                                       doc_count(visit->instance) + 1, 1);

    if (!seen)
        (void)js_stop(visit, ERR_OUT_OF_MEMORY, "no memory for the check");
    return seen;
}

static bool run_keywords(struct js_visit *visit)
{
    unsigned active =
        js_store_vocabularies(visit->run->store, visit->scope->resource);
    bool valid = true;

    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        const struct doc_node *value = doc_get(visit->schema, keywords[i].name);

        if (value && (keywords[i].vocabulary & active) &&
            !keywords[i].check(visit, value))
            valid = false;
    }
    return valid && visit->run->err->code == ERR_NONE;
}

bool js_visit(struct js_visit *visit)
{
    const struct js_scope *outer = visit->scope;
    struct js_resource *own = js_store_at(visit->run->store, visit->schema);
    struct js_scope scope = {own, outer};
    bool valid;

    if (visit->schema->type == DOC_BOOL)
        return visit->schema->boolean || js_fault(visit, "is not allowed");
    if (visit->schema->type != DOC_MAP)
        return js_stop(visit, ERR_DOCUMENT_INVALID,
                       "a schema is neither an object nor a boolean");
    if (visit->run->depth == DEPTH_MAX)
        return js_stop(visit, ERR_DOCUMENT_INVALID,
                       "the schema's references run in circles");
    if (own && own != outer->resource)
        visit->scope = &scope;
    visit->run->depth++;
    valid = run_keywords(visit);
    visit->run->depth--;
    visit->scope = outer;
    return valid;
}

/* ---- other schemas, other instances ---- */

/* `inner` is a visit of the same instance; what it took is taken here too. */
static bool visit_same(const struct js_visit *visit, struct js_visit *inner)
{
    inner->seen = new_seen(visit);
    if (!inner->seen || !js_visit(inner))
        return false;
    for (size_t i = 0; i < doc_count(visit->instance); i++)
        visit->seen[i] |= inner->seen[i];
    return true;
}

bool js_apply(const struct js_visit *visit, const struct doc_node *schema)
{
    struct js_visit inner = *visit;

    inner.schema = schema;
    return visit_same(visit, &inner);
}

bool js_apply_in(const struct js_visit *visit, const struct js_target *target)
{
    const struct js_scope scope = {target->resource, visit->scope};
    struct js_visit inner = *visit;

    inner.schema = target->node;
    inner.scope = &scope;
    return visit_same(visit, &inner);
}

bool js_judge(const struct js_visit *visit, const struct doc_node *schema,
              const struct doc_node *instance)
{
    struct js_visit inner = *visit;

    inner.schema = schema;
    inner.instance = instance;
    inner.seen = new_seen(&inner);
    return inner.seen && js_visit(&inner);
}

bool js_descend(const struct js_visit *visit, const struct doc_node *schema,
                size_t index)
{
    const struct doc_node *instance = visit->instance;
    bool map = instance->type == DOC_MAP;
    const struct js_path path = {
        visit->path, map ? instance->entries[index].key : NULL, index};
    struct js_visit inner = *visit;

    inner.path = &path;
    return js_judge(&inner, schema,
                    map ? instance->entries[index].value
                        : doc_item(instance, index));
}

/* ---- values ---- */

static bool is_number(const struct doc_node *node)
{
    return node->type == DOC_INT || node->type == DOC_NUMBER;
}

static bool equal_children(const struct doc_node *a, const struct doc_node *b)
{
    for (size_t i = 0; i < a->size; i++) {
        const struct doc_node *other =
            a->type == DOC_MAP ? doc_get(b, a->entries[i].key) : b->items[i];
        const struct doc_node *own =
            a->type == DOC_MAP ? a->entries[i].value : a->items[i];

        if (!other || !js_equal(own, other))
            return false;
    }
    return true;
}

bool js_equal(const struct doc_node *a, const struct doc_node *b)
{
    if (a->type == DOC_INT && b->type == DOC_INT)
        return a->integer == b->integer;
    if (is_number(a) && is_number(b))
        return a->number == b->number;
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case DOC_NULL:
        return true;
    case DOC_BOOL:
        return a->boolean == b->boolean;
    case DOC_STRING:
        return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
    case DOC_LIST:
    case DOC_MAP:
        return a->size == b->size && equal_children(a, b);
    case DOC_INT:
    case DOC_NUMBER:
        break;
    }
    return false;
}

bool js_match(const struct js_visit *visit, const char *pattern,
              const char *text, size_t size)
{
    bool matches = false;
    struct error err = {0};

    if (!pattern_search(pattern, text, size, &matches, &err))
        return js_stop(visit, err.code, "%s", err.msg);
    return matches;
}

/* ---- */

bool js_check(struct js_store *store, const char *uri,
              const struct js_instance *instance, struct doc_report *report,
              bool *valid, struct error *err)
{
    struct js_run run = {
        .store = store, .file = instance->file, .report = report, .err = err};
    struct js_target target;

    *err = (struct error){0};
    if (!js_store_find(store, uri, &target, err))
        return false;
    struct js_scope scope = {target.resource, NULL};
    struct js_visit visit = {
        .run = &run,
        .scope = &scope,
        .schema = target.node,
        .instance = instance->root,
    };
    visit.seen = new_seen(&visit);
    *valid = visit.seen && js_visit(&visit);
    return err->code == ERR_NONE;
}
