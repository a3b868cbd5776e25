/*
 * Work: see work.h.
 */
#include "work.h"

enum { RETRY_AFTER_S = 1 };

struct part {
    struct pipeline_call *prepared;
    struct part *next;
};

/* What a call keeps between its handler and its reply; in its arena. */
struct work {
    struct eng_limits limits;
    struct part *first, **last;
    size_t count;
    double share; /* of a full batch */
    work_reply *reply;
    void *context;
};

bool work_taken(struct srv_call *call, struct error *err)
{
    app_tell(call->app, call);
    if (app_takes(call->app, call, err))
        return true;
    call->retry_after_s = RETRY_AFTER_S;
    return false;
}

/* ---- before the model ---- */

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
}

static bool all_busy(struct error *err)
{
    return fail(err, ERR_OVERLOADED, "every worker is busy");
}

static struct work *work_of(struct srv_call *call)
{
    struct work *work = call->job;

    if (work)
        return work;
    work = arena_zalloc(&call->arena, 1, sizeof *work);
    if (!work)
        return NULL;
    work->limits = (struct eng_limits){.deadline_ns = call->deadline_ns,
                                       .cancelled = &call->cancelled};
    work->last = &work->first;
    call->job = work;
    return work;
}

bool work_prepare(struct srv_call *call, const struct pipeline_value *values,
                  size_t count, size_t first_row, struct error *err)
{
    struct srv_app *app = call->app;
    struct work *work = work_of(call);
    struct part *part = arena_zalloc(&call->arena, 1, sizeof *part);
    struct pipeline_request request = {.values = values,
                                       .count = count,
                                       .first_row = first_row,
                                       .arena = &call->arena};
    struct pipeline_worker *worker;

    if (!work || !part)
        return no_memory(err);
    request.limits = &work->limits;
    worker = app_worker_get(app);
    if (!worker)
        return all_busy(err);
    part->prepared = pipeline_prepare(worker, &request, err);
    app_worker_put(app, worker);
    if (!part->prepared)
        return false;
    *work->last = part;
    work->last = &part->next;
    work->count++;
    work->share += pipeline_call_share(part->prepared);
    return true;
}

/* ---- the model, for many calls ---- */

static void count_run(void *context, const struct pipeline_ran *ran)
{
    metrics_record_batch(context, ran->requests, ran->rows, ran->tokens,
                         ran->compute_ns);
}

/* The parts of all calls, in the order of the calls. */
static struct pipeline_call **list_parts(struct srv_call *const *calls,
                                         size_t count, size_t *parts)
{
    struct pipeline_call **list;

    *parts = 0;
    for (size_t i = 0; i < count; i++)
        *parts += ((const struct work *)calls[i]->job)->count;
    list = arena_zalloc(&calls[0]->arena, *parts, sizeof *list);
    *parts = 0;
    for (size_t i = 0; list && i < count; i++)
        for (struct part *part = ((struct work *)calls[i]->job)->first; part;
             part = part->next)
            list[(*parts)++] = part->prepared;
    return list;
}

static void run_all(struct srv_call *const *calls, size_t count)
{
    struct srv_app *app = calls[0]->app;
    const struct pipeline_observer observer = {count_run, &app->metrics};
    struct pipeline_worker *worker = app_worker_get(app);
    size_t parts;
    struct pipeline_call **list = list_parts(calls, count, &parts);

    /* Without a list each runs by itself: its answer does not change. */
    if (worker && list)
        pipeline_execute(worker, list, parts, &observer);
    for (size_t i = 0; worker && !list && i < count; i++)
        for (struct part *part = ((struct work *)calls[i]->job)->first; part;
             part = part->next)
            pipeline_execute(worker, &part->prepared, 1, &observer);
    if (worker)
        app_worker_put(app, worker);
}

/* ---- after it ---- */

static bool finish_parts(struct srv_call *call, struct pipeline_worker *worker,
                         struct pipeline_output *out, struct error *err)
{
    const struct work *work = call->job;

    for (const struct part *part = work->first; part;
         part = part->next, out++) {
        if (!pipeline_finish(worker, part->prepared, out, err))
            return false;
        call->compute_ns += out->compute_ns;
        call->tokens += out->tokens;
        call->truncated = call->truncated || out->truncated;
    }
    return true;
}

static bool finish(struct srv_call *call, void *message, struct error *err)
{
    struct srv_app *app = call->app;
    struct work *work = call->job;
    struct pipeline_output *out =
        arena_zalloc(&call->arena, work->count, sizeof *out);
    struct pipeline_worker *worker = app_worker_get(app);
    bool ok;

    if (!worker)
        return all_busy(err);
    ok = out ? finish_parts(call, worker, out, err) : no_memory(err);
    app_worker_put(app, worker);
    return ok && work->reply(call, work->context, out, message, err);
}

void work_leave(struct srv_call *call, work_reply *reply, void *context)
{
    static const struct call_work steps = {run_all, finish};
    const struct srv_app *app = call->app;
    struct work *work = call->job;

    work->reply = reply;
    work->context = context;
    call_defer(call, &steps, work,
               pipeline_batches(app->pipeline) ? work->share : 1);
}
