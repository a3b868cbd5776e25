/*
 * Sync: waiting on a condition for no longer than some time.
 *
 * pthread_cond_timedwait() wants a point in time of the clock that its
 * condition was made with. Ours all use CLOCK_MONOTONIC, so that setting the
 * wall clock neither prolongs nor ends a wait.
 *
 * Threads: any; initialise by one.
 */
#ifndef BASE_SYNC_H
#define BASE_SYNC_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* A condition whose timed waits take what sync_after_ms() returns. */
void sync_cond_init(pthread_cond_t *cond);

/* The point in time that many milliseconds from now. */
struct timespec sync_after_ms(uint32_t ms);

#endif
