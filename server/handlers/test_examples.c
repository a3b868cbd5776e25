/*
 * GET /test_examples: inputs to try, how to send them, what comes back.
 */
#include "reply.h"

#include "json_put.h"

/* The first text input of the signature, whose value an example shows. */
static const struct bundle_input *text_input(const struct srv_bundle *bundle)
{
    for (size_t i = 0; i < bundle->signature.input_count; i++)
        if (bundle->signature.inputs[i].type == BUNDLE_TEXT)
            return &bundle->signature.inputs[i];
    return NULL;
}

/* What the document expects of the example, as JSON; NULL without memory. */
static char *expected_json(struct arena *arena,
                           const struct bundle_expect *expect)
{
    struct buf text = {0};
    char *copy = NULL;

    buf_printf(&text, "{\"success\":%s", expect->success ? "true" : "false");
    if (*expect->error_code) {
        buf_string(&text, ",\"error_code\":");
        json_put_text(&text, expect->error_code);
    }
    if (expect->values) {
        buf_string(&text, ",\"results\":");
        doc_write_json(expect->values, &text);
        buf_printf(&text, ",\"tolerance\":%.9g", expect->tolerance);
    }
    buf_char(&text, '}');
    if (buf_ok(&text))
        copy = arena_copy(arena, text.data, text.size);
    buf_release(&text);
    return copy;
}

static bool add_data(struct arena *arena, const struct doc_node *map,
                     struct runtime_example *to)
{
    size_t count = doc_count(map);
    struct runtime_example_data_entry *rows =
        arena_zalloc(arena, count + 1, sizeof *rows);

    to->data = arena_zalloc(arena, count + 1, sizeof(void *));
    if (!rows || !to->data)
        return false;
    for (size_t i = 0; i < count; i++) {
        runtime_example_data_entry_init(&rows[i]);
        rows[i].key = reply_text(map->entries[i].key);
        rows[i].value = reply_value(arena, map->entries[i].value);
        if (!rows[i].value)
            return false;
        to->data[i] = &rows[i];
    }
    to->n_data = count;
    return true;
}

static struct runtime_example *add_example(struct arena *arena,
                                           const struct srv_bundle *bundle,
                                           const struct bundle_example *from)
{
    struct runtime_example *to = runtime_example_new(arena);
    const struct bundle_input *input = text_input(bundle);
    const char *text =
        input ? doc_string(doc_get(from->data, input->name), NULL) : NULL;

    if (!to)
        return NULL;
    to->name = reply_text(from->name);
    to->description = reply_text(from->description);
    to->category = reply_text(from->category);
    to->text = reply_text(text);
    if (from->expect.declared)
        to->expected_json = expected_json(arena, &from->expect);
    return add_data(arena, from->data, to) ? to : NULL;
}

static struct runtime_usage_instructions *
add_usage(struct arena *arena, const struct srv_bundle *bundle)
{
    struct runtime_usage_instructions *usage =
        runtime_usage_instructions_new(arena);
    struct runtime_predict_request *body = runtime_predict_request_new(arena);
    struct runtime_predict_request_data_entry *entry =
        arena_zalloc(arena, 1, sizeof *entry);
    const struct bundle_input *input = &bundle->signature.inputs[0];

    if (!usage || !body || !entry)
        return NULL;
    runtime_predict_request_data_entry_init(entry);
    entry->key = reply_text(input->name);
    entry->value = runtime_value_new(arena);
    body->data = arena_zalloc(arena, 1, sizeof(void *));
    if (!entry->value || !body->data)
        return NULL;
    runtime_value_set_text(
        entry->value,
        arena_printf(arena, "%s_HERE",
                     *input->format ? input->format : input->name));
    body->data[0] = entry;
    body->n_data = 1;
    body->input_type = reply_text(bundle_input_kind(input->type));
    usage->endpoint = reply_text("/predict");
    usage->method = reply_text("POST");
    usage->body_format = body;
    return entry->value->text ? usage : NULL;
}

/* The shape of an answer, with words in place of values. */
static char *expected_output(struct arena *arena,
                             const struct srv_bundle *bundle)
{
    struct buf text = {0};
    char *copy = NULL;

    buf_string(&text, "{\"success\":true,\"model_name\":");
    json_put_text(&text, bundle->name);
    buf_string(&text, ",\"results\":{");
    for (size_t i = 0; i < bundle->signature.output_count; i++) {
        const struct bundle_output *output = &bundle->signature.outputs[i];
        const char *words =
            arena_printf(arena, *output->unit ? "%s, %s" : "%s",
                         bundle_type_name(output->type), output->unit);

        if (i)
            buf_char(&text, ',');
        json_put_text(&text, output->name);
        buf_char(&text, ':');
        json_put_text(&text, words ? words : "");
    }
    buf_string(&text, "},\"computation_time_ms\":\"milliseconds\","
                      "\"error_message\":null}");
    if (buf_ok(&text))
        copy = arena_copy(arena, text.data, text.size);
    buf_release(&text);
    return copy;
}

bool handle_test_examples(struct srv_call *call,
                          const struct runtime_test_examples_request *request,
                          struct runtime_test_examples_response *reply,
                          struct error *err)
{
    const struct srv_bundle *bundle = ((struct srv_app *)call->app)->bundle;
    struct arena *arena = &call->arena;

    (void)request;
    reply->usage_instructions = add_usage(arena, bundle);
    reply->expected_output_json = expected_output(arena, bundle);
    reply->notes = reply_strings(arena, bundle->notes);
    reply->n_notes = bundle->notes.count;
    reply->examples =
        arena_zalloc(arena, bundle->example_count + 1, sizeof(void *));
    if (!reply->usage_instructions || !reply->expected_output_json ||
        !reply->notes || !reply->examples)
        return reply_no_memory(err);
    for (size_t i = 0; i < bundle->example_count; i++) {
        reply->examples[i] = add_example(arena, bundle, &bundle->examples[i]);
        if (!reply->examples[i])
            return reply_no_memory(err);
    }
    reply->n_examples = bundle->example_count;
    return true;
}
