/*
 * Results: from the model's tensors and the inputs, before the postprocess
 * steps; and from results to values, after them.
 */
#include <math.h>
#include <string.h>

#include "json_put.h"
#include "num.h"
#include "step.h"

/* ---- from tensors and inputs ---- */

static bool all_finite(const struct pipeline_slot *slot, const float *items,
                       size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(items[i]))
            return fail(err, ERR_OUTPUT_INVALID,
                        "output '%s' of the model is not a finite number",
                        slot->name);
    }
    return true;
}

/* A column of a tensor [rows, columns], [rows] or []. */
static bool collect_column(struct pipeline_call *call, size_t index,
                           const struct eng_tensor *tensor, struct error *err)
{
    const struct pipeline_slot *slot = &call->pipeline->slots[index];
    const float *data = call_numbers(call, tensor, err);
    int64_t count = eng_tensor_count(tensor);
    size_t columns = (size_t)count / call->rows;
    float *items;

    if (!data)
        return false;
    if (count < 0 || (size_t)count != columns * call->rows ||
        (size_t)slot->index >= columns)
        return fail(err, ERR_OUTPUT_INVALID,
                    "output '%s': the model gave %lld numbers for %zu rows",
                    slot->name, (long long)count, call->rows);
    items = call_floats(call, index, 1, err);
    if (!items)
        return false;
    for (size_t row = 0; row < call->rows; row++)
        items[row] = data[row * columns + (size_t)slot->index];
    return all_finite(slot, items, call->rows, err);
}

/* Of several rows, the first dimension counts them. */
static bool has_rows(const struct pipeline_call *call,
                     const struct eng_tensor *tensor)
{
    return eng_tensor_count(tensor) >= 0 &&
           (call->rows == 1 ||
            (tensor->rank > 0 && tensor->dims[0] == (int64_t)call->rows));
}

/* Strings of a tensor: all of a row, or the only one. */
static bool collect_strings(struct pipeline_call *call, size_t index,
                            const struct eng_tensor *tensor, struct error *err)
{
    const struct pipeline_slot *slot = &call->pipeline->slots[index];
    struct call_result *result = &call->results[index];
    size_t width = (size_t)eng_tensor_count(tensor) / call->rows;

    if (!has_rows(call, tensor) || (slot->type == BUNDLE_STRING && width != 1))
        return fail(err, ERR_OUTPUT_INVALID,
                    "output '%s': the model gave no text for each of %zu rows",
                    slot->name, call->rows);
    result->width = width;
    result->texts = call_strings(call, tensor, err);
    return result->texts != NULL;
}

/* The whole tensor, copied: the next run of this worker overwrites it. */
static bool collect_rows(struct pipeline_call *call, size_t index,
                         const struct eng_tensor *tensor, struct error *err)
{
    const struct pipeline_slot *slot = &call->pipeline->slots[index];
    size_t count = (size_t)eng_tensor_count(tensor);
    const float *data;
    float *items;

    if (!has_rows(call, tensor))
        return fail(err, ERR_OUTPUT_INVALID,
                    "output '%s': the model gave no array for each of %zu rows",
                    slot->name, call->rows);
    items = call_floats(call, index, count / call->rows, err);
    data = items ? call_numbers(call, tensor, err) : NULL;
    if (!data && (!items || count > 0))
        return false;
    if (count > 0)
        memcpy(items, data, count * sizeof(*items));
    return all_finite(slot, items, count, err);
}

static bool collect_texts(struct pipeline_call *call, size_t input,
                          struct call_result *result, struct error *err)
{
    const struct bundle_input *from =
        &call->pipeline->bundle->signature.inputs[input];

    result->width = 1;
    result->texts =
        arena_alloc(call->arena, call->rows * sizeof(*result->texts));
    for (size_t row = 0; result->texts && row < call->rows; row++) {
        result->texts[row] =
            arena_strdup(call->arena, call_text(call, from, row));
        if (!result->texts[row])
            return call_no_memory(err);
    }
    return result->texts || call_no_memory(err);
}

static bool collect_one(struct pipeline_call *call, size_t index,
                        struct error *err)
{
    const struct pipeline_slot *slot = &call->pipeline->slots[index];

    if (slot->kind == FROM_INPUT)
        return collect_texts(call, slot->from, &call->results[index], err);
    if (slot->kind != FROM_TENSOR)
        return true;
    if (slot->type == BUNDLE_STRING || slot->type == BUNDLE_STRINGS)
        return collect_strings(call, index, &call->outputs[slot->from], err);
    if (slot->type == BUNDLE_FLOATS)
        return collect_rows(call, index, &call->outputs[slot->from], err);
    return collect_column(call, index, &call->outputs[slot->from], err);
}

bool collect_results(struct pipeline_call *call, struct error *err)
{
    for (size_t i = 0; i < call->pipeline->slot_count; i++) {
        if (!collect_one(call, i, err))
            return false;
    }
    return true;
}

/* ---- to values ---- */

/* The shortest decimal that reads back as this float, in `text` and as a
 * double: 0.7f is answered as 0.7 and not as 0.699999988079071. */
static double shortest(double number, char text[NUM_TEXT_MAX + 1])
{
    size_t size = num_print_float((float)number, text);
    double value = number;

    text[size] = '\0';
    (void)num_scan_double(text, text + size, &value);
    return value;
}

/* `encoding: string`: old clients want numbers as texts. */
static char **number_texts(const struct pipeline_call *call,
                           const struct call_result *result)
{
    char **texts = arena_zalloc(call->arena, call->rows, sizeof(*texts));

    for (size_t row = 0; texts && row < call->rows; row++) {
        char text[NUM_TEXT_MAX + 1];

        (void)shortest((double)result->floats[row], text);
        texts[row] = arena_strdup(call->arena, text);
        if (!texts[row])
            return NULL;
    }
    return texts;
}

/* Arrays of texts, one per row: [["a","b"],["c","d"]]. */
static bool lists_value(const struct pipeline_call *call,
                        const struct call_result *result,
                        struct pipeline_value *value, struct error *err)
{
    struct buf text = {0};

    for (size_t row = 0; row < call->rows; row++) {
        buf_string(&text, row == 0 ? "[" : ",");
        for (size_t i = 0; i < result->width; i++) {
            buf_char(&text, i == 0 ? '[' : ',');
            json_put_text(&text, result->texts[row * result->width + i]);
        }
        buf_string(&text, result->width > 0 ? "]" : "[]");
    }
    buf_char(&text, ']');
    value->kind = PIPELINE_JSON;
    value->json =
        buf_ok(&text) ? arena_copy(call->arena, text.data, text.size) : NULL;
    buf_release(&text);
    return value->json || call_no_memory(err);
}

static bool texts_value(const struct pipeline_call *call, bool is_list,
                        const struct call_result *result,
                        struct pipeline_value *value, struct error *err)
{
    if (!result->texts)
        return call_no_memory(err);
    if (is_list && call->is_batch)
        return lists_value(call, result, value, err);
    if (is_list || call->is_batch) {
        value->kind = PIPELINE_STRINGS;
        value->strings.items = result->texts;
        value->strings.count = call->rows * result->width;
    } else {
        value->kind = PIPELINE_STRING;
        value->string = result->texts[0];
    }
    return true;
}

static void floats_value(const struct pipeline_call *call, bool is_list,
                         const struct call_result *result,
                         struct pipeline_value *value)
{
    char text[NUM_TEXT_MAX + 1];

    if (is_list && call->is_batch) {
        value->kind = PIPELINE_VECTORS;
        value->vectors.items = result->floats;
        value->vectors.count = call->rows;
        value->vectors.width = result->width;
    } else if (is_list || call->is_batch) {
        value->kind = PIPELINE_FLOATS;
        value->floats.items = result->floats;
        value->floats.count = call->rows * result->width;
    } else {
        value->kind = PIPELINE_NUMBER;
        value->number = shortest((double)result->floats[0], text);
    }
}

static bool one_value(const struct pipeline_call *call,
                      const struct bundle_output *output,
                      const struct call_result *result,
                      struct pipeline_value *value, struct error *err)
{
    bool is_list =
        output->type == BUNDLE_FLOATS || output->type == BUNDLE_STRINGS;

    value->name = output->name;
    if (result->floats && output->as_string) {
        struct call_result texts = {.texts = number_texts(call, result),
                                    .width = 1};

        return texts_value(call, false, &texts, value, err);
    }
    if (!result->floats)
        return texts_value(call, is_list, result, value, err);
    floats_value(call, is_list, result, value);
    return true;
}

bool collect_values(const struct pipeline_call *call,
                    struct pipeline_output *out, struct error *err)
{
    const struct bundle_signature *signature =
        &call->pipeline->bundle->signature;
    struct pipeline_value *values =
        arena_zalloc(call->arena, signature->output_count, sizeof(*values));
    const char **warnings =
        arena_zalloc(call->arena, call->warning_count, sizeof(*warnings));

    if (!values || !warnings)
        return call_no_memory(err);
    for (size_t i = 0; i < signature->output_count; i++) {
        if (!one_value(call, &signature->outputs[i], &call->results[i],
                       &values[i], err))
            return false;
    }
    for (size_t i = 0; i < call->warning_count; i++)
        warnings[i] = call->warnings[i];
    *out = (struct pipeline_output){.results = values,
                                    .result_count = signature->output_count,
                                    .warnings = warnings,
                                    .warning_count = call->warning_count,
                                    .tokens = pipeline_call_tokens(call),
                                    .compute_ns = call->compute_ns};
    for (size_t row = 0; row < call->rows; row++)
        out->truncated = out->truncated || call->marks[row].truncated;
    return true;
}
