/*
 * Client call: the attempts of one call; see client_op.h.
 *
 *   - the deadline covers all attempts; what is left of it goes out with each
 *   - again only when the contract lets the call be repeated and the error
 *     passes; what was never sent may always go again
 *   - a retry costs a token of the budget that all calls of the client share, a
 *     success gives a tenth back: in an outage retries die out by themselves
 *   - full jitter between attempts; a server that names a time is waited for;
 *     somebody else who is well is asked at once
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client_op.h"
#include "clock.h"
#include "codec_json.h"
#include "codec_proto.h"
#include "complete.h"
#include "failure.h"
#include "msg.h"
#include "request_text.h"

#define NS_PER_MS UINT64_C(1000000)

enum { BACKOFF_FIRST_MS = 50, BACKOFF_MOST_MS = 2000 };

/* A request as bytes, for every endpoint of one protocol. */
struct prepared {
    bool ready;
    struct buf target, body;
};

struct job {
    const struct client_ask *ask;
    struct specserve_client *client;
    struct group *group;
    struct specserve_options options; /* with defaults */
    uint64_t deadline_ns;
    char request_id[72];
    struct tried tried;
    struct prepared rest, grpc;
    struct arena arena; /* of one attempt */
    const struct specserve_raw *raw;
};

/* ---- the request ---- */

static bool prepare_rest(const struct client_op *op, const void *request,
                         struct prepared *made, struct error *err)
{
    if (!request_target(op, request, &made->target, err))
        return false;
    return !op->has_body ||
           json_encode_request(op->request, request, op->binds, op->bind_count,
                               &made->body, err);
}

static bool prepare_raw(const struct specserve_raw *raw, struct prepared *made,
                        struct error *err)
{
    if (!raw->verb || !raw->target || *raw->target != '/')
        return fail(err, ERR_USAGE, "a raw request needs a verb and a target");
    buf_string(&made->target, raw->target);
    buf_append(&made->body, raw->size ? raw->body : "", raw->size);
    return (buf_ok(&made->target) && buf_ok(&made->body)) ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory for a request");
}

/* The request for this protocol, made once. */
static const struct prepared *prepare(struct job *job, bool grpc,
                                      struct error *err)
{
    const struct client_op *op = job->ask->op;
    struct prepared *made = grpc ? &job->grpc : &job->rest;

    const void *request = job->ask->request;

    if (made->ready)
        return made;
    if (!job->raw && !request)
        request = msg_new(op->request, &job->arena);
    if (job->raw)
        made->ready = prepare_raw(job->raw, made, err);
    else if (!request)
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a request");
    else if (!msg_complete(op->request, request, &job->arena, err))
        return NULL;
    else if (grpc)
        made->ready = proto_encode(op->request, request, &made->body, err);
    else
        made->ready = prepare_rest(op, request, made, err);
    return made->ready ? made : NULL;
}

/* ---- one attempt ---- */

/* An endpoint speaks both on its port; an operation may have one form only. */
static bool takes_grpc(const struct client_op *op,
                       const struct endpoint *endpoint)
{
    return endpoint->grpc ? op->method != NULL : op->verb == NULL;
}

static bool hop_headers(struct job *job, const struct endpoint *endpoint,
                        const struct hop *hop, struct pairs *pairs,
                        struct error *err)
{
    if (!client_headers(job->client, job->ask->op->id, endpoint, &job->options,
                        pairs, err))
        return false;
    if (hop->method) {
        pairs_lower(pairs);
        return true;
    }
    return pairs_put(pairs, "User-Agent", SPECSERVE_AGENT, err) &&
           (!hop->body || job->raw ||
            pairs_put(pairs, "Content-Type", "application/json", err));
}

/* ERR_TIMEOUT and ERR_NOT_READY come with `*loss`; any other code means that
 * nothing was sent and nothing will be. */
static struct answer *attempt(struct job *job, struct endpoint *endpoint,
                              enum loss *loss, struct error *err)
{
    const struct client_op *op = job->ask->op;
    bool grpc = takes_grpc(op, endpoint);
    struct pairs pairs = {.arena = &job->arena};
    struct hop hop = {.verb = op->verb,
                      .method = grpc ? op->method : NULL,
                      .headers = &pairs,
                      .once = op->safety == OP_ONCE};
    const struct prepared *prepared;
    uint64_t left_ms;

    arena_reset(&job->arena);
    if (grpc && !op->method) {
        (void)fail(err, ERR_USAGE, "'%s' has no gRPC form", op->id);
        return NULL;
    }
    prepared = prepare(job, grpc, err);
    if (!prepared)
        return NULL;
    hop.target = prepared->target.data;
    hop.body = prepared->body.data;
    hop.size = prepared->body.size;
    if (!hop_headers(job, endpoint, &hop, &pairs, err))
        return NULL;
    left_ms = clock_left_ms(job->deadline_ns);
    hop.timeout_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    if (left_ms)
        return hop_send(job->client, endpoint, &hop, loss, err);
    *loss = LOSS_EXPIRED;
    (void)fail(err, ERR_TIMEOUT, "the deadline passed");
    return NULL;
}

/* ---- again? ---- */

static void earn(struct specserve_client *client)
{
    (void)pthread_mutex_lock(&client->mu);
    if (client->tenths < client->config.retry_budget * RETRY_TENTHS)
        client->tenths++;
    (void)pthread_mutex_unlock(&client->mu);
}

static bool spend(struct specserve_client *client)
{
    bool enough;

    (void)pthread_mutex_lock(&client->mu);
    enough = client->tenths >= RETRY_TENTHS;
    if (enough)
        client->tenths -= RETRY_TENTHS;
    (void)pthread_mutex_unlock(&client->mu);
    return enough;
}

/* What one attempt came to. */
struct outcome {
    struct answer *answer;
    bool lost; /* no answer; how is in `loss` */
    enum loss loss;
};

/* The instance is not well, as far as its failure shows. */
static bool hurts(const struct outcome *outcome,
                  const struct specserve_error *err)
{
    if (outcome->lost)
        return outcome->loss != LOSS_EXPIRED;
    return err->code == SPECSERVE_UNAVAILABLE ||
           err->code == SPECSERVE_NOT_READY;
}

static bool repeatable(const struct job *job, const struct outcome *outcome,
                       const struct specserve_error *err)
{
    if (outcome->lost && outcome->loss == LOSS_NOT_SENT)
        return true;
    if (!outcome->lost && !outcome->answer)
        return false; /* a mistake of the caller's, or no memory */
    return job->ask->op->safety != OP_ONCE && err->retry != SPECSERVE_NEVER;
}

/* Seconds before the next attempt; negative: there must be none. */
static double wait_of(struct job *job, const struct outcome *outcome,
                      unsigned attempts, const struct specserve_error *err)
{
    double most_s, jitter_s;

    if (attempts >= job->options.attempts || !repeatable(job, outcome, err))
        return -1;
    if (group_has_other(job->group, &job->tried))
        return 0;
    most_s = fmin((double)BACKOFF_MOST_MS,
                  BACKOFF_FIRST_MS * (double)(1U << (attempts - 1))) /
             1000;
    jitter_s = random_share() * most_s;
    return fmax(err->retry_after_s, jitter_s);
}

static void sleep_s(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};

    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Waits for the next attempt; false: there is none. */
static bool go_on(struct job *job, const struct outcome *outcome,
                  unsigned attempts, const struct specserve_error *err)
{
    double wait_s = wait_of(job, outcome, attempts, err);
    double left_s = (double)clock_left_ms(job->deadline_ns) / 1000;

    if (wait_s < 0 || wait_s >= left_s || !spend(job->client))
        return false;
    if (wait_s > 0)
        sleep_s(wait_s);
    return true;
}

/* ---- all attempts ---- */

static void observe(const struct job *job, const struct endpoint *endpoint,
                    unsigned attempts, uint64_t started_ns,
                    const struct specserve_error *err)
{
    const struct specserve_config *config = &job->client->config;
    const struct specserve_event event = {
        .operation = job->ask->op->id,
        .endpoint = endpoint->url,
        .request_id = job->request_id,
        .code = err->name,
        .attempt = attempts,
        .seconds = (double)(clock_now_ns() - started_ns) / 1e9};

    if (config->observe)
        config->observe(config->context, &event);
}

/* One attempt at one endpoint and what it says; true: a good answer. */
static bool try_once(struct job *job, struct endpoint *endpoint,
                     unsigned attempts, struct outcome *outcome,
                     struct specserve_error *err)
{
    uint64_t started_ns = clock_now_ns();
    struct error why = {0};

    failure_clear(err);
    outcome->answer = attempt(job, endpoint, &outcome->loss, &why);
    outcome->lost = !outcome->answer &&
                    (why.code == ERR_TIMEOUT || why.code == ERR_NOT_READY);
    if (outcome->lost)
        (void)failure_of_loss(err, outcome->loss, endpoint->url, &why);
    else if (!outcome->answer)
        (void)failure_of_error(err, &why);
    else if (!answer_is_good(outcome->answer))
        (void)failure_of_answer(err, outcome->answer);
    observe(job, endpoint, attempts, started_ns, err);
    err->attempts = attempts;
    (void)snprintf(err->request_id, sizeof err->request_id, "%s",
                   job->request_id);
    return err->code == SPECSERVE_OK;
}

/* Notes on the answer who gave it. */
static void sign(const struct job *job, const struct endpoint *endpoint,
                 unsigned attempts, struct answer *answer,
                 struct specserve_error *err)
{
    struct specserve_answer *seen = &answer->seen;
    const char *id = specserve_answer_header(seen, "x-request-id");

    seen->attempts = attempts;
    seen->endpoint = arena_strdup(&answer->arena, endpoint->url);
    seen->request_id = id ? id : arena_strdup(&answer->arena, job->request_id);
    if (!seen->endpoint || !seen->request_id)
        seen->endpoint = seen->request_id = "";
    (void)snprintf(err->request_id, sizeof err->request_id, "%s",
                   seen->request_id);
}

/* One turn: whom to ask, asking, and whether to ask again. */
static bool turn(struct job *job, unsigned attempts, struct outcome *outcome,
                 bool *again, struct specserve_error *err)
{
    struct endpoint *endpoint;
    bool ok;

    *again = false;
    if (!client_refresh(job->client, job->group, job->deadline_ns, err))
        return false;
    endpoint = group_choose(job->group, &job->tried);
    if (!endpoint)
        return failure_say(err, SPECSERVE_UNAVAILABLE,
                           "nobody is known to serve '%.100s'",
                           job->group->name);
    ok = try_once(job, endpoint, attempts, outcome, err);
    group_done(job->group, endpoint);
    if (outcome->answer)
        sign(job, endpoint, attempts, outcome->answer, err);
    if (ok) {
        group_well(job->group, endpoint);
        earn(job->client);
        return true;
    }
    if (hurts(outcome, err)) {
        group_failed(job->group, endpoint);
        group_hurry(job->group);
    }
    *again = go_on(job, outcome, attempts, err);
    return false;
}

/* The good answer, or the last one that was an error, or NULL. */
static struct answer *run(struct job *job, struct specserve_error *err)
{
    struct outcome outcome = {0};
    bool again = true;

    for (unsigned attempts = 1; again; attempts++) {
        specserve_answer_free(outcome.answer ? &outcome.answer->seen : NULL);
        outcome = (struct outcome){0};
        (void)turn(job, attempts, &outcome, &again, err);
    }
    return outcome.answer;
}

static void job_release(struct job *job)
{
    group_forget(job->group, &job->tried);
    buf_release(&job->rest.target);
    buf_release(&job->rest.body);
    buf_release(&job->grpc.target);
    buf_release(&job->grpc.body);
    arena_release(&job->arena);
}

static void make_id(char id[72])
{
    uint64_t bits = 0;

    (void)getrandom(&bits, sizeof bits, 0);
    (void)snprintf(id, 72, "%016" PRIx64, bits);
}

/* false: the options are wrong. */
static bool job_init(struct job *job, const struct client_ask *ask,
                     struct specserve_error *err)
{
    const struct specserve_config *config = &ask->service->client->config;
    uint32_t timeout_ms =
        ask->op->deadline_ms ? ask->op->deadline_ms : config->timeout_ms;

    *job = (struct job){.ask = ask,
                        .client = ask->service->client,
                        .group = &ask->service->group};
    arena_init(&job->arena, 0);
    if (ask->options)
        job->options = *ask->options;
    if (!job->options.attempts)
        job->options.attempts = config->attempts;
    if (job->options.attempts > TRIED_MAX)
        job->options.attempts = TRIED_MAX;
    if (job->options.timeout_ms)
        timeout_ms = job->options.timeout_ms;
    job->deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    make_id(job->request_id);
    if (job->options.request_id &&
        strlen(job->options.request_id) >= sizeof job->request_id)
        return failure_say(err, SPECSERVE_ARGUMENT,
                           "a request id has at most %zu bytes",
                           sizeof job->request_id - 1);
    if (job->options.request_id)
        (void)snprintf(job->request_id, sizeof job->request_id, "%s",
                       job->options.request_id);
    job->options.request_id = job->request_id;
    return true;
}

static bool decode(const struct client_op *op, struct answer *answer,
                   const void **reply, struct specserve_error *err)
{
    const struct specserve_answer *seen = &answer->seen;
    struct error why = {0};
    void *message = NULL;
    bool ok;

    ok = seen->grpc ? proto_decode(op->reply, seen->bytes, seen->size,
                                   &answer->arena, &message, &why)
                    : json_decode_reply(op->reply, seen->bytes, seen->size,
                                        &answer->arena, &message, &why);
    ok = ok && msg_complete(op->reply, message, &answer->arena, &why);
    if (ok)
        *reply = message;
    return ok ||
           failure_say(err,
                       why.code == ERR_OUT_OF_MEMORY ? SPECSERVE_OUT_OF_MEMORY
                                                     : SPECSERVE_BAD_ANSWER,
                       "%s: %s", op->id, why.msg);
}

bool client_call(const struct client_ask *ask, const void **reply,
                 struct specserve_answer **answer, struct specserve_error *err)
{
    struct answer *got = NULL;
    struct job job;
    bool ok;

    *answer = NULL;
    failure_clear(err);
    ok = job_init(&job, ask, err);
    if (ok)
        got = run(&job, err);
    if (got)
        *answer = &got->seen;
    ok = got && err->code == SPECSERVE_OK;
    if (ok && ask->op->reply)
        ok = decode(ask->op, got, reply, err);
    job_release(&job);
    return ok;
}

bool specserve_call_raw(struct specserve_service *service,
                        const struct specserve_raw *raw,
                        const struct specserve_options *options,
                        struct specserve_answer **answer,
                        struct specserve_error *err)
{
    bool reads = raw->verb && (strcmp(raw->verb, "GET") == 0 ||
                               strcmp(raw->verb, "HEAD") == 0 ||
                               strcmp(raw->verb, "OPTIONS") == 0);
    const struct client_op op = {
        .id = "raw", .verb = raw->verb, .safety = reads ? OP_READ : OP_ONCE};
    const struct client_ask ask = {
        .service = service, .op = &op, .options = options};
    struct answer *got = NULL;
    struct job job;

    *answer = NULL;
    failure_clear(err);
    if (job_init(&job, &ask, err)) {
        job.raw = raw;
        got = run(&job, err);
    }
    if (got)
        *answer = &got->seen;
    job_release(&job);
    return got && err->code == SPECSERVE_OK;
}
