/*
 * GET /resolve/{model_name}: the live instances of one model.
 */
#include "reply.h"

bool handle_registry_resolve(struct srv_call *call,
                             const struct registry_resolve_request *request,
                             struct registry_resolve_response *reply,
                             struct error *err)
{
    const struct reg_app *app = call->app;
    struct reg_list list;

    if (!registry_list(app->registry, request->model_name, &call->arena, &list,
                       err))
        return false;
    if (list.count == 0)
        return fail(err, ERR_NOT_FOUND, "no live instance serves '%s'",
                    request->model_name);
    if (!reply_registrations(&list, &call->arena, &reply->instances, err))
        return false;
    reply->n_instances = list.count;
    registry_resolve_response_set_revision(reply, (int64_t)list.revision);
    return true;
}
