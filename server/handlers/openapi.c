/*
 * GET /openapi.json: this API as an OpenAPI 3.1 document, made by specgen.
 */
#include "reply.h"

#include "openapi.h"

bool handle_openapi(struct srv_call *call,
                    const struct runtime_openapi_request *request, void *reply,
                    struct error *err)
{
    (void)request;
    (void)reply;
    (void)err;
    call_answer_raw(call, "application/json", openapi_runtime_json,
                    openapi_runtime_json_size);
    return true;
}
