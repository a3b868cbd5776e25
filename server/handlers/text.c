/*
 * Text: see text.h.
 */
#include "text.h"

#include <string.h>

bool text_begin(struct srv_call *call, const char *model, struct error *err)
{
    const struct srv_app *app = call->app;

    if (model && *model && strcmp(model, app->bundle->name) != 0 &&
        strcmp(model, app->bundle->model_id) != 0)
        return fail(err, ERR_NOT_FOUND,
                    "/model: '%.64s' is not served here, '%.64s' is", model,
                    app->bundle->name);
    return work_taken(call, err);
}

/* ---- rows ---- */

/* Rows [first, first + count) of an input; a single one where the model takes
 * no batches. */
static struct pipeline_value rows_of(const struct pipeline_value *input,
                                     size_t first, size_t count, bool single)
{
    struct pipeline_value value = *input;

    if (input->kind == PIPELINE_IDS) {
        value.ids.rows += first;
        value.ids.count = count;
    } else if (single) {
        value.kind = PIPELINE_STRING;
        value.string = input->strings.items[first];
    } else {
        value.strings.items += first;
        value.strings.count = count;
    }
    return value;
}

/* The result of this name; every declared output has one. */
static struct pipeline_value find(const struct pipeline_output *out,
                                  const char *name)
{
    for (size_t i = 0; i < out->result_count; i++)
        if (strcmp(out->results[i].name, name) == 0)
            return out->results[i];
    return (struct pipeline_value){0};
}

/* Where the floats of each row lie. */
static bool place_rows(struct arena *arena, struct text_work *work,
                       size_t first, size_t count, struct pipeline_value value,
                       struct error *err)
{
    const float *items = NULL;
    float *number;

    work->width = 1;
    if (value.kind == PIPELINE_NUMBER) {
        number = arena_alloc(arena, sizeof *number);
        if (!number)
            return reply_no_memory(err);
        *number = (float)value.number;
        items = number;
    } else if (value.kind == PIPELINE_VECTORS) {
        items = value.vectors.items;
        work->width = value.vectors.width;
    } else if (value.kind == PIPELINE_FLOATS) {
        items = value.floats.items;
        work->width = value.floats.count / count;
    }
    for (size_t row = 0; row < count; row++)
        work->results[first + row] = items + row * work->width;
    return items || fail(err, ERR_INTERNAL, "a result is no number");
}

static bool prepare_some(struct srv_call *call, const struct text_work *work,
                         size_t first, size_t count, struct error *err)
{
    struct pipeline_value *values =
        arena_zalloc(&call->arena, work->input_count, sizeof *values);
    const struct srv_app *app = call->app;
    bool single = pipeline_rows_max(app->pipeline) == 1;

    if (!values)
        return reply_no_memory(err);
    for (size_t i = 0; i < work->input_count; i++)
        values[i] = rows_of(&work->inputs[i], first, count, single);
    return work_prepare(call, values, work->input_count, first, err);
}

/* Rows of the part that begins with `first`. */
static size_t part_rows(const struct srv_call *call,
                        const struct text_work *work, size_t first)
{
    const struct srv_app *app = call->app;
    size_t most = pipeline_rows_max(app->pipeline), left = work->rows - first;

    return left < most ? left : most;
}

static bool take_parts(struct srv_call *call, void *context,
                       const struct pipeline_output *parts, void *message,
                       struct error *err)
{
    struct text_work *work = context;
    size_t first = 0;

    while (first < work->rows) {
        size_t count = part_rows(call, work, first);

        if (!place_rows(&call->arena, work, first, count,
                        find(parts, work->output), err))
            return false;
        work->tokens += parts++->tokens;
        first += count;
    }
    return work->reply(call, work, message, err);
}

bool text_leave(struct srv_call *call, struct text_work *work,
                struct error *err)
{
    size_t first = 0;

    work->results =
        arena_zalloc(&call->arena, work->rows, sizeof *work->results);
    if (!work->results)
        return reply_no_memory(err);
    while (first < work->rows) {
        size_t count = part_rows(call, work, first);

        if (!prepare_some(call, work, first, count, err))
            return false;
        first += count;
    }
    work_leave(call, take_parts, work);
    return true;
}

/* ---- messages ---- */

struct text_usage *text_usage_of(struct arena *arena, size_t tokens)
{
    struct text_usage *usage = text_usage_new(arena);

    if (usage) {
        text_usage_set_prompt_tokens(usage, (int64_t)tokens);
        text_usage_set_total_tokens(usage, (int64_t)tokens);
    }
    return usage;
}

static const char *type_of(enum err_code code)
{
    int http = err_info(code)->http;

    if (http == err_info(ERR_QUOTA_EXCEEDED)->http)
        return "rate_limit_error";
    return http < err_info(ERR_INTERNAL)->http ? "invalid_request_error"
                                               : "server_error";
}

/* "input" of "/input/3: is no text". */
static char *param_of(struct arena *arena, const struct error *err)
{
    size_t size;

    if (err->msg[0] != '/' || !strstr(err->msg, ": "))
        return NULL;
    size = strcspn(err->msg + 1, "/:");
    return size > 0 ? arena_copy(arena, err->msg + 1, size) : NULL;
}

/* "not_found" */
static char *small_letters(struct arena *arena, const char *name)
{
    char *copy = arena_strdup(arena, name);

    for (size_t i = 0; copy && copy[i]; i++)
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] + ('a' - 'A'));
    return copy;
}

struct text_failure *text_failure_of(struct srv_call *call,
                                     const struct error *err)
{
    struct text_failure *failure = text_failure_new(&call->arena);
    char *code = small_letters(&call->arena, err_info(err->code)->name);

    if (!failure || !code)
        return NULL;
    failure->message = arena_strdup(&call->arena, err->msg);
    failure->type = reply_text(type_of(err->code));
    failure->param = param_of(&call->arena, err);
    failure->code = code;
    return failure->message ? failure : NULL;
}
