/*
 * Transport over REST, in the form of the Runtime API text.
 *
 * Sends the seven fields of the text and no others, and takes from an answer
 * the fields it knows, in whatever order and company they come: registries of
 * 1.1 leave some out, others add some.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "clock.h"
#include "http_client.h"
#include "json_put.h"
#include "rest_answer.h"
#include "transport.h"

enum {
    ANSWER_MAX_BYTES = 1 << 20,
    TTL_MAX_S = 86400,
    HTTP_UNPROCESSABLE = 422
};

struct rest {
    struct http_client *http;
    struct arena arena; /* of one answer */
};

static void rest_close(void *state)
{
    struct rest *rest = state;

    if (!rest)
        return;
    http_client_close(rest->http);
    arena_release(&rest->arena);
    free(rest);
}

static void *rest_open(const char *authority, struct error *err)
{
    struct rest *rest = calloc(1, sizeof *rest);

    if (!rest) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for an HTTP client");
        return NULL;
    }
    arena_init(&rest->arena, 0);
    rest->http = http_client_open(authority, ANSWER_MAX_BYTES, NULL, err);
    if (rest->http)
        return rest;
    rest_close(rest);
    return NULL;
}

/* ---- one exchange ---- */

/* Sends and waits; `*status` is the answer's. */
static bool exchange(struct rest *rest, const struct http_request *request,
                     int *status, struct error *err)
{
    struct error why = {0};

    arena_reset(&rest->arena);
    return http_client_send(rest->http, request, status, &why) ||
           fail(err, ERR_REGISTRY_UNAVAILABLE,
                "the registry does not answer: %.160s", why.msg);
}

/* The same with a body that may have failed to fit in memory. */
static bool post(struct rest *rest, const char *path, struct buf *body,
                 uint32_t timeout_ms, int *status, struct error *err)
{
    const struct http_request request = {.verb = "POST",
                                         .path = path,
                                         .body = body->data,
                                         .timeout_ms = timeout_ms};

    if (!buf_ok(body))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a body");
    return exchange(rest, &request, status, err);
}

/* ---- failures ---- */

/* The error of a status that is not 200, in the registry's words if any. */
static bool refuse(struct rest *rest, int status, struct error *err)
{
    static const struct {
        int status;
        enum err_code code;
    } codes[] = {{400, ERR_VALIDATION_ERROR},
                 {HTTP_UNPROCESSABLE, ERR_VALIDATION_ERROR},
                 {403, ERR_REGISTRATION_MISMATCH},
                 {404, ERR_NOT_FOUND},
                 {405, ERR_METHOD_NOT_ALLOWED},
                 {412, ERR_REGISTRATION_GONE},
                 {429, ERR_QUOTA_EXCEEDED}};
    enum err_code code = ERR_REGISTRY_UNAVAILABLE;
    struct rest_fields fields = {0};
    struct error unreadable = {0};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == status)
            code = codes[i].code;
    if (!rest_read_fields(http_client_body(rest->http), &rest->arena, &fields,
                          &unreadable) ||
        !fields.error)
        return fail(err, code, "the registry answers %d", status);
    return fail(err, code, "the registry answers %d: %s", status, fields.error);
}

/* ---- the four calls ---- */

static void put_announcement(struct buf *out,
                             const struct registry_announcement *who,
                             bool with_process)
{
    buf_string(out, "{\"app_name\":");
    json_put_text(out, who->app_name);
    buf_string(out, ",\"app_version\":");
    json_put_text(out, who->app_version);
    buf_string(out, ",\"model_name\":");
    json_put_text(out, who->model_name);
    if (with_process)
        buf_printf(out, ",\"process_id\":%" PRId64, who->process_id);
    if (who->preferred_port > 0)
        buf_printf(out, ",\"preferred_port\":%d", who->preferred_port);
    else
        buf_string(out, ",\"preferred_port\":null");
    buf_string(out, ",\"reason\":");
    json_put_text(out, who->reason ? who->reason : "");
    buf_printf(out, ",\"metadata\":%s}", who->metadata ? who->metadata : "{}");
}

/* Seconds from now until a naive UTC time, or the default where that makes no
 * sense (a registry that writes local time). */
static uint32_t seconds_until(const char *expires_at)
{
    struct tm parts = {0};
    int64_t left_s;

    if (!strptime(expires_at, "%Y-%m-%dT%H:%M:%S", &parts))
        return REGISTRY_TTL_S;
    left_s = (int64_t)timegm(&parts) - clock_wall_s();
    return left_s > 0 && left_s <= TTL_MAX_S ? (uint32_t)left_s
                                             : REGISTRY_TTL_S;
}

static bool read_lease(struct rest *rest, struct registry_lease *lease,
                       struct error *err)
{
    struct rest_fields fields = {0};
    struct error why = {0};
    const char *id, *message;

    if (!rest_read_fields(http_client_body(rest->http), &rest->arena, &fields,
                          &why))
        return fail(err, ERR_REGISTRY_UNAVAILABLE,
                    "the registry's answer is not JSON");
    if ((fields.has_success && !fields.success) || fields.assigned_port < 1 ||
        fields.assigned_port > 65535)
        return fail(err, ERR_REGISTRY_UNAVAILABLE,
                    "the registry assigns no port: %s",
                    fields.message ? fields.message : "it does not say why");
    id = fields.registration_id ? fields.registration_id : "";
    message = fields.message ? fields.message : "";
    if (strlen(id) >= sizeof lease->id)
        return fail(err, ERR_REGISTRY_UNAVAILABLE,
                    "the registration_id is too long");
    *lease = (struct registry_lease){.port = (int)fields.assigned_port,
                                     .ttl_s = REGISTRY_TTL_S,
                                     .is_old = !fields.expires_at};
    if (fields.ttl_s > 0 && fields.ttl_s <= TTL_MAX_S)
        lease->ttl_s = (uint32_t)fields.ttl_s;
    else if (fields.expires_at)
        lease->ttl_s = seconds_until(fields.expires_at);
    (void)snprintf(lease->id, sizeof lease->id, "%s", id);
    (void)snprintf(lease->message, sizeof lease->message, "%s", message);
    return true;
}

static bool enter_once(struct rest *rest,
                       const struct registry_announcement *who,
                       bool with_process, uint32_t timeout_ms, int *status,
                       struct error *err)
{
    struct buf body = {0};
    bool ok;

    put_announcement(&body, who, with_process);
    ok = post(rest, "/register", &body, timeout_ms, status, err);
    buf_release(&body);
    return ok;
}

static bool rest_enter(void *state, const struct registry_announcement *who,
                       uint32_t timeout_ms, struct registry_lease *lease,
                       struct error *err)
{
    struct rest *rest = state;
    struct error first = {0};
    bool is_old = false;
    int status = 0;

    if (!enter_once(rest, who, true, timeout_ms, &status, err))
        return false;
    if (status == 400 || status == HTTP_UNPROCESSABLE) {
        (void)refuse(rest, status, &first);
        if (!enter_once(rest, who, false, timeout_ms, &status, err))
            return false;
        is_old = true;
    }
    if (status != 200 && status != 201) {
        (void)refuse(rest, status, err);
        if (is_old) /* what is wrong was not process_id */
            *err = first;
        return false;
    }
    if (!read_lease(rest, lease, err))
        return false;
    lease->is_old = lease->is_old || is_old;
    return true;
}

/* A request without a body, whose path ends in a text to escape. */
static bool ask(struct rest *rest, const char *verb, const char *prefix,
                const char *text, uint32_t timeout_ms, struct error *err)
{
    struct http_request request = {.verb = verb, .timeout_ms = timeout_ms};
    struct buf path = {0};
    int status = 0;
    bool ok;

    buf_string(&path, prefix);
    http_client_escape(&path, text);
    request.path = path.data;
    if (buf_ok(&path))
        ok = exchange(rest, &request, &status, err);
    else
        ok = fail(err, ERR_OUT_OF_MEMORY, "no memory for a path");
    buf_release(&path);
    return ok && (status == 200 || status == 204 || refuse(rest, status, err));
}

static bool rest_leave(void *state, int port, const char *id,
                       uint32_t timeout_ms, struct error *err)
{
    char prefix[64];

    (void)snprintf(prefix, sizeof prefix,
                   "/unregister/%d?registration_id=", port);
    return ask(state, "DELETE", prefix, id, timeout_ms, err);
}

static bool rest_beat(void *state, int port, const char *id,
                      uint32_t timeout_ms, struct error *err)
{
    struct rest *rest = state;
    struct buf body = {0};
    char path[64];
    int status = 0;
    bool ok;

    (void)snprintf(path, sizeof path, "/heartbeat/%d", port);
    buf_char(&body, '{');
    if (*id) {
        buf_string(&body, "\"registration_id\":");
        json_put_text(&body, id);
    }
    buf_char(&body, '}');
    ok = post(rest, path, &body, timeout_ms, &status, err);
    buf_release(&body);
    return ok && (status == 200 || refuse(rest, status, err));
}

static bool rest_resolve(void *state, const char *model, uint32_t timeout_ms,
                         struct registry_addresses *found, struct error *err)
{
    struct rest *rest = state;

    if (!ask(rest, "GET", "/resolve/", model, timeout_ms, err))
        return false;
    if (!rest_read_instances(http_client_body(rest->http), &rest->arena, found,
                             err))
        return fail(err, ERR_REGISTRY_UNAVAILABLE,
                    "the registry's answer is not JSON");
    return found->count > 0 ||
           fail(err, ERR_NOT_FOUND, "no instance of '%s' is live", model);
}

const struct registry_transport registry_over_rest = {.scheme = "http://",
                                                      .open = rest_open,
                                                      .close = rest_close,
                                                      .enter = rest_enter,
                                                      .leave = rest_leave,
                                                      .beat = rest_beat,
                                                      .resolve = rest_resolve};
