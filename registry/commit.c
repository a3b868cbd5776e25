/*
 * Commit: group commit by leader and followers; see commit.h.
 */
#include "commit.h"

/* Changes in one write. */
enum { BATCH_MAX = 256 };

void reg_commit_init(struct reg_commit *commit, struct reg_store *store)
{
    *commit = (struct reg_commit){.store = store};
    commit->tail = &commit->head;
    (void)pthread_mutex_init(&commit->mu, NULL);
    (void)pthread_cond_init(&commit->settled, NULL);
}

void reg_commit_release(struct reg_commit *commit)
{
    (void)pthread_cond_destroy(&commit->settled);
    (void)pthread_mutex_destroy(&commit->mu);
}

void reg_commit_submit(struct reg_commit *commit, struct reg_ticket *ticket)
{
    ticket->next = NULL;
    ticket->done = false;
    (void)pthread_mutex_lock(&commit->mu);
    *commit->tail = ticket;
    commit->tail = &ticket->next;
    (void)pthread_mutex_unlock(&commit->mu);
}

/* Takes up to a batch from the queue into `changes`. */
static struct reg_ticket *take_batch_locked(struct reg_commit *commit,
                                            struct reg_change *changes,
                                            size_t *count)
{
    struct reg_ticket *first = commit->head, *at = first, *last = NULL;

    for (*count = 0; at && *count < BATCH_MAX; at = at->next) {
        changes[(*count)++] = at->change;
        last = at;
    }
    commit->head = at;
    if (!at)
        commit->tail = &commit->head;
    if (last)
        last->next = NULL;
    return first;
}

/* Writes one batch; the lock is free while the disk works. */
static void lead_locked(struct reg_commit *commit)
{
    struct reg_change changes[BATCH_MAX];
    struct error err = {0};
    size_t count = 0;
    struct reg_ticket *batch = take_batch_locked(commit, changes, &count);
    bool ok;

    commit->busy = true;
    (void)pthread_mutex_unlock(&commit->mu);
    ok = commit->store->ops->apply(commit->store->state, changes, count, &err);
    (void)pthread_mutex_lock(&commit->mu);
    commit->busy = false;
    commit->batches++;
    while (batch) {
        /* its owner may free it once done is set */
        struct reg_ticket *next = batch->next;

        batch->ok = ok;
        batch->err = err;
        batch->done = true;
        batch = next;
    }
    (void)pthread_cond_broadcast(&commit->settled);
}

bool reg_commit_wait(struct reg_commit *commit, struct reg_ticket *ticket,
                     struct error *err)
{
    (void)pthread_mutex_lock(&commit->mu);
    while (!ticket->done) {
        if (commit->busy)
            (void)pthread_cond_wait(&commit->settled, &commit->mu);
        else
            lead_locked(commit);
    }
    (void)pthread_mutex_unlock(&commit->mu);
    if (!ticket->ok)
        *err = ticket->err;
    return ticket->ok;
}
