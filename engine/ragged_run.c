/*
 * Ragged: runs the second graph for one batch. See ragged.h.
 */
#include "ragged.h"

#include <string.h>

enum {
    EXACT_ROWS = 16,      /* plans for fewer rows are exact ... */
    STEPS_PER_OCTAVE = 16 /* ... others at so many sizes up to the double */
};

void ragged_input_shape(const struct ragged *ragged, size_t i,
                        int64_t sequences, int64_t rows,
                        struct eng_tensor *tensor)
{
    const struct eng_port *port = &ragged->graph.input_ports[i];
    const int64_t starts[] = {sequences + 1}, list[] = {rows},
                  both[] = {1, rows};

    *tensor = (struct eng_tensor){.dtype = port->dtype};
    eng_shape_set(tensor, port->rank,
                  ragged->inputs[i].source == RAGGED_STARTS ? starts
                  : port->rank == 1                         ? list
                                                            : both);
}

/* --- how many --- */

/* At most 1 / STEPS_PER_OCTAVE more. */
static int64_t round_rows(int64_t rows)
{
    int64_t step = 1;

    while (rows / step >= 2 * (int64_t)STEPS_PER_OCTAVE)
        step *= 2;
    return rows < EXACT_ROWS ? rows : (rows + step - 1) / step * step;
}

static int64_t round_sequences(int64_t count)
{
    int64_t room = 1;

    while (room < count)
        room *= 2;
    return room;
}

static bool count_rows(const struct ragged *ragged,
                       const struct eng_ragged_batch *batch, int64_t *rows,
                       struct error *err)
{
    *rows = 0;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t length = batch->lengths[i];

        if (length < 1 || length > ragged->length_max)
            return fail(err, ERR_VALIDATION_ERROR,
                        "sequence %zu has %lld tokens, from 1 to %lld are "
                        "taken",
                        i, (long long)length, (long long)ragged->length_max);
        *rows += length;
        if (*rows > INT32_MAX)
            break;
    }
    if (batch->count == 0 || batch->count > INT32_MAX || *rows > INT32_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "a batch of %zu sequences is too small or too large",
                    batch->count);
    return true;
}

/* --- inputs --- */

static void store(struct eng_tensor *tensor, int64_t i, int64_t x)
{
    if (tensor->dtype == ENG_I64)
        ((int64_t *)tensor->data)[i] = x;
    else
        ((int32_t *)tensor->data)[i] = (int32_t)x;
}

static void fill_starts(const struct eng_ragged_batch *batch,
                        struct eng_tensor *tensor)
{
    int64_t at = 0;

    for (int64_t i = 0; i < tensor->dims[0]; i++) {
        store(tensor, i, at);
        at += (size_t)i < batch->count ? batch->lengths[i] : 0;
    }
}

static void fill_positions(const struct ragged_input *input,
                           const struct eng_ragged_batch *batch,
                           struct eng_tensor *tensor)
{
    int64_t row = 0, rows = eng_tensor_count(tensor);

    for (size_t i = 0; i < batch->count; i++) {
        for (int64_t k = 0; k < batch->lengths[i]; k++)
            store(tensor, row++, input->offset + input->step * k);
    }
    while (row < rows)
        store(tensor, row++, input->offset);
}

/* Rows of no sequence are zeros: an element every table has. */
static void fill_rows(const void *from, int64_t rows, struct eng_tensor *tensor)
{
    size_t size = (size_t)rows * eng_dtype_size(tensor->dtype);

    memcpy(tensor->data, from, size);
    memset((char *)tensor->data + size, 0, eng_tensor_size(tensor) - size);
}

static bool fill_input(const struct ragged *ragged, size_t i,
                       const struct eng_ragged_batch *batch, int64_t rows,
                       struct eng_tensor *tensor, struct error *err)
{
    const struct ragged_input *input = &ragged->inputs[i];

    if (input->source == RAGGED_STARTS)
        fill_starts(batch, tensor);
    else if (input->source == RAGGED_POSITION)
        fill_positions(input, batch, tensor);
    else if (input->source == RAGGED_CALLER && !batch->inputs[i])
        return fail(err, ERR_VALIDATION_ERROR, "input '%.80s' has no data",
                    ragged->graph.input_ports[i].name);
    else if (input->source == RAGGED_CALLER)
        fill_rows(batch->inputs[i], rows, tensor);
    for (int64_t k = 0;
         input->source == RAGGED_ONES && k < eng_tensor_count(tensor); k++)
        store(tensor, k, 1);
    return true;
}

static struct eng_tensor *make_inputs(const struct ragged *ragged,
                                      struct ragged_run *run,
                                      const struct eng_ragged_batch *batch,
                                      int64_t rows, struct error *err)
{
    size_t count = ragged->graph.input_count;
    struct eng_tensor *inputs =
        arena_zalloc(&run->arena, count, sizeof *inputs);
    int64_t sequences = round_sequences((int64_t)batch->count);

    for (size_t i = 0; inputs && i < count; i++) {
        ragged_input_shape(ragged, i, sequences, round_rows(rows), &inputs[i]);
        inputs[i].data = arena_alloc(&run->arena, eng_tensor_size(&inputs[i]));
        if (!inputs[i].data)
            break;
        if (!fill_input(ragged, i, batch, rows, &inputs[i], err))
            return NULL;
    }
    if (inputs && inputs[count - 1].data)
        return inputs;
    fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    return NULL;
}

/* --- outputs --- */

/* Leaves out what was rounded up, and the batch of one before the tokens. */
static void cut_output(enum eng_ragged_kind kind, int64_t sequences,
                       int64_t rows, struct eng_tensor *output)
{
    if (kind == ENG_RAGGED_SEQUENCES) {
        output->dims[0] = sequences;
        return;
    }
    if (output->rank > 1 && output->dims[0] == 1) {
        output->rank--;
        memmove(output->dims, output->dims + 1,
                (size_t)output->rank * sizeof output->dims[0]);
    }
    output->dims[0] = rows;
}

void ragged_run_release(struct ragged_run *run)
{
    if (!run->started)
        return;
    runner_run_release(&run->run);
    arena_release(&run->arena);
    run->started = false;
}

bool ragged_execute(struct ragged *ragged, struct ragged_run *run,
                    const struct eng_ragged_batch *batch,
                    struct eng_tensor *outputs, const struct runner_env *env,
                    struct error *err)
{
    struct eng_tensor *inputs;
    int64_t rows;

    if (!ragged->runner)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "the model does not run without padding: %.180s",
                    ragged->reason);
    if (!count_rows(ragged, batch, &rows, err))
        return false;
    if (!run->started) {
        runner_run_init(&run->run, ragged->runner);
        arena_init(&run->arena, 0);
        run->started = true;
    }
    arena_reset(&run->arena);
    inputs = make_inputs(ragged, run, batch, rows, err);
    if (!inputs || !runner_execute(&run->run, inputs, outputs, env, err))
        return false;
    for (size_t i = 0; i < ragged->graph.output_count; i++)
        cut_output(ragged->outputs[i], (int64_t)batch->count, rows,
                   &outputs[i]);
    return true;
}
