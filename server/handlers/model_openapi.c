/*
 * GET /model/openapi.json: /predict of this very model as an OpenAPI document.
 */
#include <string.h>

#include "reply.h"

bool handle_model_openapi(struct srv_call *call,
                          const struct runtime_model_openapi_request *request,
                          void *reply, struct error *err)
{
    const struct srv_app *app = call->app;
    const char *text = app->typed.openapi;

    (void)request;
    (void)reply;
    (void)err;
    call_answer_raw(call, "application/json", text, strlen(text));
    return true;
}
