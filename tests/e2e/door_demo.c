/*
 * A door with two endpoints and no model: the server that the raw-socket cases
 * and the benchmarks of the door itself run against.
 *
 *   door_demo PORT [WORKERS]    prints "port N", serves until SIGTERM or SIGINT
 *
 *   GET /health    answered on the door's thread
 *   POST /predict  on a worker; input_type "slow" takes 300 ms
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "door.h"
#include "protos.h"
#include "runtime_msg.h"

/* Message members are char *, as protobuf-c has them. */
static char status[] = "ok", model[] = "demo", version[] = "1.2.0";

static bool demo_health(struct srv_call *call, const void *request, void *reply,
                        struct error *err)
{
    struct runtime_health_response *health = reply;

    (void)call, (void)request, (void)err;
    health->status = status;
    health->model = model;
    health->version = version;
    return true;
}

static bool demo_predict(struct srv_call *call, const void *request,
                         void *reply, struct error *err)
{
    const struct runtime_predict_request *asked = request;
    struct runtime_predict_response *answer = reply;
    struct timespec step = {.tv_nsec = 10000000};

    if (strcmp(asked->input_type, "slow") == 0)
        for (int i = 0; i < 30 && !call_should_stop(call); i++)
            (void)nanosleep(&step, NULL);
    if (call_should_stop(call))
        return fail(err, ERR_TIMEOUT, "the deadline passed");
    runtime_predict_response_set_success(answer, true);
    answer->model_name = model;
    runtime_predict_response_set_computation_time_ms(answer, 0);
    return true;
}

static const struct op_def ops[] = {
    {.id = "runtime.health",
     .verb = "GET",
     .path = "/health",
     .method = "/specserve.runtime.v1.ModelRuntime/Health",
     .request = &runtime_health_request_def,
     .reply = &runtime_health_response_def,
     .max_body = 4096,
     .handle = demo_health},
    {.id = "runtime.predict",
     .verb = "POST",
     .path = "/predict",
     .method = "/specserve.runtime.v1.ModelRuntime/Predict",
     .request = &runtime_predict_request_def,
     .reply = &runtime_predict_response_def,
     .has_body = true,
     .run = OP_QUEUE,
     .handle = demo_predict},
};

static const struct op_table demo_ops = {
    .service = "specserve.runtime.v1.ModelRuntime", .ops = ops, .count = 2};

static const struct op_table *const tables[] = {&demo_ops, NULL};

int main(int argc, char **argv)
{
    struct door_options options = {
        .port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0,
        .workers = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 2,
        .tables = tables,
        .protos = proto_files};
    struct error err = {0};
    struct door *door;
    sigset_t signals;
    int signal_number;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    door = door_open(&options, &err);
    if (!door) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 2;
    }
    door_set_serving(door, true);
    (void)printf("port %d\n", door_port(door));
    (void)fflush(stdout);
    (void)sigwait(&signals, &signal_number);
    door_drain(door, 2000);
    door_close(door);
    return 0;
}
