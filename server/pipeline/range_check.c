/*
 * Step range_check (postprocess): says how far an answer can be trusted.
 *
 *   value   output that is compared with the range of its property
 *   tokens  range that the number of tokens is compared with; optional
 *   output  string output that receives the band
 *
 * Inside `training` the band is "trained"; outside it, but inside `reliable`,
 * "extrapolated"; outside both "unreliable". Marks of earlier steps (rare
 * elements, unknown characters, cut texts) count as well: the worst one wins,
 * and each has its warning.
 */
#include <string.h>

#include "step.h"

struct range_check {
    const struct bundle_output *output; /* of `value`, for messages */
    const struct bundle_range *range;
    const struct bundle_range *tokens; /* NULL = not compared */
    size_t value, band;                /* declared outputs */
};

static bool find_range(const struct step_build *build, const char *key,
                       const struct bundle_range **range, struct error *err)
{
    *range = bundle_find_range(build->pipeline->bundle, key);
    return *range || step_fail(build, err, "there is no range '%s'", key);
}

static bool open_ranges(struct step_build *build, void **state,
                        struct error *err)
{
    static const char *const known[] = {"value", "tokens", "output", NULL};
    const struct bundle_signature *signature =
        &build->pipeline->bundle->signature;
    struct range_check *check =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*check));
    const char *tokens =
        doc_string(doc_get(build->step->parameters, "tokens"), NULL);

    if (!check)
        return call_no_memory(err);
    *state = check;
    if (!step_params_known(build, known, err) ||
        !step_number(build, "value", &check->value, err) ||
        !step_claim_result(build, "output", BUNDLE_STRING, &check->band, err))
        return false;
    check->output = &signature->outputs[check->value];
    return find_range(build, check->output->property, &check->range, err) &&
           (!tokens || find_range(build, tokens, &check->tokens, err));
}

static enum pipeline_band band_of(const struct bundle_range *range,
                                  double value)
{
    if (value >= range->min && value <= range->max)
        return BAND_TRAINED;
    if (value >= range->reliable_min && value <= range->reliable_max)
        return BAND_EXTRAPOLATED;
    return BAND_UNRELIABLE;
}

static void compare(struct pipeline_call *call, size_t row, const char *name,
                    const struct bundle_range *range, double value)
{
    enum pipeline_band band = band_of(range, value);

    if (band != BAND_TRAINED)
        call_mark(call, row, band,
                  "%s is %.6g, the training range is %.6g to %.6g", name, value,
                  range->min, range->max);
}

static bool apply_ranges(const void *state, struct pipeline_call *call,
                         struct error *err)
{
    static const char *const names[] = {[BAND_TRAINED] = "trained",
                                        [BAND_EXTRAPOLATED] = "extrapolated",
                                        [BAND_UNRELIABLE] = "unreliable"};
    const struct range_check *check = state;
    char **bands = arena_zalloc(call->arena, call->rows, sizeof(*bands));

    if (!bands)
        return call_no_memory(err);
    for (size_t row = 0; row < call->rows; row++) {
        compare(call, row, check->output->name, check->range,
                (double)call->results[check->value].floats[row]);
        if (check->tokens)
            compare(call, row, check->tokens->key, check->tokens,
                    (double)call->marks[row].tokens);
        bands[row] = arena_strdup(call->arena, names[call->marks[row].band]);
        if (!bands[row])
            return call_no_memory(err);
    }
    call->results[check->band] =
        (struct call_result){.texts = bands, .width = 1};
    return true;
}

const struct step_type step_range_check = {.name = "range_check",
                                           .stage = STEP_POST,
                                           .open = open_ranges,
                                           .apply = apply_ranges};
