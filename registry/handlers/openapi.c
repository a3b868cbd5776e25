/*
 * GET /openapi.json: this API as an OpenAPI 3.1 document, made by specgen.
 */
#include "openapi.h"
#include "reply.h"

bool handle_registry_openapi(struct srv_call *call,
                             const struct registry_openapi_request *request,
                             void *reply, struct error *err)
{
    (void)request;
    (void)reply;
    (void)err;
    call_answer_raw(call, "application/json", openapi_registry_json,
                    openapi_registry_json_size);
    return true;
}
