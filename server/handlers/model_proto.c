/*
 * GET /model.proto: the gRPC service of this very model, see typed.h.
 */
#include <string.h>

#include "reply.h"

bool handle_model_proto(struct srv_call *call,
                        const struct runtime_model_proto_request *request,
                        void *reply, struct error *err)
{
    const struct srv_app *app = call->app;
    const char *text = app->typed.proto;

    (void)request;
    (void)reply;
    (void)err;
    call_answer_raw(call, "text/plain; charset=utf-8", text, strlen(text));
    return true;
}
