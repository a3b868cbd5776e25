/*
 * POST /v1/embeddings: a vector for each text, as OpenAI's clients ask for it.
 *
 * A model offers it when a capability is called `embedding`, gives one array of
 * floats and one text goes in.
 */
#include <math.h>
#include <string.h>

#include "text.h"

static const struct bundle_output *
vector_output(const struct srv_bundle *bundle,
              const struct bundle_capability *capability)
{
    const struct bundle_output *found = NULL;

    for (size_t i = 0; i < capability->output_count; i++) {
        const struct bundle_output *output =
            bundle_find_output(bundle, capability->outputs[i].name);

        if (!output || output->type != BUNDLE_FLOATS)
            continue;
        if (found)
            return NULL;
        found = output;
    }
    return found;
}

/* The output that is the embedding; NULL and ERR_NOT_FOUND if there is none. */
static const struct bundle_output *find_offer(const struct srv_bundle *bundle,
                                              struct error *err)
{
    const struct bundle_capability *capability =
        bundle_find_capability(bundle, "embedding");
    const struct bundle_signature *signature = &bundle->signature;
    const struct bundle_output *output = NULL;

    if (capability && signature->input_count == 1 &&
        signature->inputs->type == BUNDLE_TEXT)
        output = vector_output(bundle, capability);
    if (!output)
        (void)fail(err, ERR_NOT_FOUND, "/model: '%.64s' offers no embeddings",
                   bundle->name);
    return output;
}

/* ---- the request ---- */

static bool is_empty(struct error *err, const char *what)
{
    return fail(err, ERR_VALIDATION_ERROR, "/input: %s", what);
}

static bool take_texts(char *const *texts, size_t count,
                       struct pipeline_value *value, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!*texts[i])
            return is_empty(err, "a text must not be empty");
    value->kind = PIPELINE_STRINGS;
    value->strings.items = texts;
    value->strings.count = count;
    return true;
}

static bool take_ids(struct arena *arena, struct text_token_ids *const *from,
                     size_t count, struct pipeline_value *value,
                     struct error *err)
{
    struct pipeline_ids *rows = arena_zalloc(arena, count, sizeof *rows);

    if (!rows)
        return reply_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const struct text_int32_list *ids = from[i]->ids;

        if (from[i]->kind_case != TEXT__TOKEN_IDS__KIND_IDS ||
            ids->n_values == 0)
            return is_empty(err, "a list of token ids must not be empty");
        rows[i] = (struct pipeline_ids){ids->values, ids->n_values};
    }
    value->kind = PIPELINE_IDS;
    value->ids.rows = rows;
    value->ids.count = count;
    return true;
}

/* Token ids of one text are a list of one such list. */
static bool take_one(struct arena *arena, struct text_int32_list *ids,
                     struct pipeline_value *value, struct error *err)
{
    struct text_token_ids *row = text_token_ids_new(arena);

    if (!row)
        return reply_no_memory(err);
    text_token_ids_set_ids(row, ids);
    return take_ids(arena, &row, 1, value, err);
}

static bool take_input(struct arena *arena,
                       const struct text_embeddings_input *input,
                       struct pipeline_value *value, size_t *rows,
                       struct error *err)
{
    *rows = 1;
    switch (input->kind_case) {
    case TEXT__EMBEDDINGS_INPUT__KIND_TEXT:
        return take_texts(&input->text, 1, value, err);
    case TEXT__EMBEDDINGS_INPUT__KIND_TEXTS:
        *rows = input->texts->n_values;
        return *rows > 0 ? take_texts(input->texts->values, *rows, value, err)
                         : is_empty(err, "must not be empty");
    case TEXT__EMBEDDINGS_INPUT__KIND_IDS:
        return take_one(arena, input->ids, value, err);
    case TEXT__EMBEDDINGS_INPUT__KIND_ROWS:
        *rows = input->rows->n_values;
        return *rows > 0
                   ? take_ids(arena, input->rows->values, *rows, value, err)
                   : is_empty(err, "must not be empty");
    case TEXT__EMBEDDINGS_INPUT__KIND__NOT_SET:
    case _TEXT__EMBEDDINGS_INPUT__KIND__CASE_IS_INT_SIZE:
    default:
        return is_empty(err, "is required");
    }
}

static bool wants_base64(const struct text_embeddings_request *request,
                         bool *base64, struct error *err)
{
    const char *format = request->encoding_format;

    *base64 = format && strcmp(format, "base64") == 0;
    return !format || *base64 || strcmp(format, "float") == 0 ||
           fail(err, ERR_VALIDATION_ERROR,
                "/encoding_format: must be float or base64");
}

static bool is_declared(const struct bundle_output *output, int64_t length)
{
    for (size_t i = 0; i < doc_count(output->dimensions); i++)
        if (doc_integer(doc_item(output->dimensions, i), 0) == length)
            return true;
    return false;
}

/* ---- the answer ---- */

/* Cuts each vector and makes it a unit vector again. */
static bool cut_vectors(struct srv_call *call, struct text_work *work,
                        size_t width, struct error *err)
{
    float *items =
        arena_zalloc(&call->arena, work->rows * width, sizeof *items);

    if (!items)
        return reply_no_memory(err);
    for (size_t row = 0; row < work->rows; row++, items += width) {
        double sum = 0.0;

        for (size_t i = 0; i < width; i++)
            sum +=
                (double)work->results[row][i] * (double)work->results[row][i];
        for (size_t i = 0; i < width && sum > 0.0; i++)
            items[i] = (float)((double)work->results[row][i] / sqrt(sum));
        work->results[row] = items;
    }
    work->width = width;
    return true;
}

static bool set_dimensions(struct srv_call *call,
                           const struct text_embeddings_request *request,
                           const struct bundle_output *output,
                           struct text_work *work, struct error *err)
{
    if (!request->has_dimensions || (size_t)request->dimensions == work->width)
        return true;
    if ((size_t)request->dimensions < work->width &&
        is_declared(output, request->dimensions))
        return cut_vectors(call, work, (size_t)request->dimensions, err);
    return fail(err, ERR_VALIDATION_ERROR,
                "/dimensions: the vectors of this model have %zu, and it does "
                "not declare that they may be cut to %lld",
                work->width, (long long)request->dimensions);
}

static struct text_embedding_vector *
vector_of(struct arena *arena, const float *items, size_t width, bool base64)
{
    struct text_embedding_vector *vector = text_embedding_vector_new(arena);
    struct text_float_list *floats = text_float_list_new(arena);
    struct msg_bytes bytes = {.len = width * sizeof *items};

    if (!vector || !floats)
        return NULL;
    /* messages only read; the floats lie in the call's arena */
    memcpy(&floats->values, &items, sizeof items);
    memcpy(&bytes.data, &items, sizeof items);
    floats->n_values = width;
    if (base64)
        text_embedding_vector_set_base64(vector, bytes);
    else
        text_embedding_vector_set_floats(vector, floats);
    return vector;
}

static bool add_vectors(struct arena *arena, const struct text_work *work,
                        bool base64, struct text_embeddings_response *reply)
{
    reply->data = arena_zalloc(arena, work->rows, sizeof *reply->data);
    for (size_t row = 0; reply->data && row < work->rows; row++) {
        struct text_embedding *one = text_embedding_new(arena);

        if (!one)
            return false;
        one->object = reply_text("embedding");
        text_embedding_set_index(one, (int32_t)row);
        one->embedding =
            vector_of(arena, work->results[row], work->width, base64);
        if (!one->embedding)
            return false;
        reply->data[reply->n_data++] = one;
    }
    reply->usage = text_usage_of(arena, work->tokens);
    return reply->data && reply->usage;
}

static bool answer(struct srv_call *call, struct text_work *work, void *message,
                   struct error *err)
{
    const struct srv_app *app = call->app;
    const struct text_embeddings_request *request = work->request;
    struct text_embeddings_response *reply = message;
    const struct bundle_output *output =
        bundle_find_output(app->bundle, work->output);
    bool base64;

    if (!wants_base64(request, &base64, err) ||
        !set_dimensions(call, request, output, work, err))
        return false;
    reply->object = reply_text("list");
    reply->model = reply_text(app->bundle->name);
    return add_vectors(&call->arena, work, base64, reply) ||
           reply_no_memory(err);
}

bool handle_embeddings(struct srv_call *call,
                       const struct text_embeddings_request *request,
                       struct text_embeddings_response *reply,
                       struct error *err)
{
    const struct srv_app *app = call->app;
    struct text_work *work = arena_zalloc(&call->arena, 1, sizeof *work);
    struct pipeline_value *value = arena_zalloc(&call->arena, 1, sizeof *value);
    const struct bundle_output *output;
    bool base64;

    (void)reply; /* made when the model has run */
    if (!work || !value)
        return reply_no_memory(err);
    if (!text_begin(call, request->model, err))
        return false;
    *work = (struct text_work){
        .inputs = value, .input_count = 1, .request = request, .reply = answer};
    output = find_offer(app->bundle, err);
    if (!output || !wants_base64(request, &base64, err) ||
        !take_input(&call->arena, request->input, value, &work->rows, err))
        return false;
    value->name = app->bundle->signature.inputs[0].name;
    work->output = output->name;
    return text_leave(call, work, err);
}

void fail_embeddings(struct srv_call *call, const struct error *err,
                     struct text_embeddings_response *reply)
{
    reply->error = text_failure_of(call, err);
    reply->error_code = reply_text(err_info(err->code)->name);
}
