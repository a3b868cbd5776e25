/*
 * Read: what clients ask, as one consistent state or as events.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "state.h"
#include "sync.h"

struct reg_instance *reg_live_at_locked(struct registry *registry, int port)
{
    struct reg_instance *instance = NULL;

    if (port >= REG_PORT_LOWEST && port <= REG_PORT_HIGHEST)
        instance = registry->by_port[port];
    return instance && instance->live ? instance : NULL;
}

/* Wall-clock second at which the lease ends, as things stand; rounded up. */
static int64_t expires_s(const struct registry *registry,
                         const struct reg_instance *instance)
{
    int64_t left_ns =
        (int64_t)(instance->lease.expires_ns - reg_now_ns(registry));

    return clock_wall_s() + (left_ns + 999999999) / 1000000000;
}

static bool add_row(const struct registry *registry,
                    const struct reg_instance *instance, struct arena *arena,
                    struct reg_row *row)
{
    void *memory = arena_alloc(arena, reg_record_size(instance->record));

    if (!memory)
        return false;
    *row = (struct reg_row){.record = reg_record_copy(memory, instance->record),
                            .last_heartbeat_s = instance->last_heartbeat_s,
                            .expires_s = expires_s(registry, instance)};
    return true;
}

/* Rows of all live instances, in the order of their ports. */
static bool list_all_locked(const struct registry *registry,
                            struct arena *arena, struct reg_list *list)
{
    for (int port = REG_PORT_LOWEST; list->count < registry->live_count;
         port++) {
        const struct reg_instance *instance = registry->by_port[port];

        if (!instance || !instance->live)
            continue;
        if (!add_row(registry, instance, arena, &list->rows[list->count]))
            return false;
        list->count++;
    }
    return true;
}

static int by_port_number(const void *left, const void *right)
{
    const struct reg_row *a = left, *b = right;

    return a->record->port - b->record->port;
}

static bool list_model_locked(const struct registry *registry,
                              const char *model, struct arena *arena,
                              struct reg_list *list)
{
    uint64_t hash = reg_text_hash(registry, model);

    for (struct reg_link *at = reg_index_first(&registry->by_model, hash); at;
         at = reg_index_next(at)) {
        const struct reg_instance *instance = at->owner;

        if (!instance->live || strcmp(instance->record->model_name, model) != 0)
            continue;
        if (!add_row(registry, instance, arena, &list->rows[list->count]))
            return false;
        list->count++;
    }
    qsort(list->rows, list->count, sizeof *list->rows, by_port_number);
    return true;
}

bool registry_list(struct registry *registry, const char *model,
                   struct arena *arena, struct reg_list *list,
                   struct error *err)
{
    struct reg_list found = {0};
    bool ok;

    (void)pthread_mutex_lock(&registry->mu);
    reg_expire_locked(registry);
    found.revision = registry->history.last;
    found.rows = arena_zalloc(arena, registry->live_count, sizeof *found.rows);
    ok =
        found.rows && (model ? list_model_locked(registry, model, arena, &found)
                             : list_all_locked(registry, arena, &found));
    (void)pthread_mutex_unlock(&registry->mu);
    if (!ok)
        return fail(err, ERR_OUT_OF_MEMORY, "the list is too long");
    *list = found;
    return true;
}

size_t registry_count(struct registry *registry)
{
    size_t count;

    (void)pthread_mutex_lock(&registry->mu);
    reg_expire_locked(registry);
    count = registry->live_count;
    (void)pthread_mutex_unlock(&registry->mu);
    return count;
}

void registry_read(struct registry *registry, uint64_t after,
                   struct reg_feed *feed)
{
    const struct reg_history *history = &registry->history;

    feed->count = 0;
    (void)pthread_mutex_lock(&registry->mu);
    reg_expire_locked(registry);
    feed->revision = history->last;
    feed->lost = !reg_history_reaches(history, after);
    for (uint64_t revision = after + 1;
         !feed->lost && revision <= history->last && feed->count < REG_FEED_MAX;
         revision++) {
        feed->events[feed->count] = *reg_history_at(history, revision);
        (void)reg_record_get(feed->events[feed->count].record);
        feed->count++;
    }
    (void)pthread_mutex_unlock(&registry->mu);
}

void reg_feed_release(struct reg_feed *feed)
{
    for (size_t i = 0; i < feed->count; i++)
        reg_record_put(feed->events[i].record);
    feed->count = 0;
}

void registry_wait(struct registry *registry, uint64_t seen,
                   uint32_t timeout_ms)
{
    struct timespec until = sync_after_ms(timeout_ms);

    (void)pthread_mutex_lock(&registry->mu);
    while (registry->history.last == seen &&
           pthread_cond_timedwait(&registry->changed, &registry->mu, &until) ==
               0)
        ;
    (void)pthread_mutex_unlock(&registry->mu);
}
