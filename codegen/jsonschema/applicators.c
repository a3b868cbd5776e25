/*
 * Applicators: keywords that hand the instance, or parts of it, to other
 * schemas, and references.
 */
#include <string.h>

#include "jsonschema/uri.h"
#include "jsonschema/validate.h"

/* ---- references ---- */

static bool find(const struct js_visit *visit, const struct doc_node *value,
                 struct js_target *target, const char **uri)
{
    struct js_store *store = visit->run->store;
    struct error err;

    *uri = js_uri_resolve(store->arena, visit->scope->resource->uri,
                          doc_string(value, ""));
    if (!*uri)
        return js_stop(visit, ERR_OUT_OF_MEMORY, "no memory for the check");
    return js_store_find(store, *uri, target, &err) ||
           js_stop(visit, err.code, "%s", err.msg);
}

bool js_ref(struct js_visit *visit, const struct doc_node *value)
{
    struct js_target target;
    const char *uri;

    return find(visit, value, &target, &uri) && js_apply_in(visit, &target);
}

/* The outermost schema on the way here that has this dynamic anchor. */
static void outermost(const struct js_scope *scope, const char *name,
                      struct js_target *target)
{
    for (; scope; scope = scope->up) {
        const struct js_anchor *anchor = js_anchor_find(scope->resource, name);

        if (anchor && anchor->dynamic)
            *target = (struct js_target){scope->resource, anchor->node};
    }
}

bool js_dynamic_ref(struct js_visit *visit, const struct doc_node *value)
{
    struct js_target target;
    const char *uri, *fragment;

    if (!find(visit, value, &target, &uri))
        return false;
    fragment = strchr(uri, '#');
    if (fragment &&
        strcmp(doc_string(doc_get(target.node, "$dynamicAnchor"), ""),
               fragment + 1) == 0)
        outermost(visit->scope, fragment + 1, &target);
    return js_apply_in(visit, &target);
}

/* ---- logic ---- */

/* js_apply() that may fail without a fault. */
static bool attempt(struct js_visit *visit, const struct doc_node *schema)
{
    bool valid;

    visit->run->quiet++;
    valid = js_apply(visit, schema);
    visit->run->quiet--;
    return valid;
}

bool js_all_of(struct js_visit *visit, const struct doc_node *value)
{
    bool valid = true;

    for (size_t i = 0; i < doc_count(value); i++)
        if (!js_apply(visit, doc_item(value, i)))
            valid = false;
    return valid;
}

/* How many of them hold; all are tried, for each may take members. */
static size_t holding(struct js_visit *visit, const struct doc_node *schemas)
{
    size_t count = 0;

    for (size_t i = 0; i < doc_count(schemas); i++)
        count += attempt(visit, doc_item(schemas, i)) ? 1 : 0;
    return count;
}

bool js_any_of(struct js_visit *visit, const struct doc_node *value)
{
    return holding(visit, value) || js_fault(visit, "fits no alternative");
}

bool js_one_of(struct js_visit *visit, const struct doc_node *value)
{
    size_t count = holding(visit, value);

    return count == 1 ||
           js_fault(visit, "fits %zu alternatives, one is asked for", count);
}

bool js_not(struct js_visit *visit, const struct doc_node *value)
{
    bool fits;

    visit->run->quiet++;
    fits = js_judge(visit, value, visit->instance);
    visit->run->quiet--;
    return !fits || js_fault(visit, "fits what is forbidden");
}

bool js_if(struct js_visit *visit, const struct doc_node *value)
{
    const char *branch = attempt(visit, value) ? "then" : "else";
    const struct doc_node *schema = doc_get(visit->schema, branch);

    return !schema || js_apply(visit, schema);
}

bool js_dependent_schemas(struct js_visit *visit, const struct doc_node *value)
{
    bool valid = true;

    if (visit->instance->type != DOC_MAP)
        return true;
    for (size_t i = 0; i < doc_count(value); i++)
        if (doc_get(visit->instance, value->entries[i].key) &&
            !js_apply(visit, value->entries[i].value))
            valid = false;
    return valid;
}

/* ---- arrays ---- */

/* Children from `first` on; `rest`: only those that nothing took so far. */
static bool each(struct js_visit *visit, const struct doc_node *schema,
                 size_t first, bool rest)
{
    bool valid = true;

    for (size_t i = first; i < doc_count(visit->instance); i++) {
        if (rest && visit->seen[i])
            continue;
        if (!js_descend(visit, schema, i))
            valid = false;
        visit->seen[i] = 1;
    }
    return valid;
}

bool js_prefix_items(struct js_visit *visit, const struct doc_node *value)
{
    bool valid = true;

    if (visit->instance->type != DOC_LIST)
        return true;
    for (size_t i = 0; i < doc_count(value) && i < visit->instance->size; i++) {
        if (!js_descend(visit, doc_item(value, i), i))
            valid = false;
        visit->seen[i] = 1;
    }
    return valid;
}

bool js_items(struct js_visit *visit, const struct doc_node *value)
{
    return visit->instance->type != DOC_LIST ||
           each(visit, value, doc_count(doc_get(visit->schema, "prefixItems")),
                false);
}

bool js_contains(struct js_visit *visit, const struct doc_node *value)
{
    unsigned active =
        js_store_vocabularies(visit->run->store, visit->scope->resource);
    bool counts = (active & JS_VALIDATION) != 0;
    const struct doc_node *least =
        counts ? doc_get(visit->schema, "minContains") : NULL;
    const struct doc_node *most =
        counts ? doc_get(visit->schema, "maxContains") : NULL;
    size_t found = 0;

    if (visit->instance->type != DOC_LIST)
        return true;
    visit->run->quiet++;
    for (size_t i = 0; i < visit->instance->size; i++)
        if (js_descend(visit, value, i)) {
            visit->seen[i] = 1;
            found++;
        }
    visit->run->quiet--;
    return ((double)found >= doc_number(least, 1) &&
            (!most || (double)found <= doc_number(most, 0))) ||
           js_fault(visit, "%zu items are of the kind that must occur", found);
}

bool js_unevaluated_items(struct js_visit *visit, const struct doc_node *value)
{
    return visit->instance->type != DOC_LIST || each(visit, value, 0, true);
}

/* ---- objects ---- */

bool js_properties(struct js_visit *visit, const struct doc_node *value)
{
    const struct doc_node *instance = visit->instance;
    bool valid = true;

    for (size_t i = 0; instance->type == DOC_MAP && i < instance->size; i++) {
        const struct doc_node *schema =
            doc_get(value, instance->entries[i].key);

        if (!schema)
            continue;
        if (!js_descend(visit, schema, i))
            valid = false;
        visit->seen[i] = 1;
    }
    return valid;
}

static bool fits(const struct js_visit *visit, const char *pattern,
                 const char *key)
{
    return js_match(visit, pattern, key, strlen(key));
}

bool js_pattern_properties(struct js_visit *visit, const struct doc_node *value)
{
    const struct doc_node *instance = visit->instance;
    bool valid = true;

    for (size_t i = 0; instance->type == DOC_MAP && i < instance->size; i++)
        for (size_t k = 0; k < doc_count(value); k++) {
            if (!fits(visit, value->entries[k].key, instance->entries[i].key))
                continue;
            if (!js_descend(visit, value->entries[k].value, i))
                valid = false;
            visit->seen[i] = 1;
        }
    return valid;
}

/* `properties` or `patternProperties` beside the keyword speak of this key. */
static bool is_named(const struct js_visit *visit, const char *key)
{
    const struct doc_node *patterns =
        doc_get(visit->schema, "patternProperties");

    if (doc_get(doc_get(visit->schema, "properties"), key))
        return true;
    for (size_t i = 0; i < doc_count(patterns); i++)
        if (fits(visit, patterns->entries[i].key, key))
            return true;
    return false;
}

bool js_additional(struct js_visit *visit, const struct doc_node *value)
{
    const struct doc_node *instance = visit->instance;
    bool valid = true;

    for (size_t i = 0; instance->type == DOC_MAP && i < instance->size; i++) {
        if (is_named(visit, instance->entries[i].key))
            continue;
        if (!js_descend(visit, value, i))
            valid = false;
        visit->seen[i] = 1;
    }
    return valid;
}

bool js_property_names(struct js_visit *visit, const struct doc_node *value)
{
    const struct doc_node *instance = visit->instance;
    bool valid = true;

    for (size_t i = 0; instance->type == DOC_MAP && i < instance->size; i++) {
        const struct doc_entry *entry = &instance->entries[i];
        const struct doc_node name = {.type = DOC_STRING,
                                      .line = entry->line,
                                      .col = entry->col,
                                      .text = entry->key,
                                      .size = strlen(entry->key)};

        if (!js_judge(visit, value, &name))
            valid = js_fault(visit, "'%s' is no name here", entry->key);
    }
    return valid;
}

bool js_unevaluated_properties(struct js_visit *visit,
                               const struct doc_node *value)
{
    return visit->instance->type != DOC_MAP || each(visit, value, 0, true);
}
