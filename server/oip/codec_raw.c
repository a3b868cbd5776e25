/*
 * A raw binary request: no JSON, the body is the tensor of the model's only
 * input, and all outputs come back as binary data.
 *
 * The shape is the model's; one dimension may be open, the size tells it.
 */
#include <string.h>

#include "codec.h"

/* The model that the URL names; there is no message yet. */
static const struct srv_app *find_model(struct srv_call *call,
                                        struct error *err)
{
    const char *name = call->binds[0];
    const char *version = call->op->bind_count > 1 ? call->binds[1] : NULL;

    return oip_model(call, name, version, err);
}

/* Elements in the body; false if it is not a whole number of them. */
static bool count_elements(const struct eng_port *port,
                           const struct oip_bytes *body, size_t *count)
{
    size_t each = eng_dtype_size(port->dtype);
    size_t at = 0;

    *count = 0;
    if (port->dtype != ENG_STRING) {
        *count = body->size / each;
        return body->size % each == 0;
    }
    while (body->size - at >= sizeof(uint32_t)) {
        uint32_t size;

        memcpy(&size, body->data + at, sizeof size);
        at += sizeof size;
        if (size > body->size - at)
            return false;
        at += size;
        ++*count;
    }
    return at == body->size;
}

/* The model's dimensions with the open one filled in. */
static bool find_shape(const struct eng_port *port, size_t count,
                       int64_t dims[ENG_RANK_MAX])
{
    size_t product = 1;
    int open = -1;

    for (int i = 0; i < port->rank; i++) {
        dims[i] = port->dims[i];
        if (dims[i] < 0 && open >= 0)
            return false;
        if (dims[i] < 0)
            open = i;
        else if (dims[i] > 0 && product > SIZE_MAX / (size_t)dims[i])
            return false;
        else
            product *= (size_t)dims[i];
    }
    if (port->rank < 0)
        return false;
    if (open < 0)
        return product == count;
    if (product == 0 || count % product != 0)
        return false;
    dims[open] = (int64_t)(count / product);
    return true;
}

static bool ask_for_binary(struct srv_call *call,
                           struct oip_model_infer_request *to)
{
    struct oip_model_infer_request_parameters_entry *entry =
        arena_alloc(&call->arena, sizeof *entry);

    to->parameters = arena_zalloc(&call->arena, 1, sizeof *to->parameters);
    if (!entry || !to->parameters)
        return false;
    oip_model_infer_request_parameters_entry_init(entry);
    entry->key = arena_strdup(&call->arena, "binary_data_output");
    entry->value = oip_infer_parameter_new(&call->arena);
    if (!entry->key || !entry->value)
        return false;
    oip_infer_parameter_set_bool_param(entry->value, true);
    to->parameters[to->n_parameters++] = entry;
    return true;
}

bool oip_raw_read(struct srv_call *call, const struct oip_bytes *body,
                  struct oip_model_infer_request *to, struct error *err)
{
    const struct srv_app *app = find_model(call, err);
    struct oip_model_infer_request_infer_input_tensor *input =
        oip_model_infer_request_infer_input_tensor_new(&call->arena);
    const struct eng_port *port;
    size_t count;

    if (!app || !app_takes(app, call, err))
        return false;
    port = eng_model_input(app->model, 0);
    if (eng_model_input_count(app->model) != 1)
        return fail(err, ERR_VALIDATION_ERROR,
                    "a body without JSON is for models with one input");
    if (!input)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
    input->shape =
        arena_alloc(&call->arena, ENG_RANK_MAX * sizeof *input->shape);
    input->name = arena_strdup(&call->arena, port->name);
    input->datatype = arena_strdup(&call->arena, oip_dtype_name(port->dtype));
    if (!input->shape || !input->name || !input->datatype ||
        !ask_for_binary(call, to))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
    if (!count_elements(port, body, &count) ||
        !find_shape(port, count, input->shape))
        return fail(err, ERR_VALIDATION_ERROR,
                    "the size of the body fits no shape of input '%.80s'",
                    port->name);
    input->n_shape = (size_t)port->rank;
    to->inputs[to->n_inputs++] = input;
    to->raw_input_contents[0].len = body->size;
    memcpy(&to->raw_input_contents[0].data, &body->data, sizeof body->data);
    to->n_raw_input_contents = 1;
    return true;
}
