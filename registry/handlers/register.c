/*
 * POST /register: an instance announces itself and gets its port.
 */
#include "reply.h"

bool handle_registry_register(struct srv_call *call,
                              const struct registry_register_request *request,
                              struct registry_register_response *reply,
                              struct error *err)
{
    const struct reg_app *app = call->app;
    const struct reg_request asked = {
        .host = call->peer,
        .host_is_local = call->peer_is_local,
        .app_name = request->app_name,
        .app_version = request->app_version,
        .model_name = request->model_name,
        .reason = request->reason,
        .metadata = request->metadata_json,
        .request_id = request->request_id,
        .has_pid = request->has_process_id,
        .pid = request->process_id,
        /* the schema keeps both within their type */
        .preferred_port =
            request->has_preferred_port ? (int)request->preferred_port : 0,
        .ttl_s = request->has_ttl_s ? (uint32_t)request->ttl_s : 0};
    struct reg_answer answer;

    if (!registry_register(app->registry, &asked, &answer, err))
        return false;
    registry_register_response_set_success(reply, true);
    registry_register_response_set_assigned_port(reply, answer.port);
    registry_register_response_set_ttl_s(reply, answer.ttl_s);
    registry_register_response_set_epoch(reply, (int64_t)answer.epoch);
    reply->registration_id = arena_strdup(&call->arena, answer.id);
    reply->message = arena_strdup(&call->arena, answer.message);
    reply->expires_at = reply_time(answer.expires_s, &call->arena);
    return true;
}
