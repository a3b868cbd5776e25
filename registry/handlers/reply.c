/*
 * Reply: see reply.h.
 */
#include "reply.h"

#include "clock.h"

char *reply_text(const char *text)
{
    return (char *)(uintptr_t)text;
}

char *reply_time(int64_t wall_s, struct arena *arena)
{
    char text[CLOCK_TEXT_SIZE];

    clock_text(wall_s, text);
    return arena_strdup(arena, text);
}

void reply_registration(struct registry_registration *reply,
                        const struct reg_row *row, bool is_alive,
                        struct arena *arena)
{
    const struct reg_record *record = row->record;

    registry_registration_set_port(reply, record->port);
    reply->app_name = reply_text(record->app_name);
    reply->app_version = reply_text(record->app_version);
    reply->model_name = reply_text(record->model_name);
    if (record->pid > 0)
        registry_registration_set_process_id(reply, record->pid);
    registry_registration_set_process_alive(reply, is_alive);
    reply->reason = reply_text(record->reason);
    reply->metadata_json = reply_text(record->metadata);
    reply->registered_at = reply_time(record->registered_s, arena);
    reply->last_heartbeat = reply_time(row->last_heartbeat_s, arena);
    reply->expires_at = reply_time(row->expires_s, arena);
    reply->status = reply_text(is_alive ? "active" : "ended");
    reply->host = reply_text(record->host);
    registry_registration_set_epoch(reply, (int64_t)record->epoch);
}

bool reply_registrations(const struct reg_list *list, struct arena *arena,
                         struct registry_registration ***replies,
                         struct error *err)
{
    struct registry_registration **all = arena_zalloc(
        arena, list->count, sizeof(struct registry_registration *));

    for (size_t i = 0; all && i < list->count; i++) {
        all[i] = registry_registration_new(arena);
        if (!all[i])
            return fail(err, ERR_OUT_OF_MEMORY, "the list is too long");
        reply_registration(all[i], &list->rows[i], true, arena);
    }
    if (!all)
        return fail(err, ERR_OUT_OF_MEMORY, "the list is too long");
    *replies = all;
    return true;
}
