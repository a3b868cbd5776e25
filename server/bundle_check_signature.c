/*
 * Bundle check, the signature: names, lengths, defaults, where values come
 * from.
 */
#include <math.h>
#include <string.h>

#include "bundle_internal.h"

/* The fault of every name that an earlier item of the list has. */
static void check_unique(const struct bundle_check *check, const char *list,
                         const char *(*name_of)(const struct srv_bundle *,
                                                size_t),
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(name_of(check->bundle, i), name_of(check->bundle, j)) ==
                0) {
                bundle_fault(check, BUNDLE_MODELSERVICE,
                             bundle_where(check, "/spec/%s/%zu/name", list, i),
                             "a second one is called '%s'",
                             name_of(check->bundle, i));
                break;
            }
}

static const char *input_name(const struct srv_bundle *bundle, size_t i)
{
    return bundle->signature.inputs[i].name;
}

static const char *parameter_name(const struct srv_bundle *bundle, size_t i)
{
    return bundle->signature.parameters[i].name;
}

static const char *output_name(const struct srv_bundle *bundle, size_t i)
{
    return bundle->signature.outputs[i].name;
}

static const char *capability_name(const struct srv_bundle *bundle, size_t i)
{
    return bundle->capabilities[i].name;
}

static const char *example_name(const struct srv_bundle *bundle, size_t i)
{
    return bundle->examples[i].name;
}

static void check_names(const struct bundle_check *check)
{
    const struct srv_bundle *bundle = check->bundle;
    const struct bundle_signature *signature = &bundle->signature;

    check_unique(check, "signature/inputs", input_name, signature->input_count);
    check_unique(check, "signature/parameters", parameter_name,
                 signature->parameter_count);
    check_unique(check, "signature/outputs", output_name,
                 signature->output_count);
    check_unique(check, "capabilities", capability_name,
                 bundle->capability_count);
    check_unique(check, "examples", example_name, bundle->example_count);
    for (size_t i = 0; i < signature->parameter_count; i++)
        if (bundle_find_input(bundle, signature->parameters[i].name))
            bundle_fault(
                check, BUNDLE_MODELSERVICE,
                bundle_where(check, "/spec/signature/parameters/%zu/name", i),
                "an input is called '%s' too", signature->parameters[i].name);
}

static void check_input(const struct bundle_check *check, size_t index)
{
    const struct srv_bundle *bundle = check->bundle;
    const struct bundle_input *input = &bundle->signature.inputs[index];
    const struct bundle_serving *serving = &bundle->serving;
    const char *above =
        bundle_where(check, "/spec/signature/inputs/%zu", index);

    if (input->max_tokens && input->type != BUNDLE_TEXT)
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/maxTokens", above),
                     "only text has tokens, input '%s' is %s", input->name,
                     bundle_type_name(input->type));
    if (input->parse_specials && input->type != BUNDLE_TEXT)
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/specialTokens", above),
                     "only text has tokens, input '%s' is %s", input->name,
                     bundle_type_name(input->type));
    if (input->max_tokens && serving->max_sequence_tokens &&
        input->max_tokens > serving->max_sequence_tokens)
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/maxTokens", above),
                     "input '%s' takes %lld tokens, the ModelSpec's "
                     "maxSequenceLengthTokens is %lld",
                     input->name, (long long)input->max_tokens,
                     (long long)serving->max_sequence_tokens);
    if ((uint64_t)input->max_bytes > bundle->api.body_limit_bytes)
        bundle_warn(check, BUNDLE_MODELSERVICE,
                    bundle_where(check, "%s/maxBytes", above),
                    "input '%s' takes %lld bytes, api.bodyLimitBytes is %zu",
                    input->name, (long long)input->max_bytes,
                    bundle->api.body_limit_bytes);
}

static bool type_fits(enum bundle_type type, const struct doc_node *value)
{
    switch (type) {
    case BUNDLE_STRING:
        return value->type == DOC_STRING;
    case BUNDLE_BOOLEAN:
        return value->type == DOC_BOOL;
    case BUNDLE_INTEGER:
        return value->type == DOC_INT ||
               (value->type == DOC_NUMBER &&
                value->number == floor(value->number));
    case BUNDLE_FLOAT:
        return value->type == DOC_INT || value->type == DOC_NUMBER;
    case BUNDLE_TEXT:
    case BUNDLE_IMAGE:
    case BUNDLE_AUDIO:
    case BUNDLE_FLOATS:
    case BUNDLE_STRINGS:
    case BUNDLE_OBJECT:
        break;
    }
    return false;
}

static bool is_one_of(const struct doc_node *values,
                      const struct doc_node *value)
{
    for (size_t i = 0; i < doc_count(values); i++) {
        const struct doc_node *one = doc_item(values, i);

        if (one->type == DOC_STRING && value->type == DOC_STRING &&
            strcmp(one->text, value->text) == 0)
            return true;
        if (one->type != DOC_STRING && value->type != DOC_STRING &&
            doc_number(one, 0) == doc_number(value, 0))
            return true;
    }
    return false;
}

bool bundle_parameter_takes(const struct bundle_parameter *parameter,
                            const struct doc_node *value)
{
    double number = doc_number(value, 0);
    bool numeric = value->type == DOC_INT || value->type == DOC_NUMBER;

    if (!type_fits(parameter->type, value))
        return false;
    if (numeric && (number < parameter->min || number > parameter->max))
        return false;
    return !parameter->values || is_one_of(parameter->values, value);
}

static void check_parameter(const struct bundle_check *check, size_t index)
{
    const struct bundle_parameter *parameter =
        &check->bundle->signature.parameters[index];
    const char *above =
        bundle_where(check, "/spec/signature/parameters/%zu", index);

    for (size_t i = 0; i < doc_count(parameter->values); i++)
        if (!type_fits(parameter->type, doc_item(parameter->values, i)))
            bundle_fault(check, BUNDLE_MODELSERVICE,
                         bundle_where(check, "%s/enum/%zu", above, i),
                         "'%s' is no %s", doc_item(parameter->values, i)->text,
                         bundle_type_name(parameter->type));
    if (parameter->min > parameter->max)
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/minimum", above),
                     "minimum %g is above maximum %g", parameter->min,
                     parameter->max);
    if (parameter->otherwise &&
        !bundle_parameter_takes(parameter, parameter->otherwise))
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/default", above),
                     "the default is not a value that '%s' takes",
                     parameter->name);
}

static const struct bundle_tensor *
find_tensor_output(const struct bundle_signature *signature, const char *name)
{
    for (size_t i = 0; i < signature->tensor_output_count; i++)
        if (strcmp(signature->tensor_outputs[i].name, name) == 0)
            return &signature->tensor_outputs[i];
    return NULL;
}

/* The column must exist when the declared last dimension is fixed. */
static void check_column(const struct bundle_check *check,
                         const struct bundle_output *output, const char *above)
{
    const struct bundle_tensor *tensor =
        find_tensor_output(&check->bundle->signature, output->from_tensor);
    int64_t columns;

    if (!tensor) {
        if (check->bundle->signature.tensor_output_count)
            bundle_fault(check, BUNDLE_MODELSERVICE,
                         bundle_where(check, "%s/from/tensor", above),
                         "signature.tensors.outputs has no '%s'",
                         output->from_tensor);
        return;
    }
    columns = tensor->rank ? tensor->dims[tensor->rank - 1] : 1;
    if (columns >= 0 && output->from_index >= columns)
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/from/index", above),
                     "tensor '%s' has %lld columns, counted from 0",
                     output->from_tensor, (long long)columns);
}

static void check_output(const struct bundle_check *check, size_t index)
{
    const struct bundle_output *output =
        &check->bundle->signature.outputs[index];
    const char *above =
        bundle_where(check, "/spec/signature/outputs/%zu", index);

    if (output->property[0] &&
        !bundle_find_range(check->bundle, output->property))
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/property", above),
                     "ranges.properties has no '%s'", output->property);
    if (output->from_tensor[0] && output->from_input[0])
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/from", above),
                     "either a tensor or an input, not both");
    if (output->from_tensor[0])
        check_column(check, output, above);
    if (output->from_input[0] &&
        !bundle_find_input(check->bundle, output->from_input))
        bundle_fault(check, BUNDLE_MODELSERVICE,
                     bundle_where(check, "%s/from/input", above),
                     "the signature has no input '%s'", output->from_input);
}

void bundle_check_signature(struct bundle_check *check)
{
    const struct bundle_signature *signature = &check->bundle->signature;

    check_names(check);
    if ((signature->input_count == 0) != (signature->output_count == 0))
        bundle_fault(check, BUNDLE_MODELSERVICE, "/spec/signature",
                     "has either inputs and outputs or, for a model that is "
                     "called with tensors only, neither");
    for (size_t i = 0; i < signature->input_count; i++)
        check_input(check, i);
    for (size_t i = 0; i < signature->parameter_count; i++)
        check_parameter(check, i);
    for (size_t i = 0; i < signature->output_count; i++)
        check_output(check, i);
}
