/*
 * A blocking client: every batch is waited for with a pluck.
 */
#include "grpc_client.h"

#include <fcntl.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <string.h>
#include <sys/socket.h>

#include "unit.h"

enum { TEST_TIMEOUT_MS = 20000 };

static gpr_timespec in_ms(int ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis(ms, GPR_TIMESPAN));
}

void client_open(struct client *client, struct grpc_door *door)
{
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                ends),
                     0);
    client->queue = grpc_completion_queue_create_for_pluck(NULL);
    client->channel = grpc_channel_create_from_fd("test", ends[1], plain, NULL);
    grpc_channel_credentials_release(plain);
    assert_true(grpc_door_add_fd(door, ends[0], "127.0.0.1"));
}

void client_close(struct client *client)
{
    grpc_channel_destroy(client->channel);
    grpc_completion_queue_shutdown(client->queue);
    grpc_completion_queue_destroy(client->queue);
}

static void start(struct client_call *call, const grpc_op *ops, size_t count,
                  void *tag)
{
    assert_int_equal(grpc_call_start_batch(call->core, ops, count, tag, NULL),
                     GRPC_CALL_OK);
}

static bool wait_for(struct client_call *call, void *tag)
{
    grpc_event event = grpc_completion_queue_pluck(
        call->client->queue, tag, in_ms(TEST_TIMEOUT_MS), NULL);

    assert_int_equal(event.type, GRPC_OP_COMPLETE);
    return event.success;
}

void client_start(struct client *client, struct client_call *call,
                  const char *method, int timeout_ms)
{
    grpc_slice host = grpc_slice_from_static_string("test");
    grpc_slice path = grpc_slice_from_copied_string(method);
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};

    *call = (struct client_call){.client = client};
    grpc_metadata_array_init(&call->head);
    grpc_metadata_array_init(&call->trailers);
    call->core = grpc_channel_create_call(
        client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue, path,
        &host, in_ms(timeout_ms), NULL);
    grpc_slice_unref(path);
    start(call, ops, 1, &call->client);
    (void)wait_for(call, &call->client);
    ops[1].data.recv_initial_metadata.recv_initial_metadata = &call->head;
    start(call, &ops[1], 1, &call->head);
    ops[2].data.recv_status_on_client.trailing_metadata = &call->trailers;
    ops[2].data.recv_status_on_client.status = &call->status;
    ops[2].data.recv_status_on_client.status_details = &call->text;
    start(call, &ops[2], 1, &call->status);
}

bool client_send(struct client_call *call, const void *bytes, size_t size,
                 bool last)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(bytes, size);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}};

    ops[0].data.send_message.send_message = message;
    start(call, ops, last ? 2 : 1, message);
    grpc_slice_unref(slice);
    grpc_byte_buffer_destroy(message);
    return wait_for(call, message);
}

bool client_read(struct client_call *call, struct buf *out)
{
    grpc_byte_buffer *message = NULL;
    grpc_byte_buffer_reader reader;
    grpc_slice bytes;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    op.data.recv_message.recv_message = &message;
    start(call, &op, 1, &message);
    if (!wait_for(call, &message) || !message)
        return false;
    buf_clear(out);
    assert_true(grpc_byte_buffer_reader_init(&reader, message));
    bytes = grpc_byte_buffer_reader_readall(&reader);
    buf_append(out, GRPC_SLICE_START_PTR(bytes), GRPC_SLICE_LENGTH(bytes));
    grpc_slice_unref(bytes);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(message);
    return true;
}

void client_wait_for_head(struct client_call *call)
{
    if (!call->has_head)
        (void)wait_for(call, &call->head);
    call->has_head = true;
}

void client_cancel(struct client_call *call)
{
    grpc_call_cancel(call->core, NULL);
}

grpc_status_code client_finish(struct client_call *call)
{
    struct buf unread = {0};

    /* gRPC Core keeps the status back until the messages were taken */
    while (client_read(call, &unread))
        ;
    buf_release(&unread);
    client_wait_for_head(call);
    (void)wait_for(call, &call->status);
    return call->status;
}

const grpc_slice *client_trailer(const struct client_call *call,
                                 const char *key)
{
    for (size_t i = 0; i < call->trailers.count; i++)
        if (grpc_slice_str_cmp(call->trailers.metadata[i].key, key) == 0)
            return &call->trailers.metadata[i].value;
    return NULL;
}

void client_free(struct client_call *call)
{
    grpc_metadata_array_destroy(&call->head);
    grpc_metadata_array_destroy(&call->trailers);
    grpc_slice_unref(call->text);
    grpc_call_unref(call->core);
}

grpc_status_code client_unary(struct client *client, const char *method,
                              const struct buf *request, struct buf *out)
{
    struct client_call call;
    struct buf ignored = {0};
    grpc_status_code status;

    client_start(client, &call, method, TEST_TIMEOUT_MS);
    (void)client_send(&call, request->data, request->size, true);
    (void)client_read(&call, out ? out : &ignored);
    status = client_finish(&call);
    client_free(&call);
    buf_release(&ignored);
    return status;
}
