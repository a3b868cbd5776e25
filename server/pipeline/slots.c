/*
 * Slots at load: which values there are between the model and the answer, what
 * fills each, and which of them a step reads and writes.
 *
 * The declared outputs come first. A step that reads a tensor of the model, or
 * leaves a value that is no output, adds a slot behind them; a request then
 * finds all of them in one array.
 */
#include <string.h>

#include "ports.h"
#include "step.h"

/* A step reads at most one tensor and leaves at most one value. */
enum { SLOTS_PER_STEP = 2 };

/* ---- ports ---- */

/* Elements of a row of [rows, n] or [n]; a tensor of higher rank has as many as
 * its dimensions behind the first say. A fixed first dimension counts no rows. */
static int64_t row_width(const struct eng_port *port)
{
    int64_t width = 1;

    if (port->rank < 0)
        return WIDTH_UNKNOWN;
    for (int d = port->rank > 1 && port->dims[0] < 0; d < port->rank; d++) {
        int64_t dim = port->dims[d];

        if (dim < 0 || (dim > 0 && width > INT32_MAX / dim))
            return WIDTH_UNKNOWN;
        width *= dim;
    }
    return width;
}

/* ---- declared outputs ---- */

static bool bad_output(struct error *err, const struct pipeline_slot *slot,
                       const char *what, const char *name)
{
    return fail(err, ERR_DOCUMENT_INVALID, "output '%s': %s '%s'", slot->name,
                what, name);
}

/* A row has the length that the output declares, and a number is one. */
static bool check_width(const struct pipeline_slot *slot, int64_t width,
                        struct error *err)
{
    if (width == WIDTH_UNKNOWN || slot->length == 0 || width == slot->length)
        return true;
    return fail(err, ERR_DOCUMENT_INVALID,
                "output '%s' takes %lld numbers, there are %lld", slot->name,
                (long long)slot->length, (long long)width);
}

/* Numbers of any type become floats, strings texts. */
static bool holds(enum bundle_type type, enum eng_dtype dtype)
{
    bool texts = type == BUNDLE_STRING || type == BUNDLE_STRINGS;
    bool numbers = type == BUNDLE_FLOAT || type == BUNDLE_FLOATS;

    return dtype == ENG_STRING ? texts : numbers;
}

static bool bind_tensor(const struct pipeline *pipeline,
                        const struct bundle_output *output,
                        struct pipeline_slot *slot, struct error *err)
{
    const struct eng_port *port;
    size_t i;

    if (!ports_output(pipeline->model, output->from_tensor, &i))
        return bad_output(err, slot, "the model has no tensor",
                          output->from_tensor);
    port = eng_model_output(pipeline->model, i);
    if (!holds(slot->type, port->dtype))
        return bad_output(err, slot, "its type cannot hold the tensor's",
                          eng_dtype_name(port->dtype));
    if (slot->type == BUNDLE_FLOAT && port->rank > 0 &&
        port->dims[port->rank - 1] >= 0 &&
        output->from_index >= port->dims[port->rank - 1])
        return bad_output(err, slot, "its index is outside the tensor",
                          port->name);
    slot->kind = FROM_TENSOR;
    slot->from = i;
    if (slot->type == BUNDLE_FLOAT || slot->type == BUNDLE_STRING)
        return true;
    slot->width = row_width(port);
    return check_width(slot, slot->width, err);
}

static bool bind_input(struct pipeline *pipeline,
                       const struct bundle_output *output,
                       struct pipeline_slot *slot, struct error *err)
{
    const struct bundle_input *input =
        bundle_find_input(pipeline->bundle, output->from_input);

    if (!input || input->type != BUNDLE_TEXT || !input->required ||
        output->type != BUNDLE_STRING)
        return bad_output(err, slot,
                          "only a required text can be repeated as a string, "
                          "not",
                          output->from_input);
    pipeline->reads_texts = true;
    slot->kind = FROM_INPUT;
    slot->from = (size_t)(input - pipeline->bundle->signature.inputs);
    return true;
}

bool slots_bind(struct pipeline *pipeline, size_t step_count, struct error *err)
{
    const struct bundle_signature *signature = &pipeline->bundle->signature;

    pipeline->slots = arena_zalloc(
        &pipeline->arena, signature->output_count + SLOTS_PER_STEP * step_count,
        sizeof(*pipeline->slots));
    if (!pipeline->slots)
        return call_no_memory(err);
    pipeline->slot_count = signature->output_count;
    for (size_t i = 0; i < signature->output_count; i++) {
        const struct bundle_output *output = &signature->outputs[i];
        struct pipeline_slot *slot = &pipeline->slots[i];
        bool is_list =
            output->type == BUNDLE_FLOATS || output->type == BUNDLE_STRINGS;

        *slot = (struct pipeline_slot){.name = output->name,
                                       .type = output->type,
                                       .index = output->from_index,
                                       .width = is_list ? WIDTH_UNKNOWN : 1,
                                       .length = is_list ? output->length : 1};
        if (*output->from_tensor && !bind_tensor(pipeline, output, slot, err))
            return false;
        if (*output->from_input && !bind_input(pipeline, output, slot, err))
            return false;
    }
    return true;
}

bool slots_check(const struct pipeline *pipeline, struct error *err)
{
    for (size_t i = 0; i < pipeline->slot_count; i++) {
        if (pipeline->slots[i].kind == FROM_NOWHERE)
            return fail(err, ERR_DOCUMENT_INVALID,
                        "nothing fills output '%s': it has no `from`, and no "
                        "pipeline step names it",
                        pipeline->slots[i].name);
    }
    return true;
}

/* ---- what steps name ---- */

/* The declared output that parameter `key` names, or NULL. */
static const struct bundle_output *output_of(const struct step_build *build,
                                             const char *key, size_t *slot,
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
        *slot = (size_t)(output - bundle->signature.outputs);
    return output;
}

bool step_claim_result(const struct step_build *build, const char *key,
                       enum bundle_type type, size_t *slot, struct error *err)
{
    const struct bundle_output *output = output_of(build, key, slot, err);
    struct pipeline_slot *claimed;

    if (!output)
        return false;
    claimed = &build->pipeline->slots[*slot];
    if (output->type != type)
        return step_fail(build, err, "output '%s' is %s, expected %s",
                         output->name, bundle_type_name(output->type),
                         bundle_type_name(type));
    if (claimed->kind != FROM_NOWHERE)
        return step_fail(build, err, "output '%s' is filled by another",
                         output->name);
    claimed->kind = FROM_STEP;
    return true;
}

bool step_number(const struct step_build *build, const char *key, size_t *slot,
                 struct error *err)
{
    const struct bundle_output *output = output_of(build, key, slot, err);

    if (!output)
        return false;
    return (output->type == BUNDLE_FLOAT &&
            build->pipeline->slots[*slot].kind != FROM_NOWHERE) ||
           step_fail(build, err, "output '%s' is no number of the model",
                     output->name);
}

bool step_tensor(const struct step_build *build, const char *key, int rank,
                 size_t *index, struct error *err)
{
    const struct eng_model *model = build->pipeline->model;
    const char *name = step_param(build, key, err);
    const struct eng_port *port;

    if (!name)
        return false;
    if (!ports_output(model, name, index))
        return step_fail(build, err, "the model has no output '%s'", name);
    port = eng_model_output(model, *index);
    if (port->dtype != ENG_F32)
        return step_fail(build, err,
                         "the model's output '%s' is %s, expected float32",
                         name, eng_dtype_name(port->dtype));
    return port->rank == rank || port->rank < 0 ||
           step_fail(build, err,
                     "the model's output '%s' has rank %d, expected %d", name,
                     port->rank, rank);
}

/* The slot of this name, the count of slots if there is none. */
static size_t find_slot(const struct pipeline *pipeline, const char *name)
{
    size_t i = 0;

    while (i < pipeline->slot_count &&
           strcmp(pipeline->slots[i].name, name) != 0)
        i++;
    return i;
}

static size_t add_slot(struct pipeline *pipeline, struct pipeline_slot slot)
{
    pipeline->slots[pipeline->slot_count] = slot;
    return pipeline->slot_count++;
}

/* A slot for the model's output of this name. */
static bool read_tensor(const struct step_build *build, const char *name,
                        size_t *slot, struct error *err)
{
    struct pipeline *pipeline = build->pipeline;
    const struct eng_port *port;
    size_t index;

    if (!ports_output(pipeline->model, name, &index))
        return step_fail(build, err,
                         "there is no value '%s' before this step: no output "
                         "that is filled, no value of an earlier step, and no "
                         "tensor of the model",
                         name);
    port = eng_model_output(pipeline->model, index);
    if (port->dtype != ENG_F32)
        return step_fail(build, err, "the tensor '%s' is %s, expected float32",
                         name, eng_dtype_name(port->dtype));
    *slot =
        add_slot(pipeline, (struct pipeline_slot){.name = name,
                                                  .type = BUNDLE_FLOATS,
                                                  .kind = FROM_TENSOR,
                                                  .from = index,
                                                  .width = row_width(port)});
    return true;
}

bool step_reads(const struct step_build *build, size_t *slot, struct error *err)
{
    const struct pipeline *pipeline = build->pipeline;
    const char *name = step_param(build, "value", err);
    const struct pipeline_slot *found;

    if (!name)
        return false;
    *slot = find_slot(pipeline, name);
    found = &pipeline->slots[*slot];
    if (*slot == pipeline->slot_count || found->kind == FROM_NOWHERE)
        return read_tensor(build, name, slot, err);
    return found->type == BUNDLE_FLOAT || found->type == BUNDLE_FLOATS ||
           step_fail(build, err, "'%s' is %s, expected numbers", name,
                     bundle_type_name(found->type));
}

bool step_writes(const struct step_build *build, int64_t width, size_t *slot,
                 struct error *err)
{
    struct pipeline *pipeline = build->pipeline;
    const char *name =
        doc_string(doc_get(build->step->parameters, "output"), NULL);
    struct pipeline_slot *found;

    if (!name)
        return !doc_get(build->step->parameters, "output") ||
               step_fail(build, err, "parameter 'output' is no text");
    *slot = find_slot(pipeline, name);
    if (*slot == pipeline->slot_count) {
        *slot = add_slot(pipeline, (struct pipeline_slot){.name = name,
                                                          .type = BUNDLE_FLOATS,
                                                          .kind = FROM_STEP,
                                                          .width = width});
        return true;
    }
    found = &pipeline->slots[*slot];
    if (found->type != BUNDLE_FLOAT && found->type != BUNDLE_FLOATS)
        return step_fail(build, err, "output '%s' is %s, expected numbers",
                         name, bundle_type_name(found->type));
    if (found->kind != FROM_NOWHERE)
        return step_fail(build, err, "'%s' is filled by another", name);
    found->kind = FROM_STEP;
    if (found->type == BUNDLE_FLOATS)
        found->width = width;
    return check_width(found, width, err);
}
