/*
 * The model over many requests: which rows run together, and how.
 *
 *   packed  rows one after the other, without padding, where the engine knows
 *           the model for an encoder (packed.c)
 *   padded  rows of near length, padded to the longest (padded.c)
 *   alone   everything else
 *
 * What comes out is copied to each request, in the form that the model gives
 * for it alone: [rows, ...] or [rows, longest, ...]. An engine run that several
 * requests share has the latest of their deadlines; a request whose own has
 * passed takes part no more. When a shared run fails because of what it was
 * fed with, its requests run again one by one, so that it is told to the right
 * one.
 */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* ---- who still takes part ---- */

bool batch_is_over(struct pipeline_call *call)
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

void batch_fail(struct pipeline_call *call, const struct error *err)
{
    call->failure = *err;
    /* The pipeline refuses what cannot be right: it is a fault of ours. */
    if (err->code == ERR_VALIDATION_ERROR)
        call->failure.code = ERR_INTERNAL;
}

struct eng_limits batch_limits(const struct items *items)
{
    struct pipeline_call *const *calls = items->calls;
    struct eng_limits limits = {0};

    for (size_t i = 0; i < items->count; i++) {
        const struct eng_limits *own = calls[i]->request.limits;

        if (!own)
            limits.deadline_ns = CLOCK_NEVER;
        else if (own->deadline_ns > limits.deadline_ns)
            limits.deadline_ns = own->deadline_ns;
        if (own && calls[i] == calls[0] && calls[items->count - 1] == calls[0])
            limits.cancelled = own->cancelled;
    }
    return limits;
}

void batch_tell(const struct shift *shift, const struct items *items,
                uint64_t start_ns)
{
    struct pipeline_ran ran = {.rows = items->count,
                               .tokens = items->tokens,
                               .compute_ns = clock_now_ns() - start_ns};

    for (size_t i = 0; i < items->count; i++) {
        struct pipeline_call *call = items->calls[i];
        bool is_first = i == 0 || call != items->calls[i - 1];

        ran.requests += is_first;
        call->compute_ns += is_first ? ran.compute_ns : 0;
    }
    if (shift->observer)
        shift->observer->ran(shift->observer->context, &ran);
}

/* Fails the calls of a run, after trying them one by one. */
static void run_apart(const struct shift *shift, const struct items *items,
                      const struct error *cause, batch_run *run)
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
            run(shift, &own, &err))
            continue;
        batch_fail(own.calls[0], &err);
    }
}

void batch_try(const struct shift *shift, const struct items *items,
               batch_run *run)
{
    struct error err = {0};

    if (!run(shift, items, &err))
        run_apart(shift, items, &err, run);
}

/* ---- rows ---- */

size_t batch_longest(const struct pipeline_call *call)
{
    size_t longest = 0;

    for (size_t row = 0; row < call->rows; row++)
        if (call->marks[row].tokens > longest)
            longest = call->marks[row].tokens;
    return longest;
}

bool batch_has_rows(const struct pipeline_call *call)
{
    size_t longest = batch_longest(call);

    for (size_t row = 0; row < call->rows; row++)
        if (call->marks[row].tokens == 0)
            return false;
    for (size_t i = 0; i < eng_model_input_count(call->pipeline->model); i++)
        if (call->feeds[i].rank != 2 ||
            call->feeds[i].dims[0] != (int64_t)call->rows ||
            (size_t)call->feeds[i].dims[1] < longest)
            return false;
    return true;
}

/* A zeroed tensor of the call's own; one that is there must have this shape. */
static bool make_output(struct pipeline_call *call, size_t i,
                        const struct eng_tensor *shape)
{
    struct eng_tensor *output = &call->outputs[i];

    if (output->data)
        return eng_tensor_size(output) == eng_tensor_size(shape) ||
               fail(&call->failure, ERR_OUTPUT_INVALID,
                    "the rows of the model's output '%.64s' differ in shape",
                    eng_model_output(call->pipeline->model, i)->name);
    *output = *shape;
    output->data = arena_zalloc(call->arena, eng_tensor_size(shape) + 1, 1);
    return output->data || call_no_memory(&call->failure);
}

/* The shape that the model gives for the call alone. */
static struct eng_tensor shape_alone(const struct pipeline_call *call, size_t i,
                                     const struct eng_tensor *output,
                                     bool is_tokens, bool is_packed)
{
    const struct eng_port *port = eng_model_output(call->pipeline->model, i);
    struct eng_tensor shape = *output;
    int64_t rows = (int64_t)call->rows, longest = (int64_t)batch_longest(call);

    shape.dims[0] = is_tokens && is_packed ? rows * longest : rows;
    if (is_tokens && !is_packed)
        shape.dims[1] = longest;
    if (is_tokens && is_packed && port->rank != output->rank &&
        output->rank < ENG_RANK_MAX) {
        memmove(shape.dims + 2, output->dims + 1,
                (size_t)(output->rank - 1) * sizeof output->dims[0]);
        shape.rank++;
        shape.dims[0] = rows;
        shape.dims[1] = longest;
    }
    return shape;
}

void batch_share(const struct items *items, size_t i,
                 const struct eng_tensor *output, enum eng_ragged_kind kind,
                 size_t step)
{
    bool is_tokens = kind == ENG_RAGGED_TOKENS;
    size_t all = (size_t)output->dims[0] *
                 (is_tokens && step > 0 ? (size_t)output->dims[1] : 1);
    size_t each = all > 0 ? eng_tensor_size(output) / all : 0;
    const char *from = output->data;

    for (size_t k = 0; k < items->count; k++) {
        struct pipeline_call *call = items->calls[k];
        size_t row = items->rows[k], tokens = call->marks[row].tokens;
        struct eng_tensor shape =
            shape_alone(call, i, output, is_tokens, step == 0);

        if (call->failure.code == ERR_NONE && make_output(call, i, &shape) &&
            each > 0)
            memcpy((char *)call->outputs[i].data +
                       row * each * (is_tokens ? batch_longest(call) : 1),
                   from, each * (is_tokens ? tokens : 1));
        from += each * (!is_tokens ? 1 : step > 0 ? step : tokens);
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
    size_t row = 0;
    struct items items = {&call, &row, 1, pipeline_call_tokens(call)};
    struct error err = {0};

    if (batch_is_over(call))
        return;
    if (!eng_run_execute(worker->run, call->feeds, worker->outputs,
                         call->request.limits, &err)) {
        batch_fail(call, &err);
        return;
    }
    keep_outputs(worker, call);
    batch_tell(shift, &items, start_ns);
}

/* ---- all ---- */

void pipeline_execute(struct pipeline_worker *worker,
                      struct pipeline_call *const *calls, size_t count,
                      const struct pipeline_observer *observer)
{
    const struct shift shift = {worker, observer};

    packed_execute(&shift, calls, count);
    padded_execute(&shift, calls, count);
    for (size_t i = 0; i < count; i++) {
        if (!packed_takes(calls[i]) && !padded_takes(calls[i]))
            run_alone(&shift, calls[i]);
    }
}
