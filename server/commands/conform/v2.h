/*
 * What the checks of the Open Inference Protocol share: which model is asked,
 * what it takes and what it answers.
 *
 *   v2_open()           the model's name
 *   v2_needs_metadata() its metadata, already looked at
 *   v2_needs_answer()   a request that it takes, and its answer
 *
 * A check whose ground another check found wrong is skipped and names that
 * one, so that one fault of a server is one line of the report.
 *
 * Tensors are compared as raw contents, whichever way they came.
 *
 * Threads: as conform.h.
 */
#ifndef CONFORM_V2_H
#define CONFORM_V2_H

#include "arena.h"
#include "conform.h"
#include "oip.h"
#include "rpc_client.h"

enum { V2_TENSORS_MAX = 64, V2_ELEMENTS_MAX = 1 << 20 };

struct v2_tensor {
    const char *name;
    enum eng_dtype dtype;
    size_t rank;
    const int64_t *dims;
    int64_t count;
    struct oip_bytes raw;
};

struct v2_tensors {
    struct v2_tensor list[V2_TENSORS_MAX];
    size_t count;
};

struct v2_case {
    struct conform_case *test;
    struct arena arena;
    const char *model;
    const char *path; /* "/v2/models/<model>" */
    json_t *server;   /* GET /v2; NULL before v2_extension() */
    json_t *metadata; /* of the model */
    json_t *request;  /* what it takes, numbers in flat lists */
    struct v2_tensors inputs, outputs; /* of the request and its answer */
    struct rpc_client *rpc;
};

/* Finds the model. False: the check was skipped. v2_close() it either way. */
bool v2_open(struct v2_case *it, struct conform_case *test);
void v2_close(struct v2_case *it);

bool v2_needs_metadata(struct v2_case *it);
bool v2_needs_answer(struct v2_case *it);

/* The same, but a wrong answer fails the check. */
bool v2_judge_answer(struct v2_case *it);

/* Whether GET /v2 announces the extension; skips the check if not. */
bool v2_extension(struct v2_case *it, const char *name);

/* GET of the model's path with `rest` behind it. */
bool v2_get(struct v2_case *it, const char *rest,
            struct conform_answer *answer);

/* POST of `body` to the model's /infer. */
bool v2_infer(struct v2_case *it, const json_t *body,
              struct conform_answer *answer);

/* Inputs and outputs of the metadata are as the protocol has them; fails the
 * check otherwise. */
bool v2_check_tensors(struct conform_case *test, json_t *metadata);

/* An answer with its tensors in JSON, of this model; fails the check
 * otherwise. */
bool v2_check_answer(struct v2_case *it, struct conform_case *test,
                     const struct conform_answer *answer,
                     struct v2_tensors *outputs);

/* A refusal: a status from 400 to 499; and what it says. */
bool v2_refused(struct conform_case *test, const char *what,
                const struct conform_answer *answer);

/* The tensors of `got` are those of the case's answer. */
bool v2_same(struct v2_case *it, const char *what,
             const struct v2_tensors *got);

/* A copy of the request with one member more (takes ownership of `value`). */
json_t *v2_request_with(const struct v2_case *it, const char *key,
                        json_t *value);

/* The tensors of a list, with their data in JSON. ERR_VALIDATION_ERROR names
 * what is wrong; ERR_OUT_OF_MEMORY. */
bool v2_read_tensors(struct v2_case *it, const json_t *from,
                     struct v2_tensors *to, struct error *err);

/* Adds a tensor whose contents are raw; fails the check when its name, shape or
 * size is not right. */
bool v2_add_raw(struct v2_case *it, const json_t *from,
                const struct oip_bytes *raw, struct v2_tensors *to);

/* ---- v2_rpc.c ---- */

/* Opens the port for gRPC; skips the check where it does not speak that, or
 * does not have the service (see W1). */
bool v2_rpc_open(struct v2_case *it);

struct v2_method {
    const char *name; /* "ModelInfer" */
    const struct msg_def *request, *reply;
};

/* Calls; `*reply` is NULL unless the status is OK. False: no answer at all, or
 * no message of this type, and the check failed. */
bool v2_rpc_call(struct v2_case *it, const struct v2_method *method,
                 const void *request, void **reply, struct rpc_answer *answer);

/* A ModelInferRequest of the case's request; `typed` contents or raw ones. */
struct oip_model_infer_request *v2_rpc_request(struct v2_case *it, bool typed);

/* The tensors of the message; fails the check when they are not right. */
bool v2_rpc_outputs(struct v2_case *it,
                    const struct oip_model_infer_response *reply,
                    struct v2_tensors *outputs);

#endif
