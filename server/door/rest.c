/*
 * REST door: the seam to libmicrohttpd.
 *
 * Requests are reused: arena, body and answer keep one block each, so that a
 * small request allocates nothing of ours. Every body is read to its end
 * before the answer, even of requests that fail: closing a connection with
 * unread bytes would reset it before the peer has read why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "caller.h"
#include "clock.h"
#include "feed.h"
#include "log.h"
#include "rest_internal.h"

enum {
    /* Holds the largest head that passes the guard, its parsed fields and the
     * answer's head. The library clears it after each request, so it should
     * not be larger; above 32 KiB it is mapped and goes back to the system. */
    CONNECTION_MEMORY = 36864,
    ARENA_EXTRA = 64 << 20, /* per request, beside a multiple of its body */
    ARENA_PER_BODY = 8,
    KEPT_BYTES = 65536, /* a reused buffer may keep this much */
    RESERVE_MAX = 1 << 20,
    SETTLE_STEP_NS = 1000000
};

/* ---- open ---- */

static struct rest_request *request_new(struct rest *rest)
{
    struct rest_request *request = rest->free_requests;

    if (request) {
        rest->free_requests = request->next;
        return request;
    }
    request = calloc(1, sizeof *request);
    if (request)
        request->rest = rest;
    return request;
}

static void shrink(struct buf *buf)
{
    if (buf->capacity > KEPT_BYTES)
        buf_release(buf);
    else
        buf_clear(buf);
}

static void request_free(struct rest_request *request)
{
    struct srv_call *call = &request->call;

    if (call->arena.total_bytes > KEPT_BYTES)
        arena_release(&call->arena);
    else
        arena_reset(&call->arena);
    shrink(&request->body);
    shrink(&call->out);
    request->next = request->rest->free_requests;
    request->rest->free_requests = request;
}

static void request_destroy(struct rest_request *request)
{
    arena_release(&request->call.arena);
    buf_release(&request->body);
    buf_release(&request->call.out);
    free(request);
}

/* Everything of the last use but the memory is forgotten. */
static void request_init(struct rest_request *request, struct conn *conn,
                         struct MHD_Connection *connection)
{
    struct srv_call *call = &request->call;
    struct arena arena = call->arena;
    struct buf out = call->out;

    *call = (struct srv_call){
        .arena = arena,
        .out = out,
        .door = DOOR_REST,
        .id = atomic_fetch_add_explicit(request->rest->options.next_id, 1,
                                        memory_order_relaxed),
        .app = request->rest->options.door->app,
        .finished = request->rest->options.door->finished,
        .headers = request->headers,
        .peer = conn->peer,
        .peer_is_local = conn->peer_is_local,
        .started_ns = clock_now_ns(),
        .deadline_ns = CLOCK_NEVER};
    request->conn = conn;
    request->connection = connection;
    request->match = (struct route_match){0};
    request->opened = request->served = request->lost = false;
}

static struct conn *conn_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* The library's callback for a request line: the target is still raw here.
 * What it returns is the request's state in the other callbacks. */
static void *open_request(void *context, const char *target,
                          struct MHD_Connection *connection)
{
    struct rest *rest = context;
    struct conn *conn = conn_of(connection);
    struct rest_request *request = conn ? request_new(rest) : NULL;

    if (!request)
        return NULL;
    request_init(request, conn, connection);
    atomic_fetch_add_explicit(&rest->busy, 1, memory_order_relaxed);
    request->target = arena_strdup(&request->call.arena, target);
    return request;
}

static enum MHD_Result add_header(void *context, enum MHD_ValueKind kind,
                                  const char *name, const char *value)
{
    struct rest_request *request = context;
    struct srv_call *call = &request->call;
    char *lower;

    (void)kind;
    if (call->header_count == HTTP_FIELDS_MAX)
        return MHD_NO;
    lower = arena_strdup(&call->arena, name);
    if (!lower)
        return MHD_NO;
    for (char *byte = lower; *byte; byte++)
        if (*byte >= 'A' && *byte <= 'Z')
            *byte = (char)(*byte + ('a' - 'A'));
    request->headers[call->header_count++] =
        (struct srv_header){.name = lower, .value = value ? value : ""};
    return MHD_YES;
}

/* ---- receive ---- */

static void receive(struct rest_request *request, const char *bytes,
                    size_t size)
{
    if (request->lost)
        return;
    if (request->body.size == 0) {
        const char *length = call_header(&request->call, "content-length");

        /* the guard has checked it; what is announced may never come */
        size_t wanted = length ? strtoul(length, NULL, 10) : 0;

        (void)buf_reserve(&request->body,
                          wanted < RESERVE_MAX ? wanted : RESERVE_MAX);
    }
    buf_append(&request->body, bytes, size);
    request->lost = !buf_ok(&request->body);
}

/* ---- hand over ---- */

static bool charset_is_utf8(const char *value)
{
    char name[16];
    size_t size;

    if (*value == '"')
        value++;
    size = strcspn(value, "\"; \t");
    if (size >= sizeof name)
        return false;
    memcpy(name, value, size);
    name[size] = '\0';
    return strcasecmp(name, "utf-8") == 0 || strcasecmp(name, "utf8") == 0;
}

/* application/json, with no charset or with UTF-8 */
static bool type_is_json(const char *type)
{
    static const char json[] = "application/json";
    const char *rest = type + sizeof json - 1;
    const char *charset;

    if (strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    rest += strspn(rest, " \t");
    if (*rest && *rest != ';')
        return false;
    charset = strcasestr(rest, "charset=");
    return !charset || charset_is_utf8(charset + strlen("charset="));
}

static bool check_type(const struct srv_call *call, struct error *err)
{
    const char *type = call_header(call, "content-type");

    const struct op_codec *codec = call->op->codec;

    if (!call->op->has_body || !type || type_is_json(type) ||
        (codec && codec->takes && codec->takes(type)))
        return true;
    return fail(err, ERR_UNSUPPORTED_MEDIA_TYPE,
                "Content-Type must be application/json in UTF-8");
}

static uint64_t deadline_of(const struct rest *rest,
                            const struct srv_call *call)
{
    uint32_t ms = call->op->deadline_ms ? call->op->deadline_ms
                                        : rest->options.door->deadline_ms;

    return call->started_ns + (uint64_t)ms * 1000000;
}

static bool find_endpoint(struct rest_request *request, const char *verb,
                          struct error *err)
{
    struct srv_call *call = &request->call;

    if (!request->target || request->lost)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the request");
    if (!route_rest(request->rest->options.routes, verb,
                    rest_origin_form(request->target), &call->arena,
                    &request->match, err))
        return false;
    call->op = request->match.op;
    call->binds = request->match.binds;
    call->body_max = call->op->max_body ? call->op->max_body
                                        : request->rest->options.door->max_body;
    call->deadline_ns = deadline_of(request->rest, call);
    return caller_limit_time(call, err) && check_type(call, err);
}

/* True when the call holds the answer, false when a worker has the call and the
 * library will call back once it was brought. */
static bool serve(struct rest_request *request)
{
    struct srv_call *call = &request->call;

    if (call->op->run == OP_INLINE) {
        call_serve(call);
        return true;
    }
    conn_watch(request->conn, &call->cancelled);
    if (!queue_push(request->rest->options.queue, call, rest_bring))
        return true;
    /* Its answer waits for the next turn, however soon it is brought. */
    MHD_suspend_connection(request->connection);
    return false;
}

/* A path that exists says what it takes; nothing else is to be known. */
static bool is_options_answer(const struct rest_request *request,
                              const char *verb, const struct error *err)
{
    return strcmp(verb, MHD_HTTP_METHOD_OPTIONS) == 0 &&
           (err->code == ERR_METHOD_NOT_ALLOWED ||
            strcmp(request->target, "*") == 0);
}

/* As serve(). */
static bool hand_over(struct rest_request *request, const char *verb)
{
    struct srv_call *call = &request->call;
    struct error err = {0};

    call->arena.limit_bytes = ARENA_EXTRA + request->body.size * ARENA_PER_BODY;
    call->body = request->body.data;
    call->body_size = request->body.size;
    request->served = true;
    if (find_endpoint(request, verb, &err))
        return serve(request);
    if (request->target && is_options_answer(request, verb, &err))
        call->http_status = MHD_HTTP_NO_CONTENT;
    else
        call_refuse(call, err.code, 0, err.msg);
    return true;
}

/* ---- answer ---- */

static bool add_text(struct MHD_Response *response, const char *name,
                     const char *value)
{
    return !value || MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_retry_after(struct MHD_Response *response, uint32_t seconds)
{
    char value[16];

    if (seconds == 0)
        return true;
    (void)snprintf(value, sizeof value, "%u", seconds);
    return add_text(response, MHD_HTTP_HEADER_RETRY_AFTER, value);
}

static bool add_number(struct MHD_Response *response, const char *name,
                       double value, int digits)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%.*f", digits, value);
    return add_text(response, name, text);
}

/* What the model's part of the call took, if it had one. */
static bool add_work(const struct srv_call *call, struct MHD_Response *response)
{
    if (call->compute_ns == 0)
        return true;
    if (!add_number(response, "X-Queue-Time-Ms", (double)call->queue_ns / 1e6,
                    3) ||
        !add_number(response, "X-Compute-Time-Ms",
                    (double)call->compute_ns / 1e6, 3))
        return false;
    return call->tokens == 0 ||
           (add_number(response, "X-Compute-Tokens", (double)call->tokens, 0) &&
            add_text(response, "X-Truncated",
                     call->truncated ? "true" : "false"));
}

static bool add_all(struct MHD_Response *response,
                    const struct srv_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!add_text(response, headers[i].name, headers[i].value))
            return false;
    return true;
}

static bool add_headers(const struct rest_request *request,
                        struct MHD_Response *response)
{
    const struct srv_call *call = &request->call;
    bool last =
        atomic_load_explicit(&request->rest->leaving, memory_order_relaxed);

    return add_all(response, call->reply_headers, call->reply_header_count) &&
           add_all(response, call->facts, call->fact_count) &&
           add_text(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                    call->content_type) &&
           add_retry_after(response, call->retry_after_s) &&
           add_work(call, response) &&
           add_text(response, MHD_HTTP_HEADER_ALLOW, request->match.allow) &&
           add_text(response, "X-Request-Id", caller_request_id(call)) &&
           add_text(response, MHD_HTTP_HEADER_CONNECTION,
                    last ? "close" : NULL);
}

/* MHD_NO makes the library close the connection: memory is out. */
static enum MHD_Result answer(struct rest_request *request)
{
    struct srv_call *call = &request->call;
    struct MHD_Response *response;
    enum MHD_Result result = MHD_NO;

    response = MHD_create_response_from_buffer(call->out.size, call->out.data,
                                               MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    conn_enter(request->conn, CONN_SEND, call->out.size);
    if (add_headers(request, response))
        result = MHD_queue_response(request->connection,
                                    (unsigned)call->http_status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- the library's callbacks ---- */

/* Head complete (first call), body bytes, body complete, and once more when
 * the connection was resumed. */
/* NOLINTNEXTLINE(readability-function-size): the library's signature */
static enum MHD_Result take(void *context, struct MHD_Connection *connection,
                            const char *url, const char *verb,
                            const char *version, const char *bytes,
                            size_t *size, void **state)
{
    struct rest_request *request = *state;

    (void)context, (void)url, (void)version;
    if (!request)
        return MHD_NO;
    if (!request->opened) {
        request->opened = true;
        (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header,
                                        request);
        return MHD_YES;
    }
    if (*size > 0) {
        receive(request, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!request->served && !hand_over(request, verb))
        return MHD_YES;
    return answer(request);
}

static void completed(void *context, struct MHD_Connection *connection,
                      void **state, enum MHD_RequestTerminationCode why)
{
    struct rest *rest = context;
    struct rest_request *request = *state;

    (void)connection, (void)why;
    *state = NULL;
    if (!request)
        return;
    if (request->call.op && request->call.op->run == OP_QUEUE)
        conn_watch(request->conn, NULL);
    feed_answered(request->conn);
    request_free(request);
    atomic_fetch_sub_explicit(&rest->busy, 1, memory_order_release);
}

static void connection_changed(void *context, struct MHD_Connection *connection,
                               void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct rest *rest = context;
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        info = MHD_get_connection_info(connection,
                                       MHD_CONNECTION_INFO_CONNECTION_FD);
        rest->adopted = true;
        *socket_context = info ? feed_find(info->connect_fd) : NULL;
    } else if (*socket_context) {
        feed_close(*socket_context);
        *socket_context = NULL;
    }
}

/* Paths are decoded by route_rest(), not by the library. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection,
                            char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

static void log_library(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_library(void *context, const char *format, va_list args)
{
    char text[256];

    (void)context;
    (void)vsnprintf(text, sizeof text, format, args);
    log_event(LOG_DEBUG, "http_library", "text=\"%s\"", text);
}

/* ---- life ---- */

static struct MHD_Daemon *start_daemon(struct rest *rest)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    unsigned connections = (unsigned)rest->options.door->max_connections + 16;

    return MHD_start_daemon(
        flags, 0, NULL, NULL, take, rest, MHD_OPTION_EXTERNAL_LOGGER,
        log_library, rest, MHD_OPTION_URI_LOG_CALLBACK, open_request, rest,
        MHD_OPTION_NOTIFY_COMPLETED, completed, rest,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, rest,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, rest,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_END);
}

struct rest *rest_open(const struct rest_options *options, struct error *err)
{
    struct rest *rest = calloc(1, sizeof *rest);

    if (!rest) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the REST door");
        return NULL;
    }
    rest->options = *options;
    rest->wake_fd = -1;
    (void)pthread_mutex_init(&rest->mu, NULL);
    if (!rest_rules_init(&rest->rules, options->door, options->routes, err))
        goto failed;
    rest->daemon = start_daemon(rest);
    if (!rest->daemon) {
        fail(err, ERR_INTERNAL, "the HTTP library did not start");
        goto failed;
    }
    if (!rest_turn_start(rest, err))
        goto failed;
    return rest;
failed:
    rest_close(rest);
    return NULL;
}

/* A connection that the library does not adopt is still ours; it closes the
 * socket in any case. */
static void adopt_locked(struct rest *rest, struct conn *conn)
{
    socklen_t size = conn->address.any.sa_family == AF_INET
                         ? sizeof conn->address.v4
                         : sizeof conn->address.v6;

    rest->adopted = false;
    if (MHD_add_connection(rest->daemon, conn->fd, &conn->address.any, size) !=
            MHD_YES &&
        !rest->adopted)
        feed_close(conn);
}

void rest_add(struct rest *rest, struct conn *conn)
{
    struct error err = {0};
    int fd = conn->fd;

    if (!feed_open(conn, &rest->rules.http, &err)) {
        conn_release(conn);
        (void)close(fd);
        return;
    }
    (void)pthread_mutex_lock(&rest->mu);
    adopt_locked(rest, conn);
    rest_turn_leave(rest);
}

void rest_leave(struct rest *rest)
{
    atomic_store(&rest->leaving, true);
}

void rest_settle(struct rest *rest, uint32_t ms)
{
    uint64_t until = clock_now_ns() + (uint64_t)ms * 1000000;
    struct timespec step = {.tv_nsec = SETTLE_STEP_NS};

    while (atomic_load_explicit(&rest->busy, memory_order_acquire) > 0 &&
           clock_left_ms(until) > 0)
        (void)nanosleep(&step, NULL);
}

void rest_close(struct rest *rest)
{
    if (!rest)
        return;
    rest_turn_stop(rest);
    if (rest->daemon)
        MHD_stop_daemon(rest->daemon);
    while (rest->free_requests) {
        struct rest_request *request = rest->free_requests;

        rest->free_requests = request->next;
        request_destroy(request);
    }
    rest_rules_release(&rest->rules);
    (void)pthread_mutex_destroy(&rest->mu);
    free(rest);
}
