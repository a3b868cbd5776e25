/*
 * Plan cache: the plans of a model by exact input shapes, bounded.
 *
 * A lookup is one hash and one short lock. A run takes a frame of its plan and
 * gives it back when it moves on; frames and their handles are kept with the
 * plan for the next run, so a warm cache allocates nothing. Building happens
 * outside the lock; the oldest plans go when there are too many.
 *
 * Threads: any.
 */
#ifndef ENGINE_PLAN_CACHE_H
#define ENGINE_PLAN_CACHE_H

#include <pthread.h>

#include "plan.h"

enum { PLAN_BUCKETS = 512 };

struct plan_cache {
    pthread_mutex_t mu;
    struct eng_plan *buckets[PLAN_BUCKETS]; /* mu */
    struct eng_plan *newest, *oldest;       /* mu */
    size_t count, bytes;                    /* mu */
    size_t count_max, bytes_max;
};

void plan_cache_init(struct plan_cache *cache, size_t count_max,
                     size_t bytes_max);

/* Frees every plan; no run may hold a frame any more. */
void plan_cache_release(struct plan_cache *cache);

/*
 * A frame of the plan with this key. *miss = there is no such plan (nothing
 * failed). NULL otherwise: ERR_OUT_OF_MEMORY.
 */
struct plan_frame *plan_cache_take(struct plan_cache *cache,
                                   const struct plan_key *key, bool *miss,
                                   struct error *err);

/*
 * Takes ownership of `plan` and stores it under `key` (copied), unless another
 * thread was faster: then its plan is used. Returns a frame, or NULL:
 * ERR_OUT_OF_MEMORY.
 */
struct plan_frame *plan_cache_add(struct plan_cache *cache,
                                  struct eng_plan *plan,
                                  const struct plan_key *key,
                                  struct error *err);

/* Gives a frame back; NULL is fine. */
void plan_cache_return(struct plan_cache *cache, struct plan_frame *frame);

/* Fills key->hash from its words. */
void plan_key_hash(struct plan_key *key);

#endif
