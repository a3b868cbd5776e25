/*
 * Client: its life and its services; see specserve.h.
 */
#include <stdlib.h>
#include <string.h>

#include "client_impl.h"
#include "failure.h"

enum {
    TIMEOUT_MS = 30000,
    ATTEMPTS = 3,
    RETRY_BUDGET = 10,
    REFRESH_MS = 5000,
    ANSWER_MAX_BYTES = 64 << 20
};

/* ---- services ---- */

static void service_free(struct specserve_service *service)
{
    if (!service)
        return;
    group_release(&service->group);
    free(service);
}

/* A service that is found by its name, or whose endpoints are added. */
static struct specserve_service *service_new(struct specserve_client *client,
                                             const char *name, bool found)
{
    struct specserve_service *made = calloc(1, sizeof *made);

    if (!made)
        return NULL;
    made->client = client;
    group_init(&made->group, name, found, client->config.refresh_ms);
    return made;
}

static bool add_endpoint(struct specserve_service *service, const char *url,
                         struct specserve_error *err)
{
    struct error why = {0};
    struct endpoint *made = endpoint_new(url, &why);

    if (made && group_add(&service->group, made, &why))
        return true;
    return failure_of_error(err, &why);
}

static struct specserve_service *find_locked(struct specserve_client *client,
                                             const char *name)
{
    struct specserve_service *at = client->models;

    while (at && strcmp(at->group.name, name) != 0)
        at = at->next;
    if (at)
        return at;
    name = arena_strdup(&client->arena, name);
    at = name ? service_new(client, name, true) : NULL;
    if (at) {
        at->next = client->models;
        client->models = at;
    }
    return at;
}

struct specserve_service *
specserve_client_model(struct specserve_client *client, const char *name,
                       struct specserve_error *err)
{
    struct specserve_service *service;

    failure_clear(err);
    if (client->fixed)
        return client->fixed;
    if (!name || !*name) {
        (void)failure_say(err, SPECSERVE_ARGUMENT,
                          "a model has to be named to the registry");
        return NULL;
    }
    (void)pthread_mutex_lock(&client->mu);
    service = find_locked(client, name);
    (void)pthread_mutex_unlock(&client->mu);
    if (!service)
        (void)failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                          "no memory for a service");
    return service;
}

struct specserve_service *
specserve_client_registry(struct specserve_client *client)
{
    return client->registry ? client->registry : client->fixed;
}

/* ---- life ---- */

/* A copy of the caller's text, if there is one; false: no memory. */
static bool copy_text(struct arena *arena, const char **text)
{
    if (!*text)
        return true;
    *text = arena_strdup(arena, *text);
    return *text != NULL;
}

static bool copy_list(struct arena *arena, const char *const **list)
{
    const char **copy;
    size_t count = 0;

    if (!*list)
        return true;
    while ((*list)[count])
        count++;
    copy = arena_zalloc(arena, count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = arena_strdup(arena, (*list)[i]);
        if (!copy[i])
            return false;
    }
    *list = copy;
    return copy != NULL;
}

static bool copy_config(struct specserve_client *client,
                        const struct specserve_config *given)
{
    struct specserve_config *config = &client->config;
    const char **const texts[] = {&config->registry, &config->ca_file,
                                  &config->certificate_file, &config->key_file,
                                  &config->token};
    bool ok = true;

    *config = *given;
    for (size_t i = 0; ok && i < sizeof texts / sizeof *texts; i++)
        ok = copy_text(&client->arena, texts[i]);
    if (!config->timeout_ms)
        config->timeout_ms = TIMEOUT_MS;
    if (!config->attempts)
        config->attempts = ATTEMPTS;
    if (!config->retry_budget)
        config->retry_budget = RETRY_BUDGET;
    if (!config->refresh_ms)
        config->refresh_ms = REFRESH_MS;
    if (!config->answer_max)
        config->answer_max = ANSWER_MAX_BYTES;
    client->tls = (struct client_tls){.ca = config->ca_file,
                                      .certificate = config->certificate_file,
                                      .key = config->key_file};
    client->tenths = config->retry_budget * RETRY_TENTHS;
    return ok && copy_list(&client->arena, &config->endpoints) &&
           copy_list(&client->arena, &config->headers);
}

static bool set_up(struct specserve_client *client,
                   const struct specserve_config *given,
                   struct specserve_error *err)
{
    const char *const *url;
    struct specserve_service *made;
    bool fixed = given->endpoints && *given->endpoints;

    if (!copy_config(client, given))
        return failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                           "no memory for a client");
    if (fixed == (given->registry != NULL))
        return failure_say(err, SPECSERVE_ARGUMENT,
                           "give one of endpoints and registry");
    made = service_new(client, fixed ? "" : "registry", false);
    if (!made)
        return failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                           "no memory for a client");
    if (!fixed) {
        client->registry = made;
        return add_endpoint(made, client->config.registry, err);
    }
    client->fixed = made;
    for (url = client->config.endpoints; *url; url++)
        if (!add_endpoint(made, *url, err))
            return false;
    return true;
}

struct specserve_client *
specserve_client_new(const struct specserve_config *config,
                     struct specserve_error *err)
{
    struct specserve_client *client = calloc(1, sizeof *client);

    failure_clear(err);
    if (!client) {
        (void)failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                          "no memory for a client");
        return NULL;
    }
    arena_init(&client->arena, 0);
    (void)pthread_mutex_init(&client->mu, NULL);
    if (set_up(client, config, err))
        return client;
    specserve_client_free(client);
    return NULL;
}

void specserve_client_free(struct specserve_client *client)
{
    if (!client)
        return;
    while (client->models) {
        struct specserve_service *model = client->models;

        client->models = model->next;
        service_free(model);
    }
    service_free(client->fixed);
    service_free(client->registry);
    (void)pthread_mutex_destroy(&client->mu);
    arena_release(&client->arena);
    free(client);
}
