/*
 * GET /health: whether predictions can be taken now.
 */
#include "reply.h"

enum { RETRY_AFTER_S = 1 };

static void fill(const struct srv_app *app,
                 struct runtime_health_response *reply)
{
    reply->status = reply_text(app_state_name(app));
    reply->model = reply_text(app->bundle->name);
    reply->version = reply_text(RUNTIME_API_VERSION);
    reply->model_version = reply_text(app->bundle->version);
    runtime_health_response_set_uptime_s(reply,
                                         metrics_uptime_s(&app->metrics));
}

bool handle_health(struct srv_call *call,
                   const struct runtime_health_request *request,
                   struct runtime_health_response *reply, struct error *err)
{
    const struct srv_app *app = call->app;

    (void)request;
    if (!app_is_ready(app, err)) {
        call->retry_after_s = RETRY_AFTER_S;
        return false;
    }
    fill(app, reply);
    return true;
}

void fail_health(struct srv_call *call, const struct error *err,
                 struct runtime_health_response *reply)
{
    fill(call->app, reply);
    runtime_health_response_set_success(reply, false);
    reply->error = reply_error_text(call, err);
    reply->error_code = reply_text(err_info(err->code)->name);
}
