/*
 * Model inputs that no step fills: the declared input of the same name, a
 * number or an array of numbers, goes in as it is. This is how a tabular model
 * runs without any step.
 */
#include <string.h>

#include "step.h"

/* The declared input that can feed this port, or NULL. */
static const struct bundle_input *feeder(const struct srv_bundle *bundle,
                                         const struct eng_port *port)
{
    const struct bundle_input *input = bundle_find_input(bundle, port->name);
    bool numeric =
        input && (input->type == BUNDLE_FLOATS || input->type == BUNDLE_FLOAT);

    return numeric && input->required && port->dtype == ENG_F32 &&
                   port->rank >= 0 && port->rank <= 2
               ? input
               : NULL;
}

bool feeds_bind(const struct step_build *build, struct error *err)
{
    struct pipeline *pipeline = build->pipeline;
    const struct bundle_signature *signature = &pipeline->bundle->signature;

    pipeline->feeds = arena_alloc(
        &pipeline->arena, signature->input_count * sizeof(*pipeline->feeds));
    if (!pipeline->feeds)
        return call_no_memory(err);
    for (size_t i = 0; i < signature->input_count; i++)
        pipeline->feeds[i] = -1;
    if (signature->input_count == 0) /* who has tensors brings all of them */
        return true;
    for (size_t i = 0; i < eng_model_input_count(pipeline->model); i++) {
        const struct eng_port *port = eng_model_input(pipeline->model, i);
        const struct bundle_input *input;

        if (build->feed_taken[i])
            continue;
        input = feeder(pipeline->bundle, port);
        if (!input)
            return fail(err, ERR_DOCUMENT_INVALID,
                        "nothing fills the model's input '%s': no pipeline "
                        "step, and no required numeric input of its name",
                        port->name);
        pipeline->feeds[input - signature->inputs] = (int)i;
    }
    return true;
}

/* [], [n] or [1, n], as the model wants it. */
static bool fill_one(struct pipeline_call *call,
                     const struct pipeline_value *value, int index,
                     struct error *err)
{
    const struct eng_port *port =
        eng_model_input(call->pipeline->model, (size_t)index);
    struct eng_tensor *feed = &call->feeds[index];
    bool is_number = value->kind == PIPELINE_NUMBER;
    size_t count = is_number ? 1 : value->floats.count;
    int64_t fixed = port->rank > 0 ? port->dims[port->rank - 1] : 1;
    float *data;

    if (fixed >= 0 && (uint64_t)fixed != count)
        return fail(err, ERR_VALIDATION_ERROR,
                    "data.%s has %zu numbers, expected %lld", value->name,
                    count, (long long)fixed);
    data = arena_alloc(call->arena, count * sizeof(*data));
    if (!data)
        return call_no_memory(err);
    if (is_number)
        *data = (float)value->number;
    else if (count > 0) /* an empty list may have no items at all */
        memcpy(data, value->floats.items, count * sizeof(*data));
    *feed =
        (struct eng_tensor){.dtype = ENG_F32, .rank = port->rank, .data = data};
    for (int d = 0; d < port->rank; d++)
        feed->dims[d] = d == port->rank - 1 ? (int64_t)count : 1;
    return true;
}

bool feeds_fill(struct pipeline_call *call, struct error *err)
{
    const struct pipeline *pipeline = call->pipeline;

    for (size_t i = 0; i < pipeline->bundle->signature.input_count; i++) {
        if (pipeline->feeds[i] >= 0 &&
            !fill_one(call, call->inputs[i].value, pipeline->feeds[i], err))
            return false;
    }
    return true;
}
