/*
 * GET /capabilities: what the model does, from the ModelService.
 */
#include "reply.h"

static bool add_outputs(struct arena *arena,
                        const struct bundle_capability *from,
                        struct runtime_capability *to)
{
    size_t count = from->output_count;
    struct runtime_capability_output_schema_entry *rows =
        arena_zalloc(arena, count + 1, sizeof *rows);

    to->output_schema = arena_zalloc(arena, count + 1, sizeof(void *));
    if (!rows || !to->output_schema)
        return false;
    for (size_t i = 0; i < count; i++) {
        runtime_capability_output_schema_entry_init(&rows[i]);
        rows[i].key = reply_text(from->outputs[i].name);
        rows[i].value = reply_text(from->outputs[i].type);
        to->output_schema[i] = &rows[i];
    }
    to->n_output_schema = count;
    return true;
}

static struct runtime_capability *
add_capability(struct arena *arena, const struct bundle_capability *from)
{
    struct runtime_capability *to = runtime_capability_new(arena);

    if (!to)
        return NULL;
    to->name = reply_text(from->name);
    to->description = reply_text(from->description);
    to->input_types = reply_strings(arena, from->input_types);
    to->n_input_types = from->input_types.count;
    runtime_capability_set_batch(to, from->batch);
    if (!to->input_types || !add_outputs(arena, from, to))
        return NULL;
    return to;
}

bool handle_capabilities(struct srv_call *call,
                         const struct runtime_capabilities_request *request,
                         struct runtime_capabilities_response *reply,
                         struct error *err)
{
    const struct srv_bundle *bundle = ((struct srv_app *)call->app)->bundle;
    struct arena *arena = &call->arena;

    (void)request;
    reply->model = reply_text(bundle->name);
    reply->elements = reply_strings(arena, bundle->elements);
    reply->capabilities =
        arena_zalloc(arena, bundle->capability_count + 1, sizeof(void *));
    if (!reply->elements || !reply->capabilities)
        return reply_no_memory(err);
    reply->n_elements = bundle->elements.count;
    for (size_t i = 0; i < bundle->capability_count; i++) {
        reply->capabilities[i] =
            add_capability(arena, &bundle->capabilities[i]);
        if (!reply->capabilities[i])
            return reply_no_memory(err);
    }
    reply->n_capabilities = bundle->capability_count;
    return true;
}
