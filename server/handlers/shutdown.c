/*
 * POST /shutdown: ends the service after the running predictions, if allowed.
 *
 * Off by default (403). Mode loopback takes it from a local peer, mode token
 * from whoever carries the bearer token. Asking twice is no failure.
 */
#include "reply.h"

#include <string.h>

#include "log.h"
#include "secret.h"

static bool has_token(const struct srv_call *call, const char *token)
{
    static const char scheme[] = "Bearer ";
    const char *given = call_header(call, "authorization");

    return *token && given && strncmp(given, scheme, sizeof scheme - 1) == 0 &&
           secret_same(given + sizeof scheme - 1, token);
}

static bool is_allowed(const struct srv_call *call, const struct srv_app *app)
{
    switch (app->shutdown) {
    case SHUTDOWN_LOOPBACK:
        return call->peer_is_local;
    case SHUTDOWN_TOKEN:
        return has_token(call, app->config->shutdown_token);
    case SHUTDOWN_OFF:
    default:
        return false;
    }
}

bool handle_shutdown(struct srv_call *call,
                     const struct runtime_shutdown_request *request,
                     struct runtime_shutdown_response *reply, struct error *err)
{
    struct srv_app *app = call->app;

    (void)request;
    if (!is_allowed(call, app))
        return fail(err, ERR_SHUTDOWN_DISABLED,
                    "this server does not take /shutdown from here");
    log_event(LOG_INFO, "shutdown", "peer=%s", call->peer);
    app_stop(app);
    runtime_shutdown_response_set_success(reply, true);
    reply->message = reply_text("Shutdown process initiated.");
    return true;
}
