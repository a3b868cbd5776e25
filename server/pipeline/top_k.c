/*
 * Step top_k (postprocess): the labels of the largest numbers of each row, the
 * largest first.
 *
 *   value               as vectors.h
 *   labels, labelsFile  names of the elements, see vectors.h
 *   k                   how many; all of them if there are fewer
 *   top                 array<string> output that receives the names
 *   scores              array<float> output that receives the numbers; optional
 *
 * Equal numbers keep the order of their labels.
 */
#include <stdlib.h>

#include "vectors.h"

enum { K_MAX = 1000 };

struct top_k {
    struct bundle_strings labels;
    size_t value, top, scores; /* slots */
    size_t k;
    bool has_scores;
};

static bool open_k(const struct step_build *build, struct top_k *step,
                   struct error *err)
{
    int64_t k = doc_integer(doc_get(build->step->parameters, "k"), 0);

    if (k < 1 || k > K_MAX)
        return step_fail(build, err, "parameter 'k' must be from 1 to %d",
                         K_MAX);
    step->k = (size_t)k < step->labels.count ? (size_t)k : step->labels.count;
    return true;
}

static bool open_top_k(struct step_build *build, void **state,
                       struct error *err)
{
    static const char *const known[] = {"value", "labels", "labelsFile", "k",
                                        "top",   "scores", NULL};
    struct top_k *step =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));

    if (!step)
        return call_no_memory(err);
    *state = step;
    step->has_scores = doc_get(build->step->parameters, "scores") != NULL;
    return step_params_known(build, known, err) &&
           step_reads(build, &step->value, err) &&
           vectors_labels(build, step->value, &step->labels, err) &&
           open_k(build, step, err) &&
           step_claim_result(build, "top", BUNDLE_STRINGS, &step->top, err) &&
           (!step->has_scores ||
            step_claim_result(build, "scores", BUNDLE_FLOATS, &step->scores,
                              err));
}

struct ranked {
    float number;
    size_t index;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;

    if (left->number > right->number)
        return -1;
    if (left->number < right->number)
        return 1;
    return left->index < right->index ? -1 : 1;
}

static bool rank_row(const struct top_k *step, struct pipeline_call *call,
                     const float *items, char **names, float *scores,
                     struct error *err)
{
    size_t count = step->labels.count;
    struct ranked *ranked;

    arena_reset(call->scratch);
    ranked = arena_zalloc(call->scratch, count, sizeof(*ranked));
    if (!ranked)
        return call_no_memory(err);
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){items[i], i};
    qsort(ranked, count, sizeof(*ranked), compare);
    for (size_t i = 0; i < step->k; i++) {
        names[i] =
            arena_strdup(call->arena, step->labels.items[ranked[i].index]);
        if (!names[i])
            return call_no_memory(err);
        if (scores)
            scores[i] = ranked[i].number;
    }
    return true;
}

static bool apply_top_k(const void *state, struct pipeline_call *call,
                        struct error *err)
{
    const struct top_k *step = state;
    size_t k = step->k;
    char **names = arena_zalloc(call->arena, call->rows * k, sizeof(*names));
    float *scores = NULL;

    if (!names)
        return call_no_memory(err);
    if (step->has_scores) {
        scores = call_floats(call, step->scores, k, err);
        if (!scores)
            return false;
    }
    for (size_t row = 0; row < call->rows; row++) {
        const float *items =
            vectors_labelled(call, step->value, row, &step->labels, err);

        if (!items || !rank_row(step, call, items, names + row * k,
                                scores ? scores + row * k : NULL, err))
            return false;
    }
    call->results[step->top] = (struct call_result){.texts = names, .width = k};
    return true;
}

const struct step_type step_top_k = {.name = "top_k",
                                     .stage = STEP_POST,
                                     .open = open_top_k,
                                     .apply = apply_top_k};
