/*
 * Client find: the instances of a model, from the registry; see client_impl.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_impl.h"
#include "clock.h"
#include "failure.h"
#include "registry_api.h"

/* The endpoint of an instance, or NULL: it cannot be called. */
static struct endpoint *endpoint_of(const struct specserve_client *client,
                                    const struct registry_registration *found)
{
    const struct endpoint *asked = client->registry->group.list[0];
    const struct specserve_config *config = &client->config;
    bool named = found->host && *found->host;
    bool bare = named && strchr(found->host, ':');
    char url[ENDPOINT_URL_SIZE + 64];
    struct error ignored;

    (void)snprintf(
        url, sizeof url, "%s%s://%s%.*s%s:%" PRId64,
        config->grpc ? "grpc" : "http", config->tls ? "s" : "", bare ? "[" : "",
        named ? 255 : (int)(strrchr(asked->authority, ':') - asked->authority),
        named ? found->host : asked->authority, bare ? "]" : "",
        (int64_t)found->port);
    return endpoint_new(url, &ignored);
}

static bool take_instances(struct specserve_client *client, struct group *group,
                           const struct registry_resolve_response *reply)
{
    struct endpoint **list = calloc(reply->n_instances + 1, sizeof *list);
    size_t count = 0;

    if (!list)
        return false;
    for (size_t i = 0; i < reply->n_instances; i++) {
        list[count] = endpoint_of(client, reply->instances[i]);
        count += list[count] != NULL;
    }
    group_replace(group, list, count);
    return true;
}

bool client_refresh(struct specserve_client *client, struct group *group,
                    uint64_t deadline_ns, struct specserve_error *err)
{
    struct registry_resolve_request request;
    const struct registry_resolve_response *reply = NULL;
    struct specserve_answer *answer = NULL;
    bool known = !group_is_empty(group); /* then the call does not wait long */
    uint64_t left_ms = clock_left_ms(deadline_ns);
    struct specserve_options options = {.attempts = known ? 1 : 0};
    bool ok;

    if (!group_wants_refresh(group))
        return true;
    options.timeout_ms = known ? 1000 : 5000;
    if (left_ms < options.timeout_ms)
        options.timeout_ms = left_ms ? (uint32_t)left_ms : 1;
    registry_resolve_request_init(&request);
    request.model_name = (char *)(uintptr_t)group->name;
    ok = specserve_registry_resolve(client->registry, &request, &options,
                                    &reply, &answer, err);
    if (ok)
        ok = take_instances(client, group, reply) ||
             failure_say(err, SPECSERVE_OUT_OF_MEMORY, "no memory for a list");
    else if (err->code == SPECSERVE_NOT_FOUND)
        group_replace(group, NULL, 0);
    specserve_answer_free(answer);
    return ok || !group_is_empty(group);
}
