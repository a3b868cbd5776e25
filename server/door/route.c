/*
 * Route: a sorted list of fixed paths, a short list of templates, a sorted list
 * of gRPC methods.
 *
 * A path is decoded segment by segment into one text whose only slashes are
 * the real ones, so fixed paths are found by comparing texts.
 */
#include "route.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "route_path.h"

enum { ALLOW_MAX = 128 };

struct rest_route {
    const struct op_def *op;
    const char *path; /* op->path, or an alias */
    struct route_segment segments[ROUTE_SEGMENTS_MAX];
    size_t count;
};

struct route_table {
    struct rest_route *fixed; /* by path, then verb */
    size_t fixed_count;
    struct rest_route *templates; /* in the order of the tables */
    size_t template_count;
    const struct op_def **methods; /* by gRPC method */
    size_t method_count;
};

/* ---- making the table ---- */

static int bind_index(const struct op_def *op, const char *name, size_t size)
{
    for (size_t i = 0; i < op->bind_count; i++)
        if (op->binds[i].source == OP_FROM_PATH &&
            strncmp(op->binds[i].name, name, size) == 0 &&
            !op->binds[i].name[size])
            return (int)i;
    return -1;
}

static bool parse_segment(struct rest_route *route, const char *text,
                          size_t size, struct error *err)
{
    struct route_segment *segment;

    if (route->count == ROUTE_SEGMENTS_MAX || size == 0)
        return fail(err, ERR_INTERNAL, "path '%s' is not a template",
                    route->op->path);
    segment = &route->segments[route->count++];
    *segment = (struct route_segment){.text = text, .size = size, .bind = -1};
    if (*text != '{')
        return true;
    if (size > 2 && text[size - 1] == '}')
        segment->bind = bind_index(route->op, text + 1, size - 2);
    return segment->bind >= 0 ||
           fail(err, ERR_INTERNAL, "path '%s' binds a field it does not have",
                route->op->path);
}

static bool parse_template(struct rest_route *route, const struct op_def *op,
                           struct error *err)
{
    const char *at = op->path;

    *route = (struct rest_route){.op = op, .path = at};
    if (!at || *at != '/')
        return fail(err, ERR_INTERNAL, "endpoint '%s' has no path", op->id);
    while (*at == '/' && at[1]) {
        size_t size = strcspn(++at, "/");

        if (!parse_segment(route, at, size, err))
            return false;
        at += size;
    }
    return true;
}

static int compare_fixed(const void *a, const void *b)
{
    const struct rest_route *left = a, *right = b;
    int order = strcmp(left->path, right->path);

    return order ? order : strcmp(left->op->verb, right->op->verb);
}

static int compare_methods(const void *a, const void *b)
{
    const struct op_def *const *left = a, *const *right = b;

    return strcmp((*left)->method, (*right)->method);
}

static bool same_text(const struct route_segment *a,
                      const struct route_segment *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* Every path that one of them takes, the other takes, too. */
static bool same_shape(const struct rest_route *a, const struct rest_route *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct route_segment *x = &a->segments[i], *y = &b->segments[i];

        if ((x->bind < 0) != (y->bind < 0))
            return false;
        if (x->bind < 0 && !same_text(x, y))
            return false;
    }
    return true;
}

static bool twice(const char *id, struct error *err)
{
    return fail(err, ERR_INTERNAL, "endpoint '%s' is there twice", id);
}

static bool check_unique(const struct route_table *table, struct error *err)
{
    for (size_t i = 1; i < table->fixed_count; i++)
        if (compare_fixed(&table->fixed[i - 1], &table->fixed[i]) == 0)
            return twice(table->fixed[i].op->id, err);
    for (size_t i = 1; i < table->method_count; i++)
        if (compare_methods(&table->methods[i - 1], &table->methods[i]) == 0)
            return twice(table->methods[i]->id, err);
    for (size_t i = 0; i < table->template_count; i++)
        for (size_t j = 0; j < i; j++)
            if (same_shape(&table->templates[i], &table->templates[j]) &&
                strcmp(table->templates[i].op->verb,
                       table->templates[j].op->verb) == 0)
                return twice(table->templates[i].op->id, err);
    return true;
}

static bool add_op(struct route_table *table, const struct op_def *op,
                   struct error *err)
{
    struct rest_route route;
    bool fixed = true;

    if (op->method)
        table->methods[table->method_count++] = op;
    if (!op->verb)
        return true;
    if (!parse_template(&route, op, err))
        return false;
    for (size_t i = 0; i < route.count; i++)
        fixed = fixed && route.segments[i].bind < 0;
    if (fixed)
        table->fixed[table->fixed_count++] = route;
    else
        table->templates[table->template_count++] = route;
    return true;
}

static bool fill(struct route_table *table, const struct op_table *const *from,
                 struct error *err)
{
    for (; *from; from++)
        for (size_t i = 0; i < (*from)->count; i++)
            if (!add_op(table, &(*from)->ops[i], err))
                return false;
    qsort(table->fixed, table->fixed_count, sizeof *table->fixed,
          compare_fixed);
    qsort((void *)table->methods, table->method_count, sizeof *table->methods,
          compare_methods);
    return check_unique(table, err);
}

struct route_table *route_table_new(const struct op_table *const *tables,
                                    struct error *err)
{
    struct route_table *table = calloc(1, sizeof *table);
    size_t count = 1; /* an empty list is one, too */
    bool ok = false;

    for (size_t i = 0; tables[i]; i++)
        count += tables[i]->count;
    if (table) {
        table->fixed = calloc(count, sizeof *table->fixed);
        table->templates = calloc(count, sizeof *table->templates);
        table->methods =
            (const struct op_def **)calloc(count, sizeof *table->methods);
    }
    if (table && table->fixed && table->templates && table->methods)
        ok = fill(table, tables, err);
    else
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the routes");
    if (ok)
        return table;
    route_table_free(table);
    return NULL;
}

void route_table_free(struct route_table *table)
{
    if (!table)
        return;
    free(table->fixed);
    free(table->templates);
    free((void *)table->methods);
    free(table);
}

/* ---- finding ---- */

static bool matches(const struct rest_route *route,
                    const struct route_path *path)
{
    if (path->too_long || route->count != path->count)
        return false;
    for (size_t i = 0; i < route->count; i++) {
        const struct route_segment *have = &path->segments[i];
        const struct route_segment *want = &route->segments[i];

        if (want->bind >= 0 && have->size == 0)
            return false;
        if (want->bind < 0 && !same_text(have, want))
            return false;
    }
    return true;
}

/* The first fixed route with this path, or the end of them. */
static size_t first_fixed(const struct route_table *table, const char *path)
{
    size_t low = 0, high = table->fixed_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(table->fixed[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A search among the routes of one path. */
struct search {
    const char *verb; /* HEAD is looked for as GET */
    const struct rest_route *found;
    char allow[ALLOW_MAX]; /* what else the path takes */
};

static void append_allow(char allow[ALLOW_MAX], const char *verb)
{
    size_t used = strlen(allow);

    if (strstr(allow, verb) || used + strlen(verb) + 3 > ALLOW_MAX)
        return;
    if (used) {
        allow[used++] = ',';
        allow[used++] = ' ';
    }
    memcpy(allow + used, verb, strlen(verb) + 1);
}

static void consider(struct search *search, const struct rest_route *route)
{
    append_allow(search->allow, route->op->verb);
    if (strcmp(route->op->verb, "GET") == 0)
        append_allow(search->allow, "HEAD");
    if (!search->found && strcmp(route->op->verb, search->verb) == 0)
        search->found = route;
}

/* Fixed paths win over templates. */
static void find(const struct route_table *table, const struct route_path *path,
                 struct search *search)
{
    for (size_t i = first_fixed(table, path->text);
         i < table->fixed_count &&
         strcmp(table->fixed[i].path, path->text) == 0;
         i++)
        consider(search, &table->fixed[i]);
    for (size_t i = 0; !search->found && i < table->template_count; i++)
        if (matches(&table->templates[i], path))
            consider(search, &table->templates[i]);
}

/* ---- aliases ---- */

/* The parsed form, in the arena, of a path that requests can have as it
 * stands; NULL if it is none. */
static const struct route_path *
read_alias(const char *path, struct arena *arena, struct error *err)
{
    struct route_path *parsed = arena_alloc(arena, sizeof *parsed);
    struct error why = {0};

    if (parsed && !strpbrk(path, "?#") &&
        route_path_read(path, strlen(path), arena, parsed, &why) &&
        strcmp(parsed->text, path) == 0)
        return parsed;
    if (!parsed || why.code == ERR_OUT_OF_MEMORY)
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the routes");
    else
        (void)fail(err, ERR_DOCUMENT_INVALID,
                   "'%.100s' is not a path that can be served", path);
    return NULL;
}

/* Adds a fixed route that differs from `like` in its path. */
static bool add_fixed(struct route_table *table, const char *path,
                      const struct rest_route *like, struct error *err)
{
    size_t count = table->fixed_count;
    struct rest_route route = *like;
    struct rest_route *fixed =
        reallocarray(table->fixed, count + 1, sizeof *fixed);

    if (!fixed)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the routes");
    route.path = path;
    fixed[count] = route;
    table->fixed = fixed;
    table->fixed_count = count + 1;
    qsort(fixed, count + 1, sizeof *fixed, compare_fixed);
    return true;
}

/* Both paths are parsed; `path` is the text that stays. */
static bool add_alias(struct route_table *table, const char *path,
                      const struct route_path *alias,
                      const struct route_path *target, struct error *err)
{
    struct search real = {.verb = "GET"}, taken = {.verb = "GET"};

    find(table, target, &real);
    find(table, alias, &taken);
    if (!real.found)
        return fail(err, ERR_INTERNAL, "no endpoint takes GET %.100s",
                    target->text);
    if (taken.found && taken.found->op == real.found->op)
        return true;
    if (taken.allow[0])
        return fail(err, ERR_DOCUMENT_INVALID,
                    "'%.100s' cannot stand for '%s': it is an endpoint itself",
                    path, real.found->path);
    return add_fixed(table, path, real.found, err);
}

bool route_table_alias(struct route_table *table, const char *path,
                       const char *target, struct error *err)
{
    const struct route_path *alias, *real;
    struct arena arena;
    bool ok;

    arena_init(&arena, 0);
    alias = read_alias(path, &arena, err);
    real = alias ? read_alias(target, &arena, err) : NULL;
    ok = real && add_alias(table, path, alias, real, err);
    arena_release(&arena);
    return ok;
}

/* ---- refusing ---- */

static bool not_found(const struct search *search, const char *verb,
                      struct arena *arena, struct route_match *match,
                      struct error *err)
{
    if (!search->allow[0])
        return fail(err, ERR_NOT_FOUND, "there is no such path");
    match->allow = arena_strdup(arena, search->allow);
    if (!match->allow)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the URL");
    return fail(err, ERR_METHOD_NOT_ALLOWED,
                "the path does not take %.16s, only %s", verb, search->allow);
}

/* ---- binds ---- */

static bool bind_path(const struct rest_route *route,
                      const struct route_path *path, struct arena *arena,
                      const char **binds, struct error *err)
{
    for (size_t i = 0; i < route->count; i++) {
        const struct route_segment *segment = &path->segments[i];
        int bind = route->segments[i].bind;

        if (bind < 0)
            continue;
        binds[bind] = arena_copy(arena, segment->text, segment->size);
        if (!binds[bind])
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for the URL");
    }
    return true;
}

/* The bind of this query key, or op->bind_count. */
static size_t query_index(const struct op_def *op, const char *key)
{
    size_t i = 0;

    while (i < op->bind_count && !(op->binds[i].source == OP_FROM_QUERY &&
                                   strcmp(op->binds[i].name, key) == 0))
        i++;
    return i;
}

/* A decoded, NUL-terminated copy of a query key or value; NULL on failure. */
static char *decode_query(const char *text, size_t text_size,
                          struct arena *arena, struct error *err)
{
    char *copy = arena_alloc(arena, text_size + 1);
    size_t size = 0;

    if (!copy) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the URL");
        return NULL;
    }
    if (!route_text_decode(text, text_size, true, copy, &size, err))
        return NULL;
    copy[size] = '\0';
    return copy;
}

static bool bind_pair(const struct op_def *op, const char *pair, size_t size,
                      struct arena *arena, const char **binds,
                      struct error *err)
{
    const char *equals = memchr(pair, '=', size);
    size_t key_size = equals ? (size_t)(equals - pair) : size;
    size_t value_size = equals ? size - key_size - 1 : 0;
    const char *key = decode_query(pair, key_size, arena, err);
    size_t i;

    if (!key)
        return false;
    i = query_index(op, key);
    if (i == op->bind_count)
        return fail(err, ERR_VALIDATION_ERROR, "unknown query key '%.60s'",
                    key);
    if (binds[i])
        return fail(err, ERR_VALIDATION_ERROR, "query key '%s' is there twice",
                    key);
    binds[i] = decode_query(pair + size - value_size, value_size, arena, err);
    return binds[i] != NULL;
}

static bool bind_query(const struct op_def *op, const char *query,
                       struct arena *arena, const char **binds,
                       struct error *err)
{
    while (*query) {
        size_t size = strcspn(query, "&");

        if (size > 0 && !bind_pair(op, query, size, arena, binds, err))
            return false;
        query += size + (query[size] == '&');
    }
    return true;
}

bool route_rest(const struct route_table *table, const char *verb,
                const char *target, struct arena *arena,
                struct route_match *match, struct error *err)
{
    size_t path_size = strcspn(target, "?#");
    bool head = strcmp(verb, "HEAD") == 0;
    struct search search = {.verb = head ? "GET" : verb};
    struct route_path path;
    const char **binds;

    *match = (struct route_match){.head = head};
    if (strlen(target) > ROUTE_TARGET_MAX)
        return fail(err, ERR_URI_TOO_LONG, "the URL has more than %d bytes",
                    ROUTE_TARGET_MAX);
    if (strchr(target, '#'))
        return fail(err, ERR_BAD_REQUEST, "the request target has a fragment");
    if (!route_path_read(target, path_size, arena, &path, err))
        return false;
    find(table, &path, &search);
    if (!search.found)
        return not_found(&search, verb, arena, match, err);
    match->op = search.found->op;
    binds = arena_zalloc(arena, match->op->bind_count, sizeof *binds);
    if (!binds)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the URL");
    match->binds = binds;
    return bind_path(search.found, &path, arena, binds, err) &&
           (target[path_size] == '\0' ||
            bind_query(match->op, target + path_size + 1, arena, binds, err));
}

const struct op_def *route_grpc(const struct route_table *table,
                                const char *method)
{
    size_t low = 0, high = table->method_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(table->methods[middle]->method, method);

        if (order == 0)
            return table->methods[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
