/*
 * Commit: one write to the store for everybody who waits.
 *
 * A durable write takes milliseconds because of the disk, however much it
 * carries. The first caller who finds the store idle writes what has queued up
 * (its own change and everybody else's); callers who come meanwhile form the
 * next batch. There is no thread: whoever waits does the work.
 *
 * Threads: any.
 */
#ifndef REGISTRY_COMMIT_H
#define REGISTRY_COMMIT_H

#include <pthread.h>

#include "store.h"

/* One change under way; lives where its caller waits. */
struct reg_ticket {
    struct reg_change change; /* the caller sets this, the rest is ours */
    struct reg_ticket *next;
    bool done, ok;
    struct error err;
};

struct reg_commit {
    struct reg_store *store;
    pthread_mutex_t mu;
    pthread_cond_t settled;          /* with mu */
    struct reg_ticket *head, **tail; /* waiting changes; mu */
    bool busy;                       /* somebody writes; mu */
    uint64_t batches;                /* written so far; mu */
};

/* `store` must outlive it. */
void reg_commit_init(struct reg_commit *commit, struct reg_store *store);
void reg_commit_release(struct reg_commit *commit);

/* Queues the change; reg_commit_wait() must follow. */
void reg_commit_submit(struct reg_commit *commit, struct reg_ticket *ticket);

/* Returns when the change is durable (true) or was not applied (false):
 * ERR_STORE_UNAVAILABLE. */
bool reg_commit_wait(struct reg_commit *commit, struct reg_ticket *ticket,
                     struct error *err);

#endif
