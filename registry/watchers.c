/*
 * Watchers: see watchers.h.
 *
 * Lock order: watchers->mu, then what stream_send() takes. `closed` runs on a
 * door thread without a lock of the stream and takes none here: it sets a
 * flag, and the feeding thread clears away.
 */
#include "watchers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/reply.h"

enum {
    IDLE_MS = 200,    /* how soon closed streams are cleared away */
    AT_ONCE_MAX = 200 /* a stream holds 256 messages */
};

struct watcher {
    struct door_stream *stream;
    char *model; /* "" = all */
    uint64_t seen;
    atomic_bool closed;
    struct watcher *next;
};

struct reg_watchers {
    struct registry *registry;
    size_t limit;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping;
    pthread_mutex_t mu;
    struct watcher *list; /* mu */
    size_t count;         /* mu */
    uint64_t fed;         /* mu: every watcher has seen this revision */
};

/* ---- messages ---- */

static void send_resync(struct watcher *watcher, uint64_t revision)
{
    struct registry_watch_event event;

    registry_watch_event_init(&event);
    registry_watch_event_set_kind(&event, REGISTRY_WATCH_KIND_RESYNC);
    registry_watch_event_set_revision(&event, (int64_t)revision);
    (void)stream_send(watcher->stream, &event);
    watcher->seen = revision;
}

static void send_event(struct watcher *watcher, const struct reg_event *event)
{
    bool is_put = event->kind == REG_EVENT_PUT;
    const struct reg_row row = {.record = event->record,
                                .last_heartbeat_s = event->record->registered_s,
                                .expires_s = event->record->registered_s +
                                             event->record->ttl_s};
    struct registry_watch_event message;
    struct registry_registration registration;
    struct arena arena;

    watcher->seen = event->revision;
    if (*watcher->model &&
        strcmp(watcher->model, event->record->model_name) != 0)
        return;
    arena_init(&arena, 0);
    registry_watch_event_init(&message);
    registry_watch_event_set_kind(&message, is_put
                                                ? REGISTRY_WATCH_KIND_PUT
                                                : REGISTRY_WATCH_KIND_DELETE);
    registry_watch_event_set_revision(&message, (int64_t)event->revision);
    registry_registration_init(&registration);
    reply_registration(&registration, &row, is_put, &arena);
    message.registration = &registration;
    /* a stream that is over says so to watcher_closed() */
    (void)stream_send(watcher->stream, &message);
    arena_release(&arena);
}

/* ---- bringing one up to date ---- */

/* All that happened after watcher->seen. */
static void catch_up(struct registry *registry, struct watcher *watcher)
{
    struct reg_feed feed;

    do {
        registry_read(registry, watcher->seen, &feed);
        if (feed.lost || feed.revision - watcher->seen > AT_ONCE_MAX)
            send_resync(watcher, feed.revision);
        else
            for (size_t i = 0; i < feed.count; i++)
                send_event(watcher, &feed.events[i]);
        reg_feed_release(&feed);
    } while (watcher->seen < feed.revision);
}

/* The live instances, as if they had just been registered. */
static bool send_present(struct registry *registry, struct watcher *watcher,
                         struct arena *arena, struct error *err)
{
    const char *model = *watcher->model ? watcher->model : NULL;
    struct reg_list list;

    if (!registry_list(registry, model, arena, &list, err))
        return false;
    if (list.count > AT_ONCE_MAX)
        send_resync(watcher, list.revision);
    for (size_t i = 0; list.count <= AT_ONCE_MAX && i < list.count; i++) {
        const struct reg_event event = {
            .revision = list.revision,
            .kind = REG_EVENT_PUT,
            /* a copy in the arena, which is only read */
            .record = (struct reg_record *)(uintptr_t)list.rows[i].record};

        send_event(watcher, &event);
    }
    watcher->seen = list.revision;
    return true;
}

/* ---- coming and going ---- */

static void free_watcher(struct watcher *watcher)
{
    if (!watcher)
        return;
    stream_put(watcher->stream);
    free(watcher->model);
    free(watcher);
}

static void watcher_closed(struct door_stream *stream, void *context)
{
    struct watcher *watcher = context;

    (void)stream;
    atomic_store(&watcher->closed, true);
}

static struct watcher *new_watcher(const char *model, struct error *err)
{
    struct watcher *watcher = calloc(1, sizeof *watcher);

    if (watcher)
        watcher->model = strdup(model ? model : "");
    if (watcher && watcher->model)
        return watcher;
    free_watcher(watcher);
    (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a watcher");
    return NULL;
}

/* Frees the watchers whose clients are gone. */
static void clear_closed_locked(struct reg_watchers *watchers)
{
    for (struct watcher **at = &watchers->list; *at;) {
        struct watcher *watcher = *at;

        if (!atomic_load(&watcher->closed)) {
            at = &watcher->next;
            continue;
        }
        *at = watcher->next;
        watchers->count--;
        free_watcher(watcher);
    }
}

static bool add_locked(struct reg_watchers *watchers, struct srv_call *call,
                       struct watcher *watcher, bool has_after,
                       struct error *err)
{
    clear_closed_locked(watchers);
    if (watchers->count >= watchers->limit)
        return fail(err, ERR_QUOTA_EXCEEDED,
                    "there are %zu watchers, the limit", watchers->count);
    watcher->stream = call_stream_keep(call, watcher_closed, watcher, err);
    if (!watcher->stream)
        return false;
    /* from here on the stream knows the watcher: it is freed when it closes */
    watcher->next = watchers->list;
    watchers->list = watcher;
    watchers->count++;
    if (!has_after &&
        !send_present(watchers->registry, watcher, &call->arena, err))
        return false;
    catch_up(watchers->registry, watcher);
    return true;
}

bool reg_watchers_add(struct reg_watchers *watchers, struct srv_call *call,
                      const char *model, bool has_after, uint64_t after,
                      struct error *err)
{
    struct watcher *watcher = new_watcher(model, err);
    bool ok, is_kept;

    if (!watcher)
        return false;
    watcher->seen = after;
    (void)pthread_mutex_lock(&watchers->mu);
    ok = add_locked(watchers, call, watcher, has_after, err);
    is_kept = watcher->stream != NULL;
    (void)pthread_mutex_unlock(&watchers->mu);
    if (!is_kept)
        free_watcher(watcher);
    return ok;
}

/* ---- the thread ---- */

static void feed_all(struct reg_watchers *watchers)
{
    struct reg_feed feed;

    (void)pthread_mutex_lock(&watchers->mu);
    clear_closed_locked(watchers);
    registry_read(watchers->registry, watchers->fed, &feed);
    for (struct watcher *at = watchers->list; at; at = at->next) {
        if (feed.lost)
            send_resync(at, feed.revision);
        for (size_t i = 0; i < feed.count; i++)
            if (feed.events[i].revision > at->seen)
                send_event(at, &feed.events[i]);
    }
    watchers->fed = feed.lost ? feed.revision : watchers->fed + feed.count;
    (void)pthread_mutex_unlock(&watchers->mu);
    reg_feed_release(&feed);
}

static void *run(void *context)
{
    struct reg_watchers *watchers = context;

    while (!atomic_load(&watchers->stopping)) {
        registry_wait(watchers->registry, watchers->fed, IDLE_MS);
        feed_all(watchers);
    }
    return NULL;
}

struct reg_watchers *reg_watchers_new(struct registry *registry, size_t limit,
                                      struct error *err)
{
    struct reg_watchers *watchers = calloc(1, sizeof *watchers);
    struct reg_feed feed;

    if (!watchers) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for watchers");
        return NULL;
    }
    watchers->registry = registry;
    watchers->limit = limit;
    (void)pthread_mutex_init(&watchers->mu, NULL);
    registry_read(registry, UINT64_MAX - 1, &feed);
    watchers->fed = feed.revision;
    if (pthread_create(&watchers->thread, NULL, run, watchers) != 0) {
        (void)fail(err, ERR_INTERNAL, "no thread for watchers");
        reg_watchers_free(watchers);
        return NULL;
    }
    watchers->has_thread = true;
    return watchers;
}

void reg_watchers_stop(struct reg_watchers *watchers)
{
    if (!watchers->has_thread)
        return;
    atomic_store(&watchers->stopping, true);
    (void)pthread_join(watchers->thread, NULL);
    watchers->has_thread = false;
    (void)pthread_mutex_lock(&watchers->mu);
    for (struct watcher *at = watchers->list; at; at = at->next)
        stream_end(at->stream, ERR_NOT_READY, "the registry is stopping");
    (void)pthread_mutex_unlock(&watchers->mu);
}

void reg_watchers_free(struct reg_watchers *watchers)
{
    if (!watchers)
        return;
    reg_watchers_stop(watchers);
    for (struct watcher *at = watchers->list, *next; at; at = next) {
        next = at->next;
        free_watcher(at);
    }
    (void)pthread_mutex_destroy(&watchers->mu);
    free(watchers);
}
