/*
 * What a step may use while a request runs.
 */
#include <stdarg.h>
#include <stdio.h>

#include "step.h"
#include "utf8.h"

enum { WARNING_SIZE = 256 };

bool call_no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
}

const char *call_text(const struct pipeline_call *call,
                      const struct bundle_input *input, size_t row)
{
    const struct bundle_signature *signature =
        &call->pipeline->bundle->signature;
    const struct pipeline_value *value =
        call->inputs[input - signature->inputs].value;

    return value->kind == PIPELINE_STRINGS ? value->strings.items[row]
                                           : value->string;
}

const struct pipeline_ids *call_ids(const struct pipeline_call *call,
                                    const struct bundle_input *input,
                                    size_t row)
{
    const struct bundle_signature *signature =
        &call->pipeline->bundle->signature;
    const struct pipeline_value *value =
        call->inputs[input - signature->inputs].value;

    return value->kind == PIPELINE_IDS ? &value->ids.rows[row] : NULL;
}

const char *call_name(const struct pipeline_call *call,
                      const struct bundle_input *input, size_t row)
{
    const char *name = input->name;

    if (call->is_batch)
        name = arena_printf(call->arena, "%s[%zu]", input->name,
                            call->request.first_row + row);
    return name ? name : input->name;
}

const float *call_token_vectors(const struct pipeline_call *call, size_t output,
                                size_t row, size_t *width, struct error *err)
{
    const struct eng_tensor *tensor = &call->outputs[output];

    /* [rows, longest, width] */
    if (tensor->dtype != ENG_F32 || tensor->rank != 3 ||
        tensor->dims[0] != (int64_t)call->rows ||
        tensor->dims[1] < (int64_t)call->marks[row].tokens) {
        fail(err, ERR_OUTPUT_INVALID,
             "the model's output '%.64s' has no vector for each token",
             eng_model_output(call->pipeline->model, output)->name);
        return NULL;
    }
    *width = (size_t)tensor->dims[2];
    return (const float *)tensor->data + row * (size_t)tensor->dims[1] * *width;
}

float *call_floats(struct pipeline_call *call, size_t slot, size_t width,
                   struct error *err)
{
    const struct pipeline_slot *declared = &call->pipeline->slots[slot];
    float *items;

    if (declared->length > 0 && width != (size_t)declared->length) {
        (void)fail(err, ERR_OUTPUT_INVALID,
                   "output '%s': the model gave %zu numbers, expected %lld",
                   declared->name, width, (long long)declared->length);
        return NULL;
    }
    items = arena_zalloc(call->arena, call->rows * width, sizeof(*items));
    if (!items)
        (void)call_no_memory(err);
    else
        call->results[slot] =
            (struct call_result){.floats = items, .width = width};
    return items;
}

/* A lost warning for lack of memory is no reason to lose the answer. */
static void keep_warning(struct pipeline_call *call, const char *text)
{
    char *copy;

    if (call->warning_count == CALL_WARNINGS_MAX)
        return;
    if (call->warning_count == CALL_WARNINGS_MAX - 1)
        text = "further warnings are left out";
    copy = arena_strdup(call->arena, text);
    if (!copy)
        return;
    utf8_mend(copy); /* names of the request were cut to fit */
    call->warnings[call->warning_count++] = copy;
}

void call_warn(struct pipeline_call *call, const char *format, ...)
{
    char text[WARNING_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    keep_warning(call, text);
}

void call_mark(struct pipeline_call *call, size_t row, enum pipeline_band band,
               const char *format, ...)
{
    char text[WARNING_SIZE];
    size_t used = 0;
    va_list args;

    if (band > call->marks[row].band)
        call->marks[row].band = band;
    if (call->is_batch)
        used = (size_t)snprintf(text, sizeof(text), "row %zu: ", row);
    va_start(args, format);
    (void)vsnprintf(text + used, sizeof(text) - used, format, args);
    va_end(args);
    keep_warning(call, text);
}
