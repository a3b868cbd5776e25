/*
 * The values of a request against the declared inputs and parameters: names,
 * types, limits, and how many rows there are.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "step.h"

static bool wrong_type(struct error *err, const char *name, const char *type)
{
    return fail(err, ERR_VALIDATION_ERROR, "data.%s must be %s", name, type);
}

/* ---- inputs ---- */

/* One text of an input against its limit. */
static bool check_size(const struct pipeline_call *call,
                       const struct bundle_input *input, size_t row,
                       struct error *err)
{
    size_t size = strlen(call_text(call, input, row));

    if (input->max_bytes == 0 || size <= (size_t)input->max_bytes)
        return true;
    return fail(err, ERR_INPUT_TOO_LONG,
                "input '%s' has %zu bytes, at most %lld are taken",
                call_name(call, input, row), size, (long long)input->max_bytes);
}

/* An array of texts makes the request a batch; all arrays are of one length. */
static bool check_batch(struct pipeline_call *call, const char *name,
                        size_t count, struct error *err)
{
    size_t most = call->pipeline->rows_max;

    if (most == 1)
        return wrong_type(err, name, "one text; this model takes no batches");
    if (count == 0 || count > most)
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%s has %zu texts, from 1 to %zu are taken", name,
                    count, most);
    if (call->is_batch && call->rows != count)
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%s has %zu texts, another input has %zu", name, count,
                    call->rows);
    call->is_batch = true;
    call->rows = count;
    return true;
}

/* It becomes a float of the model, which must not be infinite. */
static bool check_float(const struct bundle_input *input,
                        const struct pipeline_value *value, struct error *err)
{
    if (value->kind != PIPELINE_NUMBER)
        return wrong_type(err, input->name, "a number");
    if (!(fabs(value->number) <= (double)FLT_MAX))
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%s is %g, outside the range of a float", input->name,
                    value->number);
    return true;
}

static bool check_floats(const struct bundle_input *input,
                         const struct pipeline_value *value, struct error *err)
{
    if (value->kind != PIPELINE_FLOATS)
        return wrong_type(err, input->name, "an array of numbers");
    if (input->length > 0 && value->floats.count != (size_t)input->length)
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%s has %zu numbers, expected %lld", input->name,
                    value->floats.count, (long long)input->length);
    return true;
}

/* Only a tokenizer can take token ids in place of a text. */
static bool check_ids(struct pipeline_call *call,
                      const struct bundle_input *input,
                      const struct pipeline_value *value, struct error *err)
{
    const struct pipeline *pipeline = call->pipeline;

    if (!pipeline->counts_tokens || pipeline->reads_texts)
        return fail(err, ERR_VALIDATION_ERROR,
                    "this model takes texts, not token ids");
    if (pipeline->rows_max == 1 && value->ids.count == 1)
        return true;
    return check_batch(call, input->name, value->ids.count, err);
}

static bool check_type(struct pipeline_call *call,
                       const struct bundle_input *input,
                       const struct pipeline_value *value, struct error *err)
{
    switch (input->type) {
    case BUNDLE_TEXT:
        if (value->kind == PIPELINE_STRINGS)
            return check_batch(call, input->name, value->strings.count, err);
        if (value->kind == PIPELINE_IDS)
            return check_ids(call, input, value, err);
        return value->kind == PIPELINE_STRING ||
               wrong_type(err, input->name, "a text");
    case BUNDLE_FLOAT:
        return check_float(input, value, err);
    case BUNDLE_FLOATS:
        return check_floats(input, value, err);
    case BUNDLE_STRINGS:
        return value->kind == PIPELINE_STRINGS ||
               wrong_type(err, input->name, "an array of texts");
    case BUNDLE_OBJECT:
        return value->kind == PIPELINE_JSON ||
               wrong_type(err, input->name, "an object");
    case BUNDLE_IMAGE:
    case BUNDLE_AUDIO:
        /* In JSON these are base64 texts, on the wire they may be bytes. */
        return value->kind == PIPELINE_BYTES ||
               value->kind == PIPELINE_STRING ||
               wrong_type(err, input->name, "base64 text or bytes");
    case BUNDLE_STRING:
    case BUNDLE_INTEGER:
    case BUNDLE_BOOLEAN:
        break;
    }
    return fail(err, ERR_INTERNAL, "input '%s' has a type of parameters",
                input->name);
}

/* Every row of every text, when the number of rows is known. */
static bool check_rows(const struct pipeline_call *call,
                       const struct bundle_input *input,
                       const struct pipeline_value *value, struct error *err)
{
    if (input->type != BUNDLE_TEXT || !value || value->kind == PIPELINE_IDS)
        return true;
    if (call->is_batch && value->kind == PIPELINE_STRING)
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%s is one text, another input has %zu", input->name,
                    call->rows);
    for (size_t row = 0; row < call->rows; row++) {
        if (!check_size(call, input, row, err))
            return false;
    }
    return true;
}

/* ---- parameters ---- */

static bool number_listed(const struct doc_node *list, double number)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);

        if ((item->type == DOC_INT || item->type == DOC_NUMBER) &&
            !(item->number < number) && !(item->number > number))
            return true;
    }
    return !list;
}

static bool text_listed(const struct doc_node *list, const char *text)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        if (strcmp(doc_string(doc_item(list, i), ""), text) == 0)
            return true;
    }
    return !list;
}

static bool check_number(const struct bundle_parameter *parameter,
                         double number, struct error *err)
{
    bool whole = number >= -9007199254740992.0 &&
                 number <= 9007199254740992.0 &&
                 !((double)(int64_t)number < number) &&
                 !((double)(int64_t)number > number);

    if (parameter->type == BUNDLE_INTEGER && !whole)
        return wrong_type(err, parameter->name, "a whole number");
    if (number < parameter->min || number > parameter->max)
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%s is %g, from %g to %g are taken", parameter->name,
                    number, parameter->min, parameter->max);
    if (!number_listed(parameter->values, number))
        return fail(err, ERR_OUT_OF_DOMAIN,
                    "parameter '%s' is %g, which this model does not offer",
                    parameter->name, number);
    return true;
}

static bool check_parameter(const struct bundle_parameter *parameter,
                            const struct pipeline_value *value,
                            struct error *err)
{
    if (parameter->type == BUNDLE_BOOLEAN)
        return value->kind == PIPELINE_BOOL ||
               wrong_type(err, parameter->name, "true or false");
    if (parameter->type != BUNDLE_STRING)
        return value->kind == PIPELINE_NUMBER
                   ? check_number(parameter, value->number, err)
                   : wrong_type(err, parameter->name, "a number");
    if (value->kind != PIPELINE_STRING)
        return wrong_type(err, parameter->name, "a text");
    if (!text_listed(parameter->values, value->string))
        return fail(err, ERR_OUT_OF_DOMAIN,
                    "parameter '%s' is '%.64s', which this model does not "
                    "offer",
                    parameter->name, value->string);
    return true;
}

/* ---- all values ---- */

static bool take_value(struct pipeline_call *call,
                       const struct pipeline_value *value, struct error *err)
{
    const struct srv_bundle *bundle = call->pipeline->bundle;
    const struct bundle_input *input = bundle_find_input(bundle, value->name);
    const struct bundle_parameter *parameter;

    if (input) {
        call->inputs[input - bundle->signature.inputs].value = value;
        return check_type(call, input, value, err);
    }
    parameter = bundle_find_parameter(bundle, value->name);
    if (parameter)
        return check_parameter(parameter, value, err);
    if (bundle->api.strict)
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%.64s is neither an input nor a parameter",
                    value->name);
    call_warn(call, "data.%.64s is neither an input nor a parameter: ignored",
              value->name);
    return true;
}

static const struct pipeline_value *
find_value(const struct pipeline_request *request, const char *name)
{
    for (size_t i = 0; i < request->count; i++) {
        if (strcmp(request->values[i].name, name) == 0)
            return &request->values[i];
    }
    return NULL;
}

static bool check_present(const struct pipeline_call *call, struct error *err)
{
    const struct bundle_signature *signature =
        &call->pipeline->bundle->signature;

    for (size_t i = 0; i < signature->input_count; i++) {
        if (signature->inputs[i].required && !call->inputs[i].value)
            return fail(err, ERR_VALIDATION_ERROR, "data.%s is missing",
                        signature->inputs[i].name);
    }
    for (size_t i = 0; i < signature->parameter_count; i++) {
        const struct bundle_parameter *parameter = &signature->parameters[i];

        if (parameter->required && !find_value(&call->request, parameter->name))
            return fail(err, ERR_VALIDATION_ERROR, "data.%s is missing",
                        parameter->name);
    }
    return true;
}

bool inputs_check(struct pipeline_call *call, struct error *err)
{
    const struct bundle_signature *signature =
        &call->pipeline->bundle->signature;

    for (size_t i = 0; i < call->request.count; i++) {
        if (!take_value(call, &call->request.values[i], err))
            return false;
    }
    if (!check_present(call, err))
        return false;
    for (size_t i = 0; i < signature->input_count; i++) {
        if (!check_rows(call, &signature->inputs[i], call->inputs[i].value,
                        err))
            return false;
    }
    call->marks = arena_zalloc(call->arena, call->rows, sizeof(*call->marks));
    return call->marks || call_no_memory(err);
}
