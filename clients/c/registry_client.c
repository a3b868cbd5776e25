/*
 * Registry client: chooses the transport by the URL; see registry_client.h.
 */
#include "registry_client.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "transport.h"

static const struct registry_transport *const transports[] = {
    &registry_over_rest, &registry_over_grpc};

struct registry_client {
    const struct registry_transport *transport;
    void *state;
};

/* Letters and what joins them in names and addresses, IPv6 without brackets:
 * nothing that means something else in a URL. */
static bool is_host(const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(".-_:", text[i]))
            return false;
    return length > 0;
}

void registry_addresses_add(struct registry_addresses *found, const char *host,
                            int64_t port)
{
    struct registry_address *place = &found->list[found->count];

    if (found->count == REGISTRY_ADDRESSES_MAX || port < 1 || port > 65535 ||
        !is_host(host) || strlen(host) >= sizeof place->host)
        return;
    place->port = (int)port;
    memcpy(place->host, host, strlen(host) + 1);
    found->count++;
}

struct registry_client *registry_client_open(const char *url, struct error *err)
{
    struct registry_client *client;
    char authority[AUTHORITY_SIZE];

    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
        size_t length = strlen(transports[i]->scheme);

        if (strncmp(url, transports[i]->scheme, length) != 0)
            continue;
        if (!authority_read(url + length, authority, err))
            return NULL;
        client = calloc(1, sizeof *client);
        if (!client) {
            (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a client");
            return NULL;
        }
        client->transport = transports[i];
        client->state = transports[i]->open(authority, err);
        if (client->state)
            return client;
        free(client);
        return NULL;
    }
    (void)fail(err, ERR_USAGE,
               "the registry's URL starts with neither http:// nor grpc://");
    return NULL;
}

void registry_client_close(struct registry_client *client)
{
    if (!client)
        return;
    client->transport->close(client->state);
    free(client);
}

bool registry_client_register(struct registry_client *client,
                              const struct registry_announcement *who,
                              uint32_t timeout_ms, struct registry_lease *lease,
                              struct error *err)
{
    return client->transport->enter(client->state, who, timeout_ms, lease, err);
}

bool registry_client_unregister(struct registry_client *client, int port,
                                const char *id, uint32_t timeout_ms,
                                struct error *err)
{
    return client->transport->leave(client->state, port, id, timeout_ms, err);
}

bool registry_client_heartbeat(struct registry_client *client, int port,
                               const char *id, uint32_t timeout_ms,
                               struct error *err)
{
    return client->transport->beat(client->state, port, id, timeout_ms, err);
}

bool registry_client_resolve(struct registry_client *client, const char *model,
                             uint32_t timeout_ms,
                             struct registry_addresses *found,
                             struct error *err)
{
    return client->transport->resolve(client->state, model, timeout_ms, found,
                                      err);
}
