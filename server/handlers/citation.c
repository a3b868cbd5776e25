/*
 * GET /citation: how to cite the model and the software that serves it.
 */
#include "reply.h"

bool handle_citation(struct srv_call *call,
                     const struct runtime_citation_request *request,
                     struct runtime_citation_response *reply, struct error *err)
{
    const struct srv_bundle *bundle = ((struct srv_app *)call->app)->bundle;

    (void)request;
    (void)err;
    reply->paper_citation = reply_text(bundle->paper);
    reply->software_bibtex = reply_text(bundle->bibtex);
    return true;
}
