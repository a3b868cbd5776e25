/*
 * DELETE /unregister/{port}: an instance leaves.
 */
#include "reply.h"

bool handle_registry_unregister(
    struct srv_call *call, const struct registry_unregister_request *request,
    struct registry_unregister_response *reply, struct error *err)
{
    const struct reg_app *app = call->app;
    char message[REG_MESSAGE_SIZE];

    if (!registry_unregister(app->registry, (int)request->port,
                             request->registration_id, message, err))
        return false;
    registry_unregister_response_set_success(reply, true);
    registry_unregister_response_set_freed_port(reply, request->port);
    reply->message = arena_strdup(&call->arena, message);
    return true;
}
