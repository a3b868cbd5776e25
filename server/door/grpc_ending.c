/*
 * How a call ends: grpc-status and grpc-message, and for failures
 *
 *   x-error-code             name in the catalogue, for those who read one key
 *   grpc-status-details-bin  google.rpc.Status with one google.rpc.ErrorInfo
 *                            {reason: that name, domain: the service}, as
 *                            AIP-193 describes; gRPC libraries can unpack it
 *   grpc-retry-pushback-ms   how long to wait, when there is such a time
 *
 * Good or bad, x-request-id comes back if the caller sent one, and what the
 * handler had to tell (call_tell()).
 *
 * The two messages are written by hand: five fields need no generated code.
 */
#include <stdio.h>
#include <string.h>

#include "caller.h"
#include "grpc_internal.h"

/* Numbers of the fields. */
enum {
    STATUS_CODE = 1,
    STATUS_MESSAGE = 2,
    STATUS_DETAILS = 3,
    ANY_TYPE_URL = 1,
    ANY_VALUE = 2,
    INFO_REASON = 1,
    INFO_DOMAIN = 2
};

static const char info_type[] = "type.googleapis.com/google.rpc.ErrorInfo";

static void put_varint(struct buf *out, uint64_t value)
{
    while (value >= 0x80) {
        buf_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    buf_char(out, (char)value);
}

static void put_bytes(struct buf *out, unsigned field, const void *bytes,
                      size_t size)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, size);
    buf_append(out, bytes, size);
}

static void put_info(struct buf *out, const char *reason, const char *domain,
                     size_t domain_size)
{
    struct buf info = {0}, any = {0};

    put_bytes(&info, INFO_REASON, reason, strlen(reason));
    put_bytes(&info, INFO_DOMAIN, domain, domain_size);
    put_bytes(&any, ANY_TYPE_URL, info_type, strlen(info_type));
    put_bytes(&any, ANY_VALUE, info.data, info.size);
    put_bytes(out, STATUS_DETAILS, any.data, any.size);
    if (!buf_ok(&info) || !buf_ok(&any))
        out->failed = true;
    buf_release(&info);
    buf_release(&any);
}

/* google.rpc.Status of the call's error. */
static void put_status(struct buf *out, const struct srv_call *call)
{
    const char *method = call->op ? call->op->method : "/";
    const char *service = method + 1;

    put_varint(out, STATUS_CODE << 3);
    put_varint(out, (uint64_t)call->grpc_status);
    put_bytes(out, STATUS_MESSAGE, call->err.msg, strlen(call->err.msg));
    put_info(out, err_info(call->err.code)->name, service,
             strcspn(service, "/"));
}

static void add_trailer(struct grpc_ending *ending, const char *key,
                        grpc_slice value)
{
    grpc_metadata *trailer = &ending->trailers[ending->count++];

    trailer->key = grpc_slice_from_static_string(key);
    trailer->value = value;
}

static void add_details(struct grpc_ending *ending, const struct srv_call *call)
{
    struct buf status = {0};

    put_status(&status, call);
    if (buf_ok(&status))
        add_trailer(ending, "grpc-status-details-bin",
                    grpc_slice_from_copied_buffer(status.data, status.size));
    buf_release(&status);
}

static void add_pushback(struct grpc_ending *ending, uint32_t seconds)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%llu", seconds * 1000ULL);
    add_trailer(ending, "grpc-retry-pushback-ms",
                grpc_slice_from_copied_string(text));
}

static void add_number(struct grpc_ending *ending, const char *key,
                       double value, int digits)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%.*f", digits, value);
    add_trailer(ending, key, grpc_slice_from_copied_string(text));
}

/* What the model's part of the call took, as REST tells it in headers. */
static void add_work(struct grpc_ending *ending, const struct srv_call *call)
{
    if (call->compute_ns == 0)
        return;
    add_number(ending, "x-queue-time-ms", (double)call->queue_ns / 1e6, 3);
    add_number(ending, "x-compute-time-ms", (double)call->compute_ns / 1e6, 3);
    if (call->tokens == 0)
        return;
    add_number(ending, "x-compute-tokens", (double)call->tokens, 0);
    add_trailer(
        ending, "x-truncated",
        grpc_slice_from_static_string(call->truncated ? "true" : "false"));
}

void grpc_ending_init(struct grpc_ending *ending, const struct srv_call *call)
{
    const char *id = caller_request_id(call);

    *ending =
        (struct grpc_ending){.status = (grpc_status_code)call->grpc_status,
                             .message = grpc_empty_slice()};
    if (id)
        add_trailer(ending, "x-request-id", grpc_slice_from_copied_string(id));
    add_work(ending, call);
    for (size_t i = 0; i < call->fact_count; i++)
        add_trailer(ending, call->facts[i].name,
                    grpc_slice_from_static_string(call->facts[i].value));
    if (ending->status == GRPC_STATUS_OK)
        return;
    ending->message = grpc_slice_from_copied_string(call->err.msg);
    add_trailer(ending, "x-error-code",
                grpc_slice_from_static_string(err_info(call->err.code)->name));
    add_details(ending, call);
    if (call->retry_after_s)
        add_pushback(ending, call->retry_after_s);
}

void grpc_ending_release(struct grpc_ending *ending)
{
    for (size_t i = 0; i < ending->count; i++)
        grpc_slice_unref(ending->trailers[i].value);
    grpc_slice_unref(ending->message);
}

grpc_op grpc_ending_op(struct grpc_ending *ending)
{
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};

    op.data.send_status_from_server.status = ending->status;
    op.data.send_status_from_server.trailing_metadata_count = ending->count;
    op.data.send_status_from_server.trailing_metadata = ending->trailers;
    if (ending->status != GRPC_STATUS_OK)
        op.data.send_status_from_server.status_details = &ending->message;
    return op;
}
