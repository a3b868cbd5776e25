/*
 * Step argmax (postprocess): the label of the largest number of each row.
 *
 *   value               as vectors.h
 *   labels, labelsFile  names of the elements, see vectors.h
 *   label               string output that receives the name
 *   score               float output that receives the number; optional
 *
 * Of equal numbers the first one is taken.
 */
#include "vectors.h"

struct argmax {
    struct bundle_strings labels;
    size_t value, label, score; /* slots */
    bool has_score;
};

static bool open_argmax(struct step_build *build, void **state,
                        struct error *err)
{
    static const char *const known[] = {"value", "labels", "labelsFile",
                                        "label", "score",  NULL};
    struct argmax *step =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));

    if (!step)
        return call_no_memory(err);
    *state = step;
    step->has_score = doc_get(build->step->parameters, "score") != NULL;
    return step_params_known(build, known, err) &&
           step_reads(build, &step->value, err) &&
           vectors_labels(build, step->value, &step->labels, err) &&
           step_claim_result(build, "label", BUNDLE_STRING, &step->label,
                             err) &&
           (!step->has_score ||
            step_claim_result(build, "score", BUNDLE_FLOAT, &step->score, err));
}

static size_t largest(const float *items, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        best = items[i] > items[best] ? i : best;
    return best;
}

static bool apply_argmax(const void *state, struct pipeline_call *call,
                         struct error *err)
{
    const struct argmax *step = state;
    char **names = arena_zalloc(call->arena, call->rows, sizeof(*names));
    float *scores = NULL;

    if (!names)
        return call_no_memory(err);
    if (step->has_score) {
        scores = call_floats(call, step->score, 1, err);
        if (!scores)
            return false;
    }
    for (size_t row = 0; row < call->rows; row++) {
        const float *items =
            vectors_labelled(call, step->value, row, &step->labels, err);
        size_t best;

        if (!items)
            return false;
        best = largest(items, step->labels.count);
        names[row] = arena_strdup(call->arena, step->labels.items[best]);
        if (!names[row])
            return call_no_memory(err);
        if (scores)
            scores[row] = items[best];
    }
    call->results[step->label] =
        (struct call_result){.texts = names, .width = 1};
    return true;
}

const struct step_type step_argmax = {.name = "argmax",
                                      .stage = STEP_POST,
                                      .open = open_argmax,
                                      .apply = apply_argmax};
