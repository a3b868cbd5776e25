/*
 * Call: the five steps of a request - route was the door's, here are decode,
 * validate, handle and encode - and how a failure of any of them is answered.
 *
 * The steps only fill call->err; what a code means to either protocol is read
 * from the catalogue in one place, at the end.
 */
#include "call.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "caller.h"
#include "clock.h"
#include "codec_json.h"
#include "codec_proto.h"
#include "json_put.h"
#include "log.h"
#include "msg.h"
#include "validate.h"

static const char json_type[] = "application/json";

/* Process-wide like the log itself; see call_set_access_log(). */
static atomic_bool log_every_call = false;

void call_set_access_log(bool every)
{
    atomic_store_explicit(&log_every_call, every, memory_order_relaxed);
}

/* ---- what handlers ask ---- */

const char *call_header(const struct srv_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (strcmp(call->headers[i].name, name) == 0)
            return call->headers[i].value;
    return NULL;
}

static bool is_cancelled(const struct srv_call *call)
{
    return atomic_load_explicit(&call->cancelled, memory_order_relaxed);
}

static bool is_late(const struct srv_call *call)
{
    return call->deadline_ns != CLOCK_NEVER &&
           clock_now_ns() >= call->deadline_ns;
}

bool call_should_stop(const struct srv_call *call)
{
    return is_cancelled(call) || is_late(call);
}

void call_answer_raw(struct srv_call *call, const char *content_type,
                     const void *bytes, size_t size)
{
    call->raw = (struct srv_raw){
        .content_type = content_type, .bytes = bytes, .size = size};
}

void call_add_header(struct srv_call *call, const char *name, const char *value)
{
    assert(call->reply_header_count < CALL_HEADERS_MAX);
    call->reply_headers[call->reply_header_count++] =
        (struct srv_header){.name = name, .value = value};
}

void call_tell(struct srv_call *call, const struct srv_header *facts,
               size_t count)
{
    assert(count <= CALL_FACTS_MAX);
    call->facts = facts;
    call->fact_count = count;
}

void call_after(struct srv_call *call, void (*after)(void *context),
                void *context)
{
    assert(!call->after);
    call->after = after;
    call->after_context = context;
}

/* ---- decode ---- */

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "the request needs too much memory");
}

static bool comes_from_url(const struct op_def *op, size_t field)
{
    for (size_t i = 0; i < op->bind_count; i++)
        if (op->binds[i].field == field)
            return true;
    return false;
}

/* A body may be left out when no field of it is required. */
static bool may_be_empty(const struct op_def *op)
{
    for (size_t i = 0; i < op->request->field_count; i++)
        if ((op->request->fields[i].flags & MSG_REQUIRED) &&
            !comes_from_url(op, i))
            return false;
    return true;
}

static bool decode_body(struct srv_call *call, void *message, struct error *err)
{
    const struct op_def *op = call->op;

    if (!op->has_body || (call->body_size == 0 && may_be_empty(op)))
        return true;
    if (op->codec && op->codec->decode)
        return op->codec->decode(call, message, err);
    return json_decode_into(op->request, call->body, call->body_size,
                            &call->arena, message, err);
}

/* REST: some fields from the URL, the others from the body. */
static bool decode_rest(struct srv_call *call, void **message,
                        struct error *err)
{
    const struct op_def *op = call->op;

    *message = msg_new(op->request, &call->arena);
    if (!*message)
        return no_memory(err);
    if (!decode_body(call, *message, err))
        return false;
    for (size_t i = 0; i < op->bind_count; i++)
        if (call->binds && call->binds[i] &&
            !json_bind(&op->request->fields[op->binds[i].field], call->binds[i],
                       &call->arena, *message, err))
            return false;
    return true;
}

static bool decode(struct srv_call *call, struct error *err)
{
    if (call->door == DOOR_REST)
        return decode_rest(call, &call->request, err);
    return proto_decode(call->op->request, call->body, call->body_size,
                        &call->arena, &call->request, err);
}

/* ---- handle ---- */

/* Waiting in the queue may have used up the time. */
static bool check_time(const struct srv_call *call, struct error *err)
{
    if (is_cancelled(call))
        return fail(err, ERR_CANCELLED, "the caller is gone");
    if (is_late(call))
        return fail(err, ERR_TIMEOUT, "the deadline passed before the work");
    return true;
}

static bool handle(struct srv_call *call, struct error *err)
{
    const struct op_def *op = call->op;

    call->reply = NULL;
    call->raw = (struct srv_raw){0};
    if (op->reply) {
        call->reply = msg_new(op->reply, &call->arena);
        if (!call->reply)
            return no_memory(err);
    }
    if (op->handle(call, call->request, call->reply, err))
        return true;
    return err->code != ERR_NONE
               ? false
               : fail(err, ERR_INTERNAL,
                      "handler of %s failed without an error", op->id);
}

/* ---- encode ---- */

/* The message in the form of the door; nothing stays in `out` on failure. */
static bool encode_message(struct srv_call *call, const void *message,
                           struct error *err)
{
    bool ok;

    buf_clear(&call->out);
    if (call->door == DOOR_GRPC) {
        ok = proto_encode(call->op->reply, message, &call->out, err);
    } else {
        const struct op_codec *codec = call->op->codec;

        call->content_type = json_type;
        ok = codec && codec->encode
                 ? codec->encode(call, message, err)
                 : json_encode(call->op->reply, message, &call->out, err);
        ok = ok && (buf_ok(&call->out) || no_memory(err));
    }
    if (!ok)
        buf_clear(&call->out);
    return ok;
}

static bool encode_raw(struct srv_call *call, struct error *err)
{
    call->content_type = call->raw.content_type;
    buf_append(&call->out, call->raw.bytes, call->raw.size);
    return buf_ok(&call->out) || no_memory(err);
}

static bool encode(struct srv_call *call, struct error *err)
{
    if (call->stream) /* kept: its messages go another way */
        return true;
    if (call->raw.content_type)
        return encode_raw(call, err);
    if (!call->reply)
        return fail(err, ERR_INTERNAL, "handler of %s answered nothing",
                    call->op->id);
    return encode_message(call, call->reply, err);
}

/* ---- failures ---- */

/* Codes whose sentence was written for us and not for the client. */
static bool is_internal(enum err_code code)
{
    return err_info(code)->http == err_info(ERR_INTERNAL)->http &&
           code != ERR_OUTPUT_INVALID;
}

static void hide_internal(struct srv_call *call)
{
    if (!is_internal(call->err.code))
        return;
    log_event(LOG_ERROR, "call_failed", "id=%llu code=%s text=%s",
              (unsigned long long)call->id, err_info(call->err.code)->name,
              call->err.msg);
    (void)fail(&call->err, call->err.code, "%s", err_info(call->err.code)->doc);
}

/* "/data/text: is required" as [{"pointer":..,"rule":..}]. */
static void put_details(struct buf *out, const struct error *err)
{
    const char *colon = strstr(err->msg, ": ");

    if (err->code != ERR_VALIDATION_ERROR || err->msg[0] != '/' || !colon)
        return;
    buf_string(out, ",\"details\":[{\"pointer\":");
    json_put_string(out, err->msg, (size_t)(colon - err->msg));
    buf_string(out, ",\"rule\":");
    json_put_text(out, colon + 2);
    buf_string(out, "}]");
}

/* The body of failures that have no message of their own. */
static void put_common_failure(struct srv_call *call)
{
    struct buf *out = &call->out;

    call->content_type = json_type;
    buf_clear(out);
    buf_string(out, "{\"success\":false,\"error\":");
    json_put_text(out, call->err.msg);
    buf_string(out, ",\"error_code\":");
    json_put_text(out, err_info(call->err.code)->name);
    put_details(out, &call->err);
    buf_char(out, '}');
}

/* The failure as the endpoint's codec writes it; false if it does not. */
static bool put_codec_failure(struct srv_call *call)
{
    const struct op_codec *codec = call->op ? call->op->codec : NULL;

    if (!codec || !codec->failure)
        return false;
    call->content_type = json_type;
    call->reply_header_count = 0;
    buf_clear(&call->out);
    codec->failure(call);
    return true;
}

/* The failure in the endpoint's own message; false if it has none. */
static bool put_own_failure(struct srv_call *call)
{
    struct error ignored = {0};

    if (!call->op || !call->op->failure || !call->op->reply)
        return false;
    call->reply = msg_new(call->op->reply, &call->arena);
    if (!call->reply)
        return false;
    call->op->failure(call, &call->err, call->reply);
    return encode_message(call, call->reply, &ignored);
}

/*
 * gRPC carries failures in its status. A declined request is no failure there
 * either: its status is OK and the reply says why.
 */
static void answer_grpc_failure(struct srv_call *call)
{
    buf_clear(&call->out);
    if (call->grpc_status == 0 && !put_own_failure(call))
        call->grpc_status = err_info(ERR_VALIDATION_ERROR)->grpc;
}

/* A caller who is still there learns that it was the server who left. */
static void tell_cut(struct srv_call *call)
{
    if (call->err.code == ERR_CANCELLED && atomic_load(&call->cut))
        (void)fail(&call->err, ERR_NOT_READY, "the server is stopping");
}

/* The row of the catalogue that gives the call its statuses. */
static const struct err_info *statuses_of(const struct srv_call *call)
{
    const struct err_info *info = err_info(call->err.code);
    bool declined = info->http == err_info(ERR_NONE)->http;

    return declined && call->op && call->op->refuses
               ? err_info(ERR_VALIDATION_ERROR)
               : info;
}

static void answer_failure(struct srv_call *call)
{
    const struct err_info *info;

    tell_cut(call);
    hide_internal(call);
    info = statuses_of(call);
    call->http_status = info->http;
    call->grpc_status = info->grpc;
    if (info->retry == RETRY_LATER && call->retry_after_s == 0)
        call->retry_after_s = 1;
    if (call->door == DOOR_GRPC)
        answer_grpc_failure(call);
    else if (!put_codec_failure(call) && !put_own_failure(call))
        put_common_failure(call);
}

/* ---- the whole ---- */

static void write_log(const struct srv_call *call)
{
    bool every = atomic_load_explicit(&log_every_call, memory_order_relaxed);
    bool rest = call->door == DOOR_REST;
    bool worker = call->op && call->op->run == OP_QUEUE;
    const char *name;

    if (!every && !worker && call->err.code == ERR_NONE)
        return;
    name = caller_request_id(call);
    log_event(
        LOG_INFO, "call",
        "id=%llu%s%s door=%s method=%s status=%d code=%s ms=%.3f",
        (unsigned long long)call->id, name ? " request=" : "", name ? name : "",
        rest ? "rest" : "grpc", call->op ? call->op->id : "-",
        rest ? call->http_status : call->grpc_status,
        call->err.code == ERR_NONE ? "OK" : err_info(call->err.code)->name,
        (double)(clock_now_ns() - call->started_ns) / 1e6);
}

/* The answer stands: the log and the program are told. */
static void finish(const struct srv_call *call)
{
    write_log(call);
    if (call->finished)
        call->finished(call);
}

void call_defer(struct srv_call *call, const struct call_work *work, void *job,
                double share)
{
    call->work = work;
    call->job = job;
    call->work_share = share;
}

/* The answer is encoded, or it failed. */
static void conclude(struct srv_call *call, bool ok)
{
    if (!ok)
        answer_failure(call);
    if (call->after)
        call->after(call->after_context);
    finish(call);
}

bool call_begin(struct srv_call *call)
{
    struct error *err = &call->err;
    bool ok;

    error_clear(err);
    buf_clear(&call->out);
    call->content_type = NULL;
    call->fact_count = 0;
    call->reply_header_count = 0;
    call->after = NULL;
    call->work = NULL;
    call->job = NULL;
    call->http_status = err_info(ERR_NONE)->http;
    call->grpc_status = err_info(ERR_NONE)->grpc;
    ok =
        decode(call, err) &&
        validate_message(call->op->request, call->request, &call->arena, err) &&
        check_time(call, err) && handle(call, err);
    if (ok && call->work)
        return true;
    conclude(call, ok && encode(call, err));
    return false;
}

void call_work(struct srv_call *const *calls, size_t count)
{
    calls[0]->work->run(calls, count);
}

void call_finish(struct srv_call *call)
{
    struct error *err = &call->err;

    conclude(call, check_time(call, err) &&
                       call->work->finish(call, call->reply, err) &&
                       encode(call, err));
}

void call_serve(struct srv_call *call)
{
    struct srv_call *calls[] = {call};

    if (!call_begin(call))
        return;
    call_work(calls, 1);
    call_finish(call);
}

void call_refuse(struct srv_call *call, enum err_code code,
                 uint32_t retry_after_s, const char *message)
{
    call->retry_after_s = retry_after_s;
    (void)fail(&call->err, code, "%s", message);
    answer_failure(call);
    finish(call);
}
