/*
 * Batches with padding, for models that the engine does not know for an encoder.
 *
 * The rows of all calls are sorted by length and cut into runs of near length:
 * a run has at most the token budget, padding and all, and little of it is
 * padding. Its rows are padded to a length that is rounded up, so that there are
 * few shapes to plan. Whether the model takes padding at all was tried when it
 * was loaded (padding.c); where it does not, each row runs by itself, as long
 * as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "clock.h"

enum {
    EXACT_TOKENS = 16,    /* lengths up to this stay; ... */
    STEPS_PER_OCTAVE = 8, /* others become one of so many up to the double */
    PADDING_SHARE = 8, /* of the tokens, one of so many may be padding, ... */
    PADDING_FREE = 16  /* besides these: a run costs something by itself */
};

struct row {
    struct pipeline_call *call;
    size_t row, tokens, order;
};

bool padded_takes(const struct pipeline_call *call)
{
    enum padding_state state = call->pipeline->padding.state;

    return !packed_takes(call) && state != PADDING_UNTRIED &&
           (state == PADDING_TAKEN || call->rows > 1) && batch_has_rows(call);
}

/* ---- which rows go together ---- */

static size_t round_length(const struct pipeline *pipeline, size_t tokens)
{
    size_t step = 1, most = pipeline->padding.length_max, rounded;

    while (tokens / step >= 2 * (size_t)STEPS_PER_OCTAVE)
        step *= 2;
    rounded =
        tokens <= EXACT_TOKENS ? tokens : (tokens + step - 1) / step * step;
    return rounded <= most ? rounded : tokens;
}

static int by_length(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->tokens != y->tokens)
        return x->tokens < y->tokens ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static int by_order(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    return x->order < y->order ? -1 : 1;
}

/* How many of the sorted rows make the next run. */
static size_t next_group(const struct pipeline *pipeline,
                         const struct row *rows, size_t left)
{
    size_t count = 1, tokens = rows[0].tokens;

    if (pipeline->padding.state != PADDING_TAKEN)
        return 1;
    while (count < left && count < pipeline->batch_rows) {
        size_t all = (count + 1) * round_length(pipeline, rows[count].tokens);

        tokens += rows[count].tokens;
        if (all > pipeline->batch_tokens ||
            all - tokens > tokens / PADDING_SHARE + PADDING_FREE)
            break;
        count++;
    }
    return count;
}

/* ---- one run ---- */

/* Input `i` for the items, [count, length]. */
static bool join_padded(const struct items *items, size_t i, size_t length,
                        struct eng_tensor *tensor, struct arena *arena)
{
    const struct pipeline *pipeline = items->calls[0]->pipeline;
    int64_t pad = pipeline->padding.pads[i];
    int64_t *to = arena_alloc(arena, items->count * length * sizeof *to);

    *tensor =
        (struct eng_tensor){.dtype = ENG_I64,
                            .rank = 2,
                            .dims = {(int64_t)items->count, (int64_t)length},
                            .data = to};
    for (size_t k = 0; to && k < items->count; k++) {
        const struct pipeline_call *call = items->calls[k];
        const struct eng_tensor *feed = &call->feeds[i];
        size_t tokens = call->marks[items->rows[k]].tokens;

        memcpy(to,
               (const int64_t *)feed->data +
                   items->rows[k] * (size_t)feed->dims[1],
               tokens * sizeof *to);
        for (size_t t = tokens; t < length; t++)
            to[t] = pad;
        to += length;
    }
    return tensor->data != NULL;
}

/* What comes of a run has the rows that went in, and their tokens where it did
 * when it was tried: a model may do otherwise with what was not tried. */
static bool check_rows(const struct pipeline *pipeline, size_t i,
                       const struct eng_tensor *output, size_t rows,
                       size_t tokens, struct error *err)
{
    bool fits = output->rank > 0 && output->dims[0] == (int64_t)rows;

    if (tokens > 0)
        fits = fits && output->rank > 1 && output->dims[1] == (int64_t)tokens;
    return fits || fail(err, ERR_OUTPUT_INVALID,
                        "the model's output '%.64s' has no row for each %s",
                        eng_model_output(pipeline->model, i)->name,
                        tokens > 0 ? "token" : "text");
}

static bool share_all(const struct shift *shift, const struct items *items,
                      size_t length, struct error *err)
{
    const struct pipeline *pipeline = shift->worker->pipeline;
    const struct pipeline_padding *padding = &pipeline->padding;

    for (size_t i = 0; i < eng_model_output_count(pipeline->model); i++) {
        const struct eng_tensor *output = &shift->worker->outputs[i];
        enum eng_ragged_kind kind =
            padding->outputs ? padding->outputs[i] : ENG_RAGGED_SEQUENCES;

        if (!check_rows(pipeline, i, output, items->count,
                        kind == ENG_RAGGED_TOKENS ? length : 0, err))
            return false;
        batch_share(items, i, output, kind, length);
    }
    return true;
}

static size_t length_of(const struct items *items)
{
    size_t longest = 0;

    for (size_t k = 0; k < items->count; k++) {
        size_t tokens = items->calls[k]->marks[items->rows[k]].tokens;

        longest = tokens > longest ? tokens : longest;
    }
    return items->count == 1 ? longest
                             : round_length(items->calls[0]->pipeline, longest);
}

static bool run_padded(const struct shift *shift, const struct items *items,
                       struct error *err)
{
    struct pipeline_worker *worker = shift->worker;
    size_t input_count = eng_model_input_count(worker->pipeline->model);
    size_t length = length_of(items);
    struct eng_tensor *inputs =
        arena_zalloc(&worker->scratch, input_count, sizeof *inputs);
    struct eng_limits limits = batch_limits(items);
    uint64_t start_ns = clock_now_ns();

    if (!inputs)
        return call_no_memory(err);
    for (size_t i = 0; i < input_count; i++)
        if (!join_padded(items, i, length, &inputs[i], &worker->scratch))
            return call_no_memory(err);
    if (!eng_run_execute(worker->run, inputs, worker->outputs, &limits, err) ||
        !share_all(shift, items, length, err))
        return false;
    batch_tell(shift, items, start_ns);
    return true;
}

/* ---- all ---- */

static struct row *list_rows(struct pipeline_call *const *calls, size_t count,
                             struct arena *arena, size_t *length)
{
    struct row *rows;
    size_t room = 1;

    for (size_t i = 0; i < count; i++)
        room += calls[i]->rows;
    rows = arena_alloc(arena, room * sizeof *rows);
    *length = 0;
    for (size_t i = 0; rows && i < count; i++) {
        if (!padded_takes(calls[i]))
            continue;
        for (size_t row = 0; row < calls[i]->rows; row++, ++*length)
            rows[*length] = (struct row){calls[i], row,
                                         calls[i]->marks[row].tokens, *length};
    }
    return rows;
}

/* Runs a group, without the rows whose call is over. */
static void run_group(const struct shift *shift, struct row *rows, size_t count)
{
    struct items items = {.calls = shift->worker->calls,
                          .rows = shift->worker->rows};

    qsort(rows, count, sizeof *rows, by_order);
    for (size_t i = 0; i < count; i++) {
        if (batch_is_over(rows[i].call))
            continue;
        items.calls[items.count] = rows[i].call;
        items.rows[items.count++] = rows[i].row;
        items.tokens += rows[i].tokens;
    }
    if (items.count > 0)
        batch_try(shift, &items, run_padded);
}

void padded_execute(const struct shift *shift,
                    struct pipeline_call *const *calls, size_t count)
{
    const struct pipeline *pipeline = shift->worker->pipeline;
    struct arena *arena = &shift->worker->scratch;
    size_t length, group;
    struct row *rows;

    arena_reset(arena);
    rows = list_rows(calls, count, arena, &length);
    for (size_t i = 0; !rows && i < count; i++)
        if (padded_takes(calls[i]))
            (void)call_no_memory(&calls[i]->failure);
    if (!rows)
        return;
    qsort(rows, length, sizeof *rows, by_length);
    for (size_t first = 0; first < length; first += group) {
        group = next_group(pipeline, rows + first, length - first);
        run_group(shift, rows + first, group);
    }
}
