/*
 * Client headers: what a request says besides its body; see client_impl.h.
 */
#include <string.h>
#include <strings.h>

#include "client_impl.h"

static bool is_token(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-_.")];
}

static bool is_visible(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value < ' ' || *value == 127)
            return false;
    return true;
}

bool pairs_put(struct pairs *pairs, const char *name, const char *value,
               struct error *err)
{
    struct rpc_pair *place = NULL;

    if (!is_token(name) || !is_visible(value))
        return fail(err, ERR_USAGE, "'%.60s' is no header", name);
    for (size_t i = 0; i < pairs->count; i++)
        if (strcasecmp(pairs->list[i].name, name) == 0)
            place = &pairs->list[i];
    if (!place && pairs->count == pairs->capacity) {
        size_t capacity = pairs->capacity * 2 + 16;
        struct rpc_pair *list =
            arena_zalloc(pairs->arena, capacity, sizeof *list);

        if (!list)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for headers");
        if (pairs->count)
            memcpy(list, pairs->list, pairs->count * sizeof *list);
        pairs->list = list;
        pairs->capacity = capacity;
    }
    if (!place)
        place = &pairs->list[pairs->count++];
    place->name = arena_strdup(pairs->arena, name);
    place->value = arena_strdup(pairs->arena, value);
    return (place->name && place->value) ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory for headers");
}

bool pairs_put_lines(struct pairs *pairs, const char *const *lines,
                     struct error *err)
{
    for (; lines && *lines; lines++) {
        size_t size = strcspn(*lines, ":");
        const char *value = *lines + size + ((*lines)[size] == ':');
        char *name = arena_copy(pairs->arena, *lines, size);

        if (!name)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for headers");
        value += strspn(value, " \t");
        if (!pairs_put(pairs, name, value, err))
            return false;
    }
    return true;
}

static bool put_token(struct specserve_client *client,
                      const struct endpoint *endpoint, struct pairs *pairs,
                      struct error *err)
{
    const struct specserve_config *config = &client->config;
    const char *token =
        config->get_token ? config->get_token(config->context) : config->token;
    const char *value;

    if (!token || !*token)
        return true;
    if (!endpoint->tls && !endpoint->loopback && !config->plaintext_token)
        return fail(err, ERR_USAGE, "%.150s: a token is not sent without TLS",
                    endpoint->url);
    value = arena_printf(pairs->arena, "Bearer %s", token);
    if (!value)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for headers");
    return pairs_put(pairs, "Authorization", value, err);
}

bool client_headers(struct specserve_client *client, const char *operation,
                    const struct endpoint *endpoint,
                    const struct specserve_options *options,
                    struct pairs *pairs, struct error *err)
{
    const struct specserve_config *config = &client->config;
    const char *parent = options->traceparent;
    char made[64] = "";

    if (!parent && config->trace &&
        config->trace(config->context, operation, made))
        parent = made;
    made[sizeof made - 1] = '\0';
    return pairs_put_lines(pairs, config->headers, err) &&
           (!options->request_id ||
            pairs_put(pairs, "X-Request-Id", options->request_id, err)) &&
           put_token(client, endpoint, pairs, err) &&
           (!parent || pairs_put(pairs, "traceparent", parent, err)) &&
           pairs_put_lines(pairs, options->headers, err);
}

void pairs_lower(const struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++)
        for (char *c = (char *)(uintptr_t)pairs->list[i].name; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c - 'A' + 'a');
}
