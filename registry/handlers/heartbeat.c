/*
 * POST /heartbeat/{port}: an instance is alive.
 */
#include "reply.h"

bool handle_registry_heartbeat(struct srv_call *call,
                               const struct registry_heartbeat_request *request,
                               struct registry_heartbeat_response *reply,
                               struct error *err)
{
    const struct reg_app *app = call->app;
    uint64_t epoch = 0;
    struct reg_beat beat;

    if (request->has_epoch) {
        if (request->epoch < 1)
            return fail(err, ERR_VALIDATION_ERROR, "epoch is at least 1");
        epoch = (uint64_t)request->epoch;
    }
    if (!registry_heartbeat(app->registry, (int)request->port,
                            request->registration_id, epoch, &beat, err))
        return false;
    registry_heartbeat_response_set_success(reply, true);
    registry_heartbeat_response_set_port(reply, request->port);
    registry_heartbeat_response_set_ttl_s(reply, beat.ttl_s);
    reply->message = reply_text("Heartbeat received");
    reply->last_heartbeat = reply_time(beat.last_heartbeat_s, &call->arena);
    reply->expires_at = reply_time(beat.expires_s, &call->arena);
    return true;
}
