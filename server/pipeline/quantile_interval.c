/*
 * Step quantile_interval (postprocess): an interval must contain its value.
 *
 *   low, mid, high  outputs that the model gives
 *
 *   errors  ERR_OUTPUT_INVALID: not low <= mid <= high
 */
#include "step.h"

struct interval {
    size_t low, mid, high; /* declared outputs */
};

static bool open_interval(struct step_build *build, void **state,
                          struct error *err)
{
    static const char *const known[] = {"low", "mid", "high", NULL};
    struct interval *interval =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*interval));

    if (!interval)
        return call_no_memory(err);
    *state = interval;
    return step_params_known(build, known, err) &&
           step_number(build, "low", &interval->low, err) &&
           step_number(build, "mid", &interval->mid, err) &&
           step_number(build, "high", &interval->high, err);
}

static bool apply_interval(const void *state, struct pipeline_call *call,
                           struct error *err)
{
    const struct interval *interval = state;

    for (size_t row = 0; row < call->rows; row++) {
        double low = (double)call->results[interval->low].floats[row];
        double mid = (double)call->results[interval->mid].floats[row];
        double high = (double)call->results[interval->high].floats[row];

        if (!(low <= mid && mid <= high))
            return fail(err, ERR_OUTPUT_INVALID,
                        "the model's interval %g ... %g does not contain its "
                        "value %g",
                        low, high, mid);
    }
    return true;
}

const struct step_type step_quantile_interval = {.name = "quantile_interval",
                                                 .stage = STEP_POST,
                                                 .open = open_interval,
                                                 .apply = apply_interval};
