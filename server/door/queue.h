/*
 * Queue: calls that wait for a worker, and the workers.
 *
 *   door thread  queue_push() ---> at most `length` waiting ---> worker
 *   worker       call_serve(), or call_refuse() when it is too late
 *                answer(call): the door sends what the call holds
 *
 * Calls whose handlers leave their work to a batch (call_defer()) are served
 * together, as many as wait and fill it; no call ever waits for company. Peers
 * take turns: one that sends much delays itself and not the others, and when
 * there is no room left, it is its last call that makes room for theirs.
 *
 * Being full is told at once, so that a caller can go elsewhere while its
 * deadline is far; a call whose deadline passed in the queue, or whose caller
 * has left, is answered without running its handler.
 *
 * Threads: push and load by any; new, drain and free by one.
 */
#ifndef DOOR_QUEUE_H
#define DOOR_QUEUE_H

#include "call.h"

struct queue;

/* Sends what the call holds; runs on a worker, once per accepted call, after
 * which the queue does not touch the call again. A door may do here what else
 * is to be done, see queue_nap(). */
typedef void queue_answer(struct srv_call *call);

/*
 * Starts `workers` (>= 1) threads, before which `length` calls may wait; with
 * 0 a call is taken only while a worker is idle.
 * ERR_OUT_OF_MEMORY; ERR_INTERNAL: a thread did not start.
 */
struct queue *queue_new(int workers, int length, struct error *err);

/*
 * Gives the call to a worker, who serves it and calls `answer`. false: the
 * queue is full (OVERLOADED) or draining (NOT_READY), both with a Retry-After
 * of 1; call_refuse() was called and the caller answers.
 */
bool queue_push(struct queue *queue, struct srv_call *call,
                queue_answer *answer);

/* Calls that wait and that run now. */
void queue_load(struct queue *queue, int *waiting, int *running);

/* More calls wait than there are workers. */
bool queue_is_ahead(struct queue *queue);

/*
 * For a thread whose work the workers do between two calls: sleeps until one
 * of them has no call left, at most 2 ms. false, at once, if no call waits.
 */
bool queue_nap(struct queue *queue);

/*
 * Refuses new calls, waits until none is left or `grace_ms` has passed, then
 * cancels those that are left and waits until their handlers have returned.
 */
void queue_drain(struct queue *queue, uint32_t grace_ms);

/* Drains without grace, ends the workers, frees; accepts NULL. */
void queue_free(struct queue *queue);

#endif
