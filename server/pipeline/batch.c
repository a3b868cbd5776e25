/*
 * The model over many requests: which rows run together, and how.
 *
 *   ragged  rows one after the other, without padding, where the engine knows
 *           the model for an encoder; cut at the token budget
 *   alone   everything else
 *
 * What comes out is copied to each request, in the form that the model gives
 * for it alone: [rows, ...] or [rows, longest, ...]. An engine run that several
 * requests share has the latest of their deadlines; a request whose own has
 * passed takes part no more. When a shared run fails because of what it was
 * fed with, its requests run again one by one, so that it is told to the right
 * one.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "step.h"

/* Rows of several calls, in order. */
struct items {
    struct pipeline_call **calls;
    size_t *rows;
    size_t count, tokens;
};

struct shift {
    struct pipeline_worker *worker;
    const struct pipeline_observer *observer; /* NULL = nobody */
};

/* ---- who still takes part ---- */

static bool is_over(struct pipeline_call *call)
{
    const struct eng_limits *limits = call->request.limits;

    if (call->failure.code == ERR_NONE && limits) {
        if (limits->cancelled && atomic_load(limits->cancelled))
            fail(&call->failure, ERR_CANCELLED, "the call was cancelled");
        else if (limits->deadline_ns != CLOCK_NEVER &&
                 clock_now_ns() >= limits->deadline_ns)
            fail(&call->failure, ERR_TIMEOUT,
                 "the deadline passed before the model ran");
    }
    return call->failure.code != ERR_NONE;
}

static void fail_call(struct pipeline_call *call, const struct error *err)
{
    call->failure = *err;
    /* The pipeline refuses what cannot be right: it is a fault of ours. */
    if (err->code == ERR_VALIDATION_ERROR)
        call->failure.code = ERR_INTERNAL;
}

/* The limits of a run that these calls share. */
static struct eng_limits shared_limits(struct pipeline_call *const *calls,
                                       size_t count)
{
    struct eng_limits limits = {0};

    for (size_t i = 0; i < count; i++) {
        const struct eng_limits *own = calls[i]->request.limits;

        if (!own)
            limits.deadline_ns = CLOCK_NEVER;
        else if (own->deadline_ns > limits.deadline_ns)
            limits.deadline_ns = own->deadline_ns;
        if (own && calls[i] == calls[0] && calls[count - 1] == calls[0])
            limits.cancelled = own->cancelled;
    }
    return limits;
}

static void tell(const struct shift *shift, struct pipeline_call *const *calls,
                 size_t rows, size_t tokens, uint64_t start_ns)
{
    struct pipeline_ran ran = {.rows = rows,
                               .tokens = tokens,
                               .compute_ns = clock_now_ns() - start_ns};

    for (size_t i = 0; i < rows; i++) {
        bool is_first = i == 0 || calls[i] != calls[i - 1];

        ran.requests += is_first;
        calls[i]->compute_ns += is_first ? ran.compute_ns : 0;
    }
    if (shift->observer)
        shift->observer->ran(shift->observer->context, &ran);
}

/* ---- outputs ---- */

/* A zeroed tensor of the call's own. */
static bool make_output(struct pipeline_call *call, size_t i,
                        const struct eng_tensor *shape)
{
    struct eng_tensor *output = &call->outputs[i];

    if (output->data)
        return true;
    *output = *shape;
    output->data = arena_zalloc(call->arena, eng_tensor_size(shape) + 1, 1);
    return output->data || call_no_memory(&call->failure);
}

static size_t longest_of(const struct pipeline_call *call)
{
    size_t longest = 0;

    for (size_t row = 0; row < call->rows; row++)
        if (call->marks[row].tokens > longest)
            longest = call->marks[row].tokens;
    return longest;
}

/* ---- ragged ---- */

static bool fits_ragged(const struct pipeline_call *call)
{
    const struct pipeline *pipeline = call->pipeline;

    if (!pipeline->ragged.possible)
        return false;
    for (size_t row = 0; row < call->rows; row++) {
        size_t tokens = call->marks[row].tokens;

        if (tokens == 0 || tokens > (size_t)pipeline->ragged.length_max)
            return false;
    }
    for (size_t i = 0; i < eng_model_input_count(pipeline->model); i++)
        if (call->feeds[i].rank != 2 ||
            call->feeds[i].dims[0] != (int64_t)call->rows ||
            (size_t)call->feeds[i].dims[1] < longest_of(call))
            return false;
    return true;
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

/* The shape that the model gives for the call alone. */
static struct eng_tensor shape_alone(const struct pipeline_call *call, size_t i,
                                     const struct eng_tensor *output)
{
    bool is_tokens = call->pipeline->ragged.outputs[i] == ENG_RAGGED_TOKENS;
    const struct eng_port *port = eng_model_output(call->pipeline->model, i);
    struct eng_tensor shape = *output;
    int64_t rows = (int64_t)call->rows, longest = (int64_t)longest_of(call);

    shape.dims[0] = is_tokens ? rows * longest : rows;
    if (is_tokens && port->rank != output->rank &&
        output->rank < ENG_RANK_MAX) {
        memmove(shape.dims + 2, output->dims + 1,
                (size_t)(output->rank - 1) * sizeof output->dims[0]);
        shape.rank++;
        shape.dims[0] = rows;
        shape.dims[1] = longest;
    }
    return shape;
}

static void share_out(const struct items *items, size_t i,
                      const struct eng_tensor *output)
{
    const struct pipeline *pipeline = items->calls[0]->pipeline;
    bool is_tokens = pipeline->ragged.outputs[i] == ENG_RAGGED_TOKENS;
    size_t each = output->dims[0] > 0
                      ? eng_tensor_size(output) / (size_t)output->dims[0]
                      : 0;
    const char *from = output->data;

    for (size_t k = 0; k < items->count; k++) {
        struct pipeline_call *call = items->calls[k];
        size_t row = items->rows[k];
        size_t size = each * (is_tokens ? call->marks[row].tokens : 1);
        struct eng_tensor shape = shape_alone(call, i, output);

        if (call->failure.code == ERR_NONE && make_output(call, i, &shape))
            memcpy((char *)call->outputs[i].data +
                       row * each * (is_tokens ? longest_of(call) : 1),
                   from, size);
        from += size;
    }
}

static bool run_ragged(const struct shift *shift, const struct items *items,
                       struct error *err)
{
    struct pipeline_worker *worker = shift->worker;
    const struct pipeline *pipeline = worker->pipeline;
    size_t input_count = eng_model_input_count(pipeline->model);
    struct arena *arena = &worker->scratch;
    uint64_t start_ns = clock_now_ns();
    struct eng_limits limits = shared_limits(items->calls, items->count);
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
        share_out(items, i, &worker->outputs[i]);
    tell(shift, items->calls, items->count, items->tokens, start_ns);
    return true;
}

/* Fails the calls of a run, after trying them one by one. */
static void run_apart(const struct shift *shift, const struct items *items,
                      const struct error *cause)
{
    bool is_shared = items->calls[0] != items->calls[items->count - 1];
    size_t first = 0;

    while (first < items->count) {
        struct items own = {items->calls + first, items->rows + first, 0, 0};
        struct error err = *cause;

        while (first < items->count && items->calls[first] == own.calls[0])
            own.tokens += own.calls[0]->marks[items->rows[first++]].tokens;
        own.count = (size_t)(items->calls + first - own.calls);
        if (is_shared && cause->code == ERR_VALIDATION_ERROR &&
            run_ragged(shift, &own, &err))
            continue;
        fail_call(own.calls[0], &err);
    }
}

static void flush(const struct shift *shift, struct items *items)
{
    struct error err = {0};

    if (items->count > 0 && !run_ragged(shift, items, &err))
        run_apart(shift, items, &err);
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
        if (is_over(call))
            return;
        items->calls[items->count] = call;
        items->rows[items->count++] = row;
        items->tokens += tokens;
    }
}

/* ---- alone ---- */

static void keep_outputs(struct pipeline_worker *worker,
                         struct pipeline_call *call)
{
    for (size_t i = 0; i < eng_model_output_count(worker->pipeline->model);
         i++) {
        const struct eng_tensor *from = &worker->outputs[i];

        if (make_output(call, i, from) && eng_tensor_size(from) > 0)
            memcpy(call->outputs[i].data, from->data, eng_tensor_size(from));
    }
}

static void run_alone(const struct shift *shift, struct pipeline_call *call)
{
    struct pipeline_worker *worker = shift->worker;
    uint64_t start_ns = clock_now_ns();
    struct error err = {0};

    if (is_over(call))
        return;
    if (!eng_run_execute(worker->run, call->feeds, worker->outputs,
                         call->request.limits, &err)) {
        fail_call(call, &err);
        return;
    }
    keep_outputs(worker, call);
    tell(shift, &call, 1, pipeline_call_tokens(call), start_ns);
}

/* ---- all ---- */

void pipeline_execute(struct pipeline_worker *worker,
                      struct pipeline_call *const *calls, size_t count,
                      const struct pipeline_observer *observer)
{
    const struct shift shift = {worker, observer};
    struct items items = {.calls = worker->calls, .rows = worker->rows};

    for (size_t i = 0; i < count; i++) {
        if (fits_ragged(calls[i]))
            add_rows(&shift, &items, calls[i]);
    }
    flush(&shift, &items);
    for (size_t i = 0; i < count; i++) {
        if (!fits_ragged(calls[i]))
            run_alone(&shift, calls[i]);
    }
}
