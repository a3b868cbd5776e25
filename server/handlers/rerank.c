/*
 * POST /v1/rerank: documents by how well they answer a query.
 *
 * A model offers it when a capability is called `rerank`, gives one float and
 * two texts go in: the query, then the document. It reads each pair at once.
 */
#include <stdlib.h>
#include <string.h>

#include "text.h"

static const struct bundle_output *score_output(const struct srv_bundle *bundle)
{
    const struct bundle_capability *capability =
        bundle_find_capability(bundle, "rerank");
    const struct bundle_signature *signature = &bundle->signature;
    const struct bundle_output *output;

    if (!capability || capability->output_count != 1 ||
        signature->input_count != 2)
        return NULL;
    for (size_t i = 0; i < signature->input_count; i++)
        if (signature->inputs[i].type != BUNDLE_TEXT)
            return NULL;
    output = bundle_find_output(bundle, capability->outputs[0].name);
    return output && output->type == BUNDLE_FLOAT && !output->as_string ? output
                                                                        : NULL;
}

static char *text_of(const struct text_rerank_document *document)
{
    if (document->kind_case == TEXT__RERANK_DOCUMENT__KIND_TEXT)
        return document->text;
    if (document->kind_case == TEXT__RERANK_DOCUMENT__KIND_OBJECT)
        return document->object->text;
    return NULL;
}

/* The query beside each document. */
static bool take_pairs(struct srv_call *call,
                       const struct text_rerank_request *request,
                       struct pipeline_value *values, struct error *err)
{
    size_t count = request->n_documents;
    char **queries = arena_zalloc(&call->arena, count, sizeof *queries);
    char **documents = arena_zalloc(&call->arena, count, sizeof *documents);

    if (!queries || !documents)
        return reply_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        queries[i] = request->query;
        documents[i] = text_of(request->documents[i]);
        if (!documents[i])
            return fail(err, ERR_VALIDATION_ERROR,
                        "/documents/%zu: has no text", i);
    }
    for (size_t i = 0; i < 2; i++) {
        values[i].kind = PIPELINE_STRINGS;
        values[i].strings.count = count;
    }
    values[0].strings.items = queries;
    values[1].strings.items = documents;
    return true;
}

/* ---- the answer ---- */

struct ranked {
    float score;
    size_t index;
};

/* The best first; equal ones in their order. */
static int compare(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;

    if (left->score > right->score)
        return -1;
    if (left->score < right->score)
        return 1;
    return left->index < right->index ? -1 : 1;
}

static struct ranked *rank(struct arena *arena, const struct text_work *work)
{
    struct ranked *ranked = arena_zalloc(arena, work->rows, sizeof *ranked);

    for (size_t i = 0; ranked && i < work->rows; i++)
        ranked[i] = (struct ranked){*work->results[i], i};
    if (ranked)
        qsort(ranked, work->rows, sizeof *ranked, compare);
    return ranked;
}

static struct text_rerank_result *
result_of(struct arena *arena, const struct ranked *ranked, char *document)
{
    struct text_rerank_result *result = text_rerank_result_new(arena);

    if (!result)
        return NULL;
    text_rerank_result_set_index(result, (int32_t)ranked->index);
    text_rerank_result_set_relevance_score(result, (double)ranked->score);
    if (document) {
        result->document = text_rerank_text_new(arena);
        if (!result->document)
            return NULL;
        result->document->text = document;
    }
    return result;
}

static bool add_results(struct arena *arena,
                        const struct text_rerank_request *request,
                        const struct text_work *work,
                        struct text_rerank_response *reply)
{
    const struct ranked *ranked = rank(arena, work);
    size_t count = work->rows;

    if (request->has_top_n && (size_t)request->top_n < count)
        count = (size_t)request->top_n;
    reply->results = arena_zalloc(arena, count, sizeof *reply->results);
    reply->usage = text_usage_of(arena, work->tokens);
    if (!ranked || !reply->results || !reply->usage)
        return false;
    for (size_t i = 0; i < count; i++) {
        char *document = request->return_documents
                             ? text_of(request->documents[ranked[i].index])
                             : NULL;

        reply->results[i] = result_of(arena, &ranked[i], document);
        if (!reply->results[i])
            return false;
        reply->n_results++;
    }
    return true;
}

static bool answer(struct srv_call *call, struct text_work *work, void *message,
                   struct error *err)
{
    const struct srv_app *app = call->app;
    struct text_rerank_response *reply = message;

    reply->model = reply_text(app->bundle->name);
    return add_results(&call->arena, work->request, work, reply) ||
           reply_no_memory(err);
}

bool handle_rerank(struct srv_call *call,
                   const struct text_rerank_request *request,
                   struct text_rerank_response *reply, struct error *err)
{
    const struct srv_app *app = call->app;
    const struct bundle_output *output = score_output(app->bundle);
    struct text_work *work = arena_zalloc(&call->arena, 1, sizeof *work);
    struct pipeline_value *values =
        arena_zalloc(&call->arena, 2, sizeof *values);

    (void)reply; /* made when the model has run */
    if (!work || !values)
        return reply_no_memory(err);
    if (!text_begin(call, request->model, err))
        return false;
    if (!output)
        return fail(err, ERR_NOT_FOUND, "/model: '%.64s' offers no rerank",
                    app->bundle->name);
    if (!take_pairs(call, request, values, err))
        return false;
    values[0].name = app->bundle->signature.inputs[0].name;
    values[1].name = app->bundle->signature.inputs[1].name;
    *work = (struct text_work){.inputs = values,
                               .input_count = 2,
                               .rows = request->n_documents,
                               .output = output->name,
                               .request = request,
                               .reply = answer};
    return text_leave(call, work, err);
}

void fail_rerank(struct srv_call *call, const struct error *err,
                 struct text_rerank_response *reply)
{
    reply->error = text_failure_of(call, err);
    reply->error_code = reply_text(err_info(err->code)->name);
}
