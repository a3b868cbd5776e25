/*
 * Endpoints of the test's and calls of them; see call_fixture.h.
 */
#include "call_fixture.h"

#include <math.h>
#include <string.h>

#include "clock.h"
#include "codec_json.h"
#include "codec_proto.h"
#include "registry_msg.h"
#include "runtime_msg.h"
#include "unit.h"

/* ---- endpoints ---- */

static void fill_failure(struct srv_call *call, const struct error *err,
                         void *reply)
{
    struct runtime_predict_response *out = reply;

    out->has_success = 1;
    out->model_name = arena_strdup(&call->arena, "echo");
    out->has_computation_time_ms = 1;
    out->error_message = arena_strdup(&call->arena, err->msg);
    out->error = out->error_message;
    out->error_code = arena_strdup(&call->arena, err_info(err->code)->name);
}

/* Every input comes back as a result of the same name. */
static bool echo(struct srv_call *call, const void *request, void *reply,
                 struct error *err)
{
    const struct runtime_predict_request *in = request;
    struct runtime_predict_response *out = reply;
    struct script *script = call->app;

    script->handled++;
    if (script->silent)
        return false;
    if (script->code != ERR_NONE)
        return fail(err, script->code, "%s", script->text);
    out->has_success = out->success = 1;
    out->model_name = in->input_type;
    out->has_computation_time_ms = 1;
    out->computation_time_ms = script->not_finite ? (double)NAN : 1.5;
    out->n_results = in->n_data;
    /* entries of both maps have the same fields */
    out->results = (void *)in->data;
    return true;
}

static bool beat(struct srv_call *call, const void *request, void *reply,
                 struct error *err)
{
    const struct registry_heartbeat_request *in = request;
    struct registry_heartbeat_response *out = reply;

    (void)err;
    out->has_success = out->success = 1;
    out->has_port = 1;
    out->port = in->port;
    out->message = arena_printf(&call->arena, "%s %lld",
                                in->registration_id ? in->registration_id : "-",
                                in->has_epoch ? (long long)in->epoch : -1);
    out->last_heartbeat = out->expires_at = out->message;
    return true;
}

static bool stop(struct srv_call *call, const void *request, void *reply,
                 struct error *err)
{
    struct runtime_shutdown_response *out = reply;
    struct script *script = call->app;

    (void)request;
    (void)err;
    if (script->silent)
        return true; /* forgets what is required */
    out->has_success = out->success = 1;
    out->message = arena_strdup(&call->arena, "bye");
    return true;
}

static bool raw(struct srv_call *call, const void *request, void *reply,
                struct error *err)
{
    const struct script *script = call->app;

    (void)request;
    (void)reply;
    (void)err;
    if (!script->silent)
        call_answer_raw(call, "text/plain", "a\0b", 3);
    return true;
}

static const struct op_bind beat_binds[] = {
    {"port", OP_FROM_PATH, 0}, {"registration_id", OP_FROM_QUERY, 1}};

const struct op_def echo_op = {.id = "test.echo",
                               .request = &runtime_predict_request_def,
                               .reply = &runtime_predict_response_def,
                               .has_body = true,
                               .run = OP_QUEUE,
                               .handle = echo,
                               .failure = fill_failure};
const struct op_def bare_echo_op = {.id = "test.bare_echo",
                                    .request = &runtime_predict_request_def,
                                    .reply = &runtime_predict_response_def,
                                    .has_body = true,
                                    .handle = echo};
const struct op_def beat_op = {.id = "test.beat",
                               .request = &registry_heartbeat_request_def,
                               .reply = &registry_heartbeat_response_def,
                               .has_body = true,
                               .binds = beat_binds,
                               .bind_count = 2,
                               .handle = beat};
const struct op_def stop_op = {.id = "test.stop",
                               .request = &runtime_shutdown_request_def,
                               .reply = &runtime_shutdown_response_def,
                               .has_body = true,
                               .handle = stop};
const struct op_def raw_op = {
    .id = "test.raw", .request = &runtime_openapi_request_def, .handle = raw};

/* ---- calls ---- */

void call_open(struct srv_call *call, enum srv_door door,
               const struct op_def *op, struct script *script)
{
    memset(call, 0, sizeof *call);
    arena_init(&call->arena, 0);
    call->door = door;
    call->op = op;
    call->app = script;
    call->id = 7;
    call->started_ns = clock_now_ns();
    call->deadline_ns = CLOCK_NEVER;
}

void call_close(struct srv_call *call)
{
    buf_release(&call->out);
    arena_release(&call->arena);
}

void serve_rest(struct srv_call *call, const struct op_def *op,
                struct script *script, const char *body)
{
    call_open(call, DOOR_REST, op, script);
    call->body = body;
    call->body_size = strlen(body);
    call_serve(call);
}

/* The JSON body as a protobuf request through the other door. */
void serve_grpc(struct srv_call *call, const struct op_def *op,
                struct script *script, const char *body)
{
    struct buf wire = {0};
    struct error err;
    void *message = NULL;

    call_open(call, DOOR_GRPC, op, script);
    assert_true(json_decode(op->request, body, strlen(body), &call->arena,
                            &message, &err));
    assert_true(proto_encode(op->request, message, &wire, &err));
    call->body = arena_copy(&call->arena, wire.data, wire.size);
    call->body_size = wire.size;
    buf_release(&wire);
    call_serve(call);
}

/* The answer of a gRPC call as JSON. */
void wire_to_json(const struct srv_call *call, struct buf *text)
{
    struct arena arena;
    struct error err;
    void *message = NULL;

    arena_init(&arena, 0);
    assert_true(proto_decode(call->op->reply, call->out.data, call->out.size,
                             &arena, &message, &err));
    assert_true(json_encode(call->op->reply, message, text, &err));
    arena_release(&arena);
}
