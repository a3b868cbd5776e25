/*
 * Client driver: the C client, steered line by line by test_client_c.py.
 *
 * Each line of the input is a JSON object with "do", each line of the output
 * the answer. Requests are given as JSON and become structs; replies are shown
 * as JSON of the struct, beside the bytes that came.
 *
 *   open   a client: the members of struct specserve_config; "tracing",
 *          "observing" switch the hooks on
 *   call   "op" with "request", at "model" or at the "registry"; "options"
 *   raw    "verb", "target", "body"
 *   watch  a stream of "op": at most "count" messages; cancelled by another
 *          thread after "cancel_ms", if given
 *   load   "op" again and again by "threads" for "seconds"
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api_tables.h"
#include "client_op.h"
#include "clock.h"
#include "codec_json.h"

enum { TEXTS_MAX = 16, THREADS_MAX = 8 };

static struct specserve_client *client;
static json_t *events; /* what observers saw; NULL = nobody looks */
static pthread_mutex_t events_mu = PTHREAD_MUTEX_INITIALIZER;

/* ---- hooks ---- */

static bool trace(void *context, const char *operation, char traceparent[64])
{
    (void)context;
    (void)snprintf(traceparent, 64, "00-%032d-%016zx-01", 1, strlen(operation));
    return true;
}

static const char *get_token(void *context)
{
    (void)context;
    return "secret";
}

static void observe(void *context, const struct specserve_event *event)
{
    (void)context;
    (void)pthread_mutex_lock(&events_mu);
    (void)json_array_append_new(
        events,
        json_pack("{s:s,s:s,s:i,s:s,s:s}", "operation", event->operation,
                  "endpoint", event->endpoint, "attempt", (int)event->attempt,
                  "code", event->code, "request_id", event->request_id));
    (void)pthread_mutex_unlock(&events_mu);
}

/* ---- JSON ---- */

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static unsigned number(const json_t *object, const char *key)
{
    return (unsigned)json_integer_value(json_object_get(object, key));
}

static bool truth(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* NULL-ended; NULL if the key is not there. */
static const char *const *texts(const json_t *object, const char *key,
                                const char *list[TEXTS_MAX])
{
    const json_t *array = json_object_get(object, key);
    size_t count = json_array_size(array);

    for (size_t i = 0; i < count && i < TEXTS_MAX - 1; i++)
        list[i] = json_string_value(json_array_get(array, i));
    list[count < TEXTS_MAX ? count : TEXTS_MAX - 1] = NULL;
    return array ? list : NULL;
}

static json_t *failure(const struct specserve_error *err)
{
    static const char *const retries[] = {"NEVER", "LATER", "ELSEWHERE"};

    return json_pack("{s:i,s:s,s:s,s:s,s:i,s:i,s:f,s:i,s:s}", "number",
                     (int)err->code, "code", err->name, "message", err->message,
                     "retry", retries[err->retry], "http", err->http, "grpc",
                     err->grpc, "retry_after", err->retry_after_s, "attempts",
                     (int)err->attempts, "request_id", err->request_id);
}

/* The bytes as text where they are text. */
static json_t *shown(const struct specserve_answer *answer)
{
    json_t *body;

    if (!answer)
        return json_null();
    body = json_stringn(answer->bytes, answer->size);
    return json_pack("{s:b,s:i,s:s,s:s,s:i,s:o,s:s?}", "grpc", answer->grpc,
                     "status", answer->status, "endpoint", answer->endpoint,
                     "request_id", answer->request_id, "attempts",
                     (int)answer->attempts, "body", body ? body : json_null(),
                     "model_digest",
                     specserve_answer_header(answer, "X-Model-Digest"));
}

static json_t *message_json(const struct msg_def *def, const void *message)
{
    struct buf out = {0};
    struct error err = {0};
    json_t *tree = NULL;

    if (def && message && json_encode(def, message, &out, &err))
        tree = json_loadb(out.data, out.size, JSON_DECODE_ANY, NULL);
    buf_release(&out);
    return tree ? tree : json_null();
}

/* ---- asking ---- */

static const struct client_op *find_op(const char *id)
{
    static const struct client_ops *const tables[] = {
        &client_runtime_ops, &client_registry_ops, &client_text_ops,
        &client_oip_ops, &client_health_ops};

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (size_t k = 0; k < tables[i]->count; k++)
            if (strcmp(tables[i]->list[k].id, id) == 0)
                return &tables[i]->list[k];
    return NULL;
}

/* A call that a line describes. */
struct asked {
    struct client_ask ask;
    struct specserve_options options;
    const char *headers[TEXTS_MAX];
    struct arena arena;
};

static bool ask_init(struct asked *asked, const json_t *line,
                     struct specserve_error *err)
{
    const json_t *options = json_object_get(line, "options");
    const char *model = text(line, "model"), *id = text(line, "op");
    char *request = json_dumps(json_object_get(line, "request"), JSON_COMPACT);
    struct error why = {0};
    void *message = NULL;

    *asked = (struct asked){
        .options = {.timeout_ms = number(options, "timeout_ms"),
                    .attempts = number(options, "attempts"),
                    .request_id = text(options, "request_id"),
                    .traceparent = text(options, "traceparent")}};
    asked->options.headers = texts(options, "headers", asked->headers);
    arena_init(&asked->arena, 0);
    asked->ask.op = id ? find_op(id) : NULL;
    asked->ask.options = &asked->options;
    asked->ask.service = truth(line, "registry")
                             ? specserve_client_registry(client)
                             : specserve_client_model(client, model, err);
    if (request && asked->ask.op &&
        !json_decode(asked->ask.op->request, request, strlen(request),
                     &asked->arena, &message, &why)) {
        (void)snprintf(err->message, sizeof err->message, "driver: %.200s",
                       why.msg);
        asked->ask.service = NULL;
    }
    asked->ask.request = message;
    free(request);
    return asked->ask.service != NULL;
}

static json_t *do_call(const json_t *line)
{
    struct specserve_answer *answer = NULL;
    struct specserve_error err = {0};
    const void *reply = NULL;
    struct asked asked;
    json_t *out;
    bool ok = ask_init(&asked, line, &err) &&
              client_call(&asked.ask, &reply, &answer, &err);

    out = json_pack("{s:b,s:o,s:o,s:o}", "ok", ok, "reply",
                    message_json(asked.ask.op ? asked.ask.op->reply : NULL,
                                 ok ? reply : NULL),
                    "answer", shown(answer), "error", failure(&err));
    specserve_answer_free(answer);
    arena_release(&asked.arena);
    return out;
}

static json_t *do_raw(const json_t *line)
{
    const char *body = text(line, "body");
    const struct specserve_raw raw = {.verb = text(line, "verb"),
                                      .target = text(line, "target"),
                                      .body = body,
                                      .size = body ? strlen(body) : 0};
    struct specserve_answer *answer = NULL;
    struct specserve_error err = {0};
    struct asked asked;
    json_t *out;
    bool ok = ask_init(&asked, line, &err) &&
              specserve_call_raw(asked.ask.service, &raw, &asked.options,
                                 &answer, &err);

    out = json_pack("{s:b,s:o,s:o}", "ok", ok, "answer", shown(answer), "error",
                    failure(&err));
    specserve_answer_free(answer);
    arena_release(&asked.arena);
    return out;
}

/* ---- streams ---- */

struct canceller {
    struct specserve_stream *stream;
    unsigned after_ms;
};

static void *cancel_later(void *context)
{
    struct canceller *canceller = context;
    struct timespec wait = {.tv_sec = canceller->after_ms / 1000,
                            .tv_nsec = canceller->after_ms % 1000 * 1000000L};

    (void)nanosleep(&wait, NULL);
    specserve_stream_cancel(canceller->stream);
    return NULL;
}

static json_t *do_watch(const json_t *line)
{
    struct specserve_error err = {0};
    json_t *messages = json_array();
    struct canceller canceller = {.after_ms = number(line, "cancel_ms")};
    struct asked asked;
    const void *message = NULL;
    pthread_t thread;

    if (ask_init(&asked, line, &err))
        canceller.stream = client_stream_open(&asked.ask, &err);
    if (canceller.stream && canceller.after_ms)
        (void)pthread_create(&thread, NULL, cancel_later, &canceller);
    while (canceller.stream &&
           json_array_size(messages) < number(line, "count") &&
           client_stream_next(canceller.stream, &message, &err))
        (void)json_array_append_new(messages,
                                    message_json(asked.ask.op->reply, message));
    if (canceller.stream && canceller.after_ms)
        (void)pthread_join(thread, NULL);
    specserve_stream_free(canceller.stream);
    arena_release(&asked.arena);
    return json_pack("{s:b,s:o,s:o}", "ok", canceller.stream != NULL,
                     "messages", messages, "error", failure(&err));
}

/* ---- load ---- */

struct worker {
    pthread_t thread;
    const struct client_ask *ask;
    uint64_t until_ns;
    unsigned count, failed;
    struct specserve_error last;
    const char *endpoints[4];
    char urls[4][64];
};

static void note_endpoint(struct worker *worker, const char *endpoint)
{
    for (size_t i = 0; i < 4; i++) {
        if (!worker->urls[i][0])
            (void)snprintf(worker->urls[i], sizeof worker->urls[i], "%s",
                           endpoint);
        if (strcmp(worker->urls[i], endpoint) == 0)
            return;
    }
}

static void *work(void *context)
{
    struct worker *worker = context;

    while (clock_now_ns() < worker->until_ns) {
        struct specserve_answer *answer = NULL;
        struct specserve_error err;
        const void *reply = NULL;

        if (client_call(worker->ask, &reply, &answer, &err)) {
            worker->count++;
            note_endpoint(worker, answer->endpoint);
        } else {
            worker->failed++;
            worker->last = err;
        }
        specserve_answer_free(answer);
    }
    return NULL;
}

static json_t *do_load(const json_t *line)
{
    struct worker workers[THREADS_MAX] = {0};
    struct specserve_error err = {0};
    json_t *urls = json_object();
    unsigned threads = number(line, "threads");
    unsigned count = 0, failed = 0;
    struct asked asked;

    if (!ask_init(&asked, line, &err))
        threads = 0;
    for (unsigned i = 0; i < threads && i < THREADS_MAX; i++) {
        workers[i].ask = &asked.ask;
        workers[i].until_ns =
            clock_now_ns() +
            (uint64_t)(json_number_value(json_object_get(line, "seconds")) *
                       1e9);
        (void)pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < threads && i < THREADS_MAX; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        count += workers[i].count;
        failed += workers[i].failed;
        if (workers[i].failed)
            err = workers[i].last;
        for (size_t k = 0; k < 4 && workers[i].urls[k][0]; k++)
            (void)json_object_set_new(urls, workers[i].urls[k], json_true());
    }
    arena_release(&asked.arena);
    return json_pack("{s:i,s:i,s:o,s:o}", "count", (int)count, "failed",
                     (int)failed, "endpoints", urls, "error", failure(&err));
}

/* ---- a client ---- */

static json_t *do_open(const json_t *line)
{
    const char *endpoints[TEXTS_MAX], *headers[TEXTS_MAX];
    struct specserve_config config = {
        .endpoints = texts(line, "endpoints", endpoints),
        .registry = text(line, "registry"),
        .grpc = truth(line, "grpc"),
        .tls = truth(line, "tls"),
        .ca_file = text(line, "ca_file"),
        .certificate_file = text(line, "certificate_file"),
        .key_file = text(line, "key_file"),
        .timeout_ms = number(line, "timeout_ms"),
        .attempts = number(line, "attempts"),
        .refresh_ms = number(line, "refresh_ms"),
        .retry_budget = number(line, "retry_budget"),
        .answer_max =
            (size_t)json_integer_value(json_object_get(line, "answer_max")),
        .headers = texts(line, "headers", headers),
        .token = text(line, "token"),
        .plaintext_token = truth(line, "plaintext_token")};
    struct specserve_error err = {0};

    specserve_client_free(client);
    json_decref(events);
    events = truth(line, "observing") ? json_array() : NULL;
    if (events) {
        config.observe = observe;
        config.get_token = get_token;
    }
    if (truth(line, "tracing"))
        config.trace = trace;
    client = specserve_client_new(&config, &err);
    return json_pack("{s:b,s:o}", "ok", client != NULL, "error", failure(&err));
}

static json_t *do_line(const json_t *line)
{
    const char *what = text(line, "do");

    if (strcmp(what, "open") == 0)
        return do_open(line);
    if (strcmp(what, "events") == 0)
        return json_incref(events);
    if (strcmp(what, "call") == 0)
        return do_call(line);
    if (strcmp(what, "raw") == 0)
        return do_raw(line);
    if (strcmp(what, "watch") == 0)
        return do_watch(line);
    return do_load(line);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;

    while (getline(&line, &room, stdin) > 0) {
        json_t *asked = json_loads(line, 0, NULL);
        json_t *answer = do_line(asked);
        char *shown_text = json_dumps(answer, JSON_COMPACT);

        (void)puts(shown_text);
        (void)fflush(stdout);
        free(shown_text);
        json_decref(answer);
        json_decref(asked);
    }
    free(line);
    specserve_client_free(client);
    json_decref(events);
    return 0;
}
