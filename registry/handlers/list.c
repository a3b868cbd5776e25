/*
 * GET /registry: every live instance.
 */
#include "reply.h"

bool handle_registry_list(struct srv_call *call,
                          const struct registry_list_request *request,
                          struct registry_list_response *reply,
                          struct error *err)
{
    const struct reg_app *app = call->app;
    struct reg_list list;

    (void)request;
    if (!registry_list(app->registry, NULL, &call->arena, &list, err) ||
        !reply_registrations(&list, &call->arena, &reply->registrations, err))
        return false;
    reply->n_registrations = list.count;
    registry_list_response_set_success(reply, true);
    registry_list_response_set_count(reply, (int64_t)list.count);
    reply->registry_version = reply_text(REGISTRY_API_VERSION);
    return true;
}
