/*
 * Queue: a ring under one lock; workers sleep on it.
 *
 * One lock is enough: it is held for a few instructions per call, while a call
 * that is worth queueing runs for many microseconds.
 */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "sync.h"

enum { NAP_MS = 2 };

struct job {
    struct srv_call *call;
    queue_answer *answer;
};

struct worker {
    struct queue *queue;
    pthread_t thread;
    bool started;
    struct srv_call *running; /* by lock; NULL = idle */
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job or the end has come */
    pthread_cond_t idle; /* nothing waits and nothing runs */
    pthread_cond_t calm; /* a worker has no call */
    struct job *ring;
    size_t length;         /* of the ring: calls that may wait or run */
    size_t first, waiting; /* by lock */
    size_t running;        /* by lock; until the answer is handed over */
    size_t unserved;       /* by lock; waiting, or in a handler */
    size_t napping;        /* by lock; threads in queue_nap() */
    bool draining, ended;  /* by lock */
    struct worker *workers;
    size_t worker_count;
};

/* The handler must not start for a caller who will not read the answer. */
static void serve(struct srv_call *call)
{
    if (atomic_load(&call->cancelled))
        call_refuse(call, ERR_CANCELLED, 0, "the call was cancelled");
    else if (clock_left_ms(call->deadline_ns) == 0)
        call_refuse(call, ERR_TIMEOUT, 0,
                    "the deadline passed while the call was queued");
    else
        call_serve(call);
}

static struct job take_locked(struct queue *queue, struct worker *worker)
{
    struct job job = queue->ring[queue->first];

    queue->first = (queue->first + 1) % queue->length;
    queue->waiting--;
    queue->running++;
    worker->running = job.call;
    return job;
}

static void done_locked(struct queue *queue)
{
    queue->running--;
    if (queue->running == 0 && queue->waiting == 0)
        (void)pthread_cond_broadcast(&queue->idle);
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
        struct job job;

        while (queue->waiting == 0 && !queue->ended)
            rest_locked(queue);
        if (queue->waiting == 0)
            break;
        job = take_locked(queue, worker);
        (void)pthread_mutex_unlock(&queue->lock);
        serve(job.call);
        (void)pthread_mutex_lock(&queue->lock);
        worker->running = NULL; /* answer() may free the call */
        queue->unserved--;      /* whoever gets it may send the next one */
        (void)pthread_mutex_unlock(&queue->lock);
        job.answer(job.call);
        (void)pthread_mutex_lock(&queue->lock);
        done_locked(queue);
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
    queue->ring = calloc(queue->length, sizeof *queue->ring);
    queue->workers = calloc((size_t)workers, sizeof *queue->workers);
    if (!queue->ring || !queue->workers) {
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
    full = queue->unserved == queue->length;
    if (!draining && !full) {
        size_t last = (queue->first + queue->waiting) % queue->length;

        queue->ring[last] = (struct job){.call = call, .answer = answer};
        queue->waiting++;
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
    for (size_t i = 0; i < queue->waiting; i++)
        cut(queue->ring[(queue->first + i) % queue->length].call);
    for (size_t i = 0; i < queue->worker_count; i++)
        if (queue->workers[i].running)
            cut(queue->workers[i].running);
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
    free(queue->ring);
    free(queue);
}
