/*
 * Model client: see model_client.h.
 */
#include "model_client.h"

#include <stdlib.h>

#include "http_client.h"
#include "rpc_client.h"

enum { ANSWER_MAX_BYTES = 64 << 20, HTTP_OK = 200 };

/* One of them is open. */
struct model_client {
    struct http_client *http;
    struct rpc_client *rpc;
};

struct model_client *model_client_open(enum model_door door,
                                       const char *authority, struct error *err)
{
    struct model_client *client = calloc(1, sizeof *client);

    if (!client) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a client");
        return NULL;
    }
    if (door == MODEL_GRPC)
        client->rpc = rpc_client_open(authority, ANSWER_MAX_BYTES, NULL, err);
    else
        client->http = http_client_open(authority, ANSWER_MAX_BYTES, NULL, err);
    if (client->rpc || client->http)
        return client;
    model_client_close(client);
    return NULL;
}

void model_client_close(struct model_client *client)
{
    if (!client)
        return;
    http_client_close(client->http);
    rpc_client_close(client->rpc);
    free(client);
}

static bool call_rest(struct http_client *http, const struct op_def *op,
                      const struct buf *body, uint32_t timeout_ms,
                      struct model_answer *answer, struct error *err)
{
    const struct http_request request = {.verb = op->verb,
                                         .path = op->path,
                                         .body =
                                             op->has_body ? body->data : NULL,
                                         .timeout_ms = timeout_ms};
    const struct buf *got = http_client_body(http);
    int status = 0;

    if (!op->verb)
        return fail(err, ERR_USAGE, "'%s' has no REST form", op->id);
    if (!http_client_send(http, &request, &status, err))
        return false;
    *answer = (struct model_answer){.ok = status == HTTP_OK,
                                    .status = status,
                                    .bytes = got->data ? got->data : "",
                                    .size = got->size,
                                    .text = "",
                                    .reason = ""};
    return true;
}

static bool call_grpc(struct rpc_client *rpc, const struct op_def *op,
                      const struct buf *body, uint32_t timeout_ms,
                      struct model_answer *answer, struct error *err)
{
    const struct rpc_request request = {.method = op->method,
                                        .bytes = body->data,
                                        .size = body->size,
                                        .timeout_ms = timeout_ms};
    struct rpc_answer got;

    if (!op->method)
        return fail(err, ERR_USAGE, "'%s' has no gRPC form", op->id);
    if (!rpc_client_call(rpc, &request, &got, err))
        return false;
    *answer = (struct model_answer){.ok = got.status == 0,
                                    .status = got.status,
                                    .bytes = got.bytes,
                                    .size = got.size,
                                    .text = got.text,
                                    .reason = got.reason};
    return true;
}

bool model_client_call(struct model_client *client, const struct op_def *op,
                       const struct buf *body, uint32_t timeout_ms,
                       struct model_answer *answer, struct error *err)
{
    return client->rpc
               ? call_grpc(client->rpc, op, body, timeout_ms, answer, err)
               : call_rest(client->http, op, body, timeout_ms, answer, err);
}
