/*
 * Runtime API 1.2: many clients at once.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conform.h"

enum { CLIENTS = 8, ROUNDS = 8, PROBES = 200, LATE_MS = 100 };

/* ---- parallel predictions ---- */

struct client {
    struct conform_case test; /* its own outcome */
    json_t *requests;         /* its own: jansson counts who reads */
    json_t *answers;          /* what each got when it was alone; likewise */
    size_t first;             /* example */
    atomic_bool *stop;        /* of those that run until they are told */
    pthread_t thread;
    bool started;
};

static json_t *predict_once(struct conform_case *test, const json_t *request)
{
    struct conform_answer answer;
    json_t *results = NULL;

    if (conform_predict(test, json_object_get(request, "body"), &answer))
        results = json_incref(json_object_get(answer.json, "results"));
    conform_answer_free(&answer);
    return results;
}

static bool same(const json_t *a, const json_t *b);

static bool same_members(const json_t *a, const json_t *b)
{
    void *at = json_object_iter((json_t *)(uintptr_t)a);
    bool ok = json_object_size(a) == json_object_size(b);

    for (; at && ok; at = json_object_iter_next((json_t *)(uintptr_t)a, at))
        ok = same(json_object_iter_value(at),
                  json_object_get(b, json_object_iter_key(at)));
    return ok;
}

/* Servers that run requests together may add numbers in another order: a result
 * is the same to 1e-5, as what embeddings promise. */
static bool same(const json_t *a, const json_t *b)
{
    bool ok = json_array_size(a) == json_array_size(b);

    if (json_is_object(a) && json_is_object(b))
        return same_members(a, b);
    if (json_is_number(a) && json_is_number(b))
        return fabs(json_number_value(a) - json_number_value(b)) <=
               1e-5 * (1 + fabs(json_number_value(b)));
    if (!json_is_array(a) || !json_is_array(b))
        return json_equal(a, b);
    for (size_t i = 0; i < json_array_size(a) && ok; i++)
        ok = same(json_array_get(a, i), json_array_get(b, i));
    return ok;
}

static void *predict_all(void *context)
{
    struct client *client = context;
    size_t count = json_array_size(client->requests);

    for (size_t i = 0; i < ROUNDS * count; i++) {
        size_t at = (client->first + i) % count;
        json_t *got =
            predict_once(&client->test, json_array_get(client->requests, at));

        (void)conform_expect(
            &client->test, same(got, json_array_get(client->answers, at)),
            "example %zu gives other results beside others than alone", at);
        json_decref(got);
        if (client->test.outcome != CONFORM_PASSED)
            break;
    }
    return NULL;
}

static void start(struct client *client, void *(*work)(void *))
{
    client->started = pthread_create(&client->thread, NULL, work, client) == 0;
    if (!client->started) /* else the case is the thread's */
        (void)conform_expect(&client->test, false, "a thread does not start");
}

/* What went wrong for a client went wrong for the check. */
static void finish(struct client *client, struct conform_case *test)
{
    if (client->started)
        (void)pthread_join(client->thread, NULL);
    (void)conform_expect(test, client->test.outcome == CONFORM_PASSED, "%s",
                         client->test.detail);
    json_decref(client->requests);
    json_decref(client->answers);
}

static void run_clients(struct conform_case *test, json_t *requests,
                        const json_t *answers)
{
    struct client clients[CLIENTS];

    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.test = *test,
                                     .requests = json_deep_copy(requests),
                                     .answers = json_deep_copy(answers),
                                     .first = i};
        start(&clients[i], predict_all);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        finish(&clients[i], test);
}

void conform_parallel(struct conform_case *test)
{
    json_t *requests = conform_requests(test);
    json_t *answers = json_array();
    json_t *request;
    size_t index;

    json_array_foreach(requests, index, request)
    {
        (void)json_array_append_new(answers, predict_once(test, request));
    }
    if (requests && test->outcome == CONFORM_PASSED)
        run_clients(test, requests, answers);
    json_decref(answers);
    json_decref(requests);
}

/* ---- health under load ---- */

static void *predict_until(void *context)
{
    struct client *client = context;
    size_t count = json_array_size(client->requests);

    for (size_t i = client->first; !atomic_load(client->stop); i++) {
        struct conform_answer answer;

        (void)conform_predict(
            &client->test,
            json_object_get(json_array_get(client->requests, i % count),
                            "body"),
            &answer);
        conform_answer_free(&answer);
        if (client->test.outcome != CONFORM_PASSED)
            break;
    }
    return NULL;
}

/* Asks GET /health PROBES times; at most one in a hundred may be late. */
static void probe(struct conform_case *test)
{
    int late = 0;
    double worst = 0;

    for (int i = 0; i < PROBES && late <= PROBES / 100; i++) {
        struct conform_answer answer;
        uint64_t asked = clock_now_ns();
        double time_ms;

        (void)conform_get(test, "/health", &answer);
        conform_answer_free(&answer);
        time_ms = (double)(clock_now_ns() - asked) / 1e6;
        late += time_ms >= LATE_MS ? 1 : 0;
        worst = time_ms > worst ? time_ms : worst;
    }
    (void)conform_expect(
        test, late <= PROBES / 100,
        "more than 1 in 100 answers are late, by up to %.1f ms", worst);
}

void conform_health_under_load(struct conform_case *test)
{
    json_t *requests = conform_requests(test);
    struct client clients[CLIENTS];
    atomic_bool stop = false;

    if (!requests)
        return;
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.test = *test,
                                     .requests = json_deep_copy(requests),
                                     .first = i,
                                     .stop = &stop};
        start(&clients[i], predict_until);
    }
    probe(test);
    atomic_store(&stop, true);
    for (size_t i = 0; i < CLIENTS; i++)
        finish(&clients[i], test);
    json_decref(requests);
}
