/*
 * What a step may use while the pipeline is built: its parameters, and the
 * model inputs it claims. Outputs and values are in slots.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ports.h"
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
                                           const char *key, struct error *err)
{
    const char *name = step_param(build, key, err);
    const struct srv_bundle *bundle = build->pipeline->bundle;
    const struct bundle_input *input;

    if (!name)
        return NULL;
    input = bundle_find_input(bundle, name);
    if (input && input->type == BUNDLE_TEXT && input->required) {
        if (strcmp(build->step->type, "tokenize") == 0)
            build->tokenized[input - bundle->signature.inputs] = true;
        else
            build->pipeline->reads_texts = true;
        return input;
    }
    (void)step_fail(build, err, "the signature has no required text input '%s'",
                    name);
    return NULL;
}

bool step_claim_port(const struct step_build *build, const char *key,
                     size_t *index, struct error *err)
{
    const char *name = step_param(build, key, err);

    if (!name)
        return false;
    if (!ports_input(build->pipeline->model, name, index))
        return step_fail(build, err, "the model has no input '%s'", name);
    if (build->feed_taken[*index])
        return step_fail(build, err,
                         "another step fills the model's input '%s'", name);
    build->feed_taken[*index] = true;
    return true;
}

bool step_claim_feed(const struct step_build *build, const char *key,
                     size_t *index, struct error *err)
{
    const struct eng_port *port;

    if (!step_claim_port(build, key, index, err))
        return false;
    port = eng_model_input(build->pipeline->model, *index);
    return port->dtype == ENG_I64 ||
           step_fail(build, err, "the model's input '%s' is %s, expected int64",
                     port->name, eng_dtype_name(port->dtype));
}
