/*
 * What a step may use while the pipeline is built: its parameters, and the
 * model inputs and outputs it claims.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "step.h"

bool step_fail(const struct step_build *build, struct error *err,
               const char *format, ...)
{
    char text[sizeof(err->msg)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fail(err, ERR_DOCUMENT_INVALID, "pipeline step '%s': %s",
                build->step->name, text);
}

static bool is_known(const char *const *known, const char *key)
{
    for (; *known; known++) {
        if (strcmp(*known, key) == 0)
            return true;
    }
    return false;
}

bool step_params_known(const struct step_build *build, const char *const *known,
                       struct error *err)
{
    const struct doc_node *params = build->step->parameters;

    for (size_t i = 0; i < doc_count(params); i++) {
        if (!is_known(known, params->entries[i].key))
            return step_fail(build, err, "type '%s' has no parameter '%s'",
                             build->step->type, params->entries[i].key);
    }
    return true;
}

const char *step_param(const struct step_build *build, const char *key,
                       struct error *err)
{
    const char *value = doc_string(doc_get(build->step->parameters, key), NULL);

    if (!value)
        (void)step_fail(build, err, "parameter '%s' is missing or no text",
                        key);
    return value;
}

const struct bundle_input *step_text_input(const struct step_build *build,
                                           struct error *err)
{
    const char *name = step_param(build, "input", err);
    const struct bundle_input *input;

    if (!name)
        return NULL;
    input = bundle_find_input(build->pipeline->bundle, name);
    if (input && input->type == BUNDLE_TEXT && input->required)
        return input;
    (void)step_fail(build, err, "the signature has no required text input '%s'",
                    name);
    return NULL;
}

bool step_claim_feed(const struct step_build *build, const char *key,
                     size_t *index, struct error *err)
{
    struct eng_model *model = build->pipeline->model;
    const char *name = step_param(build, key, err);

    if (!name)
        return false;
    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        const struct eng_port *port = eng_model_input(model, i);

        if (strcmp(port->name, name) != 0)
            continue;
        if (build->feed_taken[i])
            return step_fail(build, err,
                             "another step fills the model's input '%s'", name);
        if (port->dtype != ENG_I64)
            return step_fail(build, err,
                             "the model's input '%s' is %s, expected int64",
                             name, eng_dtype_name(port->dtype));
        build->feed_taken[i] = true;
        *index = i;
        return true;
    }
    return step_fail(build, err, "the model has no input '%s'", name);
}

/* The declared output that parameter `key` names, or NULL. */
static const struct bundle_output *output_of(const struct step_build *build,
                                             const char *key, size_t *index,
                                             struct error *err)
{
    const struct srv_bundle *bundle = build->pipeline->bundle;
    const char *name = step_param(build, key, err);
    const struct bundle_output *output;

    if (!name)
        return NULL;
    output = bundle_find_output(bundle, name);
    if (!output)
        (void)step_fail(build, err, "the signature has no output '%s'", name);
    else
        *index = (size_t)(output - bundle->signature.outputs);
    return output;
}

bool step_claim_result(const struct step_build *build, const char *key,
                       enum bundle_type type, size_t *index, struct error *err)
{
    const struct bundle_output *output = output_of(build, key, index, err);

    if (!output)
        return false;
    if (output->type != type)
        return step_fail(build, err, "output '%s' is %s, expected %s",
                         output->name, bundle_type_name(output->type),
                         bundle_type_name(type));
    if (*output->from_tensor || *output->from_input ||
        build->result_taken[*index])
        return step_fail(build, err, "output '%s' is filled by another",
                         output->name);
    build->result_taken[*index] = true;
    return true;
}

bool step_number(const struct step_build *build, const char *key, size_t *index,
                 struct error *err)
{
    const struct bundle_output *output = output_of(build, key, index, err);

    if (!output)
        return false;
    return (output->type == BUNDLE_FLOAT && *output->from_tensor) ||
           step_fail(build, err, "output '%s' is no number of the model",
                     output->name);
}
