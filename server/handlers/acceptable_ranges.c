/*
 * GET /acceptable_ranges: where the model was trained and can be relied on.
 */
#include "reply.h"

static bool add_metrics(struct arena *arena, const struct doc_node *map,
                        struct runtime_property_range *to)
{
    size_t count = doc_count(map);
    struct runtime_property_range_validation_metrics_entry *rows =
        arena_zalloc(arena, count + 1, sizeof *rows);

    to->validation_metrics = arena_zalloc(arena, count + 1, sizeof(void *));
    if (!rows || !to->validation_metrics)
        return false;
    for (size_t i = 0; i < count; i++) {
        runtime_property_range_validation_metrics_entry_init(&rows[i]);
        rows[i].key = reply_text(map->entries[i].key);
        rows[i].value = reply_value(arena, map->entries[i].value);
        if (!rows[i].value)
            return false;
        to->validation_metrics[i] = &rows[i];
    }
    to->n_validation_metrics = count;
    return true;
}

static struct runtime_property_range *add_range(struct arena *arena,
                                                const struct bundle_range *from)
{
    struct runtime_property_range *to = runtime_property_range_new(arena);
    struct runtime_training_range *training = runtime_training_range_new(arena);
    struct runtime_reliable_range *reliable = runtime_reliable_range_new(arena);

    if (!to || !training || !reliable ||
        !add_metrics(arena, from->validation, to))
        return NULL;
    runtime_training_range_set_min(training, from->min);
    runtime_training_range_set_max(training, from->max);
    runtime_training_range_set_mean(training, from->mean);
    runtime_reliable_range_set_min(reliable, from->reliable_min);
    runtime_reliable_range_set_max(reliable, from->reliable_max);
    reliable->note = reply_text(from->note);
    to->property_name = reply_text(from->name);
    to->unit = reply_text(from->unit);
    to->training_range = training;
    to->reliable_range = reliable;
    runtime_property_range_set_training_samples(to, from->samples);
    return to;
}

static bool add_ranges(struct arena *arena, const struct bundle_ranges *from,
                       struct runtime_acceptable_ranges_response *to)
{
    struct runtime_acceptable_ranges_response_property_ranges_entry *rows =
        arena_zalloc(arena, from->count + 1, sizeof *rows);

    to->property_ranges = arena_zalloc(arena, from->count + 1, sizeof(void *));
    if (!rows || !to->property_ranges)
        return false;
    for (size_t i = 0; i < from->count; i++) {
        runtime_acceptable_ranges_response_property_ranges_entry_init(&rows[i]);
        rows[i].key = reply_text(from->items[i].key);
        rows[i].value = add_range(arena, &from->items[i]);
        if (!rows[i].value)
            return false;
        to->property_ranges[i] = &rows[i];
    }
    to->n_property_ranges = from->count;
    return true;
}

static struct runtime_chemical_scope *
add_scope(struct arena *arena, const struct bundle_ranges *from)
{
    struct runtime_chemical_scope *scope = runtime_chemical_scope_new(arena);

    if (!scope)
        return NULL;
    scope->supported_features = reply_strings(arena, from->features);
    scope->n_supported_features = from->features.count;
    scope->limitations = reply_strings(arena, from->limitations);
    scope->n_limitations = from->limitations.count;
    return scope->supported_features && scope->limitations ? scope : NULL;
}

bool handle_acceptable_ranges(
    struct srv_call *call,
    const struct runtime_acceptable_ranges_request *request,
    struct runtime_acceptable_ranges_response *reply, struct error *err)
{
    const struct srv_bundle *bundle = ((struct srv_app *)call->app)->bundle;
    const struct bundle_ranges *ranges = &bundle->ranges;
    struct arena *arena = &call->arena;

    (void)request;
    reply->model = reply_text(bundle->name);
    reply->version = reply_text(RUNTIME_API_VERSION);
    reply->description = reply_text(ranges->description);
    reply->chemical_scope = add_scope(arena, ranges);
    reply->usage_recommendations =
        reply_strings(arena, ranges->recommendations);
    reply->n_usage_recommendations = ranges->recommendations.count;
    if (!reply->chemical_scope || !reply->usage_recommendations ||
        !add_ranges(arena, ranges, reply))
        return reply_no_memory(err);
    return true;
}
