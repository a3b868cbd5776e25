/*
 * Core: asking, expecting, shapes, and the walk over the checks.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conform.h"
#include "http_client.h"
#include "utf8.h"

enum { ANSWER_MAX = 16 * 1024 * 1024, TIMEOUT_MS = 30000 };

const struct conform_check conform_checks[] = {
#define CHECK(id, suite, function, text)                                       \
    {id, CONFORM_##suite, text, conform_##function},
#include "checks.def"
#undef CHECK
};
const size_t conform_check_count =
    sizeof conform_checks / sizeof *conform_checks;

bool conform_expect(struct conform_case *test, bool holds, const char *format,
                    ...)
{
    va_list args;

    if (test->outcome != CONFORM_PASSED)
        return false;
    if (holds)
        return true;
    test->outcome = CONFORM_FAILED;
    va_start(args, format);
    (void)vsnprintf(test->detail, sizeof test->detail, format, args);
    va_end(args);
    utf8_mend(test->detail); /* texts of the server were cut to fit */
    return false;
}

void conform_skip(struct conform_case *test, const char *why)
{
    if (test->outcome != CONFORM_PASSED)
        return;
    test->outcome = CONFORM_SKIPPED;
    (void)snprintf(test->detail, sizeof test->detail, "%s", why);
}

/* ---- asking ---- */

static void copy_header(struct http_client *http, const char *name, char *to,
                        size_t size)
{
    const char *value = http_client_header(http, name);

    (void)snprintf(to, size, "%.*s", (int)(value ? strcspn(value, ";") : 0),
                   value ? value : "");
}

static void take_answer(struct http_client *http, int status,
                        struct conform_answer *answer)
{
    const struct buf *body = http_client_body(http);

    *answer = (struct conform_answer){.status = status};
    buf_append(&answer->body, body->data, body->size);
    copy_header(http, "Content-Type", answer->type, sizeof answer->type);
    copy_header(http, "Allow", answer->allow, sizeof answer->allow);
    copy_header(http, "Inference-Header-Content-Length", answer->json_size,
                sizeof answer->json_size);
    if (body->size)
        answer->json =
            json_loadb(body->data, body->size,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

bool conform_ask(struct conform_case *test,
                 const struct conform_request *request,
                 struct conform_answer *answer)
{
    const char *authority =
        request->to_registry ? test->subject->registry : test->subject->url;
    char type[128];
    const char *headers[] = {type, request->header, NULL};
    struct error err = {0};
    struct http_client *http =
        http_client_open(authority, ANSWER_MAX, NULL, &err);
    int status = 0;
    bool ok;

    *answer = (struct conform_answer){0};
    (void)snprintf(type, sizeof type, "Content-Type:%s%s",
                   request->type && !*request->type ? "" : " ",
                   request->type ? request->type : "application/json");
    ok = http && http_client_send(http,
                                  &(struct http_request){
                                      .verb = request->verb,
                                      .path = request->path,
                                      .body = request->body,
                                      .body_size = request->body_size,
                                      .headers = headers,
                                      .timeout_ms = TIMEOUT_MS,
                                  },
                                  &status, &err);
    if (ok)
        take_answer(http, status, answer);
    http_client_close(http);
    return conform_expect(test, ok, "%s %s: %s", request->verb, request->path,
                          err.msg);
}

bool conform_get(struct conform_case *test, const char *path,
                 struct conform_answer *answer)
{
    return conform_ask(test,
                       &(struct conform_request){.verb = "GET", .path = path},
                       answer) &&
           conform_expect(test, answer->status == 200,
                          "GET %s answers %d, not 200", path, answer->status) &&
           conform_expect(test, json_is_object(answer->json),
                          "GET %s does not answer a JSON object", path);
}

void conform_answer_free(struct conform_answer *answer)
{
    json_decref(answer->json);
    answer->json = NULL;
    buf_release(&answer->body);
}

/* ---- shapes ---- */

static bool is_integer(const json_t *value)
{
    return json_is_integer(value) ||
           (json_is_real(value) &&
            floor(json_real_value(value)) == json_real_value(value));
}

static bool is_of_type(const json_t *value, const char *type)
{
    size_t size = strcspn(type, "|");

    if (json_is_null(value))
        return strcmp(type + size, "|null") == 0;
    if (*type == '=')
        return json_is_string(value) &&
               strcmp(json_string_value(value), type + 1) == 0;
    if (strncmp(type, "integer", size) == 0)
        return is_integer(value);
    return (strncmp(type, "string", size) == 0 && json_is_string(value)) ||
           (strncmp(type, "number", size) == 0 && json_is_number(value)) ||
           (strncmp(type, "boolean", size) == 0 && json_is_boolean(value)) ||
           (strncmp(type, "object", size) == 0 && json_is_object(value)) ||
           (strncmp(type, "array", size) == 0 && json_is_array(value));
}

static bool check_member(struct conform_case *test, json_t *at,
                         const char *path, const struct conform_member *member);

/* Every item or member of `at`, whichever it has. */
static bool check_children(struct conform_case *test, json_t *at,
                           const char *rest,
                           const struct conform_member *member)
{
    const char *key;
    json_t *child;
    size_t index;

    json_array_foreach(
        at, index,
        child) if (!check_member(test, child, rest, member)) return false;
    json_object_foreach(at, key, child) if (!check_member(test, child, rest,
                                                          member)) return false;
    return true;
}

/* `path` is what is left of member->path. */
static bool check_member(struct conform_case *test, json_t *at,
                         const char *path, const struct conform_member *member)
{
    bool optional = *member->path == '?';
    char step[64];
    size_t size;

    if (!*path)
        return conform_expect(test, is_of_type(at, member->type),
                              "%s is not %s", member->path, member->type);
    size = strcspn(path, ".");
    (void)snprintf(step, sizeof step, "%.*s", (int)size, path);
    path += size + (path[size] == '.');
    if (strcmp(step, "[]") == 0 || strcmp(step, "*") == 0)
        return check_children(test, at, path, member);
    at = json_object_get(at, step);
    if (!at && optional)
        return true;
    return conform_expect(test, at != NULL, "%s is missing", member->path) &&
           check_member(test, at, path, member);
}

bool conform_shape(struct conform_case *test, json_t *root,
                   const struct conform_member *members)
{
    for (; members->path; members++)
        if (!check_member(test, root, members->path + (*members->path == '?'),
                          members))
            return false;
    return true;
}

/* ---- the walk ---- */

/* When nobody asked for this suite by name: is there anything to look at? */
static bool has_protocol(const struct conform_case *test)
{
    static const char *const paths[] = {"/v2/health/live", "/v2"};
    struct conform_case probe = {.subject = test->subject};
    bool found = false;

    for (size_t i = 0; i < sizeof paths / sizeof *paths && !found; i++) {
        struct conform_answer answer;

        found = !conform_ask(
                    &probe,
                    &(struct conform_request){.verb = "GET", .path = paths[i]},
                    &answer) ||
                answer.status != 404;
        conform_answer_free(&answer);
    }
    return found;
}

static void run_check(struct conform_case *test)
{
    bool registry = test->check->suite == CONFORM_REGISTRY;
    uint64_t started = clock_now_ns();

    if (registry ? !test->subject->registry : !test->subject->url)
        conform_skip(test, registry ? "no registry was named"
                                    : "no model server was named");
    else if (test->check->suite == CONFORM_OIP && test->subject->whole &&
             !has_protocol(test))
        conform_skip(test, "the server does not speak this protocol");
    else
        test->check->run(test);
    test->seconds = (double)(clock_now_ns() - started) / 1e9;
}

size_t conform_run(const struct conform_subject *subject, unsigned suites,
                   const char *only, struct conform_case *cases)
{
    size_t count = 0;

    for (size_t i = 0; i < conform_check_count; i++) {
        const struct conform_check *check = &conform_checks[i];

        if (!(suites & (1U << check->suite)) ||
            (only && strcmp(only, check->id) != 0))
            continue;
        cases[count] =
            (struct conform_case){.subject = subject, .check = check};
        run_check(&cases[count++]);
    }
    return count;
}
