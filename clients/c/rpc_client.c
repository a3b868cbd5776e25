/*
 * RPC client: one channel, one completion queue that is plucked, one call at a
 * time; see rpc_client.h.
 */
#include "rpc_client.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc_parts.h"

/* A server that comes back is found within this time. */
enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MOST_MS = 2000,
    PEM_MAX_BYTES = 1 << 20
};

void rpc_client_close(struct rpc_client *client)
{
    if (!client)
        return;
    if (client->channel)
        grpc_channel_destroy(client->channel);
    if (client->queue) {
        grpc_completion_queue_shutdown(client->queue);
        grpc_completion_queue_destroy(client->queue);
    }
    buf_release(&client->message);
    buf_release(&client->text);
    buf_release(&client->reason);
    buf_release(&client->headers);
    free(client);
    grpc_shutdown();
}

/* ---- the channel ---- */

/* Appends the file, if there is one; `*text` is NULL where there is none. */
static bool read_pem(const char *path, struct buf *out, const char **text,
                     struct error *err)
{
    FILE *file = path ? fopen(path, "rb") : NULL;
    char piece[4096];
    size_t got = 0;

    *text = NULL;
    if (!path)
        return true;
    if (!file)
        return fail(err, ERR_FILE_MISSING, "cannot open '%.150s'", path);
    do {
        got = fread(piece, 1, sizeof piece, file);
        buf_append(out, piece, got);
    } while (got && out->size <= PEM_MAX_BYTES);
    (void)fclose(file);
    *text = out->data;
    return (buf_ok(out) && out->size && out->size <= PEM_MAX_BYTES) ||
           fail(err, ERR_FILE_INVALID, "'%.150s' is no PEM file", path);
}

static grpc_channel_credentials *encrypted(const struct client_tls *tls,
                                           struct error *err)
{
    grpc_ssl_pem_key_cert_pair own = {NULL, NULL};
    struct buf ca = {0}, key = {0}, certificate = {0};
    grpc_channel_credentials *made = NULL;
    const char *trusted;

    if (read_pem(tls->ca, &ca, &trusted, err) &&
        read_pem(tls->key, &key, &own.private_key, err) &&
        read_pem(tls->certificate, &certificate, &own.cert_chain, err)) {
        made = grpc_ssl_credentials_create(
            trusted, own.private_key && own.cert_chain ? &own : NULL, NULL,
            NULL);
        if (!made)
            (void)fail(err, ERR_FILE_INVALID, "gRPC takes no such PEM files");
    }
    buf_release(&ca);
    buf_release(&key);
    buf_release(&certificate);
    return made;
}

/* gRPC Core takes the key as char *, but only reads it. */
static grpc_arg integer_arg(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER,
                      .key = (char *)(uintptr_t)key,
                      .value = {.integer = value}};
}

static grpc_arg text_arg(const char *key, const char *value)
{
    return (grpc_arg){.type = GRPC_ARG_STRING,
                      .key = (char *)(uintptr_t)key,
                      .value = {.string = (char *)(uintptr_t)value}};
}

/* The caller counts attempts, so gRPC must not make some of its own. */
static grpc_channel *open_channel(const char *authority, size_t answer_max,
                                  const struct rpc_settings *settings,
                                  struct error *err)
{
    const char *agent = settings && settings->agent ? settings->agent : "";
    grpc_arg args[] = {
        integer_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        integer_arg(GRPC_ARG_ENABLE_RETRIES, 0),
        integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
                    answer_max < INT_MAX ? (int)answer_max : INT_MAX),
        integer_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        integer_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        integer_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MOST_MS),
        text_arg(GRPC_ARG_PRIMARY_USER_AGENT_STRING, agent)};
    const grpc_channel_args list = {.num_args = sizeof args / sizeof *args -
                                                (*agent ? 0 : 1),
                                    .args = args};
    grpc_channel_credentials *credentials =
        settings && settings->tls ? encrypted(settings->tls, err)
                                  : grpc_insecure_credentials_create();
    grpc_channel *channel;

    if (!credentials)
        return NULL;
    channel = grpc_channel_create(authority, credentials, &list);
    grpc_channel_credentials_release(credentials);
    if (!channel)
        (void)fail(err, ERR_INTERNAL, "gRPC makes no channel");
    return channel;
}

struct rpc_client *rpc_client_open(const char *authority, size_t answer_max,
                                   const struct rpc_settings *settings,
                                   struct error *err)
{
    struct rpc_client *client = calloc(1, sizeof *client);

    if (!client) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a gRPC client");
        return NULL;
    }
    grpc_init();
    client->channel = open_channel(authority, answer_max, settings, err);
    if (client->channel)
        client->queue = grpc_completion_queue_create_for_pluck(NULL);
    if (client->queue)
        return client;
    rpc_client_close(client);
    return NULL;
}

/* ---- one call ---- */

/* What a unary call has of its own. */
struct unary {
    struct rpc_ending ending;
    grpc_byte_buffer *request, *reply;
    grpc_metadata *metadata;
    size_t metadata_count;
};

/* Runs all six steps of a unary call as one batch. */
static bool run_batch(struct rpc_client *client, grpc_call *call,
                      struct unary *unary, struct error *err)
{
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, rpc_op_first(&unary->ending),
        {.op = GRPC_OP_RECV_MESSAGE},           rpc_op_status(&unary->ending),
    };
    grpc_call_error wrong;
    grpc_event event;

    ops[0].data.send_initial_metadata.metadata = unary->metadata;
    ops[0].data.send_initial_metadata.count = unary->metadata_count;
    ops[1].data.send_message.send_message = unary->request;
    ops[4].data.recv_message.recv_message = &unary->reply;
    wrong = grpc_call_start_batch(call, ops, 6, call, NULL);
    if (wrong != GRPC_CALL_OK)
        return rpc_not_started(wrong, err);
    /* the deadline of the call ends it, so this returns */
    event = grpc_completion_queue_pluck(
        client->queue, call, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    return event.success || fail(err, ERR_NOT_READY, "the call did not start");
}

/* Keeps what came back; ends in false when it was not from a server. */
static bool keep(struct rpc_client *client, const struct unary *unary,
                 struct rpc_answer *answer, struct error *err)
{
    grpc_status_code status = unary->ending.status;

    buf_clear(&client->message);
    if (status == GRPC_STATUS_OK)
        rpc_message_copy(&client->message, unary->reply);
    if (!buf_ok(&client->message))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the answer");
    if (!rpc_keep_ending(client, &unary->ending, err))
        return false;
    *answer = (struct rpc_answer){
        .status = (int)status,
        .bytes = client->message.data ? client->message.data : "",
        .size = client->message.size,
        .text = client->text.data ? client->text.data : "",
        .reason = client->reason.data ? client->reason.data : "",
    };
    return true;
}

bool rpc_client_call(struct rpc_client *client,
                     const struct rpc_request *request,
                     struct rpc_answer *answer, struct error *err)
{
    grpc_call *call = rpc_call_new(client, client->queue, request);
    struct unary unary = {.request = rpc_message_new(request),
                          .metadata = rpc_metadata_new(request),
                          .metadata_count = request->metadata_count};
    bool ok;

    client->loss = RPC_NOT_SENT;
    rpc_ending_init(&unary.ending);
    if (!unary.metadata)
        ok = fail(err, ERR_OUT_OF_MEMORY, "no memory for a call");
    else
        ok = run_batch(client, call, &unary, err) &&
             keep(client, &unary, answer, err);
    rpc_ending_release(&unary.ending);
    grpc_byte_buffer_destroy(unary.request);
    if (unary.reply)
        grpc_byte_buffer_destroy(unary.reply);
    rpc_metadata_free(unary.metadata, unary.metadata_count);
    grpc_call_unref(call);
    return ok;
}

enum rpc_loss rpc_client_loss(const struct rpc_client *client)
{
    return client->loss;
}

void rpc_client_each_header(const struct rpc_client *client,
                            rpc_header_taker *take, void *context)
{
    const char *at = client->headers.data;
    const char *end = at ? at + client->headers.size : NULL;

    while (at < end) {
        const char *value = at + strlen(at) + 1;

        take(context, at, value);
        at = value + strlen(value) + 1;
    }
}
