/*
 * Health: the grpc.health.v1 service of a door.
 *
 * One state for the whole door: "" and every service of its tables are serving
 * or not serving together. Check answers once; Watch answers at once and again
 * on every change. The handlers are rows of the generated health table and find
 * their struct health in call->app.
 *
 * Threads: any.
 */
#ifndef DOOR_HEALTH_H
#define DOOR_HEALTH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct health_watcher;

struct health {
    const char *const *services;
    size_t count;
    pthread_mutex_t mu;
    bool serving;                    /* under mu */
    struct health_watcher *watchers; /* under mu */
};

/* Not serving. The names must outlive it. */
void health_init(struct health *health, const char *const *services,
                 size_t count);

/* Every stream of it must be closed. */
void health_release(struct health *health);

/* Changes the state and tells the watchers, if it is a change. */
void health_set(struct health *health, bool serving);

#endif
