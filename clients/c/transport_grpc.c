/*
 * Transport over gRPC: the messages of specserve.registry.v1.Registry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry_msg.h"
#include "rpc_client.h"
#include "transport.h"

enum { ANSWER_MAX_BYTES = 4 << 20 };

static void *grpc_open(const char *authority, struct error *err)
{
    return rpc_client_open(authority, ANSWER_MAX_BYTES, NULL, err);
}

static void grpc_close(void *state)
{
    rpc_client_close(state);
}

/* The numbers are those of gRPC's status codes. */
static bool refuse(const struct rpc_answer *answer, struct error *err)
{
    static const struct {
        int status;
        enum err_code code;
    } codes[] = {{3, ERR_VALIDATION_ERROR},      /* INVALID_ARGUMENT */
                 {5, ERR_NOT_FOUND},             /* NOT_FOUND */
                 {7, ERR_REGISTRATION_MISMATCH}, /* PERMISSION_DENIED */
                 {8, ERR_QUOTA_EXCEEDED},        /* RESOURCE_EXHAUSTED */
                 {9, ERR_REGISTRATION_GONE},     /* FAILED_PRECONDITION */
                 {12, ERR_METHOD_NOT_ALLOWED}};  /* UNIMPLEMENTED */
    enum err_code code = ERR_REGISTRY_UNAVAILABLE;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == answer->status)
            code = codes[i].code;
    return fail(err, code, "the registry answers %d: %.160s", answer->status,
                answer->text);
}

/* Sends the message; the answer is in `answer` and has status OK. */
static bool exchange(struct rpc_client *client, const char *method,
                     const ProtobufCMessage *request, uint32_t timeout_ms,
                     struct rpc_answer *answer, struct error *err)
{
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = malloc(size ? size : 1);
    struct rpc_request call = {.method = method,
                               .bytes = bytes,
                               .size = size,
                               .timeout_ms = timeout_ms};
    struct error why = {0};
    bool ok;

    if (!bytes)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a request");
    (void)protobuf_c_message_pack(request, bytes);
    ok = rpc_client_call(client, &call, answer, &why);
    free(bytes);
    if (!ok)
        return fail(err, ERR_REGISTRY_UNAVAILABLE,
                    "the registry does not answer: %.160s", why.msg);
    return answer->status == 0 || refuse(answer, err);
}

/*
 * Calls `method` and returns the reply, to be freed with
 * protobuf_c_message_free_unpacked(); NULL and `err` on failure.
 */
static ProtobufCMessage *call_method(struct rpc_client *client,
                                     const char *method,
                                     const ProtobufCMessage *request,
                                     const ProtobufCMessageDescriptor *reply,
                                     uint32_t timeout_ms, struct error *err)
{
    struct rpc_answer answer = {0};
    ProtobufCMessage *message;

    if (!exchange(client, method, request, timeout_ms, &answer, err))
        return NULL;
    message = protobuf_c_message_unpack(reply, NULL, answer.size, answer.bytes);
    if (!message)
        (void)fail(err, ERR_REGISTRY_UNAVAILABLE,
                   "the registry's answer is not a message");
    return message;
}

#define METHOD(name) "/specserve.registry.v1.Registry/" name

/* protobuf-c's structs have char * members, which packing only reads. */
static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)borrowed;
}

/* ---- the four calls ---- */

static bool grpc_enter(void *state, const struct registry_announcement *who,
                       uint32_t timeout_ms, struct registry_lease *lease,
                       struct error *err)
{
    struct registry_register_request request;
    struct registry_register_response *reply;
    bool ok;

    registry_register_request_init(&request);
    request.app_name = text(who->app_name);
    request.app_version = text(who->app_version);
    request.model_name = text(who->model_name);
    request.reason = text(who->reason);
    request.metadata_json = text(who->metadata ? who->metadata : "{}");
    request.has_process_id = true;
    request.process_id = who->process_id;
    request.has_preferred_port = who->preferred_port > 0;
    request.preferred_port = who->preferred_port;
    reply = (struct registry_register_response *)call_method(
        state, METHOD("Register"), &request.base,
        registry_register_response_def.descriptor, timeout_ms, err);
    if (!reply)
        return false;
    ok = reply->registration_id &&
         strlen(reply->registration_id) < sizeof lease->id &&
         reply->assigned_port > 0 && reply->assigned_port <= 65535;
    if (ok) {
        *lease = (struct registry_lease){.port = (int)reply->assigned_port,
                                         .ttl_s = reply->ttl_s > 0
                                                      ? (uint32_t)reply->ttl_s
                                                      : REGISTRY_TTL_S};
        (void)snprintf(lease->id, sizeof lease->id, "%s",
                       reply->registration_id);
        (void)snprintf(lease->message, sizeof lease->message, "%s",
                       reply->message ? reply->message : "");
    } else {
        (void)fail(err, ERR_REGISTRY_UNAVAILABLE,
                   "the registry assigns no port");
    }
    protobuf_c_message_free_unpacked(&reply->base, NULL);
    return ok;
}

/* For replies of which only the coming matters. */
static bool drop(ProtobufCMessage *reply)
{
    if (!reply)
        return false;
    protobuf_c_message_free_unpacked(reply, NULL);
    return true;
}

static bool grpc_leave(void *state, int port, const char *id,
                       uint32_t timeout_ms, struct error *err)
{
    struct registry_unregister_request request;

    registry_unregister_request_init(&request);
    request.has_port = true;
    request.port = port;
    request.registration_id = text(id);
    return drop(call_method(state, METHOD("Unregister"), &request.base,
                            registry_unregister_response_def.descriptor,
                            timeout_ms, err));
}

static bool grpc_beat(void *state, int port, const char *id,
                      uint32_t timeout_ms, struct error *err)
{
    struct registry_heartbeat_request request;

    registry_heartbeat_request_init(&request);
    request.has_port = true;
    request.port = port;
    request.registration_id = text(id);
    return drop(call_method(state, METHOD("Heartbeat"), &request.base,
                            registry_heartbeat_response_def.descriptor,
                            timeout_ms, err));
}

static bool grpc_resolve(void *state, const char *model, uint32_t timeout_ms,
                         struct registry_addresses *found, struct error *err)
{
    struct registry_resolve_request request;
    struct registry_resolve_response *reply;

    registry_resolve_request_init(&request);
    request.model_name = text(model);
    reply = (struct registry_resolve_response *)call_method(
        state, METHOD("Resolve"), &request.base,
        registry_resolve_response_def.descriptor, timeout_ms, err);
    if (!reply)
        return false;
    found->count = 0;
    for (size_t i = 0; i < reply->n_instances; i++) {
        const struct registry_registration *instance = reply->instances[i];

        registry_addresses_add(found,
                               instance->host ? instance->host : "127.0.0.1",
                               instance->port);
    }
    protobuf_c_message_free_unpacked(&reply->base, NULL);
    return found->count > 0 ||
           fail(err, ERR_NOT_FOUND, "no instance of '%s' is live", model);
}

const struct registry_transport registry_over_grpc = {.scheme = "grpc://",
                                                      .open = grpc_open,
                                                      .close = grpc_close,
                                                      .enter = grpc_enter,
                                                      .leave = grpc_leave,
                                                      .beat = grpc_beat,
                                                      .resolve = grpc_resolve};
