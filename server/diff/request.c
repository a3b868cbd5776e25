/*
 * Bundle diff, request: inputs and parameters, which may take more than before
 * but not less.
 */
#include <math.h>
#include <string.h>

#include "diff/diff.h"

/* ---- inputs ---- */

static void compare_input(struct bundle_diff *diff,
                          const struct bundle_input *was,
                          const struct bundle_input *now, const char *path)
{
    if (was->type != now->type)
        bundle_change(diff, BUNDLE_RULE_P2, path, "was %s, is %s",
                      bundle_type_name(was->type), bundle_type_name(now->type));
    if (!was->required && now->required)
        bundle_change(diff, BUNDLE_RULE_P3, path, "is required now");
    bundle_diff_limit(diff, BUNDLE_RULE_P4,
                      bundle_diff_path(diff, "%s.maxBytes", path),
                      was->max_bytes, now->max_bytes);
    if (!now->truncate)
        bundle_diff_limit(diff, BUNDLE_RULE_P4,
                          bundle_diff_path(diff, "%s.maxTokens", path),
                          was->truncate ? 0 : was->max_tokens, now->max_tokens);
    if (now->length && now->length != was->length)
        bundle_change(diff, BUNDLE_RULE_P4,
                      bundle_diff_path(diff, "%s.length", path),
                      "must have %lld elements now", (long long)now->length);
}

static void compare_inputs(struct bundle_diff *diff)
{
    const struct srv_bundle *was = diff->was.bundle, *now = diff->now.bundle;
    const struct bundle_signature *new = &now->signature;

    for (size_t i = 0; i < was->signature.input_count; i++) {
        const struct bundle_input *input = &was->signature.inputs[i];
        const char *path = bundle_diff_path(diff, "inputs.%s", input->name);
        const struct bundle_input *other = bundle_find_input(now, input->name);
        const char *there = i < new->input_count ? new->inputs[i].name : NULL;

        if (other)
            compare_input(diff, input, other, path);
        else
            bundle_diff_gone(diff, BUNDLE_RULE_P1, path,
                             there && !bundle_find_input(was, there) ? there
                                                                     : NULL);
    }
    for (size_t i = 0; i < new->input_count; i++)
        if (!bundle_find_input(was, new->inputs[i].name))
            bundle_change(
                diff, new->inputs[i].required ? BUNDLE_RULE_P3 : BUNDLE_RULE_A2,
                bundle_diff_path(diff, "inputs.%s", new->inputs[i].name),
                new->inputs[i].required ? "is new and required" : "is new");
}

/* ---- parameters ---- */

static bool lists(const struct doc_node *values, const struct doc_node *value)
{
    for (size_t i = 0; i < doc_count(values); i++)
        if (bundle_diff_same(doc_item(values, i), value))
            return true;
    return false;
}

static void compare_values(struct bundle_diff *diff,
                           const struct bundle_parameter *was,
                           const struct bundle_parameter *now, const char *path)
{
    const char *at = bundle_diff_path(diff, "%s.enum", path);

    if (now->values && !was->values)
        bundle_change(diff, BUNDLE_RULE_P4, at, "took any value");
    for (size_t i = 0; now->values && i < doc_count(was->values); i++) {
        const struct doc_node *value = doc_item(was->values, i);

        if (!lists(now->values, value))
            bundle_change(diff, BUNDLE_RULE_P4, at, "no longer takes '%s'",
                          value->text ? value->text : "");
    }
}

static void compare_parameter(struct bundle_diff *diff,
                              const struct bundle_parameter *was,
                              const struct bundle_parameter *now,
                              const char *path)
{
    if (was->type != now->type)
        bundle_change(diff, BUNDLE_RULE_P2, path, "was %s, is %s",
                      bundle_type_name(was->type), bundle_type_name(now->type));
    if (!was->required && now->required)
        bundle_change(diff, BUNDLE_RULE_P3, path, "is required now");
    if (now->min > was->min)
        bundle_change(diff, BUNDLE_RULE_P4,
                      bundle_diff_path(diff, "%s.minimum", path),
                      "was %g, is %g", was->min, now->min);
    if (now->max < was->max)
        bundle_change(diff, BUNDLE_RULE_P4,
                      bundle_diff_path(diff, "%s.maximum", path),
                      "was %g, is %g", was->max, now->max);
    compare_values(diff, was, now, path);
    if (!bundle_diff_same(was->otherwise, now->otherwise))
        bundle_change(diff, BUNDLE_RULE_P5,
                      bundle_diff_path(diff, "%s.default", path),
                      "was %s, is %s",
                      was->otherwise ? was->otherwise->text : "not there",
                      now->otherwise ? now->otherwise->text : "not there");
}

static void compare_parameters(struct bundle_diff *diff)
{
    const struct srv_bundle *was = diff->was.bundle, *now = diff->now.bundle;
    const struct bundle_signature *new = &now->signature;

    for (size_t i = 0; i < was->signature.parameter_count; i++) {
        const struct bundle_parameter *parameter =
            &was->signature.parameters[i];
        const char *path =
            bundle_diff_path(diff, "parameters.%s", parameter->name);
        const struct bundle_parameter *other =
            bundle_find_parameter(now, parameter->name);
        const char *there =
            i < new->parameter_count ? new->parameters[i].name : NULL;

        if (other)
            compare_parameter(diff, parameter, other, path);
        else
            bundle_diff_gone(
                diff, BUNDLE_RULE_P1, path,
                there && !bundle_find_parameter(was, there) ? there : NULL);
    }
    for (size_t i = 0; i < new->parameter_count; i++)
        if (!bundle_find_parameter(was, new->parameters[i].name))
            bundle_change(
                diff,
                new->parameters[i].required ? BUNDLE_RULE_P3 : BUNDLE_RULE_A2,
                bundle_diff_path(diff, "parameters.%s",
                                 new->parameters[i].name),
                new->parameters[i].required ? "is new and required" : "is new");
}

void bundle_diff_request(struct bundle_diff *diff)
{
    compare_inputs(diff);
    compare_parameters(diff);
    if (!diff->was.bundle->api.strict && diff->now.bundle->api.strict)
        bundle_change(diff, BUNDLE_RULE_P6, "api.strict",
                      "undeclared keys are refused now");
}
