/*
 * Watch: registrations as they come and go; a stream, so gRPC only.
 */
#include "reply.h"

bool handle_registry_watch(struct srv_call *call,
                           const struct registry_watch_request *request,
                           struct registry_watch_event *reply,
                           struct error *err)
{
    const struct reg_app *app = call->app;

    (void)reply;
    return reg_watchers_add(app->watchers, call, request->model_name,
                            request->has_after_revision,
                            (uint64_t)request->after_revision, err);
}
