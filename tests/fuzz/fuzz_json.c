/*
 * Fuzz: the JSON door.
 *
 * The first byte picks a message or the URL parser, the rest is its text. What
 * is accepted must be writable, and what was written must read back and be
 * written the same; every text is also given to jansson, which must accept
 * whatever json_check() does.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec_json.h"
#include "codec_messages.h"
#include "route.h"
#include "validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void run_message(const struct msg_def *def, const char *text,
                        size_t size)
{
    struct buf first = {0}, second = {0};
    struct arena arena;
    struct error err = {0};
    void *message = NULL;

    arena_init(&arena, 64 << 20);
    if (json_decode(def, text, size, &arena, &message, &err)) {
        require(err.code == ERR_NONE);
        (void)validate_message(def, message, &arena, &err);
        if (json_encode(def, message, &first, &err)) {
            require(json_decode(def, first.data, first.size, &arena, &message,
                                &err));
            require(json_encode(def, message, &second, &err));
            require(strcmp(first.data, second.data) == 0);
        }
    } else {
        require(err.code != ERR_NONE);
    }
    buf_release(&first);
    buf_release(&second);
    arena_release(&arena);
}

static void run_check(const char *text, size_t size)
{
    struct arena arena;
    struct error err;
    json_error_t fault;
    json_t *tree;

    arena_init(&arena, 64 << 20);
    if (json_check(text, size, &arena, &err)) {
        tree = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                          &fault);
        require(tree || json_error_code(&fault) == json_error_numeric_overflow);
        json_decref(tree);
    }
    arena_release(&arena);
}

static void run_route(const char *text, size_t size)
{
    static const struct op_bind binds[] = {{"text", OP_FROM_PATH, 7},
                                           {"i64", OP_FROM_QUERY, 3},
                                           {"f64", OP_FROM_QUERY, 6}};
    static const struct op_def ops[] = {
        {.id = "a", .verb = "GET", .path = "/a"},
        {.id = "b",
         .verb = "GET",
         .path = "/b/{text}/c",
         .binds = binds,
         .bind_count = 3}};
    static const struct op_table table = {"f.F", ops, 2};
    static const struct op_table *const tables[] = {&table, NULL};
    struct error err = {0};
    struct route_table *routes = route_table_new(tables, &err);
    struct route_match match;
    struct arena arena;
    char *target;

    require(routes != NULL);
    arena_init(&arena, 1 << 20);
    target = arena_copy(&arena, text, size);
    require(target != NULL);
    if (route_rest(routes, "GET", target, &arena, &match, &err)) {
        void *message = msg_new(&sample_def, &arena);

        for (size_t i = 0; message && i < match.op->bind_count; i++)
            if (match.binds[i])
                (void)json_bind(&sample_def.fields[match.op->binds[i].field],
                                match.binds[i], &arena, message, &err);
    }
    arena_release(&arena);
    route_table_free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct msg_def *const defs[] = {&sample_def, &any_def,
                                                 &open_sample_def, &inner_def};
    const char *text = (const char *)data + 1;

    if (size == 0)
        return 0;
    if (data[0] % 8 == 7)
        run_route(text, size - 1);
    else
        run_message(defs[data[0] % 4], text, size - 1);
    run_check(text, size - 1);
    return 0;
}
