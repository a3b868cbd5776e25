/*
 * Metrics: what was asked and how it ended, counted per endpoint.
 *
 * Every finished call is one metrics_record(). From the counters come the
 * JSON of /metrics (Runtime API 1.2 counts predictions that reached a
 * decision) and the Prometheus text with a latency histogram per endpoint.
 *
 * Threads: any; counters are atomic, only the text of the last error is
 * behind a lock.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "contract.h"

enum { METRICS_BUCKETS = 15, METRICS_DOORS = 2 };

/* One number of each event: counts by bucket, and their sum. */
struct metrics_histogram {
    atomic_ullong buckets[METRICS_BUCKETS]; /* not cumulative; last is +Inf */
    atomic_ullong total;
};

struct metrics_op {
    atomic_ullong by_code[METRICS_DOORS][ERR_CODE_COUNT];
    struct metrics_histogram took_us;
    atomic_ullong decided_us; /* of calls that ended in 200, 500 or 504 */
};

struct srv_metrics {
    const struct op_table *const *tables; /* whose endpoints are counted */
    struct metrics_op *ops; /* one per endpoint, table after table */
    struct metrics_histogram batch_requests, batch_rows, batch_tokens;
    struct metrics_histogram compute_us; /* of each run of the model */
    struct metrics_histogram queue_us;   /* of each call that waited */
    uint64_t started_ns;
    pthread_mutex_t mu;
    enum err_code last_error; /* under mu; ERR_NONE = none so far */
};

/* What /metrics says of the endpoints that run the model. */
struct metrics_summary {
    uint64_t decided;  /* ended in 200, 500 or 504 */
    uint64_t declined; /* 200, but success false */
    uint64_t failed;   /* 500 or 504 */
    double mean_ms;    /* over `decided`; 0 if none */
};

/* Counts the endpoints of `tables`, a NULL-ended list that outlives the
 * metrics. */
bool metrics_init(struct srv_metrics *metrics,
                  const struct op_table *const *tables, struct error *err);
void metrics_release(struct srv_metrics *metrics);

/* One call of `op` (one of the tables; others are ignored) ended with `code`
 * after `took_ns`, through door 0 (REST) or 1 (gRPC). */
void metrics_record(struct srv_metrics *metrics, const struct op_def *op,
                    int door, enum err_code code, uint64_t took_ns);

/* The model ran once, over rows of so many requests; tokens 0: it has none. */
void metrics_record_batch(struct srv_metrics *metrics, size_t requests,
                          size_t rows, size_t tokens, uint64_t compute_ns);

/* A call waited for a worker. */
void metrics_record_queue(struct srv_metrics *metrics, uint64_t queue_ns);

/* All endpoints whose calls go through the queue, taken together. */
void metrics_summarise(const struct srv_metrics *metrics,
                       struct metrics_summary *summary);

/* Code and catalogue sentence of the latest failure, never input; false: no
 * failure so far. */
bool metrics_last_error(struct srv_metrics *metrics, struct buf *text);

double metrics_uptime_s(const struct srv_metrics *metrics);

/* Gauges that others know. */
struct metrics_gauges {
    const char *model, *version;
    int waiting, running; /* predictions */
    bool ready;
};

/* The Prometheus text exposition format, version 0.0.4. */
void metrics_write_text(struct srv_metrics *metrics,
                        const struct metrics_gauges *gauges, struct buf *out);

#endif
