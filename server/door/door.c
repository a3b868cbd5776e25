/*
 * Door: gate, REST, gRPC and queue put together, and the order in which they
 * start and end.
 *
 *   gate --HTTP/1--> rest --+
 *        --HTTP/2--> grpc --+--> queue --> call_serve()
 */
#include "door.h"

#include <stdlib.h>

#include "clock.h"
#include "gate.h"
#include "grpc.h"
#include "queue.h"
#include "rest.h"
#include "route.h"
#include "validate.h"

/* Answers that are ready get this long to be sent at the end. */
enum { SEND_GRACE_MS = 1000 };

struct door {
    struct door_options options; /* complete */
    struct route_table *routes;
    struct queue *queue;
    struct rest *rest;
    struct grpc_door *grpc;
    struct gate *gate;
    atomic_uint_fast64_t next_id;
};

static void complete(struct door_options *options)
{
    static const struct proto_file *const no_protos[] = {NULL};

    if (!options->host)
        options->host = "127.0.0.1";
    if (!options->protos)
        options->protos = no_protos;
    if (options->workers <= 0)
        options->workers = 2;
    if (options->queue_length == 0)
        options->queue_length = 64;
    if (options->queue_length < 0)
        options->queue_length = 0;
    if (options->grpc_threads <= 0)
        options->grpc_threads = 1;
    if (options->max_connections <= 0)
        options->max_connections = 10000;
    if (options->max_body == 0)
        options->max_body = 1 << 20;
    if (options->deadline_ms == 0)
        options->deadline_ms = 30000;
    if (options->header_timeout_ms == 0)
        options->header_timeout_ms = 10000;
    if (options->idle_timeout_ms == 0)
        options->idle_timeout_ms = 300000;
}

static bool hand_over(void *context, struct srv_call *call, grpc_answer *answer)
{
    struct door *door = context;

    return queue_push(door->queue, call, answer);
}

static bool calls_wait(void *context)
{
    struct door *door = context;
    int waiting, running;

    queue_load(door->queue, &waiting, &running);
    return waiting > 0;
}

static bool nap(void *context)
{
    struct door *door = context;

    return queue_nap(door->queue);
}

static void give_http(void *context, struct conn *conn)
{
    struct door *door = context;

    rest_add(door->rest, conn);
}

static void give_grpc(void *context, int fd, const char *peer)
{
    struct door *door = context;

    (void)grpc_door_add_fd(door->grpc, fd, peer);
}

static bool open_routes(struct door *door, struct error *err)
{
    const struct door_alias *alias = door->options.aliases;

    door->routes = route_table_new(door->options.tables, err);
    if (!door->routes)
        return false;
    for (; alias && alias->path; alias++)
        if (!route_table_alias(door->routes, alias->path, alias->target, err))
            return false;
    return true;
}

static bool open_libraries(struct door *door, struct error *err)
{
    door->rest = rest_open(&(struct rest_options){.door = &door->options,
                                                  .routes = door->routes,
                                                  .queue = door->queue,
                                                  .next_id = &door->next_id},
                           err);
    if (!door->rest)
        return false;
    door->grpc =
        grpc_door_open(&(struct grpc_door_options){.door = &door->options,
                                                   .hand_over = hand_over,
                                                   .calls_wait = calls_wait,
                                                   .nap = nap,
                                                   .context = door,
                                                   .next_id = &door->next_id},
                       err);
    return door->grpc != NULL;
}

static bool open_gate(struct door *door, struct error *err)
{
    const struct door_options *options = &door->options;

    door->gate = gate_open(
        &(struct gate_options){
            .host = options->host,
            .port = options->port,
            .limits = {.total = options->max_connections,
                       .per_ip = options->max_connections_per_ip,
                       .header_timeout_ms = options->header_timeout_ms,
                       .idle_timeout_ms = options->idle_timeout_ms},
            .give_http = give_http,
            .give_grpc = give_grpc,
            .context = door},
        err);
    return door->gate != NULL;
}

/* The gate comes last: whoever connects meets a door that is complete. */
struct door *door_open(const struct door_options *options, struct error *err)
{
    struct door *door = calloc(1, sizeof *door);

    if (!door) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the door");
        return NULL;
    }
    door->options = *options;
    complete(&door->options);
    atomic_init(&door->next_id, 1);
    if (!open_routes(door, err) || !validate_prepare(options->tables, err))
        goto failed;
    door->queue =
        queue_new(door->options.workers, door->options.queue_length, err);
    if (!door->queue || !open_libraries(door, err) || !open_gate(door, err))
        goto failed;
    return door;
failed:
    door_close(door);
    return NULL;
}

int door_port(const struct door *door)
{
    return gate_port(door->gate);
}

void door_load(const struct door *door, int *waiting, int *running)
{
    queue_load(door->queue, waiting, running);
}

void door_set_serving(struct door *door, bool serving)
{
    grpc_door_set_serving(door->grpc, serving);
}

void door_drain(struct door *door, uint32_t grace_ms)
{
    uint64_t until = clock_now_ns() + (uint64_t)grace_ms * 1000000;
    uint64_t left;

    grpc_door_set_serving(door->grpc, false);
    rest_leave(door->rest);
    queue_drain(door->queue, grace_ms);
    left = clock_left_ms(until);
    grpc_door_drain(door->grpc,
                    left > SEND_GRACE_MS ? (uint32_t)left : SEND_GRACE_MS);
    rest_settle(door->rest, SEND_GRACE_MS);
}

/* First nobody comes in, then calls end, then what they ran on. */
void door_close(struct door *door)
{
    if (!door)
        return;
    if (door->gate)
        gate_stop(door->gate);
    if (door->rest)
        rest_leave(door->rest);
    grpc_door_close(door->grpc);
    if (door->queue)
        queue_drain(door->queue, 0);
    if (door->rest)
        rest_settle(door->rest, SEND_GRACE_MS);
    rest_close(door->rest);
    queue_free(door->queue);
    gate_close(door->gate);
    route_table_free(door->routes);
    free(door);
}
