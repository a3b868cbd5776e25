/*
 * Store: finds the $id's and anchors of a schema when it is added. Only where
 * the specification says that a schema stands: an $id inside an enum is text.
 */
#include "jsonschema/store.h"

#include <string.h>

#include "jsonschema/uri.h"

void js_init(struct js_store *store, struct arena *arena)
{
    *store = (struct js_store){.arena = arena};
}

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the schema");
}

/* Room for one more of `size` bytes; NULL when memory is out. */
static void *grow(struct arena *arena, void *items, size_t count,
                  size_t *capacity, size_t size)
{
    void *grown;

    if (count < *capacity)
        return items;
    grown = arena_zalloc(arena, *capacity ? 2 * *capacity : 8, size);
    if (!grown)
        return NULL;
    *capacity = *capacity ? 2 * *capacity : 8;
    if (count)
        memcpy(grown, items, count * size);
    return grown;
}

/* ---- adding ---- */

/* Keywords whose value is a schema, a list of schemas, a map of schemas. */
static const char *const single[] = {"additionalProperties",
                                     "contains",
                                     "contentSchema",
                                     "else",
                                     "if",
                                     "items",
                                     "not",
                                     "propertyNames",
                                     "then",
                                     "unevaluatedItems",
                                     "unevaluatedProperties"};
static const char *const listed[] = {"allOf", "anyOf", "oneOf", "prefixItems"};
static const char *const mapped[] = {"$defs", "dependentSchemas",
                                     "patternProperties", "properties"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* One schema being looked through; `resource` is an index, for the array of
 * resources moves when it grows. */
struct place {
    struct js_store *store;
    size_t resource;
};

static bool walk(struct place place, const struct doc_node *schema,
                 struct error *err);

static bool add_resource(struct js_store *store, const char *uri,
                         const struct doc_node *root, const char *dialect,
                         struct error *err)
{
    const char *own = doc_string(doc_get(root, "$schema"), NULL);

    store->resources = grow(store->arena, store->resources, store->count,
                            &store->capacity, sizeof *store->resources);
    if (!store->resources || !uri)
        return no_memory(err);
    store->resources[store->count++] = (struct js_resource){
        .uri = arena_copy(store->arena, uri, js_uri_stem(uri)),
        .root = root,
        .dialect = own ? own : dialect,
    };
    return store->resources[store->count - 1].uri || no_memory(err);
}

static bool add_anchor(struct place place, const struct doc_node *schema,
                       const char *keyword, struct error *err)
{
    struct js_resource *resource = &place.store->resources[place.resource];
    const struct doc_node *name = doc_get(schema, keyword);

    if (!name)
        return true;
    if (name->type != DOC_STRING)
        return fail(err, ERR_DOCUMENT_INVALID, "'%s' is no string", keyword);
    resource->anchors =
        grow(place.store->arena, resource->anchors, resource->anchor_count,
             &resource->anchor_capacity, sizeof *resource->anchors);
    if (!resource->anchors)
        return no_memory(err);
    resource->anchors[resource->anchor_count++] = (struct js_anchor){
        name->text, schema, strcmp(keyword, "$dynamicAnchor") == 0};
    return true;
}

/* A schema with an $id is a resource of its own. */
static bool enter(struct place *place, const struct doc_node *schema,
                  struct error *err)
{
    const struct js_resource *around =
        &place->store->resources[place->resource];
    const struct doc_node *id = doc_get(schema, "$id");

    if (!id || around->root == schema)
        return true;
    if (id->type != DOC_STRING)
        return fail(err, ERR_DOCUMENT_INVALID, "'$id' is no string");
    if (!add_resource(
            place->store,
            js_uri_resolve(place->store->arena, around->uri, id->text), schema,
            around->dialect, err))
        return false;
    place->resource = place->store->count - 1;
    return true;
}

static bool walk_all(struct place place, const struct doc_node *schemas,
                     struct error *err)
{
    bool map = schemas && schemas->type == DOC_MAP;

    for (size_t i = 0; i < doc_count(schemas); i++)
        if (!walk(place, map ? schemas->entries[i].value : doc_item(schemas, i),
                  err))
            return false;
    return true;
}

static bool walk(struct place place, const struct doc_node *schema,
                 struct error *err)
{
    if (!schema || schema->type != DOC_MAP)
        return true;
    if (!enter(&place, schema, err) ||
        !add_anchor(place, schema, "$anchor", err) ||
        !add_anchor(place, schema, "$dynamicAnchor", err))
        return false;
    for (size_t i = 0; i < COUNT(single); i++)
        if (!walk(place, doc_get(schema, single[i]), err))
            return false;
    for (size_t i = 0; i < COUNT(listed); i++)
        if (!walk_all(place, doc_get(schema, listed[i]), err))
            return false;
    for (size_t i = 0; i < COUNT(mapped); i++)
        if (!walk_all(place, doc_get(schema, mapped[i]), err))
            return false;
    return true;
}

bool js_add(struct js_store *store, const char *uri,
            const struct doc_node *schema, struct error *err)
{
    const char *id = doc_string(doc_get(schema, "$id"), "");
    const char *own = js_uri_resolve(store->arena, uri, id);
    size_t first = store->count;

    if (!own)
        return no_memory(err);
    if (!add_resource(store, own, schema, NULL, err) ||
        !walk((struct place){store, first}, schema, err))
        return false;
    if (strcmp(store->resources[first].uri, uri) == 0)
        return true;
    /* also under the name it was added by, with the same anchors */
    if (!add_resource(store, uri, schema, NULL, err))
        return false;
    store->resources[store->count - 1] = store->resources[first];
    store->resources[store->count - 1].uri = arena_strdup(store->arena, uri);
    return store->resources[store->count - 1].uri || no_memory(err);
}

/* ---- finding ---- */

struct js_resource *js_store_at(struct js_store *store,
                                const struct doc_node *node)
{
    for (size_t i = 0; i < store->count; i++)
        if (store->resources[i].root == node)
            return &store->resources[i];
    return NULL;
}

static struct js_resource *find_resource(struct js_store *store,
                                         const char *uri, size_t size)
{
    for (size_t i = 0; i < store->count; i++)
        if (strlen(store->resources[i].uri) == size &&
            memcmp(store->resources[i].uri, uri, size) == 0)
            return &store->resources[i];
    return NULL;
}

const struct js_anchor *js_anchor_find(const struct js_resource *resource,
                                       const char *name)
{
    for (size_t i = 0; i < resource->anchor_count; i++)
        if (strcmp(resource->anchors[i].name, name) == 0)
            return &resource->anchors[i];
    return NULL;
}

/* Follows a JSON pointer; schemas with an $id on the way change the resource. */
static void follow(struct js_store *store, const char *pointer,
                   struct js_target *target)
{
    const char *end;

    for (; target->node && *pointer; pointer = end) {
        char step[512];
        size_t size = strcspn(pointer + 1, "/");
        struct js_resource *inside;

        end = pointer + 1 + size;
        if (size + 2 > sizeof step) {
            target->node = NULL;
            return;
        }
        memcpy(step, pointer, size + 1);
        step[size + 1] = '\0';
        target->node = doc_find(target->node, step);
        inside = target->node ? js_store_at(store, target->node) : NULL;
        if (inside)
            target->resource = inside;
    }
}

bool js_store_find(struct js_store *store, const char *uri,
                   struct js_target *target, struct error *err)
{
    struct js_resource *resource = find_resource(store, uri, js_uri_stem(uri));
    const char *fragment = js_uri_fragment(store->arena, uri);
    const struct js_anchor *anchor;

    if (!fragment)
        return no_memory(err);
    *target = (struct js_target){resource, resource ? resource->root : NULL};
    if (resource && *fragment == '/') {
        follow(store, fragment, target);
    } else if (resource && *fragment) {
        anchor = js_anchor_find(resource, fragment);
        target->node = anchor ? anchor->node : NULL;
    }
    return target->node ||
           fail(err, ERR_DOCUMENT_INVALID, "'%s' leads to no schema", uri);
}

/* ---- vocabularies ---- */

unsigned js_store_vocabularies(struct js_store *store,
                               struct js_resource *resource)
{
    static const struct {
        const char *uri;
        unsigned vocabulary;
    } known[] = {
        {"https://json-schema.org/draft/2020-12/vocab/applicator",
         JS_APPLICATOR},
        {"https://json-schema.org/draft/2020-12/vocab/unevaluated",
         JS_UNEVALUATED},
        {"https://json-schema.org/draft/2020-12/vocab/validation",
         JS_VALIDATION},
    };
    const char *dialect = resource->dialect ? resource->dialect : js_meta;
    const struct js_resource *meta;
    const struct doc_node *list;

    if (resource->vocabularies)
        return resource->vocabularies;
    meta = find_resource(store, dialect, js_uri_stem(dialect));
    list = meta ? doc_get(meta->root, "$vocabulary") : NULL;
    resource->vocabularies = JS_CORE;
    for (size_t i = 0; i < COUNT(known); i++)
        if (!list || doc_get(list, known[i].uri))
            resource->vocabularies |= known[i].vocabulary;
    return resource->vocabularies;
}
