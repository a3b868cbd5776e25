/*
 * GET /model/service: the ModelService as it stands in the bundle, from which
 * `specgen model-client --url` makes clients.
 */
#include <string.h>

#include "reply.h"

bool handle_model_service(struct srv_call *call,
                          const struct runtime_model_service_request *request,
                          void *reply, struct error *err)
{
    const struct srv_app *app = call->app;
    const struct bundle_document *document =
        &app->bundle->documents[BUNDLE_MODELSERVICE];
    const char *ending = strrchr(document->name, '.');

    (void)request;
    (void)reply;
    (void)err;
    call_answer_raw(call,
                    ending && strcmp(ending, ".json") == 0 ? "application/json"
                                                           : "application/yaml",
                    document->text, document->size);
    return true;
}
