/*
 * Health: a flag, the names it is for, and a list of those who watch it.
 *
 * Lock order: health->mu, then what stream_send() takes. `closed` runs without
 * any lock of the stream and is the only place where a watcher is freed.
 */
#include "health.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "health_server.h"

/* HealthCheckResponse.ServingStatus */
enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

struct health_watcher {
    struct health *health;
    struct door_stream *stream;
    bool known;                            /* of a service we have */
    struct health_watcher *before, *after; /* under health->mu */
};

void health_init(struct health *health, const char *const *services,
                 size_t count)
{
    *health = (struct health){.services = services, .count = count};
    pthread_mutex_init(&health->mu, NULL);
}

void health_release(struct health *health)
{
    pthread_mutex_destroy(&health->mu);
}

static bool knows(const struct health *health, const char *service)
{
    if (!*service)
        return true;
    for (size_t i = 0; i < health->count; i++)
        if (strcmp(health->services[i], service) == 0)
            return true;
    return false;
}

static void fill_status(const struct health *health, bool known,
                        struct health_health_check_response *reply)
{
    int status = health->serving ? SERVING : NOT_SERVING;

    reply->status = known ? status : SERVICE_UNKNOWN;
}

static bool tell_locked(const struct health_watcher *watcher)
{
    struct health_health_check_response reply = {0};

    fill_status(watcher->health, watcher->known, &reply);
    return stream_send(watcher->stream, &reply);
}

void health_set(struct health *health, bool serving)
{
    pthread_mutex_lock(&health->mu);
    if (health->serving != serving) {
        health->serving = serving;
        for (const struct health_watcher *watcher = health->watchers; watcher;
             watcher = watcher->after)
            if (watcher->known)
                (void)tell_locked(watcher); /* a closed stream tells us */
    }
    pthread_mutex_unlock(&health->mu);
}

bool handle_health_check(struct srv_call *call,
                         const struct health_health_check_request *request,
                         struct health_health_check_response *reply,
                         struct error *err)
{
    struct health *health = call->app;

    if (!knows(health, request->service))
        return fail(err, ERR_NOT_FOUND, "this server has no service '%s'",
                    request->service);
    pthread_mutex_lock(&health->mu);
    fill_status(health, true, reply);
    pthread_mutex_unlock(&health->mu);
    return true;
}

static void watch_closed(struct door_stream *stream, void *context)
{
    struct health_watcher *watcher = context;
    struct health *health = watcher->health;

    pthread_mutex_lock(&health->mu);
    if (watcher->before)
        watcher->before->after = watcher->after;
    else
        health->watchers = watcher->after;
    if (watcher->after)
        watcher->after->before = watcher->before;
    pthread_mutex_unlock(&health->mu);
    stream_put(stream);
    free(watcher);
}

static void add_watcher(struct health *health, struct health_watcher *watcher)
{
    pthread_mutex_lock(&health->mu);
    watcher->after = health->watchers;
    if (watcher->after)
        watcher->after->before = watcher;
    health->watchers = watcher;
    (void)tell_locked(watcher);
    pthread_mutex_unlock(&health->mu);
}

bool handle_health_watch(struct srv_call *call,
                         const struct health_health_check_request *request,
                         struct health_health_check_response *reply,
                         struct error *err)
{
    struct health_watcher *watcher = calloc(1, sizeof *watcher);

    (void)reply;
    if (!watcher)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for another watcher");
    watcher->health = call->app;
    watcher->known = knows(watcher->health, request->service);
    watcher->stream = call_stream_keep(call, watch_closed, watcher, err);
    if (!watcher->stream) {
        free(watcher);
        return false;
    }
    add_watcher(watcher->health, watcher);
    return true;
}
