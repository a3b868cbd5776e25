/*
 * REST rules: made once from options and tables.
 */
#include "rest_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* "http://host:1/path" -> "/path"; the guard has checked the host. */
const char *rest_origin_form(const char *target)
{
    const char *authority;

    if (*target == '/')
        return target;
    authority = strstr(target, "://");
    if (!authority)
        return target;
    authority += 3;
    return authority[strcspn(authority, "/")] ? strchr(authority, '/') : "/";
}

/* For the guard: what an endpoint takes, before its body is read. */
static size_t body_limit(void *context, const char *verb, size_t verb_size,
                         const char *target, size_t target_size,
                         const void **endpoint)
{
    const struct rest_rules *rules = context;
    size_t limit = rules->max_body;
    struct arena arena;
    struct route_match match;
    struct error err;
    char *verb_text, *target_text;

    arena_init(&arena, 0);
    verb_text = arena_copy(&arena, verb, verb_size);
    target_text = arena_copy(&arena, target, target_size);
    if (verb_text && target_text &&
        route_rest(rules->routes, verb_text, rest_origin_form(target_text),
                   &arena, &match, &err)) {
        *endpoint = match.op;
        if (match.op->max_body)
            limit = match.op->max_body;
    }
    arena_release(&arena);
    return limit;
}

static bool takes_encoding(const void *endpoint)
{
    const struct op_def *op = endpoint;

    return op->codec && op->codec->encodings;
}

/* The same answer that the endpoint gives to every failure. */
static void refusal(void *context, const void *endpoint, enum err_code code,
                    const char *reason, struct buf *body)
{
    const struct rest_rules *rules = context;
    struct srv_call call = {.door = DOOR_REST,
                            .op = endpoint,
                            .app = rules->options->app,
                            .finished = rules->options->finished,
                            .started_ns = clock_now_ns()};

    arena_init(&call.arena, 0);
    call_refuse(&call, code, 0, reason);
    buf_append(body, call.out.data, call.out.size);
    buf_release(&call.out);
    arena_release(&call.arena);
}

static size_t smallest_body(const struct door_options *options)
{
    size_t least = options->max_body;

    for (size_t t = 0; options->tables[t]; t++)
        for (size_t i = 0; i < options->tables[t]->count; i++) {
            const struct op_def *op = &options->tables[t]->ops[i];

            if (op->max_body && op->max_body < least)
                least = op->max_body;
        }
    return least;
}

/* An address that stands for every interface is nobody's Host. */
static bool is_wildcard(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Loopback names, the bound address, and what the program allows. */
bool rest_rules_init(struct rest_rules *rules,
                     const struct door_options *options,
                     const struct route_table *routes, struct error *err)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *const *allowed = options->allowed_hosts;
    size_t count = 0, n = 0;
    bool any = false;

    while (allowed && allowed[count])
        count++;
    rules->hosts = calloc(count + 5, sizeof *rules->hosts);
    if (!rules->hosts)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the REST door");
    for (; n < 3; n++)
        rules->hosts[n] = loopback[n];
    for (size_t i = 0; i < count; i++) {
        rules->hosts[n++] = allowed[i];
        any |= strcmp(allowed[i], "*") == 0;
    }
    if (!is_wildcard(options->host)) {
        (void)snprintf(rules->bound_host, sizeof rules->bound_host,
                       strchr(options->host, ':') ? "[%s]" : "%s",
                       options->host);
        rules->hosts[n] = rules->bound_host;
    }
    rules->options = options;
    rules->routes = routes;
    rules->max_body = options->max_body;
    rules->http = (struct http_rules){.hosts = rules->hosts,
                                      .any_host = any,
                                      .origins = allowed,
                                      .small_body = smallest_body(options),
                                      .body_limit = body_limit,
                                      .takes_encoding = takes_encoding,
                                      .refusal = refusal,
                                      .context = rules};
    return true;
}

void rest_rules_release(struct rest_rules *rules)
{
    free(rules->hosts);
    rules->hosts = NULL;
}
