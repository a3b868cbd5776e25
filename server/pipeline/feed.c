/*
 * Step feed (preprocess): a declared input as a tensor of the model, whatever
 * its name, type and rank are.
 *
 *   input   required number, array of numbers or array of texts
 *   tensor  model input: any type of numbers, bool (0 = false), or strings
 *   shape   its dimensions, where the array's length does not say them: a list
 *           with at most one -1
 *
 * Without `shape`, the first of several dimensions is 1 if the model leaves it
 * open, and one more open dimension follows from the length of the array.
 *
 *   errors  ERR_VALIDATION_ERROR: a number of elements that fits no shape, or a
 *           number that the tensor's type cannot hold
 */
#include <string.h>

#include "numbers.h"
#include "step.h"

struct feed {
    const struct bundle_input *input;
    size_t tensor; /* model input */
    int rank;
    int64_t dims[ENG_RANK_MAX]; /* -1 = follows from the length */
};

/* --- while the pipeline is built --- */

static const struct bundle_input *find_input(const struct step_build *build,
                                             struct error *err)
{
    const char *name = step_param(build, "input", err);
    const struct bundle_input *input =
        name ? bundle_find_input(build->pipeline->bundle, name) : NULL;
    bool fits = input && input->required &&
                (input->type == BUNDLE_FLOAT || input->type == BUNDLE_FLOATS ||
                 input->type == BUNDLE_STRINGS);

    if (name && !fits)
        (void)step_fail(build, err,
                        "'%s' is no required input of numbers or texts", name);
    return fits ? input : NULL;
}

static bool read_shape(const struct step_build *build, struct feed *step,
                       struct error *err)
{
    const struct doc_node *list = doc_get(build->step->parameters, "shape");

    if (!list)
        return true;
    if (list->type != DOC_LIST || list->size > ENG_RANK_MAX ||
        (step->rank >= 0 && (size_t)step->rank != list->size))
        return step_fail(build, err, "'shape' is not a list of %d dimensions",
                         step->rank < 0 ? ENG_RANK_MAX : step->rank);
    step->rank = (int)list->size;
    for (int d = 0; d < step->rank; d++) {
        step->dims[d] = doc_integer(list->items[d], -2);
        if (step->dims[d] < -1 || step->dims[d] > INT32_MAX)
            return step_fail(build, err, "'shape' has the dimension '%s'",
                             list->items[d]->text);
    }
    return true;
}

static bool check_shape(const struct step_build *build, struct feed *step,
                        struct error *err)
{
    int open = 0;

    if (step->rank < 0)
        return step_fail(build, err,
                         "the model does not say the shape of "
                         "its input: 'shape' must");
    for (int d = 0; d < step->rank; d++)
        open += step->dims[d] < 0;
    return open <= 1 || step_fail(build, err,
                                  "%d dimensions are open: 'shape' must leave "
                                  "one at most",
                                  open);
}

static bool open_feed(struct step_build *build, void **state, struct error *err)
{
    static const char *const known[] = {"input", "tensor", "shape", NULL};
    struct feed *step = arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));
    const struct eng_port *port;

    if (!step)
        return call_no_memory(err);
    *state = step;
    if (!step_params_known(build, known, err))
        return false;
    step->input = find_input(build, err);
    if (!step->input || !step_claim_port(build, "tensor", &step->tensor, err))
        return false;
    port = eng_model_input(build->pipeline->model, step->tensor);
    if ((port->dtype == ENG_STRING) != (step->input->type == BUNDLE_STRINGS))
        return step_fail(build, err, "input '%s' is %s, the tensor %s",
                         step->input->name, bundle_type_name(step->input->type),
                         eng_dtype_name(port->dtype));
    step->rank = port->rank;
    for (int d = 0; d < port->rank; d++)
        step->dims[d] = port->dims[d];
    if (port->rank > 1 && port->dims[0] < 0)
        step->dims[0] = 1;
    return read_shape(build, step, err) && check_shape(build, step, err);
}

/* --- while a request runs --- */

static bool set_shape(const struct feed *step, size_t count,
                      struct eng_tensor *tensor, struct error *err)
{
    int64_t fixed = 1;
    int open = -1;

    for (int d = 0; d < step->rank; d++) {
        tensor->dims[d] = step->dims[d];
        if (step->dims[d] < 0)
            open = d;
        else if (__builtin_mul_overflow(fixed, step->dims[d], &fixed))
            return fail(err, ERR_VALIDATION_ERROR, "data.%s is too large",
                        step->input->name);
    }
    tensor->rank = step->rank;
    if (open >= 0 && fixed > 0 && count % (size_t)fixed == 0) {
        tensor->dims[open] = (int64_t)count / fixed;
        return true;
    }
    if (open < 0 && (size_t)fixed == count)
        return true;
    return fail(err, ERR_VALIDATION_ERROR,
                "data.%s has %zu elements, expected %s%lld", step->input->name,
                count, open < 0 ? "" : "a multiple of ", (long long)fixed);
}

static bool put_numbers(const struct feed *step,
                        const struct pipeline_value *value,
                        const struct eng_tensor *tensor, size_t count,
                        struct error *err)
{
    size_t size = eng_dtype_size(tensor->dtype);

    for (size_t i = 0; i < count; i++) {
        double number = value->kind == PIPELINE_NUMBER
                            ? value->number
                            : (double)value->floats.items[i];

        if (!numbers_put(tensor->dtype, number,
                         (char *)tensor->data + i * size))
            return fail(err, ERR_VALIDATION_ERROR,
                        "data.%s: %g at %zu is no %s", step->input->name,
                        number, i, eng_dtype_name(tensor->dtype));
    }
    return true;
}

static void put_texts(const struct pipeline_value *value,
                      const struct eng_tensor *tensor)
{
    struct eng_string *strings = tensor->data;

    for (size_t i = 0; i < value->strings.count; i++)
        strings[i] = (struct eng_string){value->strings.items[i],
                                         strlen(value->strings.items[i])};
}

static bool apply_feed(const void *state, struct pipeline_call *call,
                       struct error *err)
{
    const struct feed *step = state;
    const struct pipeline *pipeline = call->pipeline;
    const struct bundle_input *inputs = pipeline->bundle->signature.inputs;
    const struct pipeline_value *value =
        call->inputs[step->input - inputs].value;
    struct eng_tensor *tensor = &call->feeds[step->tensor];
    size_t count = value->kind == PIPELINE_NUMBER    ? 1
                   : value->kind == PIPELINE_STRINGS ? value->strings.count
                                                     : value->floats.count;

    tensor->dtype = eng_model_input(pipeline->model, step->tensor)->dtype;
    if (!set_shape(step, count, tensor, err))
        return false;
    tensor->data =
        arena_zalloc(call->arena, count + 1, eng_dtype_size(tensor->dtype));
    if (!tensor->data)
        return call_no_memory(err);
    if (tensor->dtype != ENG_STRING)
        return put_numbers(step, value, tensor, count, err);
    put_texts(value, tensor);
    return true;
}

const struct step_type step_feed = {
    .name = "feed", .stage = STEP_PRE, .open = open_feed, .apply = apply_feed};
