/*
 * Service: one bundle on one port, from registration to the last answer.
 *
 *   service_open()    documents, port from the registry, door; /health says
 *                     "starting"
 *   service_load()    weights and test examples; then ready
 *   service_drain()   draining, last answers, port given back
 *   service_close()   what is left
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

enum { SERVICE_HOSTS_MAX = 16 };

struct service {
    struct srv_app *app;
    struct presence *presence;
    struct door *door;
    int port;
    /* of the door's options */
    const char *hosts[SERVICE_HOSTS_MAX + 1];
    struct door_alias aliases[3];
};

struct service_options {
    const struct srv_config *config;
    const char *path; /* the bundle */
    /* Its place among the bundles of the process: --port is the first one's,
     * the others take the ports behind; the first one's ModelSpec says how much
     * is logged, where --log-level does not. */
    int index;
    int workers;           /* predictions that may run side by side */
    struct eng_team *team; /* see app_open() */
    int stop_fd;           /* see app_open() */
    struct srv_apps *apps; /* takes the new one; outlives the services */
};

/*
 * Starts to serve a bundle and prints the banner. Leaves a half-started service
 * to service_close().
 *   ERR_REGISTRY_UNAVAILABLE  the registry is required but absent
 *   ERR_ADDRESS_IN_USE        no port that may be used is free
 *   ERR_DOCUMENT_INVALID, ERR_USAGE, ERR_INTERNAL, ERR_OUT_OF_MEMORY
 */
bool service_open(struct service *service,
                  const struct service_options *options, struct error *err);

/* Errors of app_load(). */
bool service_load(struct service *service, struct error *err);

/* Takes no more predictions; those that run go on. Accepts a half-started
 * service. */
void service_stop(struct service *service);

/* The last answers, then no door any more; stopped or not. Accepts a
 * half-started service. */
void service_drain(struct service *service);

/* Ends it. The doors of all services of the process must be drained: they see
 * each other's models. */
void service_close(struct service *service);

#endif
