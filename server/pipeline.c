/*
 * Pipeline: builds the steps of a bundle.
 *
 * Building resolves every name once; what is left for a request is a walk over
 * arrays, in pipeline/run.c. What a step may use while it is built is in
 * pipeline/build.c, while it runs in pipeline/call.c.
 */
#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/step.h"

static const struct step_type *const step_types[] = {
#define STEP(name) &step_##name,
#include "pipeline.def"
#undef STEP
};

static const struct step_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof(step_types) / sizeof(step_types[0]); i++) {
        if (strcmp(step_types[i]->name, name) == 0)
            return step_types[i];
    }
    return NULL;
}

/* ---- building ---- */

static bool open_step(struct step_build *build, const struct bundle_step *step,
                      enum step_stage stage, struct error *err)
{
    struct pipeline *pipeline = build->pipeline;
    struct pipeline_step *made = &pipeline->steps[pipeline->step_count];
    const struct step_type *type = find_type(step->type);

    build->step = step;
    if (!type)
        return step_fail(build, err, "there is no step type '%s'", step->type);
    if (type->stage != stage)
        return step_fail(build, err, "'%s' belongs into %s", type->name,
                         type->stage == STEP_PRE ? "preprocess"
                                                 : "postprocess");
    if (!type->open(build, &made->state, err))
        return false;
    made->type = type;
    pipeline->step_count++;
    return true;
}

static bool open_steps(struct step_build *build, struct error *err)
{
    struct pipeline *pipeline = build->pipeline;
    const struct bundle_steps *pre = &pipeline->bundle->preprocess;
    const struct bundle_steps *post = &pipeline->bundle->postprocess;

    pipeline->steps = arena_zalloc(&pipeline->arena, pre->count + post->count,
                                   sizeof(*pipeline->steps));
    if (!pipeline->steps)
        return call_no_memory(err);
    for (size_t i = 0; i < pre->count; i++) {
        if (!open_step(build, &pre->items[i], STEP_PRE, err))
            return false;
    }
    pipeline->pre_count = pipeline->step_count;
    for (size_t i = 0; i < post->count; i++) {
        if (!open_step(build, &post->items[i], STEP_POST, err))
            return false;
    }
    return true;
}

/* What an input says of its tokens, or NULL. */
static const char *said_of_tokens(const struct bundle_input *input)
{
    if (input->parse_specials)
        return "specialTokens: parse";
    if (input->truncate)
        return "onExcess: annotate-truncated";
    return input->max_tokens ? "maxTokens" : NULL;
}

/* Somebody has to make the tokens. */
static bool check_tokenized(const struct step_build *build, struct error *err)
{
    const struct bundle_signature *signature =
        &build->pipeline->bundle->signature;

    for (size_t i = 0; i < signature->input_count; i++) {
        const char *said = said_of_tokens(&signature->inputs[i]);

        if (said && !build->tokenized[i])
            return fail(err, ERR_DOCUMENT_INVALID,
                        "input '%s' says %s, but no tokenize step reads it",
                        signature->inputs[i].name, said);
    }
    return true;
}

/* Rows one request may have: 1, or the batch size where a capability offers
 * batches, which only texts can be. */
static bool bind_rows(struct pipeline *pipeline, struct error *err)
{
    const struct srv_bundle *bundle = pipeline->bundle;
    bool batch = false;

    pipeline->rows_max = 1;
    for (size_t i = 0; i < bundle->capability_count; i++)
        batch = batch || bundle->capabilities[i].batch;
    if (!batch)
        return true;
    for (size_t i = 0; i < bundle->signature.input_count; i++) {
        const struct bundle_input *input = &bundle->signature.inputs[i];

        if (input->type != BUNDLE_TEXT)
            return fail(err, ERR_DOCUMENT_INVALID,
                        "a capability says batch: true, but input '%s' is no "
                        "text",
                        input->name);
    }
    if (bundle->serving.max_batch_size > 1)
        pipeline->rows_max = (size_t)bundle->serving.max_batch_size;
    return true;
}

/* A batch is large enough when products run at full speed: from some 100 rows
 * on they do. More only makes its requests wait for each other, and falls out of
 * the cache. */
static bool bind_batch(struct pipeline *pipeline, struct error *err)
{
    enum { ROWS_MAX = 64, TOKENS_MAX = 256 };
    size_t inputs = eng_model_input_count(pipeline->model);
    const struct bundle_serving *serving = &pipeline->bundle->serving;
    int64_t rows = serving->max_batch_size;

    eng_model_ragged(pipeline->model, &pipeline->ragged);
    pipeline->batch_rows =
        rows > 0 && rows < ROWS_MAX ? (size_t)rows : ROWS_MAX;
    pipeline->batch_tokens = TOKENS_MAX;
    pipeline->padding.length_max = SIZE_MAX;
    pipeline->padding.roles =
        arena_zalloc(&pipeline->arena, inputs, sizeof *pipeline->padding.roles);
    pipeline->padding.pads =
        arena_zalloc(&pipeline->arena, inputs, sizeof *pipeline->padding.pads);
    return (pipeline->padding.roles && pipeline->padding.pads) ||
           call_no_memory(err);
}

bool pipeline_batches(const struct pipeline *pipeline)
{
    return (pipeline->ragged.possible ||
            pipeline->padding.state == PADDING_TAKEN) &&
           pipeline->counts_tokens && pipeline->batch_rows > 1;
}

const char *pipeline_batching(const struct pipeline *pipeline,
                              const char **reason)
{
    *reason = "";
    if (!pipeline->counts_tokens)
        return "none";
    if (pipeline->ragged.possible)
        return "packed";
    if (pipeline->padding.state == PADDING_TAKEN)
        *reason = pipeline->ragged.reason;
    else
        *reason = pipeline->padding.reason;
    return pipeline->padding.state == PADDING_TAKEN ? "padded" : "none";
}

static bool build_all(struct pipeline *pipeline, struct error *err)
{
    struct step_build build = {.pipeline = pipeline};

    build.feed_taken = arena_zalloc(&pipeline->arena,
                                    eng_model_input_count(pipeline->model), 1);
    build.tokenized = arena_zalloc(&pipeline->arena,
                                   pipeline->bundle->signature.input_count, 1);
    if (!build.feed_taken || !build.tokenized)
        return call_no_memory(err);
    return bind_batch(pipeline, err) && bind_rows(pipeline, err) &&
           slots_bind(pipeline, pipeline->bundle->postprocess.count, err) &&
           open_steps(&build, err) && check_tokenized(&build, err) &&
           feeds_bind(&build, err) && slots_check(pipeline, err);
}

struct pipeline *pipeline_open(const struct srv_bundle *bundle,
                               struct eng_model *model, struct error *err)
{
    struct pipeline *pipeline = calloc(1, sizeof(*pipeline));

    if (!pipeline) {
        (void)call_no_memory(err);
        return NULL;
    }
    arena_init(&pipeline->arena, 0);
    pipeline->bundle = bundle;
    pipeline->model = model;
    if (build_all(pipeline, err))
        return pipeline;
    pipeline_close(pipeline);
    return NULL;
}

size_t pipeline_rows_max(const struct pipeline *pipeline)
{
    return pipeline->rows_max;
}

void pipeline_close(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    for (size_t i = 0; i < pipeline->step_count; i++) {
        const struct pipeline_step *step = &pipeline->steps[i];

        if (step->type->close)
            step->type->close(step->state);
    }
    arena_release(&pipeline->arena);
    free(pipeline);
}
