/*
 * RPC parts: see rpc_parts.h.
 */
#include "rpc_parts.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/time.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void rpc_ending_init(struct rpc_ending *ending)
{
    *ending = (struct rpc_ending){.status = GRPC_STATUS_INTERNAL,
                                  .text = grpc_empty_slice()};
    grpc_metadata_array_init(&ending->first);
    grpc_metadata_array_init(&ending->last);
}

void rpc_ending_release(struct rpc_ending *ending)
{
    grpc_metadata_array_destroy(&ending->first);
    grpc_metadata_array_destroy(&ending->last);
    grpc_slice_unref(ending->text);
}

grpc_op rpc_op_first(struct rpc_ending *ending)
{
    grpc_op op = {.op = GRPC_OP_RECV_INITIAL_METADATA};

    op.data.recv_initial_metadata.recv_initial_metadata = &ending->first;
    return op;
}

grpc_op rpc_op_status(struct rpc_ending *ending)
{
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};

    op.data.recv_status_on_client.trailing_metadata = &ending->last;
    op.data.recv_status_on_client.status = &ending->status;
    op.data.recv_status_on_client.status_details = &ending->text;
    return op;
}

/* ---- what comes back ---- */

static void copy_slice(struct buf *out, grpc_slice slice)
{
    buf_append(out, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
}

void rpc_message_copy(struct buf *out, grpc_byte_buffer *message)
{
    grpc_byte_buffer_reader reader;
    grpc_slice slice;

    if (!message || !grpc_byte_buffer_reader_init(&reader, message))
        return;
    while (grpc_byte_buffer_reader_next(&reader, &slice)) {
        copy_slice(out, slice);
        grpc_slice_unref(slice);
    }
    grpc_byte_buffer_reader_destroy(&reader);
}

/* Values that hold a NUL would be read as two; those are binary ones. */
static void copy_headers(struct rpc_client *client,
                         const grpc_metadata_array *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const grpc_metadata *entry = &list->metadata[i];
        const void *value = GRPC_SLICE_START_PTR(entry->value);
        size_t size = GRPC_SLICE_LENGTH(entry->value);

        if (memchr(value, '\0', size))
            continue;
        copy_slice(&client->headers, entry->key);
        buf_char(&client->headers, '\0');
        buf_append(&client->headers, value, size);
        buf_char(&client->headers, '\0');
        if (grpc_slice_str_cmp(entry->key, "x-error-code") == 0) {
            buf_clear(&client->reason);
            copy_slice(&client->reason, entry->value);
        }
    }
}

/* gRPC Core uses these for its own failures, too; then nobody has answered. */
static bool is_answer(const struct rpc_client *client, grpc_status_code status)
{
    return client->reason.size > 0 || (status != GRPC_STATUS_UNAVAILABLE &&
                                       status != GRPC_STATUS_DEADLINE_EXCEEDED);
}

/* gRPC Core tells only by its sentence that it found no server. */
static enum rpc_loss loss_of(grpc_status_code status, const char *text)
{
    static const char *const words[] = {"failed to connect",
                                        "connection refused", "name resolution",
                                        "handshake failed"};

    if (status == GRPC_STATUS_DEADLINE_EXCEEDED)
        return RPC_LATE;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(text, words[i]))
            return RPC_NOT_SENT;
    return RPC_CUT;
}

bool rpc_keep_ending(struct rpc_client *client, const struct rpc_ending *ending,
                     struct error *err)
{
    const char *text;

    buf_clear(&client->text);
    buf_clear(&client->reason);
    buf_clear(&client->headers);
    copy_slice(&client->text, ending->text);
    copy_headers(client, &ending->first);
    copy_headers(client, &ending->last);
    if (!buf_ok(&client->text) || !buf_ok(&client->reason) ||
        !buf_ok(&client->headers))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the answer");
    if (is_answer(client, ending->status))
        return true;
    text = client->text.data ? client->text.data : "";
    client->loss = loss_of(ending->status, text);
    return fail(err, client->loss == RPC_LATE ? ERR_TIMEOUT : ERR_NOT_READY,
                "%s", text);
}

/* ---- what goes out ---- */

grpc_call *rpc_call_new(struct rpc_client *client, grpc_completion_queue *queue,
                        const struct rpc_request *request)
{
    gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);

    if (request->timeout_ms)
        deadline = gpr_time_add(
            gpr_now(GPR_CLOCK_MONOTONIC),
            gpr_time_from_millis(request->timeout_ms, GPR_TIMESPAN));
    return grpc_channel_create_call(
        client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
        grpc_slice_from_static_string(request->method), NULL, deadline, NULL);
}

grpc_metadata *rpc_metadata_new(const struct rpc_request *request)
{
    grpc_metadata *list = calloc(request->metadata_count + 1, sizeof *list);

    for (size_t i = 0; list && i < request->metadata_count; i++) {
        list[i].key = grpc_slice_from_copied_string(request->metadata[i].name);
        list[i].value =
            grpc_slice_from_copied_string(request->metadata[i].value);
    }
    return list;
}

void rpc_metadata_free(grpc_metadata *metadata, size_t count)
{
    for (size_t i = 0; metadata && i < count; i++) {
        grpc_slice_unref(metadata[i].key);
        grpc_slice_unref(metadata[i].value);
    }
    free(metadata);
}

bool rpc_not_started(grpc_call_error wrong, struct error *err)
{
    if (wrong == GRPC_CALL_ERROR_INVALID_METADATA)
        return fail(err, ERR_USAGE, "a header is none that gRPC sends");
    return fail(err, ERR_NOT_READY, "the call did not start");
}

grpc_byte_buffer *rpc_message_new(const struct rpc_request *request)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(
        request->size ? request->bytes : "", request->size);
    grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(&slice, 1);

    grpc_slice_unref(slice);
    return bytes;
}
