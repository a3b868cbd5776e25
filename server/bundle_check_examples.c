/*
 * Bundle check, the examples: each must be a request that the signature takes,
 * and expect only what the signature gives. A negative example is one that the
 * model declines, so it is well-formed too.
 */
#include <string.h>

#include "bundle_internal.h"

/* One example, and its place. */
struct place {
    const struct bundle_check *check;
    const struct bundle_example *example;
    const char *pointer;
};

/* A JSON value of the input's type; images and audio are base64 text. */
static bool fits_input(const struct bundle_input *input,
                       const struct doc_node *value)
{
    switch (input->type) {
    case BUNDLE_FLOAT:
        return value->type == DOC_INT || value->type == DOC_NUMBER;
    case BUNDLE_FLOATS:
    case BUNDLE_STRINGS:
        return value->type == DOC_LIST;
    case BUNDLE_OBJECT:
        return value->type == DOC_MAP;
    case BUNDLE_TEXT:
    case BUNDLE_IMAGE:
    case BUNDLE_AUDIO:
    case BUNDLE_STRING:
    case BUNDLE_INTEGER:
    case BUNDLE_BOOLEAN:
        break;
    }
    return value->type == DOC_STRING;
}

static bool fits_items(const struct bundle_input *input,
                       const struct doc_node *list)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);
        bool number = item->type == DOC_INT || item->type == DOC_NUMBER;

        if (input->type == BUNDLE_FLOATS ? !number : item->type != DOC_STRING)
            return false;
    }
    return true;
}

static void check_input_value(const struct place *place,
                              const struct bundle_input *input,
                              const struct doc_node *value, const char *pointer)
{
    size_t size = value->size;

    if (!fits_input(input, value) ||
        (value->type == DOC_LIST && !fits_items(input, value)))
        bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                     "input '%s' is %s", input->name,
                     bundle_type_name(input->type));
    else if (value->type == DOC_STRING && input->max_bytes &&
             size > (uint64_t)input->max_bytes)
        bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                     "%zu bytes, input '%s' takes %lld", size, input->name,
                     (long long)input->max_bytes);
    else if (value->type == DOC_LIST && input->length &&
             size != (uint64_t)input->length)
        bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                     "%zu elements, input '%s' has %lld", size, input->name,
                     (long long)input->length);
}

static void check_datum(const struct place *place,
                        const struct doc_entry *entry)
{
    const struct srv_bundle *bundle = place->check->bundle;
    const struct bundle_input *input = bundle_find_input(bundle, entry->key);
    const struct bundle_parameter *parameter =
        bundle_find_parameter(bundle, entry->key);
    const char *pointer = doc_pointer_key(
        &place->check->bundle->arena,
        bundle_where(place->check, "%s/data", place->pointer), entry->key);

    if (input)
        check_input_value(place, input, entry->value, pointer);
    else if (!parameter)
        bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                     "'%s' is no input or parameter of the signature",
                     entry->key);
    else if (!bundle_parameter_takes(parameter, entry->value))
        bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                     "not a value that parameter '%s' takes", entry->key);
}

static void check_missing(const struct place *place)
{
    const struct bundle_signature *signature = &place->check->bundle->signature;
    const struct doc_node *data = place->example->data;
    const char *pointer = bundle_where(place->check, "%s/data", place->pointer);

    for (size_t i = 0; i < signature->input_count; i++)
        if (signature->inputs[i].required &&
            !doc_get(data, signature->inputs[i].name))
            bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                         "the required input '%s' is missing",
                         signature->inputs[i].name);
    for (size_t i = 0; i < signature->parameter_count; i++)
        if (signature->parameters[i].required &&
            !doc_get(data, signature->parameters[i].name))
            bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                         "the required parameter '%s' is missing",
                         signature->parameters[i].name);
}

/* ---- expect ---- */

static void check_output_name(const struct place *place, const char *key,
                              const char *name)
{
    if (!bundle_find_output(place->check->bundle, name))
        bundle_fault(
            place->check, BUNDLE_MODELSERVICE,
            bundle_where(place->check, "%s/expect/%s", place->pointer, key),
            "'%s' is no output of the signature", name);
}

static void check_output_keys(const struct place *place, const char *key,
                              const struct doc_node *map)
{
    for (size_t i = 0; i < doc_count(map); i++)
        if (strcmp(map->entries[i].key, "tolerance") != 0)
            check_output_name(place, key, map->entries[i].key);
}

/* Lengths and norms are those of arrays. */
static void check_arrays(const struct place *place, const char *key,
                         const struct doc_node *map)
{
    check_output_keys(place, key, map);
    for (size_t i = 0; i < doc_count(map); i++) {
        const struct bundle_output *output =
            bundle_find_output(place->check->bundle, map->entries[i].key);

        if (output && output->type != BUNDLE_FLOATS &&
            output->type != BUNDLE_STRINGS)
            bundle_fault(
                place->check, BUNDLE_MODELSERVICE,
                bundle_where(place->check, "%s/expect/%s", place->pointer, key),
                "output '%s' is %s, no array", output->name,
                bundle_type_name(output->type));
    }
}

static void check_value_types(const struct place *place)
{
    const struct doc_node *values = place->example->expect.values;

    for (size_t i = 0; i < doc_count(values); i++) {
        const struct doc_entry *entry = &values->entries[i];
        const struct bundle_output *output =
            bundle_find_output(place->check->bundle, entry->key);
        bool text = entry->value->type == DOC_STRING;

        if (output && (output->type == BUNDLE_STRING || output->as_string
                           ? !text
                           : output->type != BUNDLE_FLOAT || text))
            bundle_fault(place->check, BUNDLE_MODELSERVICE,
                         bundle_where(place->check, "%s/expect/values/%s",
                                      place->pointer, entry->key),
                         "output '%s' is %s", entry->key,
                         bundle_type_name(output->type));
    }
}

static void check_decline(const struct place *place)
{
    const struct bundle_expect *expect = &place->example->expect;
    const char *pointer =
        bundle_where(place->check, "%s/expect/error_code", place->pointer);

    if (expect->error_code[0] && expect->success)
        bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                     "a success has no error_code");
    else if (expect->error_code[0] &&
             err_code_by_name(expect->error_code) == ERR_NONE)
        bundle_fault(place->check, BUNDLE_MODELSERVICE, pointer,
                     "'%s' is no error code of this server",
                     expect->error_code);
}

static bool has_example(const struct srv_bundle *bundle, const char *name)
{
    for (size_t i = 0; i < bundle->example_count; i++)
        if (strcmp(bundle->examples[i].name, name) == 0)
            return true;
    return false;
}

static void check_expect(const struct place *place)
{
    const struct bundle_expect *expect = &place->example->expect;

    check_decline(place);
    for (size_t i = 0; i < expect->finite.count; i++)
        check_output_name(place, "finite", expect->finite.items[i]);
    check_output_keys(place, "values", expect->values);
    check_arrays(place, "length", expect->length);
    check_arrays(place, "norm", expect->norm);
    check_value_types(place);
    if (expect->cosine_to[0] &&
        !has_example(place->check->bundle, expect->cosine_to))
        bundle_fault(
            place->check, BUNDLE_MODELSERVICE,
            bundle_where(place->check, "%s/expect/cosineTo", place->pointer),
            "there is no example '%s'", expect->cosine_to);
}

void bundle_check_examples(struct bundle_check *check)
{
    for (size_t i = 0; i < check->bundle->example_count; i++) {
        struct place place = {check, &check->bundle->examples[i],
                              bundle_where(check, "/spec/examples/%zu", i)};

        for (size_t j = 0; j < doc_count(place.example->data); j++)
            check_datum(&place, &place.example->data->entries[j]);
        check_missing(&place);
        check_expect(&place);
    }
    if (check->bundle->example_count == 0)
        bundle_warn(check, BUNDLE_MODELSERVICE, "/spec",
                    "no examples: /test_examples is empty and nothing proves "
                    "that the model works");
}
