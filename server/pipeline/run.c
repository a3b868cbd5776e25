/*
 * A request through the steps: prepare, execute, finish.
 *
 * In three parts, because the middle one serves many requests at once: each is
 * checked and its feeds are made; the engine runs over all of them; each gets
 * its answer. Whatever fails for one of them is kept with it and told when it
 * is finished: a request never fails because of its company. The middle is
 * batch.c.
 */
#include <stdlib.h>

#include "step.h"

struct pipeline_worker *pipeline_worker_new(const struct pipeline *pipeline,
                                            struct error *err)
{
    struct pipeline_worker *worker = calloc(1, sizeof(*worker));

    if (!worker) {
        (void)call_no_memory(err);
        return NULL;
    }
    arena_init(&worker->scratch, 0);
    worker->pipeline = pipeline;
    worker->outputs = calloc(eng_model_output_count(pipeline->model),
                             sizeof(*worker->outputs));
    worker->calls =
        calloc(pipeline->batch_rows, sizeof(struct pipeline_call *));
    worker->rows = calloc(pipeline->batch_rows, sizeof(*worker->rows));
    if (!worker->outputs || !worker->calls || !worker->rows)
        (void)call_no_memory(err);
    else
        worker->run = eng_run_new(pipeline->model, err);
    if (worker->run)
        return worker;
    pipeline_worker_free(worker);
    return NULL;
}

void pipeline_worker_free(struct pipeline_worker *worker)
{
    if (!worker)
        return;
    eng_run_free(worker->run);
    free(worker->outputs);
    free(worker->calls);
    free(worker->rows);
    arena_release(&worker->scratch);
    free(worker);
}

struct eng_run *pipeline_worker_run(struct pipeline_worker *worker)
{
    return worker->run;
}

static bool apply_steps(struct pipeline_call *call, size_t first, size_t end,
                        struct error *err)
{
    for (size_t i = first; i < end; i++) {
        const struct pipeline_step *step = &call->pipeline->steps[i];

        if (!step->type->apply(step->state, call, err))
            return false;
    }
    return true;
}

/* A call with its arrays, whose sizes the pipeline knows. */
static struct pipeline_call *new_call(struct pipeline_worker *worker,
                                      const struct pipeline_request *request)
{
    const struct pipeline *pipeline = worker->pipeline;
    struct arena *arena = request->arena;
    struct pipeline_call *call = arena_zalloc(arena, 1, sizeof(*call));

    if (!call)
        return NULL;
    *call = (struct pipeline_call){.pipeline = pipeline,
                                   .request = *request,
                                   .arena = arena,
                                   .scratch = &worker->scratch,
                                   .rows = 1};
    call->inputs = arena_zalloc(arena, pipeline->bundle->signature.input_count,
                                sizeof(*call->inputs));
    call->feeds = arena_zalloc(arena, eng_model_input_count(pipeline->model),
                               sizeof(*call->feeds));
    call->outputs = arena_zalloc(arena, eng_model_output_count(pipeline->model),
                                 sizeof(*call->outputs));
    call->results =
        arena_zalloc(arena, pipeline->slot_count, sizeof(*call->results));
    return call->inputs && call->feeds && call->outputs && call->results ? call
                                                                         : NULL;
}

struct pipeline_call *pipeline_prepare(struct pipeline_worker *worker,
                                       const struct pipeline_request *request,
                                       struct error *err)
{
    struct pipeline_call *call = new_call(worker, request);

    if (!call) {
        (void)call_no_memory(err);
        return NULL;
    }
    return inputs_check(call, err) &&
                   apply_steps(call, 0, worker->pipeline->pre_count, err) &&
                   feeds_fill(call, err)
               ? call
               : NULL;
}

size_t pipeline_call_tokens(const struct pipeline_call *call)
{
    size_t tokens = 0;

    for (size_t row = 0; row < call->rows; row++)
        tokens += call->marks[row].tokens;
    return tokens;
}

double pipeline_call_share(const struct pipeline_call *call)
{
    /* Among more texts there are more of near length. */
    enum { PADDED_RUNS = 4 };
    const struct pipeline *pipeline = call->pipeline;
    double runs = pipeline->ragged.possible ? 1 : PADDED_RUNS;
    double rows = (double)call->rows / (double)pipeline->batch_rows;
    double tokens = (double)pipeline_call_tokens(call) /
                    (double)pipeline->batch_tokens / runs;

    return rows > tokens ? rows : tokens;
}

bool pipeline_finish(struct pipeline_worker *worker, struct pipeline_call *call,
                     struct pipeline_output *out, struct error *err)
{
    const struct pipeline *pipeline = call->pipeline;

    if (call->failure.code != ERR_NONE) {
        *err = call->failure;
        return false;
    }
    call->scratch = &worker->scratch;
    return collect_results(call, err) &&
           apply_steps(call, pipeline->pre_count, pipeline->step_count, err) &&
           collect_values(call, out, err);
}

bool pipeline_run(struct pipeline_worker *worker,
                  const struct pipeline_request *request,
                  struct pipeline_output *out, struct error *err)
{
    struct pipeline_call *call = pipeline_prepare(worker, request, err);

    if (!call)
        return false;
    pipeline_execute(worker, &call, 1, NULL);
    return pipeline_finish(worker, call, out, err);
}
