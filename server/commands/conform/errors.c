/*
 * Runtime API 1.2: what wrong requests are answered with.
 */
#include <stdlib.h>
#include <string.h>

#include "conform.h"

static const struct conform_member error_members[] = {{"success", "boolean"},
                                                      {"error", "string"},
                                                      {"error_code", "string"},
                                                      {NULL, NULL}};

/* The request is refused with this status and a JSON error. */
static void refused(struct conform_case *test, const char *what,
                    const struct conform_request *request, int status)
{
    struct conform_answer answer;

    if (conform_ask(test, request, &answer) &&
        conform_expect(test, answer.status == status,
                       "%s is answered with %d, not %d", what, answer.status,
                       status) &&
        conform_shape(test, answer.json, error_members))
        (void)conform_expect(
            test, json_is_false(json_object_get(answer.json, "success")),
            "%s: success is true", what);
    conform_answer_free(&answer);
}

static void predict_refused(struct conform_case *test, const char *what,
                            const char *body, int status)
{
    refused(test, what,
            &(struct conform_request){
                .verb = "POST", .path = "/predict", .body = body},
            status);
}

void conform_unknown_type(struct conform_case *test)
{
    predict_refused(test, "an unknown input_type",
                    "{\"input_type\":\"smell\",\"data\":{\"text\":\"CC\"}}",
                    400);
}

void conform_predict_malformed(struct conform_case *test)
{
    static const struct {
        const char *what, *body;
    } bodies[] = {
        {"a body that is no JSON", "{\"input_type\":"},
        {"an empty body", ""},
        {"a list", "[]"},
        {"a body without data", "{\"input_type\":\"text\"}"},
        {"a body without input_type", "{\"data\":{\"text\":\"CC\"}}"},
        {"data that is a string", "{\"input_type\":\"text\",\"data\":\"CC\"}"},
        {"an input_type that is a number", "{\"input_type\":7,\"data\":{}}"},
        {"text that is not UTF-8",
         "{\"input_type\":\"text\",\"data\":{\"text\":\"\xff\"}}"},
    };

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        predict_refused(test, bodies[i].what, bodies[i].body, 400);
}

void conform_duplicate_keys(struct conform_case *test)
{
    predict_refused(test, "a key that occurs twice",
                    "{\"input_type\":\"text\",\"input_type\":\"text\","
                    "\"data\":{\"text\":\"CC\"}}",
                    400);
}

void conform_content_type(struct conform_case *test)
{
    json_t *list = conform_requests(test);
    const json_t *request = conform_request_of(test, list, true);
    char *body = json_dumps(json_object_get(request, "body"), 0);
    struct conform_request wrong = {
        .verb = "POST", .path = "/predict", .body = body, .type = ""};
    struct conform_answer answer = {0};

    if (body && conform_ask(test, &wrong, &answer))
        (void)conform_expect(test, answer.status == 200,
                             "without Content-Type the answer is %d",
                             answer.status);
    conform_answer_free(&answer);
    wrong.type = "text/plain";
    if (body)
        refused(test, "text/plain", &wrong, 415);
    free(body);
    json_decref(list);
}

void conform_error_body(struct conform_case *test)
{
    refused(test, "an unknown path",
            &(struct conform_request){.verb = "GET", .path = "/no/such/path"},
            404);
    refused(test, "a wrong method",
            &(struct conform_request){.verb = "DELETE", .path = "/health"},
            405);
    predict_refused(test, "a body that is no JSON", "{", 400);
}

void conform_too_large(struct conform_case *test)
{
    enum { SIZE = 80 * 1024 * 1024 };
    char *body = malloc(SIZE);

    if (!body) {
        conform_skip(test, "no memory for a large body");
        return;
    }
    memset(body, ' ', SIZE);
    refused(test, "a body of 80 MiB",
            &(struct conform_request){.verb = "POST",
                                      .path = "/predict",
                                      .body = body,
                                      .body_size = SIZE},
            413);
    free(body);
}

void conform_unknown_path(struct conform_case *test)
{
    refused(test, "an unknown path",
            &(struct conform_request){.verb = "GET", .path = "/no/such/path"},
            404);
}

void conform_wrong_method(struct conform_case *test)
{
    struct conform_answer answer;

    if (conform_ask(
            test, &(struct conform_request){.verb = "GET", .path = "/predict"},
            &answer) &&
        conform_expect(test, answer.status == 405,
                       "GET /predict is answered with %d", answer.status))
        (void)conform_expect(test, strstr(answer.allow, "POST") != NULL,
                             "Allow is '%s'", answer.allow);
    conform_answer_free(&answer);
}

void conform_head(struct conform_case *test)
{
    struct conform_answer answer;

    if (conform_ask(
            test, &(struct conform_request){.verb = "HEAD", .path = "/health"},
            &answer))
        (void)(conform_expect(test, answer.status == 200,
                              "HEAD /health is answered with %d",
                              answer.status) &&
               conform_expect(test, answer.body.size == 0,
                              "HEAD /health has a body"));
    conform_answer_free(&answer);
}
