/*
 * Stats: see stats.h.
 */
#include "stats.h"

#include <time.h>

static void add(struct oip_duration *to, uint64_t from_ns, uint64_t until_ns)
{
    atomic_fetch_add_explicit(&to->ns,
                              until_ns > from_ns ? until_ns - from_ns : 0,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&to->count, 1, memory_order_relaxed);
}

void oip_stats_success(struct oip_stats *stats, const struct oip_times *times)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    atomic_store_explicit(&stats->last_ms,
                          (unsigned long long)now.tv_sec * 1000 +
                              (unsigned long long)now.tv_nsec / 1000000,
                          memory_order_relaxed);
    add(&stats->success, times->started, times->answered);
    add(&stats->queue, times->started, times->taken);
    add(&stats->compute_input, times->taken, times->read);
    add(&stats->compute_infer, times->read, times->run);
    add(&stats->compute_output, times->run, times->answered);
}

void oip_stats_fail(struct oip_stats *stats, uint64_t took_ns)
{
    add(&stats->fail, 0, took_ns);
}
