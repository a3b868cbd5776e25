/*
 * Step pooling (postprocess): one vector per text from the vectors of its
 * tokens.
 *
 *   tensor  output of the model, float [rows, tokens, width]
 *   method  mean: the mean over the tokens of the text
 *           cls:  the vector of the first token
 *           max:  the largest number of each column
 *   output  where it goes, see step_writes()
 *
 * Only the tokens that the text has count, with its special tokens; padding
 * never does.
 */
#include <math.h>
#include <string.h>

#include "step.h"

/* The vectors of one row's tokens. */
struct tokens {
    const float *data; /* [count, width] */
    size_t count, width;
};

typedef void pool_row(const struct tokens *tokens, float *out);

struct pooling {
    pool_row *pool;
    size_t tensor; /* model output */
    size_t to;     /* slot */
};

static void pool_mean(const struct tokens *tokens, float *out)
{
    float share = 1.0F / (float)tokens->count;

    memset(out, 0, tokens->width * sizeof(*out));
    for (size_t t = 0; t < tokens->count; t++) {
        const float *token = tokens->data + t * tokens->width;

        for (size_t i = 0; i < tokens->width; i++)
            out[i] += token[i];
    }
    for (size_t i = 0; i < tokens->width; i++)
        out[i] *= share;
}

static void pool_first(const struct tokens *tokens, float *out)
{
    memcpy(out, tokens->data, tokens->width * sizeof(*out));
}

static void pool_max(const struct tokens *tokens, float *out)
{
    pool_first(tokens, out);
    for (size_t t = 1; t < tokens->count; t++) {
        const float *token = tokens->data + t * tokens->width;

        for (size_t i = 0; i < tokens->width; i++)
            out[i] = fmaxf(out[i], token[i]);
    }
}

static const struct {
    const char *name;
    pool_row *pool;
} methods[] = {{"mean", pool_mean}, {"cls", pool_first}, {"max", pool_max}};

static bool open_method(const struct step_build *build, struct pooling *step,
                        struct error *err)
{
    const char *method = step_param(build, "method", err);

    if (!method)
        return false;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].name, method) == 0)
            step->pool = methods[i].pool;
    }
    return step->pool ||
           step_fail(build, err, "method '%s' is not mean, cls or max", method);
}

static bool open_pooling(struct step_build *build, void **state,
                         struct error *err)
{
    static const char *const known[] = {"tensor", "method", "output", NULL};
    const struct pipeline *pipeline = build->pipeline;
    struct pooling *step =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));
    const struct eng_port *port;

    if (!step)
        return call_no_memory(err);
    *state = step;
    if (!step_params_known(build, known, err) ||
        !step_tensor(build, "tensor", 3, &step->tensor, err) ||
        !open_method(build, step, err) || !step_param(build, "output", err))
        return false;
    if (!pipeline->counts_tokens)
        return step_fail(build, err, "no step before it counts tokens");
    port = eng_model_output(pipeline->model, step->tensor);
    return step_writes(build, port->rank == 3 ? port->dims[2] : WIDTH_UNKNOWN,
                       &step->to, err);
}

static bool pool_one(const struct pooling *step, struct pipeline_call *call,
                     size_t row, struct error *err)
{
    struct tokens tokens = {.count = call->marks[row].tokens};
    float *out = call->results[step->to].floats;

    tokens.data =
        call_token_vectors(call, step->tensor, row, &tokens.width, err);
    if (!tokens.data)
        return false;
    if (tokens.count == 0)
        return fail(err, ERR_INVALID_INPUT, "row %zu has no tokens", row);
    if (!out)
        out = call_floats(call, step->to, tokens.width, err);
    if (!out)
        return false;
    out += row * tokens.width;
    step->pool(&tokens, out);
    for (size_t i = 0; i < tokens.width; i++)
        if (!isfinite(out[i]))
            return fail(err, ERR_OUTPUT_INVALID,
                        "output '%s' of the model is not a finite number",
                        call->pipeline->slots[step->to].name);
    return true;
}

static bool apply_pooling(const void *state, struct pipeline_call *call,
                          struct error *err)
{
    const struct pooling *step = state;

    for (size_t row = 0; row < call->rows; row++) {
        if (!pool_one(step, call, row, err))
            return false;
    }
    return true;
}

const struct step_type step_pooling = {.name = "pooling",
                                       .stage = STEP_POST,
                                       .open = open_pooling,
                                       .apply = apply_pooling};
