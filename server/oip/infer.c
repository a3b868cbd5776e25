/*
 * ModelInfer: runs a model on the tensors of a request.
 *
 *   model by name -> inputs -> a worker's engine run -> outputs
 *
 * The model may be another one than that of the port. The reply points at the
 * memory of the worker's run, so the worker is given back when the answer is
 * encoded.
 */
#include "oip.h"

#include <string.h>

#include "clock.h"

enum { RETRY_AFTER_S = 1 };

/* A worker and where it came from; in the call's arena. */
struct lease {
    struct srv_app *app;
    struct pipeline_worker *worker;
};

static void give_back(void *context)
{
    struct lease *lease = context;

    app_worker_put(lease->app, lease->worker);
}

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
}

/* `timeout` of the request, microseconds: it may only shorten the deadline. */
static bool find_deadline(const struct srv_call *call,
                          const struct oip_model_infer_request *request,
                          uint64_t *deadline_ns, struct error *err)
{
    const struct oip_infer_parameter *timeout =
        oip_parameter(&oip_model_infer_request_def, request, "timeout");
    uint64_t us, end;

    *deadline_ns = call->deadline_ns;
    if (!timeout)
        return true;
    if (!oip_parameter_count(timeout, &us))
        return fail(err, ERR_VALIDATION_ERROR,
                    "parameter 'timeout' is no number of microseconds");
    if (us == 0 || us > (UINT64_MAX - call->started_ns) / 1000)
        return true;
    end = call->started_ns + us * 1000;
    if (end < *deadline_ns)
        *deadline_ns = end;
    return true;
}

/* Waits for a worker: those of other ports may have taken all of them. Its run,
 * until the answer is encoded, or NULL. */
static struct eng_run *take_run(struct srv_call *call, struct srv_app *app,
                                uint64_t deadline_ns, struct error *err)
{
    struct lease *lease = arena_alloc(&call->arena, sizeof *lease);

    if (!lease) {
        (void)no_memory(err);
        return NULL;
    }
    lease->app = app;
    lease->worker = app_worker_wait(app, deadline_ns, &call->cancelled, err);
    if (!lease->worker)
        return NULL;
    call_after(call, give_back, lease);
    return pipeline_worker_run(lease->worker);
}

static bool run(struct srv_call *call, struct srv_app *app,
                const struct oip_model_infer_request *request,
                struct oip_model_infer_response *reply, struct oip_times *times,
                struct error *err)
{
    struct eng_model *model = app->model;
    struct eng_limits limits = {.cancelled = &call->cancelled};
    struct eng_tensor *inputs = arena_zalloc(
        &call->arena, eng_model_input_count(model) + 1, sizeof *inputs);
    struct eng_tensor *outputs = arena_zalloc(
        &call->arena, eng_model_output_count(model) + 1, sizeof *outputs);
    struct eng_run *place;
    struct oip_wanted wanted;

    if (!inputs || !outputs)
        return no_memory(err);
    if (!find_deadline(call, request, &limits.deadline_ns, err) ||
        !oip_outputs_wanted(call, model, request, &wanted, err) ||
        !oip_inputs(call, model, request, inputs, err))
        return false;
    place = take_run(call, app, limits.deadline_ns, err);
    if (!place)
        return false;
    times->read = clock_now_ns();
    if (!eng_run_execute(place, inputs, outputs, &limits, err))
        return false;
    times->run = clock_now_ns();
    return oip_outputs(call, model, outputs, &wanted, reply, err);
}

/* What the answer says besides its tensors; texts are borrowed. */
static void fill_head(const struct srv_app *app,
                      const struct oip_model_infer_request *request,
                      struct oip_model_infer_response *reply)
{
    const char *texts[] = {app->bundle->name, app->bundle->version,
                           request->id ? request->id : ""};
    char **members[] = {&reply->model_name, &reply->model_version, &reply->id};

    for (size_t i = 0; i < 3; i++) /* messages only ever read them */
        memcpy(members[i], &texts[i], sizeof texts[i]);
}

static bool infer(struct srv_call *call,
                  const struct oip_model_infer_request *request,
                  struct oip_model_infer_response *reply, struct error *err)
{
    struct oip_times times = {.started = call->started_ns,
                              .taken = clock_now_ns()};
    struct srv_app *app =
        oip_model(call, request->model_name, request->model_version, err);

    if (!app)
        return false;
    app_tell(app, call);
    if (!app_takes(app, call, err)) {
        call->retry_after_s = RETRY_AFTER_S;
        return false;
    }
    if (!run(call, app, request, reply, &times, err)) {
        oip_stats_fail(&app->oip, clock_now_ns() - call->started_ns);
        return false;
    }
    fill_head(app, request, reply);
    times.answered = clock_now_ns();
    oip_stats_success(&app->oip, &times);
    return true;
}

bool handle_oip_model_infer(struct srv_call *call,
                            const struct oip_model_infer_request *request,
                            struct oip_model_infer_response *reply,
                            struct error *err)
{
    return infer(call, request, reply, err);
}

/* A failed request does not end the stream; one whose caller is gone does. */
bool handle_oip_model_stream_infer(
    struct srv_call *call, const struct oip_model_infer_request *request,
    struct oip_model_stream_infer_response *reply, struct error *err)
{
    struct oip_model_infer_response *answer =
        oip_model_infer_response_new(&call->arena);

    if (!answer)
        return no_memory(err);
    reply->infer_response = answer;
    if (infer(call, request, answer, err))
        return true;
    if (err->code == ERR_CANCELLED)
        return false;
    /* Which request it was is all that its answer holds. */
    oip_model_infer_response_init(answer);
    answer->id = arena_strdup(&call->arena, request->id ? request->id : "");
    reply->error_message = arena_strdup(&call->arena, err->msg);
    if (!reply->error_message || !answer->id)
        return no_memory(err);
    error_clear(err);
    return true;
}
