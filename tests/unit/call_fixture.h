/*
 * Endpoints that do what a script says, and calls of them from bytes to bytes,
 * over both doors, without a socket. What fails ends the test.
 *
 * Threads: one test, one thread.
 */
#ifndef TESTS_CALL_FIXTURE_H
#define TESTS_CALL_FIXTURE_H

#include "buf.h"
#include "call.h"

/* What the handlers do, and what they saw; it is call->app. */
struct script {
    enum err_code code; /* fail with this */
    const char *text;
    bool silent;     /* fail without an error, or answer nothing */
    bool not_finite; /* put a NaN into the reply */
    int handled;     /* calls of the handler */
};

/* Every input comes back as a result; `bare` without a message for failures. */
extern const struct op_def echo_op, bare_echo_op;

/* Port from the path, registration_id from the query. */
extern const struct op_def beat_op;

/* Answers "bye"; a text of its own instead of a message. */
extern const struct op_def stop_op, raw_op;

/* A call that has come in; its body is the test's to set. */
void call_open(struct srv_call *call, enum srv_door door,
               const struct op_def *op, struct script *script);
void call_close(struct srv_call *call);

/* Opens a call with this JSON body and serves it. */
void serve_rest(struct srv_call *call, const struct op_def *op,
                struct script *script, const char *body);

/* The JSON body as a protobuf request through the other door. */
void serve_grpc(struct srv_call *call, const struct op_def *op,
                struct script *script, const char *body);

/* The answer of a gRPC call as JSON. */
void wire_to_json(const struct srv_call *call, struct buf *text);

#endif
