/*
 * Batches without padding: the rows of all calls one after the other, cut at the
 * token budget, where the engine knows the model for an encoder.
 */
#include <string.h>

#include "batch.h"
#include "clock.h"

bool packed_takes(const struct pipeline_call *call)
{
    const struct pipeline *pipeline = call->pipeline;

    return pipeline->ragged.possible && batch_has_rows(call) &&
           batch_longest(call) <= (size_t)pipeline->ragged.length_max;
}

/* Elements of input `i`, one row after the other, without padding. */
static void *join_rows(const struct items *items, size_t i, struct arena *arena)
{
    size_t each = eng_dtype_size(items->calls[0]->feeds[i].dtype);
    char *joined = arena_alloc(arena, items->tokens * each), *to = joined;

    for (size_t k = 0; joined && k < items->count; k++) {
        const struct pipeline_call *call = items->calls[k];
        const struct eng_tensor *feed = &call->feeds[i];
        size_t size = call->marks[items->rows[k]].tokens * each;

        memcpy(to,
               (const char *)feed->data +
                   items->rows[k] * (size_t)feed->dims[1] * each,
               size);
        to += size;
    }
    return joined;
}

static bool run_packed(const struct shift *shift, const struct items *items,
                       struct error *err)
{
    struct pipeline_worker *worker = shift->worker;
    const struct pipeline *pipeline = worker->pipeline;
    size_t input_count = eng_model_input_count(pipeline->model);
    struct arena *arena = &worker->scratch;
    uint64_t start_ns = clock_now_ns();
    struct eng_limits limits = batch_limits(items);
    int64_t *lengths;
    const void **inputs;

    arena_reset(arena);
    lengths = arena_alloc(arena, items->count * sizeof *lengths);
    inputs = arena_zalloc(arena, input_count, sizeof *inputs);
    if (!lengths || !inputs)
        return call_no_memory(err);
    for (size_t k = 0; k < items->count; k++)
        lengths[k] = (int64_t)items->calls[k]->marks[items->rows[k]].tokens;
    for (size_t i = 0; i < input_count; i++) {
        inputs[i] = join_rows(items, i, arena);
        if (!inputs[i])
            return call_no_memory(err);
    }
    if (!eng_run_ragged(
            worker->run,
            &(struct eng_ragged_batch){lengths, items->count, inputs},
            worker->outputs, &limits, err))
        return false;
    for (size_t i = 0; i < eng_model_output_count(pipeline->model); i++)
        batch_share(items, i, &worker->outputs[i], pipeline->ragged.outputs[i],
                    0);
    batch_tell(shift, items, start_ns);
    return true;
}

static void flush(const struct shift *shift, struct items *items)
{
    if (items->count > 0)
        batch_try(shift, items, run_packed);
    items->count = items->tokens = 0;
}

static void add_rows(const struct shift *shift, struct items *items,
                     struct pipeline_call *call)
{
    const struct pipeline *pipeline = call->pipeline;

    for (size_t row = 0; row < call->rows; row++) {
        size_t tokens = call->marks[row].tokens;

        if (items->count == pipeline->batch_rows ||
            (items->count > 0 &&
             items->tokens + tokens > pipeline->batch_tokens))
            flush(shift, items);
        if (batch_is_over(call))
            return;
        items->calls[items->count] = call;
        items->rows[items->count++] = row;
        items->tokens += tokens;
    }
}

void packed_execute(const struct shift *shift,
                    struct pipeline_call *const *calls, size_t count)
{
    struct items items = {.calls = shift->worker->calls,
                          .rows = shift->worker->rows};

    for (size_t i = 0; i < count; i++) {
        if (packed_takes(calls[i]))
            add_rows(shift, &items, calls[i]);
    }
    flush(shift, &items);
}
