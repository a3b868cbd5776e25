/*
 * GET /metrics: live counters, as JSON or as Prometheus text.
 *
 * The Runtime API wants the JSON of every service; a ModelSpec that disables
 * metrics means what collectors read.
 */
#include "reply.h"

#include <strings.h>

/* The Accept header prefers a text form to JSON. */
static bool wants_text(const struct srv_call *call)
{
    const struct srv_app *app = call->app;
    const char *accept = call_header(call, "accept");

    if (!accept || !app->bundle->serving.metrics_enabled)
        return false;
    return strncasecmp(accept, "text/plain", 10) == 0 ||
           strncasecmp(accept, "application/openmetrics-text", 28) == 0;
}

static bool answer_text(struct srv_call *call, struct srv_app *app, int waiting,
                        int running, struct error *err)
{
    struct metrics_gauges gauges = {
        .model = app->bundle->name,
        .version = app->bundle->version,
        .waiting = waiting,
        .running = running,
        .ready = app->state == APP_READY,
    };
    struct buf text = {0};
    char *copy = NULL;
    size_t size;

    metrics_write_text(&app->metrics, &gauges, &text);
    size = text.size;
    if (buf_ok(&text))
        copy = arena_copy(&call->arena, text.data, size);
    buf_release(&text);
    if (!copy)
        return reply_no_memory(err);
    call_answer_raw(call, "text/plain; version=0.0.4; charset=utf-8", copy,
                    size);
    return true;
}

static void add_last_error(struct srv_call *call, struct srv_app *app,
                           struct runtime_metrics_response *reply)
{
    struct buf text = {0};

    if (metrics_last_error(&app->metrics, &text) && buf_ok(&text))
        reply->last_error = arena_strdup(&call->arena, text.data);
    buf_release(&text);
}

bool handle_metrics(struct srv_call *call,
                    const struct runtime_metrics_request *request,
                    struct runtime_metrics_response *reply, struct error *err)
{
    struct srv_app *app = call->app;
    struct door *door = app->door;
    struct metrics_summary summary;
    int waiting = 0, running = 0;

    (void)request;
    if (door)
        door_load(door, &waiting, &running);
    if (call->door == DOOR_REST && wants_text(call))
        return answer_text(call, app, waiting, running, err);
    metrics_summarise(&app->metrics, &summary);
    runtime_metrics_response_set_uptime_s(reply,
                                          metrics_uptime_s(&app->metrics));
    runtime_metrics_response_set_requests_served(reply,
                                                 (int64_t)summary.decided);
    runtime_metrics_response_set_avg_latency_ms(reply, summary.mean_ms);
    runtime_metrics_response_set_requests_declined(reply,
                                                   (int64_t)summary.declined);
    runtime_metrics_response_set_requests_failed(reply,
                                                 (int64_t)summary.failed);
    runtime_metrics_response_set_requests_running(reply, running);
    runtime_metrics_response_set_requests_waiting(reply, waiting);
    add_last_error(call, app, reply);
    return true;
}
