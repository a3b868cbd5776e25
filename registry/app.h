/*
 * App: what the handlers of the registry's program share; call->app.
 *
 * Threads: immutable; what it points to takes any thread.
 */
#ifndef REGISTRY_APP_H
#define REGISTRY_APP_H

#include "registry.h"
#include "watchers.h"

/* Version of the API this registry speaks. */
#define REGISTRY_API_VERSION "1.2.0"

struct reg_app {
    struct registry *registry;
    struct reg_watchers *watchers;
};

#endif
