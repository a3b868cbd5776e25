/*
 * Transport over gRPC: specserve.registry.v1.Registry through the C core; the
 * only file of the client that sees gRPC.
 *
 * One channel, one completion queue that is plucked, one call at a time.
 */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry_msg.h"
#include "transport.h"

/* A registry that comes back is found within this time. */
enum { BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000 };

struct channel {
    grpc_channel *core;
    grpc_completion_queue *queue;
};

static void grpc_close(void *state)
{
    struct channel *channel = state;

    if (!channel)
        return;
    if (channel->core)
        grpc_channel_destroy(channel->core);
    if (channel->queue) {
        grpc_completion_queue_shutdown(channel->queue);
        grpc_completion_queue_destroy(channel->queue);
    }
    free(channel);
    grpc_shutdown();
}

/* gRPC Core takes the key as char *, but only reads it. */
static grpc_arg integer_arg(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER,
                      .key = (char *)(uintptr_t)key,
                      .value = {.integer = value}};
}

static void *grpc_open(const char *authority, struct error *err)
{
    grpc_arg args[] = {
        integer_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        integer_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        integer_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        integer_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MOST_MS)};
    const grpc_channel_args list = {.num_args = sizeof args / sizeof *args,
                                    .args = args};
    struct channel *channel = calloc(1, sizeof *channel);
    grpc_channel_credentials *plain;

    if (!channel) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a gRPC client");
        return NULL;
    }
    grpc_init();
    plain = grpc_insecure_credentials_create();
    channel->core = grpc_channel_create(authority, plain, &list);
    grpc_channel_credentials_release(plain);
    channel->queue = grpc_completion_queue_create_for_pluck(NULL);
    if (channel->core && channel->queue)
        return channel;
    (void)fail(err, ERR_INTERNAL, "gRPC makes no channel");
    grpc_close(channel);
    return NULL;
}

/* ---- one call ---- */

/* What comes back; released by answer_release(). */
struct answer {
    grpc_metadata_array first, last;
    grpc_byte_buffer *message;
    grpc_status_code status;
    grpc_slice details;
};

static void answer_release(struct answer *answer)
{
    grpc_metadata_array_destroy(&answer->first);
    grpc_metadata_array_destroy(&answer->last);
    if (answer->message)
        grpc_byte_buffer_destroy(answer->message);
    grpc_slice_unref(answer->details);
}

static grpc_byte_buffer *pack(const ProtobufCMessage *request)
{
    grpc_slice slice =
        grpc_slice_malloc(protobuf_c_message_get_packed_size(request));
    grpc_byte_buffer *bytes;

    (void)protobuf_c_message_pack(request, GRPC_SLICE_START_PTR(slice));
    bytes = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return bytes;
}

/* Runs all six steps of a unary call as one batch. */
static bool run_batch(struct channel *channel, grpc_call *call,
                      grpc_byte_buffer *request, struct answer *answer)
{
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_MESSAGE},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
    };
    grpc_event event;

    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &answer->first;
    ops[4].data.recv_message.recv_message = &answer->message;
    ops[5].data.recv_status_on_client.trailing_metadata = &answer->last;
    ops[5].data.recv_status_on_client.status = &answer->status;
    ops[5].data.recv_status_on_client.status_details = &answer->details;
    if (grpc_call_start_batch(call, ops, 6, call, NULL) != GRPC_CALL_OK)
        return false;
    /* the deadline of the call ends it, so this returns */
    event = grpc_completion_queue_pluck(
        channel->queue, call, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    return event.success != 0;
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *descriptor,
                                grpc_byte_buffer *message)
{
    ProtobufCMessage *reply = NULL;
    grpc_byte_buffer_reader reader;
    grpc_slice bytes;

    if (!message || !grpc_byte_buffer_reader_init(&reader, message))
        return NULL;
    bytes = grpc_byte_buffer_reader_readall(&reader);
    reply =
        protobuf_c_message_unpack(descriptor, NULL, GRPC_SLICE_LENGTH(bytes),
                                  GRPC_SLICE_START_PTR(bytes));
    grpc_slice_unref(bytes);
    grpc_byte_buffer_reader_destroy(&reader);
    return reply;
}

static bool refuse(const struct answer *answer, struct error *err)
{
    static const struct {
        grpc_status_code status;
        enum err_code code;
    } codes[] = {{GRPC_STATUS_INVALID_ARGUMENT, ERR_VALIDATION_ERROR},
                 {GRPC_STATUS_NOT_FOUND, ERR_NOT_FOUND},
                 {GRPC_STATUS_PERMISSION_DENIED, ERR_REGISTRATION_MISMATCH},
                 {GRPC_STATUS_FAILED_PRECONDITION, ERR_REGISTRATION_GONE},
                 {GRPC_STATUS_RESOURCE_EXHAUSTED, ERR_QUOTA_EXCEEDED},
                 {GRPC_STATUS_UNIMPLEMENTED, ERR_METHOD_NOT_ALLOWED}};
    enum err_code code = ERR_REGISTRY_UNAVAILABLE;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == answer->status)
            code = codes[i].code;
    return fail(err, code, "the registry answers %d: %.*s", (int)answer->status,
                (int)GRPC_SLICE_LENGTH(answer->details),
                (const char *)GRPC_SLICE_START_PTR(answer->details));
}

/*
 * Calls `method` and returns the reply, to be freed with
 * protobuf_c_message_free_unpacked(); NULL and `err` on failure.
 */
static ProtobufCMessage *call_method(struct channel *channel,
                                     const char *method,
                                     const ProtobufCMessage *request,
                                     const ProtobufCMessageDescriptor *reply,
                                     uint32_t timeout_ms, struct error *err)
{
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(
        channel->core, NULL, GRPC_PROPAGATE_DEFAULTS, channel->queue,
        grpc_slice_from_static_string(method), NULL, deadline, NULL);
    grpc_byte_buffer *bytes = pack(request);
    struct answer answer = {.status = GRPC_STATUS_INTERNAL,
                            .details = grpc_empty_slice()};
    ProtobufCMessage *result = NULL;
    bool ran;

    grpc_metadata_array_init(&answer.first);
    grpc_metadata_array_init(&answer.last);
    ran = run_batch(channel, call, bytes, &answer);
    if (ran && answer.status == GRPC_STATUS_OK) {
        result = unpack(reply, answer.message);
        if (!result)
            (void)fail(err, ERR_REGISTRY_UNAVAILABLE,
                       "the registry's answer is not a message");
    } else {
        (void)refuse(&answer, err);
    }
    answer_release(&answer);
    grpc_byte_buffer_destroy(bytes);
    grpc_call_unref(call);
    return result;
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
    for (size_t i = 0;
         i < reply->n_instances && found->count < REGISTRY_ADDRESSES_MAX; i++) {
        const struct registry_registration *instance = reply->instances[i];
        struct registry_address *place = &found->list[found->count++];

        place->port = (int)instance->port;
        (void)snprintf(place->host, sizeof place->host, "%s",
                       instance->host ? instance->host : "127.0.0.1");
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
