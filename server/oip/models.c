/*
 * Models: all that the process serves, found by name and version.
 */
#include "oip.h"

#include <string.h>

size_t oip_models(const struct srv_call *call, struct srv_app *apps[APPS_MAX])
{
    struct srv_app *own = call->app;

    if (!own->peers) {
        apps[0] = own;
        return 1;
    }
    return apps_list(own->peers, apps);
}

static bool has_version(const struct srv_app *app, const char *version)
{
    return !version || !*version || strcmp(app->bundle->version, version) == 0;
}

struct srv_app *oip_model(const struct srv_call *call, const char *name,
                          const char *version, struct error *err)
{
    struct srv_app *apps[APPS_MAX];
    size_t count = oip_models(call, apps);
    bool named = false;

    for (size_t i = 0; name && i < count; i++) {
        if (strcmp(apps[i]->bundle->name, name) != 0)
            continue;
        if (has_version(apps[i], version))
            return apps[i];
        named = true;
    }
    if (named)
        (void)fail(err, ERR_NOT_FOUND, "model '%.64s' has no version '%.64s'",
                   name, version);
    else
        (void)fail(err, ERR_NOT_FOUND, "there is no model '%.64s'",
                   name ? name : "");
    return NULL;
}
