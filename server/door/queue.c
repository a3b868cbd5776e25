/*
 * Queue: a list under one lock; workers sleep on it.
 *
 * One lock is enough: it is held for a few instructions per call, while a call
 * that is worth queueing runs for many microseconds.
 *
 * Callers take turns. A call gets the turn after its peer's last waiting one,
 * or, without one, the turn after that which is served now; the list is in
 * order of turns. A peer that sends one call then waits for one call of every
 * other peer, however many those have sent. When the list is full, whoever has
 * most calls in it loses the last one to a peer that has at least two fewer.
 *
 * A worker that took a call that leaves its work to a batch (call_defer()) takes
 * more calls of that endpoint: what it finds, never waiting for any, and no more
 * than its share of what waits, so that the other workers have some, too.
 */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "sync.h"

enum { NAP_MS = 2, BATCH_MAX = 64, PEER_SIZE = 64 };

/* Who has calls in the list. */
struct peer {
    char name[PEER_SIZE];
    size_t waiting; /* 0 = the place is free */
    uint64_t turn;  /* of the last one */
};

struct job {
    struct srv_call *call;
    queue_answer *answer;
    struct peer *peer;
    uint64_t turn;
    uint64_t pushed_ns;
    struct job *next, *previous;
};

/* Calls that a worker serves together. */
struct batch {
    struct job jobs[BATCH_MAX];
    size_t count;
};

struct worker {
    struct queue *queue;
    pthread_t thread;
    bool started;
    struct batch batch;
    size_t running; /* by lock; of the batch, those that can be cancelled */
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job or the end has come */
    pthread_cond_t idle; /* nothing waits and nothing runs */
    pthread_cond_t calm; /* a worker has no call */
    /* All by lock. */
    struct job *jobs;  /* places for those that may wait */
    struct job *spare; /* free places; a list */
    struct job *first, *last;
    struct job *lost; /* gave way to another peer's; a list */
    struct peer *peers;
    size_t length; /* of the places: calls that may wait or run */
    size_t waiting;
    uint64_t turn;   /* of the call that was taken last */
    size_t running;  /* until the answer is handed over */
    size_t unserved; /* waiting, or in a handler */
    size_t napping;  /* threads in queue_nap() */
    bool draining, ended;
    struct worker *workers;
    size_t worker_count;
};

/* ---- the list ---- */

static struct peer *find_peer_locked(struct queue *queue, const char *name)
{
    /* There are as many places as calls may wait: one is free. */
    struct peer *spare = &queue->peers[0];

    for (size_t i = 0, seen = 0; i < queue->length; i++) {
        struct peer *peer = &queue->peers[i];

        if (peer->waiting && strcmp(peer->name, name) == 0)
            return peer;
        seen += peer->waiting;
        if (!peer->waiting && spare->waiting)
            spare = peer;
        if (!spare->waiting && seen == queue->waiting)
            break;
    }
    (void)strncpy(spare->name, name, PEER_SIZE - 1);
    spare->turn = queue->turn;
    return spare;
}

static void unlink_locked(struct queue *queue, struct job *job)
{
    *(job->previous ? &job->previous->next : &queue->first) = job->next;
    *(job->next ? &job->next->previous : &queue->last) = job->previous;
    job->peer->waiting--;
    queue->waiting--;
}

/* Behind those whose turn is no later. */
static void link_locked(struct queue *queue, struct job *job)
{
    struct job *before = queue->last;

    while (before && before->turn > job->turn)
        before = before->previous;
    job->previous = before;
    job->next = before ? before->next : queue->first;
    *(before ? &before->next : &queue->first) = job;
    *(job->next ? &job->next->previous : &queue->last) = job;
    job->peer->waiting++;
    queue->waiting++;
}

static void add_locked(struct queue *queue, struct srv_call *call,
                       queue_answer *answer)
{
    struct job *job = queue->spare;

    queue->spare = job->next;
    *job = (struct job){
        .call = call,
        .answer = answer,
        .peer = find_peer_locked(queue, call->peer ? call->peer : ""),
        .pushed_ns = clock_now_ns()};
    job->turn = ++job->peer->turn;
    link_locked(queue, job);
}

static struct peer *most_locked(struct queue *queue)
{
    struct peer *most = &queue->peers[0];

    for (size_t i = 1; i < queue->length; i++)
        if (queue->peers[i].waiting > most->waiting)
            most = &queue->peers[i];
    return most;
}

/* Makes room for a call of this peer, if another one has much more. */
static bool displace_locked(struct queue *queue, const char *name)
{
    struct peer *most = most_locked(queue);
    struct job *job = queue->last;
    size_t own = 0;

    for (size_t i = 0; i < queue->length; i++)
        if (queue->peers[i].waiting && strcmp(queue->peers[i].name, name) == 0)
            own = queue->peers[i].waiting;
    if (most->waiting < own + 2)
        return false;
    while (job->peer != most)
        job = job->previous;
    unlink_locked(queue, job);
    most->turn--;
    queue->unserved--;
    queue->running++; /* until a worker has answered it */
    job->next = queue->lost;
    queue->lost = job;
    return true;
}

/* ---- workers ---- */

/* The first call joins what the worker serves. */
static void take_locked(struct queue *queue, struct worker *worker)
{
    struct job *first = queue->first;

    queue->turn = first->turn;
    unlink_locked(queue, first);
    worker->batch.jobs[worker->batch.count++] = *first;
    worker->running = worker->batch.count;
    queue->running++;
    first->next = queue->spare;
    queue->spare = first;
}

/* The handler must not start for a caller who will not read the answer. True:
 * the rest of the work is left to the batch. */
static bool begin(const struct job *job)
{
    struct srv_call *call = job->call;

    call->queue_ns = clock_now_ns() - job->pushed_ns;
    if (atomic_load(&call->cancelled))
        call_refuse(call, ERR_CANCELLED, 0, "the call was cancelled");
    else if (clock_left_ms(call->deadline_ns) == 0)
        call_refuse(call, ERR_TIMEOUT, 0,
                    "the deadline passed while the call was queued");
    else
        return call_begin(call);
    return false;
}

static void done_locked(struct queue *queue)
{
    queue->running--;
    if (queue->running == 0 && queue->waiting == 0)
        (void)pthread_cond_broadcast(&queue->idle);
}

/* The call that was taken last is served: answer() may free it. */
static void answer_last(struct queue *queue, struct worker *worker)
{
    struct batch *batch = &worker->batch;
    struct job job = batch->jobs[batch->count - 1];

    (void)pthread_mutex_lock(&queue->lock);
    worker->running = --batch->count;
    queue->unserved--; /* whoever gets it may send the next one */
    (void)pthread_mutex_unlock(&queue->lock);
    job.answer(job.call);
    (void)pthread_mutex_lock(&queue->lock);
    done_locked(queue);
    (void)pthread_mutex_unlock(&queue->lock);
}

/* How many calls a batch may take of those that wait: its share, so that other
 * workers find some. */
static size_t share_locked(const struct queue *queue)
{
    size_t all = queue->waiting + 1;

    return (all + queue->worker_count - 1) / queue->worker_count;
}

/* Takes another call that can join the batch. */
static bool take_more(struct queue *queue, struct worker *worker, size_t share)
{
    const struct batch *batch = &worker->batch;
    const struct op_def *op = batch->jobs[0].call->op;
    bool more;

    (void)pthread_mutex_lock(&queue->lock);
    more = queue->first && queue->first->call->op == op &&
           batch->count < share && batch->count < BATCH_MAX;
    if (more)
        take_locked(queue, worker);
    (void)pthread_mutex_unlock(&queue->lock);
    return more;
}

/* The first one came first: it goes to the end, where they leave. */
static void turn_round(struct queue *queue, struct batch *batch)
{
    (void)pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < batch->count / 2; i++) {
        struct job job = batch->jobs[i];

        batch->jobs[i] = batch->jobs[batch->count - 1 - i];
        batch->jobs[batch->count - 1 - i] = job;
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

/* The work of all, then the rest of each. */
static void serve_batch(struct queue *queue, struct worker *worker)
{
    struct srv_call *calls[BATCH_MAX];
    struct batch *batch = &worker->batch;

    for (size_t i = 0; i < batch->count; i++)
        calls[i] = batch->jobs[i].call;
    call_work(calls, batch->count);
    turn_round(queue, batch);
    while (batch->count > 0) {
        call_finish(batch->jobs[batch->count - 1].call);
        answer_last(queue, worker);
    }
}

/* Serves the call that was just taken, and those that join it. */
static void serve(struct queue *queue, struct worker *worker, size_t share)
{
    struct batch *batch = &worker->batch;
    double filled = 0;

    do {
        struct srv_call *call = batch->jobs[batch->count - 1].call;

        if (begin(&batch->jobs[batch->count - 1]))
            filled += call->work_share;
        else
            answer_last(queue, worker);
    } while (batch->count > 0 && filled < 1 && take_more(queue, worker, share));
    if (batch->count > 0)
        serve_batch(queue, worker);
}

/* Tells a caller whose call gave way. */
static void refuse_lost_locked(struct queue *queue)
{
    struct job *job = queue->lost, lost = *job;

    queue->lost = job->next;
    job->next = queue->spare;
    queue->spare = job;
    (void)pthread_mutex_unlock(&queue->lock);
    call_refuse(lost.call, ERR_OVERLOADED, 1, "the queue is full");
    lost.answer(lost.call);
    (void)pthread_mutex_lock(&queue->lock);
    done_locked(queue);
}

/* The worker has nothing to do: those who left theirs to it must wake up. */
static void rest_locked(struct queue *queue)
{
    if (queue->napping > 0)
        (void)pthread_cond_broadcast(&queue->calm);
    (void)pthread_cond_wait(&queue->work, &queue->lock);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct queue *queue = worker->queue;

    (void)pthread_mutex_lock(&queue->lock);
    for (;;) {
        size_t share;

        while (queue->waiting == 0 && !queue->lost && !queue->ended)
            rest_locked(queue);
        if (queue->lost) {
            refuse_lost_locked(queue);
            continue;
        }
        if (queue->waiting == 0)
            break;
        take_locked(queue, worker);
        share = share_locked(queue);
        (void)pthread_mutex_unlock(&queue->lock);
        serve(queue, worker, share);
        (void)pthread_mutex_lock(&queue->lock);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return NULL;
}

static bool start_workers(struct queue *queue, struct error *err)
{
    for (size_t i = 0; i < queue->worker_count; i++) {
        struct worker *worker = &queue->workers[i];

        worker->queue = queue;
        if (pthread_create(&worker->thread, NULL, work, worker) != 0)
            return fail(err, ERR_INTERNAL, "a worker thread did not start");
        worker->started = true;
        (void)pthread_setname_np(worker->thread, "door-worker");
    }
    return true;
}

/* Places for calls that wait, and as many for those that gave way. */
static bool make_places(struct queue *queue)
{
    size_t count = 2 * queue->length;

    queue->jobs = calloc(count, sizeof *queue->jobs);
    queue->peers = calloc(queue->length, sizeof *queue->peers);
    for (size_t i = 0; queue->jobs && i < count; i++) {
        queue->jobs[i].next = queue->spare;
        queue->spare = &queue->jobs[i];
    }
    return queue->jobs && queue->peers;
}

struct queue *queue_new(int workers, int length, struct error *err)
{
    struct queue *queue = calloc(1, sizeof *queue);

    if (!queue) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the queue");
        return NULL;
    }
    (void)pthread_mutex_init(&queue->lock, NULL);
    sync_cond_init(&queue->work);
    sync_cond_init(&queue->idle);
    sync_cond_init(&queue->calm);
    queue->length = (size_t)workers + (size_t)length;
    queue->workers = calloc((size_t)workers, sizeof *queue->workers);
    if (!make_places(queue) || !queue->workers) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the queue");
        goto failed;
    }
    queue->worker_count = (size_t)workers;
    if (!start_workers(queue, err))
        goto failed;
    return queue;
failed:
    queue_free(queue);
    return NULL;
}

bool queue_push(struct queue *queue, struct srv_call *call,
                queue_answer *answer)
{
    bool draining, full;

    (void)pthread_mutex_lock(&queue->lock);
    draining = queue->draining;
    full = queue->unserved == queue->length || !queue->spare;
    if (!draining && full && queue->spare)
        full = !queue->waiting ||
               !displace_locked(queue, call->peer ? call->peer : "");
    if (!draining && !full) {
        add_locked(queue, call, answer);
        queue->unserved++;
        (void)pthread_cond_signal(&queue->work);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    if (draining)
        call_refuse(call, ERR_NOT_READY, 1, "the server is draining");
    else if (full)
        call_refuse(call, ERR_OVERLOADED, 1, "the queue is full");
    return !draining && !full;
}

void queue_load(struct queue *queue, int *waiting, int *running)
{
    (void)pthread_mutex_lock(&queue->lock);
    *waiting = (int)queue->waiting;
    *running = (int)queue->running;
    (void)pthread_mutex_unlock(&queue->lock);
}

bool queue_is_ahead(struct queue *queue)
{
    bool ahead;

    (void)pthread_mutex_lock(&queue->lock);
    ahead = queue->waiting > queue->worker_count;
    (void)pthread_mutex_unlock(&queue->lock);
    return ahead;
}

bool queue_nap(struct queue *queue)
{
    struct timespec until = sync_after_ms(NAP_MS);
    bool busy;

    (void)pthread_mutex_lock(&queue->lock);
    busy = queue->waiting > 0;
    if (busy) {
        queue->napping++;
        (void)pthread_cond_timedwait(&queue->calm, &queue->lock, &until);
        queue->napping--;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return busy;
}

static void cut(struct srv_call *call)
{
    atomic_store(&call->cut, true);
    atomic_store(&call->cancelled, true);
}

static void cancel_locked(struct queue *queue)
{
    for (struct job *job = queue->first; job; job = job->next)
        cut(job->call);
    for (size_t i = 0; i < queue->worker_count; i++)
        for (size_t k = 0; k < queue->workers[i].running; k++)
            cut(queue->workers[i].batch.jobs[k].call);
}

static bool busy_locked(const struct queue *queue)
{
    return queue->waiting > 0 || queue->running > 0;
}

void queue_drain(struct queue *queue, uint32_t grace_ms)
{
    struct timespec until = sync_after_ms(grace_ms);
    int rc = 0;

    (void)pthread_mutex_lock(&queue->lock);
    queue->draining = true;
    while (busy_locked(queue) && rc == 0)
        rc = pthread_cond_timedwait(&queue->idle, &queue->lock, &until);
    cancel_locked(queue);
    while (busy_locked(queue))
        (void)pthread_cond_wait(&queue->idle, &queue->lock);
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    queue_drain(queue, 0);
    (void)pthread_mutex_lock(&queue->lock);
    queue->ended = true;
    (void)pthread_cond_broadcast(&queue->work);
    (void)pthread_mutex_unlock(&queue->lock);
    for (size_t i = 0; i < queue->worker_count; i++)
        if (queue->workers[i].started)
            (void)pthread_join(queue->workers[i].thread, NULL);
    (void)pthread_cond_destroy(&queue->work);
    (void)pthread_cond_destroy(&queue->idle);
    (void)pthread_cond_destroy(&queue->calm);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue->workers);
    free(queue->jobs);
    free(queue->peers);
    free(queue);
}
