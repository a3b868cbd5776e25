/*
 * Padding: may rows of different length run together, padded to one length?
 *
 * It is tried on the model: texts by themselves, then all of them padded to a
 * common length. Every row must come out as it did alone. That finds a model
 * without a mask, one whose outputs do not keep the batch, and one that computes
 * something over the whole batch, whatever its graph looks like.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "step.h"

enum { ROWS = 3, SHORT = 16, LONG = 160, LEAST = 4 };

static const double tolerance = 1e-5; /* of the row's largest number, or of 1 */

struct trial {
    struct pipeline *pipeline;
    struct eng_run *run;
    size_t length, lengths[ROWS];
    struct eng_tensor *inputs, *outputs;
    struct eng_tensor *kept[ROWS]; /* what the rows gave alone */
    bool *known;                   /* per output: its kind was seen */
    struct arena arena;
};

/* The reason; always false. */
static bool refuse(struct pipeline *pipeline, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct pipeline *pipeline, const char *format, ...)
{
    struct pipeline_padding *padding = &pipeline->padding;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(padding->reason, sizeof padding->reason, format, args);
    va_end(args);
    return false;
}

/* ---- running ---- */

/* Some token of the vocabulary that is text. */
static int64_t token_at(const struct pipeline_padding *padding, size_t row,
                        size_t place)
{
    return padding->tokens[(row * 31 + place * 7) % padding->token_count];
}

/* Rows [first, first + count), padded to `length`. */
static bool fill_inputs(struct trial *trial, size_t first, size_t count,
                        size_t length)
{
    const struct pipeline_padding *padding = &trial->pipeline->padding;

    for (size_t i = 0; i < eng_model_input_count(trial->pipeline->model); i++) {
        int64_t *data =
            arena_alloc(&trial->arena, count * length * sizeof *data);

        if (!data)
            return false;
        trial->inputs[i] =
            (struct eng_tensor){.dtype = ENG_I64,
                                .rank = 2,
                                .dims = {(int64_t)count, (int64_t)length},
                                .data = data};
        for (size_t k = 0; k < count * length; k++) {
            size_t row = first + k / length, place = k % length;

            data[k] = place >= trial->lengths[row] ? padding->pads[i]
                      : padding->roles[i] == PADDING_IDS
                          ? token_at(padding, row, place)
                          : padding->roles[i] == PADDING_MASK;
        }
    }
    return true;
}

static bool run(struct trial *trial, size_t first, size_t count, size_t length)
{
    const struct eng_limits limits = {.deadline_ns = CLOCK_NEVER};
    struct error err = {0};

    if (!fill_inputs(trial, first, count, length))
        return refuse(trial->pipeline, "no memory to try it");
    return eng_run_execute(trial->run, trial->inputs, trial->outputs, &limits,
                           &err) ||
           refuse(trial->pipeline, "%.180s", err.msg);
}

static bool keep(struct trial *trial, size_t row)
{
    for (size_t i = 0; i < eng_model_output_count(trial->pipeline->model);
         i++) {
        struct eng_tensor *kept = &trial->kept[row][i];

        *kept = trial->outputs[i];
        kept->data = arena_copy(&trial->arena, trial->outputs[i].data,
                                eng_tensor_size(kept));
        if (!kept->data)
            return refuse(trial->pipeline, "no memory to try it");
    }
    return true;
}

/* ---- comparing ---- */

/* Whether `together` is the batch that `alone` is one row of. */
static bool same_form(const struct trial *trial, size_t row,
                      const struct eng_tensor *alone,
                      const struct eng_tensor *together, bool *is_tokens)
{
    if (alone->rank != together->rank || alone->dtype != together->dtype ||
        alone->dtype == ENG_STRING || alone->rank < 1 || alone->dims[0] != 1 ||
        together->dims[0] != ROWS)
        return false;
    *is_tokens = alone->rank > 1 &&
                 alone->dims[1] == (int64_t)trial->lengths[row] &&
                 together->dims[1] == (int64_t)trial->length;
    for (int d = *is_tokens ? 2 : 1; d < alone->rank; d++)
        if (alone->dims[d] != together->dims[d])
            return false;
    return true;
}

static bool same_floats(const float *a, const float *b, size_t count)
{
    double largest = 1;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)a[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance * largest))
            return false;
    return true;
}

static bool same_row(const struct eng_tensor *alone,
                     const struct eng_tensor *together, size_t row)
{
    size_t size = eng_tensor_size(alone);
    const char *other =
        (const char *)together->data + row * (eng_tensor_size(together) / ROWS);

    return alone->dtype == ENG_F32
               ? same_floats(alone->data, (const float *)(const void *)other,
                             size / sizeof(float))
               : size == 0 || memcmp(alone->data, other, size) == 0;
}

static bool compare(struct trial *trial, size_t i)
{
    struct pipeline *pipeline = trial->pipeline;
    const char *name = eng_model_output(pipeline->model, i)->name;

    for (size_t row = 0; row < ROWS; row++) {
        const struct eng_tensor *alone = &trial->kept[row][i];
        bool is_tokens;
        enum eng_ragged_kind kind;

        if (!same_form(trial, row, alone, &trial->outputs[i], &is_tokens))
            return refuse(pipeline, "output '%.64s' has no row for each text",
                          name);
        kind = is_tokens ? ENG_RAGGED_TOKENS : ENG_RAGGED_SEQUENCES;
        if (trial->known[i] && pipeline->padding.outputs[i] != kind)
            return refuse(pipeline,
                          "output '%.64s' changes its form with the length",
                          name);
        trial->known[i] = true;
        pipeline->padding.outputs[i] = kind;
        if (!same_row(alone, &trial->outputs[i], row))
            return refuse(pipeline,
                          "a padded text has another output '%.64s' than "
                          "alone",
                          name);
    }
    return true;
}

/* ---- all ---- */

static bool try_length(struct trial *trial, size_t length)
{
    const size_t lengths[ROWS] = {length / 5 + 1, length / 2, length * 3 / 4};

    trial->length = length;
    memcpy(trial->lengths, lengths, sizeof lengths);
    for (size_t row = 0; row < ROWS; row++)
        if (!run(trial, row, 1, trial->lengths[row]) || !keep(trial, row))
            return false;
    if (!run(trial, 0, ROWS, length))
        return false;
    for (size_t i = 0; i < eng_model_output_count(trial->pipeline->model); i++)
        if (!compare(trial, i))
            return false;
    return true;
}

static bool begin(struct trial *trial, struct error *err)
{
    size_t inputs = eng_model_input_count(trial->pipeline->model);
    size_t outputs = eng_model_output_count(trial->pipeline->model);
    struct pipeline_padding *padding = &trial->pipeline->padding;

    trial->inputs = arena_zalloc(&trial->arena, inputs, sizeof *trial->inputs);
    trial->outputs =
        arena_zalloc(&trial->arena, outputs, sizeof *trial->outputs);
    trial->known = arena_zalloc(&trial->arena, outputs, 1);
    padding->outputs = arena_zalloc(&trial->pipeline->arena, outputs,
                                    sizeof *padding->outputs);
    for (size_t row = 0; row < ROWS; row++) {
        trial->kept[row] =
            arena_zalloc(&trial->arena, outputs, sizeof(struct eng_tensor));
        if (!trial->kept[row])
            return call_no_memory(err);
    }
    if (!trial->inputs || !trial->outputs || !trial->known || !padding->outputs)
        return call_no_memory(err);
    trial->run = eng_run_new(trial->pipeline->model, err);
    return trial->run != NULL;
}

/* Everything that the model is fed with comes from the tokenizer. */
static bool has_roles(struct pipeline *pipeline)
{
    for (size_t i = 0; i < eng_model_input_count(pipeline->model); i++)
        if (pipeline->padding.roles[i] == PADDING_NONE)
            return refuse(pipeline, "input '%.64s' is not the tokenizer's",
                          eng_model_input(pipeline->model, i)->name);
    return true;
}

static bool takes_padding(struct trial *trial)
{
    struct pipeline *pipeline = trial->pipeline;
    size_t most = pipeline->padding.length_max;

    if (pipeline->padding.token_count == 0 || most < LEAST)
        return refuse(pipeline, "texts are too short to try it");
    if (!try_length(trial, most < SHORT ? most : SHORT))
        return false;
    return most <= SHORT || try_length(trial, most < LONG ? most : LONG);
}

bool pipeline_try_batches(struct pipeline *pipeline, struct error *err)
{
    struct pipeline_padding *padding = &pipeline->padding;
    struct trial trial = {.pipeline = pipeline};
    bool ok = true;

    if (!pipeline->counts_tokens || pipeline->ragged.possible ||
        !has_roles(pipeline))
        return true;
    arena_init(&trial.arena, 0);
    ok = begin(&trial, err);
    padding->state = PADDING_REFUSED;
    if (ok && takes_padding(&trial))
        padding->state = PADDING_TAKEN;
    for (size_t i = 0; ok && i < eng_model_output_count(pipeline->model); i++)
        if (!trial.known[i])
            padding->outputs = NULL;
    eng_run_free(trial.run);
    arena_release(&trial.arena);
    return ok;
}
