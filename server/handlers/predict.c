/*
 * POST /predict: runs the model on one input.
 *
 *   values of the message -> pipeline -> results of the message
 *
 * Wrong requests (400) and faults of ours (500) leave as errors; a well-formed
 * request that the model declines is an answer with success false.
 */
#include "reply.h"

#include <string.h>

#include "clock.h"
#include "work.h"

static double took_ms(const struct srv_call *call)
{
    return (double)(clock_now_ns() - call->started_ns) / 1e6;
}

static bool takes_type(const struct srv_bundle *bundle, const char *type)
{
    for (size_t i = 0; i < bundle->capability_count; i++) {
        const struct bundle_strings *types =
            &bundle->capabilities[i].input_types;

        for (size_t k = 0; k < types->count; k++)
            if (strcmp(types->items[k], type) == 0)
                return true;
    }
    return false;
}

/* The wire's value as the pipeline's; both borrow the message's memory. */
static struct pipeline_value to_pipeline(const char *name,
                                         const struct runtime_value *from)
{
    struct pipeline_value to = {.name = name, .kind = PIPELINE_NONE};

    if (!from)
        return to;
    switch (from->kind_case) {
    case RUNTIME__VALUE__KIND_NUMBER:
        to.kind = PIPELINE_NUMBER;
        to.number = from->number;
        break;
    case RUNTIME__VALUE__KIND_FLAG:
        to.kind = PIPELINE_BOOL;
        to.boolean = from->flag;
        break;
    case RUNTIME__VALUE__KIND_TEXT:
        to.kind = PIPELINE_STRING;
        to.string = from->text;
        break;
    case RUNTIME__VALUE__KIND_FLOATS:
        to.kind = PIPELINE_FLOATS;
        to.floats.items = from->floats->values;
        to.floats.count = from->floats->n_values;
        break;
    case RUNTIME__VALUE__KIND_STRINGS:
        to.kind = PIPELINE_STRINGS;
        to.strings.items = from->strings->values;
        to.strings.count = from->strings->n_values;
        break;
    case RUNTIME__VALUE__KIND_VECTORS:
        to.kind = PIPELINE_VECTORS; /* no input is one: it is refused */
        break;
    case RUNTIME__VALUE__KIND_BLOB:
        to.kind = PIPELINE_BYTES;
        to.bytes.data = from->blob.data;
        to.bytes.size = from->blob.len;
        break;
    case RUNTIME__VALUE__KIND_JSON:
        to.kind = PIPELINE_JSON;
        to.json = from->json;
        break;
    case RUNTIME__VALUE__KIND__NOT_SET:
    case _RUNTIME__VALUE__KIND__CASE_IS_INT_SIZE:
    default:
        break;
    }
    return to;
}

static bool set_floats(struct arena *arena, const struct pipeline_value *from,
                       struct runtime_value *to)
{
    struct runtime_float_list *floats = runtime_float_list_new(arena);

    if (!floats)
        return false;
    /* messages only read; the pipeline's array lives in the call's arena */
    memcpy(&floats->values, &from->floats.items, sizeof floats->values);
    floats->n_values = from->floats.count;
    runtime_value_set_floats(to, floats);
    return true;
}

static bool set_strings(struct arena *arena, const struct pipeline_value *from,
                        struct runtime_value *to)
{
    struct runtime_string_list *strings = runtime_string_list_new(arena);

    if (!strings)
        return false;
    memcpy(&strings->values, &from->strings.items, sizeof strings->values);
    strings->n_values = from->strings.count;
    runtime_value_set_strings(to, strings);
    return true;
}

/* One vector of a batch; the floats are borrowed as above. */
static struct runtime_vector *vector(struct arena *arena, const float *items,
                                     size_t width)
{
    struct runtime_vector *made = runtime_vector_new(arena);
    struct runtime_float_list *floats = runtime_float_list_new(arena);

    if (!made || !floats)
        return NULL;
    memcpy(&floats->values, &items, sizeof floats->values);
    floats->n_values = width;
    runtime_vector_set_floats(made, floats);
    return made;
}

static bool set_vectors(struct arena *arena, const struct pipeline_value *from,
                        struct runtime_value *to)
{
    struct runtime_vector_list *list = runtime_vector_list_new(arena);
    size_t width = from->vectors.width;

    if (!list)
        return false;
    list->values =
        arena_zalloc(arena, from->vectors.count, sizeof *list->values);
    if (!list->values)
        return false;
    for (; list->n_values < from->vectors.count; list->n_values++) {
        size_t row = list->n_values;

        list->values[row] =
            vector(arena, from->vectors.items + row * width, width);
        if (!list->values[row])
            return false;
    }
    runtime_value_set_vectors(to, list);
    return true;
}

static bool from_pipeline(struct arena *arena,
                          const struct pipeline_value *from,
                          struct runtime_value *to)
{
    struct msg_bytes bytes;

    switch (from->kind) {
    case PIPELINE_NUMBER:
        runtime_value_set_number(to, from->number);
        return true;
    case PIPELINE_BOOL:
        runtime_value_set_flag(to, from->boolean);
        return true;
    case PIPELINE_STRING:
        runtime_value_set_text(to, reply_text(from->string));
        return true;
    case PIPELINE_FLOATS:
        return set_floats(arena, from, to);
    case PIPELINE_STRINGS:
        return set_strings(arena, from, to);
    case PIPELINE_VECTORS:
        return set_vectors(arena, from, to);
    case PIPELINE_BYTES:
        bytes.len = from->bytes.size;
        memcpy(&bytes.data, &from->bytes.data, sizeof bytes.data);
        runtime_value_set_blob(to, bytes);
        return true;
    case PIPELINE_JSON:
        runtime_value_set_json(to, reply_text(from->json));
        return true;
    case PIPELINE_NONE:
    case PIPELINE_IDS: /* of inputs only */
    default:
        return true;
    }
}

static bool add_results(struct arena *arena, const struct pipeline_output *out,
                        struct runtime_predict_response *reply)
{
    struct runtime_predict_response_results_entry *rows =
        arena_zalloc(arena, out->result_count + 1, sizeof *rows);

    reply->results = arena_zalloc(arena, out->result_count + 1, sizeof(void *));
    if (!rows || !reply->results)
        return false;
    for (size_t i = 0; i < out->result_count; i++) {
        runtime_predict_response_results_entry_init(&rows[i]);
        rows[i].key = reply_text(out->results[i].name);
        rows[i].value = runtime_value_new(arena);
        if (!rows[i].value ||
            !from_pipeline(arena, &out->results[i], rows[i].value))
            return false;
        reply->results[i] = &rows[i];
    }
    reply->n_results = out->result_count;
    reply->warnings = reply_strings(
        arena, (struct bundle_strings){out->warnings, out->warning_count});
    reply->n_warnings = out->warning_count;
    return reply->warnings != NULL;
}

static bool answer(struct srv_call *call, void *context,
                   const struct pipeline_output *out, void *message,
                   struct error *err)
{
    const struct srv_app *app = call->app;
    struct runtime_predict_response *reply = message;

    (void)context;
    if (!add_results(&call->arena, out, reply))
        return reply_no_memory(err);
    runtime_predict_response_set_success(reply, true);
    reply->model_name = reply_text(app->bundle->name);
    runtime_predict_response_set_computation_time_ms(reply, took_ms(call));
    return true;
}

bool handle_predict(struct srv_call *call,
                    const struct runtime_predict_request *request,
                    struct runtime_predict_response *reply, struct error *err)
{
    const struct srv_app *app = call->app;
    struct pipeline_value *values;

    (void)reply; /* made when the model has run */
    if (!work_taken(call, err))
        return false;
    if (!takes_type(app->bundle, request->input_type))
        return fail(err, ERR_UNSUPPORTED_INPUT_TYPE,
                    "input_type '%.64s' is not one of /capabilities",
                    request->input_type);
    values = arena_zalloc(&call->arena, request->n_data + 1, sizeof *values);
    if (!values)
        return reply_no_memory(err);
    for (size_t i = 0; i < request->n_data; i++)
        values[i] = to_pipeline(request->data[i]->key, request->data[i]->value);
    if (!work_prepare(call, values, request->n_data, 0, err))
        return false;
    work_leave(call, answer, NULL);
    return true;
}

void fail_predict(struct srv_call *call, const struct error *err,
                  struct runtime_predict_response *reply)
{
    const struct srv_app *app = call->app;

    runtime_predict_response_set_success(reply, false);
    reply->model_name = reply_text(app->bundle->name);
    runtime_predict_response_set_computation_time_ms(reply, took_ms(call));
    reply->error = reply_error_text(call, err);
    reply->error_message = reply->error;
    reply->error_code = reply_text(err_info(err->code)->name);
}
