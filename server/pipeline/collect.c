/*
 * Results: from the model's tensors and the inputs, before the postprocess
 * steps; and from results to values, after them.
 */
#include <math.h>
#include <string.h>

#include "num.h"
#include "step.h"

/* ---- at load ---- */

static bool bad_output(struct error *err, const struct bundle_output *output,
                       const char *what, const char *name)
{
    return fail(err, ERR_DOCUMENT_INVALID, "output '%s': %s '%s'", output->name,
                what, name);
}

static bool bind_tensor(const struct pipeline *pipeline,
                        const struct bundle_output *output,
                        struct pipeline_source *source, struct error *err)
{
    size_t count = eng_model_output_count(pipeline->model), i = 0;
    const struct eng_port *port;

    while (i < count && strcmp(eng_model_output(pipeline->model, i)->name,
                               output->from_tensor) != 0)
        i++;
    if (i == count)
        return bad_output(err, output, "the model has no tensor",
                          output->from_tensor);
    port = eng_model_output(pipeline->model, i);
    if (port->dtype != ENG_F32)
        return bad_output(err, output, "expected float32, the tensor is",
                          eng_dtype_name(port->dtype));
    if (output->type != BUNDLE_FLOAT && output->type != BUNDLE_FLOATS)
        return bad_output(err, output, "a tensor cannot give the type",
                          bundle_type_name(output->type));
    if (output->type == BUNDLE_FLOAT && port->rank > 0 &&
        port->dims[port->rank - 1] >= 0 &&
        output->from_index >= port->dims[port->rank - 1])
        return bad_output(err, output, "its index is outside the tensor",
                          port->name);
    *source = (struct pipeline_source){FROM_TENSOR, i};
    return true;
}

static bool bind_input(const struct pipeline *pipeline,
                       const struct bundle_output *output,
                       struct pipeline_source *source, struct error *err)
{
    const struct bundle_input *input =
        bundle_find_input(pipeline->bundle, output->from_input);

    if (!input || input->type != BUNDLE_TEXT || !input->required ||
        output->type != BUNDLE_STRING)
        return bad_output(err, output,
                          "only a required text can be repeated as a string, "
                          "not",
                          output->from_input);
    *source = (struct pipeline_source){
        FROM_INPUT, (size_t)(input - pipeline->bundle->signature.inputs)};
    return true;
}

bool collect_bind(const struct step_build *build, struct error *err)
{
    struct pipeline *pipeline = build->pipeline;
    const struct bundle_signature *signature = &pipeline->bundle->signature;

    pipeline->sources = arena_zalloc(&pipeline->arena, signature->output_count,
                                     sizeof(*pipeline->sources));
    if (!pipeline->sources)
        return call_no_memory(err);
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct bundle_output *output = &signature->outputs[i];
        struct pipeline_source *source = &pipeline->sources[i];

        if (*output->from_tensor) {
            if (!bind_tensor(pipeline, output, source, err))
                return false;
        } else if (*output->from_input) {
            if (!bind_input(pipeline, output, source, err))
                return false;
        } else if (!build->result_taken[i]) {
            return fail(err, ERR_DOCUMENT_INVALID,
                        "nothing fills output '%s': it has no `from`, and no "
                        "pipeline step names it",
                        output->name);
        }
    }
    return true;
}

/* ---- from tensors and inputs ---- */

static bool not_finite(struct error *err, const struct bundle_output *output)
{
    return fail(err, ERR_OUTPUT_INVALID,
                "output '%s' of the model is not a finite number",
                output->name);
}

/* A column of a tensor [rows, columns], [rows] or []. */
static bool collect_numbers(struct pipeline_call *call,
                            const struct bundle_output *output,
                            const struct eng_tensor *tensor,
                            struct call_result *result, struct error *err)
{
    const float *data = tensor->data;
    int64_t count = eng_tensor_count(tensor);
    size_t columns = (size_t)count / call->rows;

    if (count < 0 || (size_t)count != columns * call->rows ||
        (size_t)output->from_index >= columns)
        return fail(err, ERR_OUTPUT_INVALID,
                    "output '%s': the model gave %lld numbers for %zu rows",
                    output->name, (long long)count, call->rows);
    result->numbers =
        arena_alloc(call->arena, call->rows * sizeof(*result->numbers));
    if (!result->numbers)
        return call_no_memory(err);
    for (size_t row = 0; row < call->rows; row++) {
        float number = data[row * columns + (size_t)output->from_index];

        if (!isfinite(number))
            return not_finite(err, output);
        result->numbers[row] = (double)number;
    }
    return true;
}

/* The whole tensor, copied: the next run of this worker overwrites it. */
static bool collect_floats(struct pipeline_call *call,
                           const struct bundle_output *output,
                           const struct eng_tensor *tensor,
                           struct call_result *result, struct error *err)
{
    size_t size = eng_tensor_size(tensor);
    size_t count = size / sizeof(float);
    float *copy;

    if (size == SIZE_MAX ||
        (output->length > 0 && count != (size_t)output->length))
        return fail(err, ERR_OUTPUT_INVALID,
                    "output '%s': the model gave %zu numbers, expected %lld",
                    output->name, count, (long long)output->length);
    copy = arena_alloc(call->arena, size);
    if (!copy)
        return call_no_memory(err);
    if (size > 0)
        memcpy(copy, tensor->data, size);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(copy[i]))
            return not_finite(err, output);
    }
    result->floats = copy;
    result->float_count = count;
    return true;
}

static bool collect_texts(struct pipeline_call *call, size_t input,
                          struct call_result *result, struct error *err)
{
    const struct bundle_input *from =
        &call->pipeline->bundle->signature.inputs[input];

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

bool collect_results(struct pipeline_call *call, struct error *err)
{
    const struct pipeline *pipeline = call->pipeline;
    const struct bundle_signature *signature = &pipeline->bundle->signature;

    for (size_t i = 0; i < signature->output_count; i++) {
        const struct bundle_output *output = &signature->outputs[i];
        const struct pipeline_source *source = &pipeline->sources[i];
        struct call_result *result = &call->results[i];
        bool ok = true;

        if (source->kind == FROM_INPUT)
            ok = collect_texts(call, source->from, result, err);
        else if (source->kind == FROM_TENSOR && output->type == BUNDLE_FLOATS)
            ok = collect_floats(call, output, &call->outputs[source->from],
                                result, err);
        else if (source->kind == FROM_TENSOR)
            ok = collect_numbers(call, output, &call->outputs[source->from],
                                 result, err);
        if (!ok)
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
static bool number_texts(const struct pipeline_call *call,
                         const struct call_result *result, char **texts,
                         struct error *err)
{
    for (size_t row = 0; row < call->rows; row++) {
        char text[NUM_TEXT_MAX + 1];

        (void)shortest(result->numbers[row], text);
        texts[row] = arena_strdup(call->arena, text);
        if (!texts[row])
            return call_no_memory(err);
    }
    return true;
}

static bool texts_value(const struct pipeline_call *call, char *const *texts,
                        struct pipeline_value *value)
{
    if (call->is_batch) {
        value->kind = PIPELINE_STRINGS;
        value->strings.items = texts;
        value->strings.count = call->rows;
    } else {
        value->kind = PIPELINE_STRING;
        value->string = texts[0];
    }
    return true;
}

static bool numbers_value(const struct pipeline_call *call,
                          const struct call_result *result,
                          struct pipeline_value *value, struct error *err)
{
    char text[NUM_TEXT_MAX + 1];
    float *items;

    if (!call->is_batch) {
        value->kind = PIPELINE_NUMBER;
        value->number = shortest(result->numbers[0], text);
        return true;
    }
    items = arena_alloc(call->arena, call->rows * sizeof(*items));
    if (!items)
        return call_no_memory(err);
    for (size_t row = 0; row < call->rows; row++)
        items[row] = (float)result->numbers[row];
    value->kind = PIPELINE_FLOATS;
    value->floats.items = items;
    value->floats.count = call->rows;
    return true;
}

static bool one_value(const struct pipeline_call *call,
                      const struct bundle_output *output,
                      const struct call_result *result,
                      struct pipeline_value *value, struct error *err)
{
    char **texts = result->texts;

    value->name = output->name;
    if (result->floats) {
        value->kind = PIPELINE_FLOATS;
        value->floats.items = result->floats;
        value->floats.count = result->float_count;
        return true;
    }
    if (result->numbers && !output->as_string)
        return numbers_value(call, result, value, err);
    if (result->numbers) {
        texts = arena_zalloc(call->arena, call->rows, sizeof(*texts));
        if (!texts)
            return call_no_memory(err);
        if (!number_texts(call, result, texts, err))
            return false;
    }
    return texts_value(call, texts, value);
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
