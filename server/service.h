/*
 * Service: one bundle on one port, from registration to the last answer.
 *
 *   service_open()    documents, port from the registry, door; /health says
 *                     "starting"
 *   service_load()    weights and test examples; then ready
 *   service_close()   draining, last answers, port given back
 *
 * The order is the one the Runtime API 1.2 asks for: the port is requested
 * before anything listens, and given back after the last answer.
 *
 * Threads: the main thread.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "app.h"
#include "presence.h"

struct service {
    struct srv_app *app;
    struct presence *presence;
    struct door *door;
    int port;
};

/*
 * Starts to serve the bundle at `path` on `workers` threads and prints the
 * banner. ERR_REGISTRY_UNAVAILABLE: the registry is required but absent;
 * ERR_DOCUMENT_INVALID, ERR_ADDRESS_IN_USE, ERR_USAGE, ERR_INTERNAL. Leaves a
 * half-started service to service_close().
 */
bool service_open(struct service *service, const struct srv_config *config,
                  const char *path, int workers, int stop_fd,
                  struct error *err);

/* Errors of app_load(). */
bool service_load(struct service *service, struct error *err);

/* Ends it in good order; accepts a half-started service. */
void service_close(struct service *service);

#endif
