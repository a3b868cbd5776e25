/*
 * Outputs: which are wanted, and the model's tensors as raw contents.
 */
#include "oip.h"

#include <string.h>

#include "ports.h"

/* What an output may ask for and this server does not do. */
static bool check_offered(
    const struct oip_model_infer_request_infer_requested_output_tensor *output,
    struct error *err)
{
    static const char *const absent[] = {"classification",
                                         "shared_memory_region"};

    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (oip_parameter(
                &oip_model_infer_request_infer_requested_output_tensor_def,
                output, absent[i]))
            return fail(err, ERR_NOT_IMPLEMENTED,
                        "output '%.80s': %s is not offered", output->name,
                        absent[i]);
    return true;
}

bool oip_outputs_wanted(struct srv_call *call, const struct eng_model *model,
                        const struct oip_model_infer_request *request,
                        struct oip_wanted *wanted, struct error *err)
{
    size_t all = eng_model_output_count(model);
    size_t room = request->n_outputs > all ? request->n_outputs : all;
    size_t *list = arena_zalloc(&call->arena, room + 1, sizeof *list);
    bool *taken = arena_zalloc(&call->arena, all + 1, sizeof *taken);

    if (!list || !taken)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
    wanted->indexes = list;
    wanted->count = request->n_outputs ? request->n_outputs : all;
    for (size_t i = 0; i < all; i++)
        list[i] = i;
    for (size_t i = 0; i < request->n_outputs; i++) {
        const char *name =
            request->outputs[i]->name ? request->outputs[i]->name : "";

        if (!ports_output(model, name, &list[i]))
            return fail(err, ERR_VALIDATION_ERROR,
                        "output '%.80s' is not an output of the model", name);
        if (taken[list[i]])
            return fail(err, ERR_VALIDATION_ERROR,
                        "output '%.80s' is asked for twice", name);
        taken[list[i]] = true;
        if (!check_offered(request->outputs[i], err))
            return false;
    }
    return true;
}

/* Strings with their lengths before them; NULL without memory. */
static uint8_t *join_strings(const struct eng_tensor *tensor, size_t count,
                             struct arena *arena, size_t *size)
{
    const struct eng_string *strings = tensor->data;
    uint8_t *bytes, *at;

    *size = 0;
    for (size_t i = 0; i < count; i++)
        *size += sizeof(uint32_t) + strings[i].size;
    bytes = at = arena_alloc(arena, *size);
    for (size_t i = 0; bytes && i < count; i++) {
        uint32_t length = (uint32_t)strings[i].size;

        memcpy(at, &length, sizeof length);
        if (length)
            memcpy(at + sizeof length, strings[i].text, length);
        at += sizeof length + length;
    }
    return bytes;
}

static bool set_raw(const struct eng_tensor *tensor, struct arena *arena,
                    ProtobufCBinaryData *raw)
{
    if (tensor->dtype == ENG_STRING) {
        raw->data = join_strings(tensor, (size_t)eng_tensor_count(tensor),
                                 arena, &raw->len);
        return raw->data != NULL;
    }
    raw->data = tensor->data;
    raw->len = eng_tensor_size(tensor);
    return true;
}

static bool add(struct srv_call *call, const char *name,
                const struct eng_tensor *tensor,
                struct oip_model_infer_response *reply)
{
    struct oip_model_infer_response_infer_output_tensor *to =
        oip_model_infer_response_infer_output_tensor_new(&call->arena);

    if (!to)
        return false;
    to->name = arena_strdup(&call->arena, name);
    to->datatype = arena_strdup(&call->arena, oip_dtype_name(tensor->dtype));
    to->n_shape = (size_t)tensor->rank;
    to->shape = arena_alloc(&call->arena, to->n_shape * sizeof tensor->dims[0]);
    if (!to->name || !to->datatype || !to->shape)
        return false;
    memcpy(to->shape, tensor->dims, to->n_shape * sizeof tensor->dims[0]);
    reply->outputs[reply->n_outputs++] = to;
    return set_raw(tensor, &call->arena,
                   &reply->raw_output_contents[reply->n_raw_output_contents++]);
}

bool oip_outputs(struct srv_call *call, const struct eng_model *model,
                 const struct eng_tensor *outputs,
                 const struct oip_wanted *wanted,
                 struct oip_model_infer_response *reply, struct error *err)
{
    const size_t *indexes = wanted->indexes;
    size_t count = wanted->count;

    reply->outputs =
        arena_zalloc(&call->arena, count + 1, sizeof *reply->outputs);
    reply->raw_output_contents = arena_zalloc(
        &call->arena, count + 1, sizeof *reply->raw_output_contents);
    for (size_t i = 0; i < count; i++)
        if (!reply->outputs || !reply->raw_output_contents ||
            !add(call, eng_model_output(model, indexes[i])->name,
                 &outputs[indexes[i]], reply))
            return fail(err, ERR_OUT_OF_MEMORY,
                        "no memory left for the answer");
    return true;
}
