/*
 * Plan cache: hash table plus a list by last use.
 */
#include "plan_cache.h"

#include <stdlib.h>
#include <string.h>

void plan_cache_init(struct plan_cache *cache, size_t count_max,
                     size_t bytes_max)
{
    *cache =
        (struct plan_cache){.count_max = count_max, .bytes_max = bytes_max};
    (void)pthread_mutex_init(&cache->mu, NULL);
}

void plan_cache_release(struct plan_cache *cache)
{
    while (cache->oldest) {
        struct eng_plan *plan = cache->oldest;

        cache->oldest = plan->newer;
        plan_free(plan);
    }
    (void)pthread_mutex_destroy(&cache->mu);
}

void plan_key_hash(struct plan_key *key)
{
    uint64_t hash = 0x9e3779b97f4a7c15U;

    for (size_t i = 0; i < key->count; i++) {
        hash = (hash ^ (uint64_t)key->words[i]) * 0xff51afd7ed558ccdU;
        hash ^= hash >> 32;
    }
    key->hash = hash;
}

static bool same_key(const struct plan_key *a, const struct plan_key *b)
{
    return a->hash == b->hash && a->count == b->count &&
           memcmp(a->words, b->words, a->count * sizeof a->words[0]) == 0;
}

static struct eng_plan *find_locked(struct plan_cache *cache,
                                    const struct plan_key *key)
{
    struct eng_plan *plan = cache->buckets[key->hash % PLAN_BUCKETS];

    while (plan && !same_key(&plan->key, key))
        plan = plan->same_bucket;
    return plan;
}

static void unlink_locked(struct plan_cache *cache, struct eng_plan *plan)
{
    if (plan->newer)
        plan->newer->older = plan->older;
    else
        cache->newest = plan->older;
    if (plan->older)
        plan->older->newer = plan->newer;
    else
        cache->oldest = plan->newer;
    plan->newer = plan->older = NULL;
}

static void link_newest_locked(struct plan_cache *cache, struct eng_plan *plan)
{
    plan->older = cache->newest;
    if (cache->newest)
        cache->newest->newer = plan;
    else
        cache->oldest = plan;
    cache->newest = plan;
}

/* Takes the plan out of the table; it is freed when nobody uses it. */
static void forget_locked(struct plan_cache *cache, struct eng_plan *plan)
{
    struct eng_plan **at = &cache->buckets[plan->key.hash % PLAN_BUCKETS];

    while (*at != plan)
        at = &(*at)->same_bucket;
    *at = plan->same_bucket;
    unlink_locked(cache, plan);
    cache->count--;
    cache->bytes -= plan->arena.total_bytes;
    plan->cached = false;
}

/* Over a limit, the oldest plans leave; those to free are chained by `older`. */
static struct eng_plan *evict_locked(struct plan_cache *cache)
{
    struct eng_plan *unused = NULL;

    while (cache->count > 1 && (cache->count > cache->count_max ||
                                cache->bytes > cache->bytes_max)) {
        struct eng_plan *plan = cache->oldest;

        forget_locked(cache, plan);
        if (plan->users == 0) {
            plan->older = unused;
            unused = plan;
        }
    }
    return unused;
}

static void free_chain(struct eng_plan *plan)
{
    while (plan) {
        struct eng_plan *next = plan->older;

        plan_free(plan);
        plan = next;
    }
}

/* Marks `plan` as used and takes an idle frame, if it has one. */
static struct plan_frame *use_locked(struct plan_cache *cache,
                                     struct eng_plan *plan)
{
    struct plan_frame *frame = plan->idle;

    plan->users++;
    if (frame)
        plan->idle = frame->next;
    if (cache->newest != plan) {
        unlink_locked(cache, plan);
        link_newest_locked(cache, plan);
    }
    return frame;
}

static void leave(struct plan_cache *cache, struct eng_plan *plan)
{
    bool unused;

    (void)pthread_mutex_lock(&cache->mu);
    unused = --plan->users == 0 && !plan->cached;
    (void)pthread_mutex_unlock(&cache->mu);
    if (unused)
        plan_free(plan);
}

/* `plan` is in use by the caller; a frame, or the use ends. */
static struct plan_frame *frame_or_leave(struct plan_cache *cache,
                                         struct eng_plan *plan,
                                         struct plan_frame *frame,
                                         struct error *err)
{
    if (!frame)
        frame = plan_frame_new(plan, err);
    if (!frame)
        leave(cache, plan);
    return frame;
}

struct plan_frame *plan_cache_take(struct plan_cache *cache,
                                   const struct plan_key *key, bool *miss,
                                   struct error *err)
{
    struct plan_frame *frame = NULL;
    struct eng_plan *plan;

    (void)pthread_mutex_lock(&cache->mu);
    plan = find_locked(cache, key);
    if (plan)
        frame = use_locked(cache, plan);
    (void)pthread_mutex_unlock(&cache->mu);
    *miss = !plan;
    return plan ? frame_or_leave(cache, plan, frame, err) : NULL;
}

static bool copy_key(struct eng_plan *plan, const struct plan_key *key)
{
    plan->key = *key;
    plan->key.words = malloc(key->count * sizeof *key->words + 1);
    if (!plan->key.words)
        return false;
    memcpy(plan->key.words, key->words, key->count * sizeof *key->words);
    return true;
}

static void insert_locked(struct plan_cache *cache, struct eng_plan *plan)
{
    struct eng_plan **bucket = &cache->buckets[plan->key.hash % PLAN_BUCKETS];

    plan->same_bucket = *bucket;
    *bucket = plan;
    plan->cached = true;
    link_newest_locked(cache, plan);
    cache->count++;
    cache->bytes += plan->arena.total_bytes;
}

struct plan_frame *plan_cache_add(struct plan_cache *cache,
                                  struct eng_plan *plan,
                                  const struct plan_key *key, struct error *err)
{
    struct eng_plan *winner, *unused;
    struct plan_frame *frame;

    if (!copy_key(plan, key)) {
        plan_free(plan);
        fail(err, ERR_OUT_OF_MEMORY, "no memory for a plan");
        return NULL;
    }
    (void)pthread_mutex_lock(&cache->mu);
    winner = find_locked(cache, key);
    if (!winner) {
        insert_locked(cache, plan);
        winner = plan;
    }
    frame = use_locked(cache, winner);
    unused = evict_locked(cache);
    (void)pthread_mutex_unlock(&cache->mu);
    if (winner != plan)
        plan_free(plan);
    free_chain(unused);
    return frame_or_leave(cache, winner, frame, err);
}

void plan_cache_return(struct plan_cache *cache, struct plan_frame *frame)
{
    struct eng_plan *plan;

    if (!frame)
        return;
    plan = frame->plan;
    (void)pthread_mutex_lock(&cache->mu);
    frame->next = plan->idle;
    plan->idle = frame;
    (void)pthread_mutex_unlock(&cache->mu);
    leave(cache, plan);
}
