/*
 * GET /health: the registry works.
 */
#include "reply.h"

bool handle_registry_status(struct srv_call *call,
                            const struct registry_status_request *request,
                            struct registry_status_response *reply,
                            struct error *err)
{
    const struct reg_app *app = call->app;

    (void)request;
    (void)err;
    reply->status = reply_text("ok");
    reply->version = reply_text(REGISTRY_API_VERSION);
    registry_status_response_set_count(reply,
                                       (int64_t)registry_count(app->registry));
    return true;
}
