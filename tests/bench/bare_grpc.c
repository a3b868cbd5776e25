/*
 * The least that answers grpc.health.v1.Health/Check with gRPC Core: one
 * completion queue, one thread, one batch per call, the answer's bytes fixed,
 * nothing decoded. What our door costs is measured against this.
 *
 *   bare_grpc [PORT]     prints the port it listens on
 */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct rpc {
    grpc_call *call;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    gpr_timespec deadline;
    int cancelled;
    bool answered;
};

struct server {
    grpc_server *core;
    grpc_completion_queue *queue;
    void *check;
};

static void listen_next(const struct server *server)
{
    struct rpc *rpc = calloc(1, sizeof *rpc);

    if (!rpc)
        abort();
    grpc_metadata_array_init(&rpc->metadata);
    if (grpc_server_request_registered_call(
            server->core, server->check, &rpc->call, &rpc->deadline,
            &rpc->metadata, &rpc->payload, server->queue, server->queue,
            rpc) != GRPC_CALL_OK)
        abort();
}

static void answer(struct rpc *rpc)
{
    /* HealthCheckResponse{status: SERVING} */
    grpc_slice slice = grpc_slice_from_copied_buffer("\x08\x01", 2);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
         .data.send_status_from_server.status = GRPC_STATUS_OK},
        {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
         .data.recv_close_on_server.cancelled = &rpc->cancelled},
    };

    rpc->answered = true;
    if (grpc_call_start_batch(rpc->call, ops, 4, rpc, NULL) != GRPC_CALL_OK)
        abort();
    grpc_byte_buffer_destroy(message);
    grpc_slice_unref(slice);
}

static void release(struct rpc *rpc)
{
    grpc_metadata_array_destroy(&rpc->metadata);
    if (rpc->payload)
        grpc_byte_buffer_destroy(rpc->payload);
    grpc_call_unref(rpc->call);
    free(rpc);
}

static void serve(const struct server *server)
{
    for (;;) {
        grpc_event event = grpc_completion_queue_next(
            server->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        struct rpc *rpc = event.tag;

        if (event.type != GRPC_OP_COMPLETE)
            return;
        if (rpc->answered) {
            release(rpc);
        } else {
            listen_next(server);
            answer(rpc);
        }
    }
}

int main(int argc, char **argv)
{
    struct server server;
    grpc_server_credentials *plain;
    char address[64];
    int port;

    grpc_init();
    server.queue = grpc_completion_queue_create_for_next(NULL);
    server.core = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(server.core, server.queue, NULL);
    server.check = grpc_server_register_method(
        server.core, "/grpc.health.v1.Health/Check", NULL,
        GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    (void)snprintf(address, sizeof address, "127.0.0.1:%s",
                   argc > 1 ? argv[1] : "0");
    plain = grpc_insecure_server_credentials_create();
    port = grpc_server_add_http2_port(server.core, address, plain);
    grpc_server_credentials_release(plain);
    if (!port) {
        (void)fprintf(stderr, "cannot listen on %s\n", address);
        return 1;
    }
    grpc_server_start(server.core);
    listen_next(&server);
    (void)printf("%d\n", port);
    (void)fflush(stdout);
    serve(&server);
    return 0;
}
