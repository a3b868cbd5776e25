/*
 * Runtime API 1.2: predictions. What is sent comes from the server's own
 * /test_examples, for nobody else knows what its model takes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conform.h"

/* ---- requests from examples ---- */

json_t *conform_input_of(json_t *example)
{
    static const char *const others[] = {"name", "description", "category",
                                         "expected", "data"};
    const char *key;
    json_t *value;

    json_object_foreach(example, key, value)
    {
        bool other = false;

        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            other = other || strcmp(key, others[i]) == 0;
        if (!other)
            return value;
    }
    return NULL;
}

/* body_format with the example's data in it: as the server gives it, or its
 * input in the place of the format's first member. */
static json_t *fill(const json_t *format, json_t *example)
{
    json_t *body = json_deep_copy(format);
    json_t *data = json_object_get(example, "data");
    void *first = json_object_iter(json_object_get(body, "data"));

    if (json_is_object(data))
        (void)json_object_set(body, "data", data);
    else if (first && conform_input_of(example))
        (void)json_object_iter_set(json_object_get(body, "data"), first,
                                   conform_input_of(example));
    return body;
}

static json_t *make_request(const json_t *format, json_t *example)
{
    const json_t *expected = json_object_get(example, "expected");
    const json_t *success = json_object_get(expected, "success");
    const json_t *results = json_object_get(expected, "results");

    return json_pack("{s:O?, s:o, s:b, s:O?}", "name",
                     json_object_get(example, "name"), "body",
                     fill(format, example), "success", !json_is_false(success),
                     "results", results);
}

json_t *conform_requests(struct conform_case *test)
{
    struct conform_answer answer;
    json_t *list = json_array();
    json_t *example;
    size_t index;

    (void)conform_get(test, "/test_examples", &answer);
    json_array_foreach(json_object_get(answer.json, "examples"), index, example)
    {
        (void)json_array_append_new(
            list,
            make_request(json_object_get(
                             json_object_get(answer.json, "usage_instructions"),
                             "body_format"),
                         example));
    }
    conform_answer_free(&answer);
    if (conform_expect(test, json_array_size(list) > 0,
                       "/test_examples has no example, or no body_format"))
        return list;
    json_decref(list);
    return NULL;
}

const json_t *conform_request_of(struct conform_case *test, const json_t *list,
                                 bool success)
{
    json_t *request;
    size_t index;

    json_array_foreach(list, index, request)
    {
        if (json_is_true(json_object_get(request, "success")) == success)
            return request;
    }
    (void)conform_expect(test, !list, "no example is to %s",
                         success ? "succeed" : "be declined");
    return NULL;
}

bool conform_predict(struct conform_case *test, const json_t *body,
                     struct conform_answer *answer)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    bool ok;

    *answer = (struct conform_answer){0};
    ok = text &&
         conform_ask(test,
                     &(struct conform_request){
                         .verb = "POST", .path = "/predict", .body = text},
                     answer);
    free(text);
    return ok;
}

/* ---- checks ---- */

static const struct conform_member predict_members[] = {
    {"success", "boolean"},
    {"model_name", "string"},
    {"results", "object"},
    {"computation_time_ms", "number"},
    {"error_message", "string|null"},
    {NULL, NULL}};

/* Calls `look` with the answer to every example. */
static void each_answer(struct conform_case *test,
                        void (*look)(struct conform_case *test,
                                     const json_t *request,
                                     const struct conform_answer *answer))
{
    json_t *list = conform_requests(test);
    json_t *request;
    size_t index;

    json_array_foreach(list, index, request)
    {
        struct conform_answer answer;

        if (conform_predict(test, json_object_get(request, "body"), &answer))
            look(test, request, &answer);
        conform_answer_free(&answer);
    }
    json_decref(list);
}

static const char *name_of(const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "name"));

    return name ? name : "";
}

static void look_at_shape(struct conform_case *test, const json_t *request,
                          const struct conform_answer *answer)
{
    (void)(conform_expect(test, answer->status == 200,
                          "example '%s' is answered with %d", name_of(request),
                          answer->status) &&
           conform_shape(test, answer->json, predict_members) &&
           conform_expect(test,
                          json_number_value(json_object_get(
                              answer->json, "computation_time_ms")) >= 0,
                          "computation_time_ms is negative"));
}

void conform_predict_shape(struct conform_case *test)
{
    each_answer(test, look_at_shape);
}

static void look_at_invariant(struct conform_case *test, const json_t *request,
                              const struct conform_answer *answer)
{
    bool success = json_is_true(json_object_get(answer->json, "success"));
    const json_t *message = json_object_get(answer->json, "error_message");

    (void)conform_expect(
        test, success ? json_is_null(message) : json_is_string(message),
        "example '%s': success is %s, but error_message is %s",
        name_of(request), success ? "true" : "false",
        json_is_null(message)     ? "null"
        : json_is_string(message) ? "a string"
                                  : "missing");
}

void conform_predict_invariant(struct conform_case *test)
{
    each_answer(test, look_at_invariant);
}

static void look_at_failure(struct conform_case *test, const json_t *request,
                            const struct conform_answer *answer)
{
    const char *message =
        json_string_value(json_object_get(answer->json, "error_message"));
    const char *error =
        json_string_value(json_object_get(answer->json, "error"));

    if (json_is_true(json_object_get(answer->json, "success")))
        return;
    (void)(conform_expect(test, message && error && !strcmp(message, error),
                          "example '%s': error and error_message are not the "
                          "same text",
                          name_of(request)) &&
           conform_expect(
               test,
               json_is_string(json_object_get(answer->json, "error_code")),
               "example '%s': error_code is missing", name_of(request)));
}

void conform_predict_failure(struct conform_case *test)
{
    static const char unknown[] = "{\"input_type\":\"none\",\"data\":{}}";
    struct conform_answer answer;

    each_answer(test, look_at_failure);
    if (conform_ask(test,
                    &(struct conform_request){
                        .verb = "POST", .path = "/predict", .body = unknown},
                    &answer) &&
        conform_shape(test, answer.json, predict_members))
        look_at_failure(test, NULL, &answer);
    conform_answer_free(&answer);
}

/* A number may come back in another precision, not as another number. */
static bool close_to(const json_t *got, const json_t *wanted)
{
    double a = json_number_value(got), b = json_number_value(wanted);

    if (json_is_number(wanted))
        return json_is_number(got) && fabs(a - b) <= 1e-2 * (1 + fabs(b));
    return !json_is_string(wanted) || json_equal(got, wanted);
}

static void look_at_promise(struct conform_case *test, const json_t *request,
                            const struct conform_answer *answer)
{
    bool success = json_is_true(json_object_get(answer->json, "success"));
    const char *key;
    json_t *wanted;

    (void)conform_expect(
        test, success == json_is_true(json_object_get(request, "success")),
        "example '%s' %s", name_of(request),
        success ? "was to be declined" : "does not succeed");
    json_object_foreach(json_object_get(request, "results"), key, wanted)
    {
        (void)conform_expect(
            test,
            close_to(
                json_object_get(json_object_get(answer->json, "results"), key),
                wanted),
            "example '%s' gives another '%s'", name_of(request), key);
    }
}

void conform_examples_run(struct conform_case *test)
{
    each_answer(test, look_at_promise);
}

static void look_at_numbers(struct conform_case *test, const json_t *request,
                            const struct conform_answer *answer)
{
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(answer->json, "results"), key, value)
    {
        char *end = NULL;
        const char *text = json_string_value(value);

        if (text && *text)
            (void)strtod(text, &end);
        (void)conform_expect(test, !end || *end,
                             "example '%s': '%s' is a number in a string",
                             name_of(request), key);
    }
}

void conform_finite_numbers(struct conform_case *test)
{
    each_answer(test, look_at_numbers);
}

void conform_metrics_move(struct conform_case *test)
{
    json_t *list = conform_requests(test);
    const json_t *request = conform_request_of(test, list, true);
    struct conform_answer before, after, answer = {0};

    if (request && conform_get(test, "/metrics", &before)) {
        if (conform_predict(test, json_object_get(request, "body"), &answer) &&
            conform_get(test, "/metrics", &after)) {
            (void)conform_expect(
                test,
                json_number_value(json_object_get(after.json, "uptime_s")) >=
                    json_number_value(json_object_get(before.json, "uptime_s")),
                "uptime_s went back");
            (void)conform_expect(test,
                                 json_integer_value(json_object_get(
                                     after.json, "requests_served")) >
                                     json_integer_value(json_object_get(
                                         before.json, "requests_served")),
                                 "requests_served did not grow");
            conform_answer_free(&after);
        }
        conform_answer_free(&answer);
        conform_answer_free(&before);
    }
    json_decref(list);
}
