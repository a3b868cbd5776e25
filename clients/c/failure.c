/*
 * Failure: see failure.h.
 *
 * A code that the server names is always believed first. Statuses count only
 * where somebody else answered, a proxy or gRPC itself; the two tables here are
 * for that.
 */
#include "failure.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "http_client.h"
#include "json_object.h"
#include "utf8.h"

/* ---- codes ---- */

/* Those that the catalogue does not have. */
static const struct {
    const char *name;
    enum specserve_code code;
    enum specserve_retry retry;
} local[] = {
    {"UNAVAILABLE", SPECSERVE_UNAVAILABLE, SPECSERVE_LATER},
    {"UNAUTHENTICATED", SPECSERVE_UNAUTHENTICATED, SPECSERVE_NEVER},
    {"BAD_ANSWER", SPECSERVE_BAD_ANSWER, SPECSERVE_NEVER},
    {"MODEL_CHANGED", SPECSERVE_MODEL_CHANGED, SPECSERVE_NEVER},
    {"ARGUMENT", SPECSERVE_ARGUMENT, SPECSERVE_NEVER},
};

enum { LOCAL_COUNT = sizeof local / sizeof *local };

/* The catalogue's codes come first and in its order, as in enum err_code. */
_Static_assert((int)SPECSERVE_REGISTRY_UNAVAILABLE ==
                   (int)ERR_REGISTRY_UNAVAILABLE,
               "codes differ");

static const enum specserve_retry retries[] = {[RETRY_NEVER] = SPECSERVE_NEVER,
                                               [RETRY_LATER] = SPECSERVE_LATER,
                                               [RETRY_ELSEWHERE] =
                                                   SPECSERVE_ELSEWHERE};

void failure_clear(struct specserve_error *err)
{
    *err = (struct specserve_error){.grpc = -1, .retry_after_s = -1};
}

static void set_code(struct specserve_error *err, const char *name)
{
    enum err_code known = err_code_by_name(name);

    (void)snprintf(err->name, sizeof err->name, "%s", name);
    utf8_mend(err->name);
    err->code = SPECSERVE_OTHER;
    err->retry = SPECSERVE_NEVER;
    if (known != ERR_NONE) {
        err->code = (enum specserve_code)known;
        err->retry = retries[err_info(known)->retry];
        return;
    }
    for (size_t i = 0; i < LOCAL_COUNT; i++)
        if (strcmp(local[i].name, name) == 0) {
            err->code = local[i].code;
            err->retry = local[i].retry;
        }
}

static const char *name_of(enum specserve_code code)
{
    for (size_t i = 0; i < LOCAL_COUNT; i++)
        if (local[i].code == code)
            return local[i].name;
    return code == SPECSERVE_OTHER ? "UNKNOWN"
                                   : err_info((enum err_code)code)->name;
}

bool failure_named(struct specserve_error *err, const char *name,
                   const char *message)
{
    set_code(err, name);
    (void)snprintf(err->message, sizeof err->message, "%s", message);
    utf8_mend(err->message);
    return false;
}

bool failure_say(struct specserve_error *err, enum specserve_code code,
                 const char *format, ...)
{
    va_list args;

    set_code(err, name_of(code));
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    utf8_mend(err->message);
    return false;
}

bool failure_of_error(struct specserve_error *err, const struct error *why)
{
    bool mistake = why->code == ERR_USAGE || why->code == ERR_VALIDATION_ERROR;

    return failure_say(
        err, mistake ? SPECSERVE_ARGUMENT : (enum specserve_code)why->code,
        "%s", why->msg);
}

bool failure_of_loss(struct specserve_error *err, enum loss loss,
                     const char *endpoint, const struct error *why)
{
    if (loss == LOSS_LATE || loss == LOSS_EXPIRED)
        return failure_say(err, SPECSERVE_TIMEOUT, "%.100s: no answer in time",
                           endpoint);
    return failure_say(
        err, loss == LOSS_BROKEN ? SPECSERVE_BAD_ANSWER : SPECSERVE_UNAVAILABLE,
        "%.100s: %.130s", endpoint, why->msg);
}

/* ---- statuses without a code of ours ---- */

struct status {
    int status;
    const char *name;
};

static const struct status http_statuses[] = {{400, "INTERNAL"},
                                              {401, "UNAUTHENTICATED"},
                                              {403, "PERMISSION_DENIED"},
                                              {404, "NOT_IMPLEMENTED"},
                                              {408, "REQUEST_TIMEOUT"},
                                              {413, "PAYLOAD_TOO_LARGE"},
                                              {429, "UNAVAILABLE"},
                                              {502, "UNAVAILABLE"},
                                              {503, "UNAVAILABLE"},
                                              {504, "UNAVAILABLE"},
                                              {0, "UNKNOWN"}};

static const struct status grpc_statuses[] = {
    {1, "CANCELLED"},    {3, "BAD_REQUEST"},      {4, "TIMEOUT"},
    {5, "NOT_FOUND"},    {6, "ALREADY_EXISTS"},   {7, "PERMISSION_DENIED"},
    {8, "OVERLOADED"},   {12, "NOT_IMPLEMENTED"}, {13, "INTERNAL"},
    {14, "UNAVAILABLE"}, {16, "UNAUTHENTICATED"}, {0, "UNKNOWN"}};

/* The last row is for all others. */
static const char *status_name(const struct status *rows, int status)
{
    while (rows->status && rows->status != status)
        rows++;
    return rows->name;
}

/* ---- what the server asks for ---- */

/* Of digits alone; anything else is not a number here. */
static bool read_digits(const char *text, double *number)
{
    size_t size = text ? strspn(text, "0123456789") : 0;

    if (!size || text[size] || size >= 12)
        return false;
    *number = (double)strtoll(text, NULL, 10);
    return true;
}

static double retry_after(const struct answer *answer)
{
    const char *text = specserve_answer_header(&answer->seen, "retry-after");
    const char *pushback =
        specserve_answer_header(&answer->seen, "grpc-retry-pushback-ms");
    double number = -1;

    if (read_digits(text, &number))
        return number;
    if (read_digits(pushback, &number))
        return number / 1000;
    return text ? http_client_seconds_until(text) : -1;
}

/* ---- the error of an answer ---- */

/* A text of the object, or NULL. */
static const char *text_of(const struct json_object *object, const char *key,
                           struct arena *arena)
{
    const char *text = NULL;
    struct error ignored;

    return json_object_string(object, key, arena, &text, &ignored) ? text
                                                                   : NULL;
}

/* {"error": {"message": ...}}, OpenAI's form. */
static const char *nested_message(const struct json_object *object,
                                  struct arena *arena)
{
    static const struct json_limits limits = {.depth = 8, .members = 100};
    const struct json_member *member = json_object_find(object, "error");
    struct json_object inner;
    struct error ignored;

    if (json_member_kind(member) != '{' ||
        !json_object_read(member->text, member->size, &limits, arena, &inner,
                          &ignored))
        return NULL;
    return text_of(&inner, "message", arena);
}

static bool rest_failure(struct specserve_error *err, struct answer *answer)
{
    static const struct json_limits limits = {.depth = 32, .members = 1000};
    const struct specserve_answer *seen = &answer->seen;
    const char *code = NULL, *said = NULL;
    struct json_object object;
    struct error ignored;

    if (json_object_read(seen->bytes, seen->size, &limits, &answer->arena,
                         &object, &ignored))
        code = text_of(&object, "error_code", &answer->arena);
    if (code) {
        said = text_of(&object, "error", &answer->arena);
        if (!said)
            said = text_of(&object, "error_message", &answer->arena);
        if (!said)
            said = nested_message(&object, &answer->arena);
    }
    err->http = seen->status;
    (void)failure_named(err,
                        code ? code : status_name(http_statuses, seen->status),
                        said ? said : "");
    if (!said)
        (void)snprintf(err->message, sizeof err->message, "HTTP status %d",
                       seen->status);
    return false;
}

static bool grpc_failure(struct specserve_error *err,
                         const struct answer *answer)
{
    const struct specserve_answer *seen = &answer->seen;
    const char *code = specserve_answer_header(seen, "x-error-code");

    err->grpc = seen->status;
    (void)failure_named(err,
                        code ? code : status_name(grpc_statuses, seen->status),
                        answer->message);
    if (!*answer->message)
        (void)snprintf(err->message, sizeof err->message, "gRPC status %d",
                       seen->status);
    return false;
}

bool answer_is_good(const struct answer *answer)
{
    const struct specserve_answer *seen = &answer->seen;

    return seen->grpc ? seen->status == 0
                      : seen->status >= 200 && seen->status < 300;
}

bool failure_of_answer(struct specserve_error *err, struct answer *answer)
{
    if (answer->seen.grpc)
        (void)grpc_failure(err, answer);
    else
        (void)rest_failure(err, answer);
    err->retry_after_s = retry_after(answer);
    return false;
}
