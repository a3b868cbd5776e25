/*
 * GET /info: name, purpose, license, citation, maintainer and digests.
 */
#include "reply.h"

bool handle_info(struct srv_call *call,
                 const struct runtime_info_request *request,
                 struct runtime_info_response *reply, struct error *err)
{
    const struct srv_app *app = call->app;
    const struct srv_bundle *bundle = app->bundle;

    const struct identity *is = &app->digests.is;

    (void)request;
    (void)err;
    reply->name = reply_text(bundle->name);
    reply->description = reply_text(bundle->description);
    reply->license = reply_text(bundle->license);
    reply->citation = reply_text(bundle->citation_url);
    reply->maintainer = reply_text(bundle->maintainer);
    reply->model_id = reply_text(bundle->model_id);
    reply->model_version = reply_text(bundle->version);
    reply->framework = reply_text(bundle->framework);
    reply->task = reply_text(bundle->task);
    reply->documents_digest = reply_text(is->documents);
    if (!app->digests.known)
        return true;
    reply->bundle_digest = reply_text(is->bundle);
    reply->model_digest = reply_text(is->model);
    return true;
}
