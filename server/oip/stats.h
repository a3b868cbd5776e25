/*
 * Stats: what the tensor requests of one model took, as ModelStatistics and
 * load generators want it.
 *
 * Threads: any; counters are atomic, so a snapshot may be torn between two of
 * them by the requests that run.
 */
#ifndef OIP_STATS_H
#define OIP_STATS_H

#include <stdatomic.h>
#include <stdint.h>

struct oip_duration {
    atomic_ullong count, ns;
};

struct oip_stats {
    struct oip_duration success, fail; /* from the head of the request on */
    struct oip_duration queue, compute_input, compute_infer, compute_output;
    atomic_ullong last_ms; /* since 1970; 0 = never */
};

/* When the steps of one request were done; clock_now_ns() scale. */
struct oip_times {
    uint64_t started, taken, read, run, answered;
};

/* A request went through; it failed at any time. */
void oip_stats_success(struct oip_stats *stats, const struct oip_times *times);
void oip_stats_fail(struct oip_stats *stats, uint64_t took_ns);

#endif
