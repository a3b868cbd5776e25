/*
 * Hop: one attempt at one endpoint; see client_impl.h.
 *
 * Connections are kept with their endpoint: who sends takes one that is idle or
 * makes one, and gives it back afterwards unless it failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client_impl.h"
#include "http_client.h"

enum { IDLE_MOST = 32 };

/* ---- answers ---- */

/* Text after text, as the connection shows them. */
static void take_header(void *context, const char *name, const char *value)
{
    struct answer *answer = context;
    struct rpc_pair *list = answer->headers;

    if (answer->header_count == answer->header_capacity) {
        size_t capacity = answer->header_capacity * 2 + 16;

        list = arena_zalloc(&answer->arena, capacity, sizeof *list);
        if (list && answer->header_count)
            memcpy(list, answer->headers, answer->header_count * sizeof *list);
        answer->header_capacity = list ? capacity : 0;
        answer->headers = list;
    }
    if (list) {
        list += answer->header_count++;
        list->name = arena_strdup(&answer->arena, name);
        list->value = arena_strdup(&answer->arena, value);
    }
    if (!list || !list->name || !list->value) {
        answer->header_count = 0;
        answer->failed = true;
    }
}

static struct answer *answer_new(bool grpc, int status, const char *message)
{
    struct answer *answer = calloc(1, sizeof *answer);

    if (!answer)
        return NULL;
    arena_init(&answer->arena, 0);
    answer->seen = (struct specserve_answer){
        .grpc = grpc, .status = status, .bytes = "", .request_id = ""};
    answer->message = arena_strdup(&answer->arena, message);
    answer->failed = !answer->message;
    return answer;
}

/* The answer with its bytes, or NULL when memory was out. */
static struct answer *answer_filled(struct answer *answer, const void *bytes,
                                    size_t size, struct error *err)
{
    if (answer) {
        answer->seen.bytes = arena_copy(&answer->arena, bytes, size);
        answer->seen.size = size;
    }
    if (answer && answer->seen.bytes && !answer->failed)
        return answer;
    (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the answer");
    specserve_answer_free(answer ? &answer->seen : NULL);
    return NULL;
}

void specserve_answer_free(struct specserve_answer *answer)
{
    struct answer *whole = (struct answer *)answer;

    if (!whole)
        return;
    arena_release(&whole->arena);
    free(whole);
}

const char *specserve_answer_header(const struct specserve_answer *answer,
                                    const char *name)
{
    const struct answer *whole = (const struct answer *)answer;

    for (size_t i = whole->header_count; i-- > 0;) /* the last one wins */
        if (strcasecmp(whole->headers[i].name, name) == 0)
            return whole->headers[i].value;
    return NULL;
}

struct answer *hop_ending(const struct rpc_client *rpc,
                          const struct rpc_answer *got)
{
    struct answer *answer = answer_new(true, got->status, got->text);
    struct error ignored;

    if (answer)
        rpc_client_each_header(rpc, take_header, answer);
    return answer_filled(answer, "", 0, &ignored);
}

/* ---- connections ---- */

static struct idle *take_idle(struct endpoint *endpoint, bool grpc)
{
    struct idle *found, **at = &endpoint->idle;

    (void)pthread_mutex_lock(&endpoint->mu);
    while (*at && !(*at)->rpc == grpc)
        at = &(*at)->next;
    found = *at;
    if (found) {
        *at = found->next;
        endpoint->idle_count--;
    }
    (void)pthread_mutex_unlock(&endpoint->mu);
    return found;
}

static void keep(struct endpoint *endpoint, struct idle *idle)
{
    bool room;

    (void)pthread_mutex_lock(&endpoint->mu);
    room = endpoint->idle_count < IDLE_MOST;
    if (room) {
        idle->next = endpoint->idle;
        endpoint->idle = idle;
        endpoint->idle_count++;
    }
    (void)pthread_mutex_unlock(&endpoint->mu);
    if (!room)
        idle_close(idle);
}

struct rpc_client *hop_open(struct specserve_client *client,
                            const struct endpoint *endpoint, struct error *err)
{
    const struct rpc_settings settings = {
        .tls = endpoint->tls ? &client->tls : NULL, .agent = SPECSERVE_AGENT};

    return rpc_client_open(endpoint->authority, client->config.answer_max,
                           &settings, err);
}

static struct idle *connect_to(struct specserve_client *client,
                               struct endpoint *endpoint, bool grpc,
                               struct error *err)
{
    struct idle *made = take_idle(endpoint, grpc);

    if (made)
        return made;
    made = calloc(1, sizeof *made);
    if (!made)
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a connection");
    else if (grpc)
        made->rpc = hop_open(client, endpoint, err);
    else
        made->http =
            http_client_open(endpoint->authority, client->config.answer_max,
                             endpoint->tls ? &client->tls : NULL, err);
    if (made && (made->rpc || made->http))
        return made;
    free(made);
    return NULL;
}

/* ---- REST ---- */

/* The headers as lines; the last ones keep libcurl from adding its own. */
static const char **header_lines(const struct hop *hop, struct error *err)
{
    const struct pairs *pairs = hop->headers;
    const char **lines =
        arena_zalloc(pairs->arena, pairs->count + 4, sizeof *lines);
    size_t count = 0;
    bool ok = lines != NULL;

    for (size_t i = 0; ok && i < pairs->count; i++) {
        const struct rpc_pair *pair = &pairs->list[i];

        /* libcurl takes "Name:" as a wish to leave it out */
        lines[count] =
            arena_printf(pairs->arena, *pair->value ? "%s: %s" : "%s;%s",
                         pair->name, pair->value);
        ok = lines[count++] != NULL;
    }
    if (!ok) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for headers");
        return NULL;
    }
    lines[count++] =
        arena_printf(pairs->arena, "X-Request-Timeout: %u.%03u",
                     hop->timeout_ms / 1000, hop->timeout_ms % 1000);
    lines[count++] = "Expect:";
    lines[count] = NULL;
    return lines;
}

static enum loss loss_over_http(enum http_loss loss)
{
    static const enum loss losses[] = {[HTTP_NOT_SENT] = LOSS_NOT_SENT,
                                       [HTTP_CUT] = LOSS_CUT,
                                       [HTTP_LATE] = LOSS_LATE,
                                       [HTTP_BROKEN] = LOSS_BROKEN};

    return losses[loss];
}

static struct answer *send_rest(struct http_client *http, const struct hop *hop,
                                enum loss *loss, struct error *err)
{
    const struct http_request request = {.verb = hop->verb,
                                         .path = hop->target,
                                         .body = hop->body,
                                         .body_size = hop->size,
                                         .headers = header_lines(hop, err),
                                         .timeout_ms = hop->timeout_ms,
                                         .once = hop->once};
    const struct buf *body = http_client_body(http);
    struct answer *answer;
    int status = 0;

    if (!request.headers)
        return NULL;
    if (!http_client_send(http, &request, &status, err)) {
        *loss = loss_over_http(http_client_loss(http));
        return NULL;
    }
    answer = answer_new(false, status, "");
    if (answer)
        http_client_each_header(http, take_header, answer);
    return answer_filled(answer, body->data ? body->data : "", body->size, err);
}

/* ---- gRPC ---- */

static struct answer *send_grpc(struct rpc_client *rpc, const struct hop *hop,
                                enum loss *loss, struct error *err)
{
    static const enum loss losses[] = {[RPC_NOT_SENT] = LOSS_NOT_SENT,
                                       [RPC_CUT] = LOSS_CUT,
                                       [RPC_LATE] = LOSS_LATE};
    const struct rpc_request request = {.method = hop->method,
                                        .bytes = hop->body,
                                        .size = hop->size,
                                        .timeout_ms = hop->timeout_ms,
                                        .metadata = hop->headers->list,
                                        .metadata_count = hop->headers->count};
    struct rpc_answer got = {0};
    struct answer *answer;

    if (!rpc_client_call(rpc, &request, &got, err)) {
        *loss = losses[rpc_client_loss(rpc)];
        return NULL;
    }
    answer = answer_new(true, got.status, got.text);
    if (answer)
        rpc_client_each_header(rpc, take_header, answer);
    return answer_filled(answer, got.bytes, got.size, err);
}

struct answer *hop_send(struct specserve_client *client,
                        struct endpoint *endpoint, const struct hop *hop,
                        enum loss *loss, struct error *err)
{
    struct idle *line = connect_to(client, endpoint, hop->method != NULL, err);
    struct answer *answer;

    *loss = LOSS_NOT_SENT;
    if (!line)
        return NULL;
    answer = hop->method ? send_grpc(line->rpc, hop, loss, err)
                         : send_rest(line->http, hop, loss, err);
    /* a channel finds its server again by itself, and not sooner if new */
    if (answer || line->rpc)
        keep(endpoint, line);
    else
        idle_close(line);
    return answer;
}
