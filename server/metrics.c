/*
 * Metrics: see metrics.h.
 */
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* Upper bounds of the histogram's buckets; the last bucket has none. */
static const uint64_t bucket_us[METRICS_BUCKETS - 1] = {
    250,   500,    1000,   2500,   5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 5000000, 10000000};

/* The same for what is counted. */
static const uint64_t bucket_count[METRICS_BUCKETS - 1] = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192};

static const char *const door_names[METRICS_DOORS] = {"rest", "grpc"};

static size_t count_ops(const struct op_table *const *tables)
{
    size_t count = 0;

    for (; *tables; tables++)
        count += (*tables)->count;
    return count;
}

bool metrics_init(struct srv_metrics *metrics,
                  const struct op_table *const *tables, struct error *err)
{
    *metrics = (struct srv_metrics){
        .tables = tables,
        .ops = calloc(count_ops(tables) + 1, sizeof *metrics->ops),
        .started_ns = clock_now_ns(),
    };
    if (!metrics->ops)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the metrics");
    (void)pthread_mutex_init(&metrics->mu, NULL);
    return true;
}

void metrics_release(struct srv_metrics *metrics)
{
    if (!metrics->ops)
        return;
    free(metrics->ops);
    metrics->ops = NULL;
    (void)pthread_mutex_destroy(&metrics->mu);
}

/* Endpoint `k` of the table is the one before it under another URL; they are
 * counted together, in the row of the first. */
static bool is_repeated(const struct op_table *table, size_t k)
{
    return k > 0 && strcmp(table->ops[k].id, table->ops[k - 1].id) == 0;
}

static struct metrics_op *find(const struct srv_metrics *metrics,
                               const struct op_def *op)
{
    struct metrics_op *row = metrics->ops;

    for (size_t i = 0; op && metrics->tables[i]; i++) {
        const struct op_table *table = metrics->tables[i];

        if (op >= table->ops && op < table->ops + table->count) {
            size_t k = (size_t)(op - table->ops);

            while (is_repeated(table, k))
                k--;
            return row + k;
        }
        row += table->count;
    }
    return NULL;
}

/* A prediction reached a decision: it was answered, declined or failed. */
static bool is_decided(int http)
{
    return http == 200 || http == 500 || http == 504;
}

static size_t bucket_of(const uint64_t *bounds, uint64_t number)
{
    size_t i = 0;

    while (i < METRICS_BUCKETS - 1 && number > bounds[i])
        i++;
    return i;
}

static void record(struct metrics_histogram *histogram, const uint64_t *bounds,
                   uint64_t number)
{
    atomic_fetch_add(&histogram->buckets[bucket_of(bounds, number)], 1);
    atomic_fetch_add(&histogram->total, number);
}

void metrics_record_batch(struct srv_metrics *metrics, size_t requests,
                          size_t rows, size_t tokens, uint64_t compute_ns)
{
    record(&metrics->batch_requests, bucket_count, requests);
    record(&metrics->batch_rows, bucket_count, rows);
    if (tokens > 0)
        record(&metrics->batch_tokens, bucket_count, tokens);
    record(&metrics->compute_us, bucket_us, compute_ns / 1000);
}

void metrics_record_queue(struct srv_metrics *metrics, uint64_t queue_ns)
{
    record(&metrics->queue_us, bucket_us, queue_ns / 1000);
}

void metrics_record(struct srv_metrics *metrics, const struct op_def *op,
                    int door, enum err_code code, uint64_t took_ns)
{
    struct metrics_op *row = find(metrics, op);

    if (!row)
        return;
    atomic_fetch_add(&row->by_code[door][code], 1);
    record(&row->took_us, bucket_us, took_ns / 1000);
    if (!is_decided(err_info(code)->http))
        return;
    atomic_fetch_add(&row->decided_us, took_ns / 1000);
    if (err_info(code)->http == 200)
        return;
    (void)pthread_mutex_lock(&metrics->mu);
    metrics->last_error = code;
    (void)pthread_mutex_unlock(&metrics->mu);
}

/* Adds what ended with `code`. */
static void add_code(struct metrics_summary *summary,
                     const struct metrics_op *row, enum err_code code)
{
    int http = err_info(code)->http;
    uint64_t count = 0;

    if (!is_decided(http))
        return;
    for (int door = 0; door < METRICS_DOORS; door++)
        count += atomic_load(&row->by_code[door][code]);
    summary->decided += count;
    if (http == 200 && code != ERR_NONE)
        summary->declined += count;
    if (http != 200)
        summary->failed += count;
}

void metrics_summarise(const struct srv_metrics *metrics,
                       struct metrics_summary *summary)
{
    const struct metrics_op *row = metrics->ops;
    uint64_t decided_us = 0;

    *summary = (struct metrics_summary){0};
    for (size_t i = 0; metrics->tables[i]; i++) {
        const struct op_table *table = metrics->tables[i];

        for (size_t k = 0; k < table->count; k++, row++) {
            if (table->ops[k].run != OP_QUEUE)
                continue;
            for (int code = 0; code < ERR_CODE_COUNT; code++)
                add_code(summary, row, (enum err_code)code);
            decided_us += atomic_load(&row->decided_us);
        }
    }
    if (summary->decided)
        summary->mean_ms =
            (double)decided_us / 1000.0 / (double)summary->decided;
}

bool metrics_last_error(struct srv_metrics *metrics, struct buf *text)
{
    const struct err_info *info;
    enum err_code code;

    (void)pthread_mutex_lock(&metrics->mu);
    code = metrics->last_error;
    (void)pthread_mutex_unlock(&metrics->mu);
    if (code == ERR_NONE)
        return false;
    info = err_info(code);
    buf_printf(text, "%s: %s", info->name, info->doc);
    return true;
}

double metrics_uptime_s(const struct srv_metrics *metrics)
{
    return (double)(clock_now_ns() - metrics->started_ns) / 1e9;
}

/* ---- the text form ---- */

static void write_head(struct buf *out, const char *name, const char *type,
                       const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *code_name(enum err_code code)
{
    return code == ERR_NONE ? "OK" : err_info(code)->name;
}

/* What came through one door, by result code; only what did come. */
static void write_codes(const char *id, const char *door,
                        const atomic_ullong by_code[ERR_CODE_COUNT],
                        struct buf *out)
{
    for (int code = 0; code < ERR_CODE_COUNT; code++) {
        unsigned long long count = atomic_load(&by_code[code]);

        if (count)
            buf_printf(out,
                       "specserve_requests_total{endpoint=\"%s\",door=\"%s\","
                       "code=\"%s\"} %llu\n",
                       id, door, code_name((enum err_code)code), count);
    }
}

static void write_counts(const struct srv_metrics *metrics, struct buf *out)
{
    const struct metrics_op *row = metrics->ops;

    write_head(out, "specserve_requests_total", "counter",
               "Finished requests by endpoint, door and result code.");
    for (size_t i = 0; metrics->tables[i]; i++) {
        const struct op_table *table = metrics->tables[i];

        for (size_t k = 0; k < table->count; k++, row++)
            for (int door = 0; !is_repeated(table, k) && door < METRICS_DOORS;
                 door++)
                write_codes(table->ops[k].id, door_names[door],
                            row->by_code[door], out);
    }
}

/* `label`: "endpoint=\"x\"", or "". Numbers are told divided by `unit`. */
static void write_histogram(const char *name, const char *label,
                            struct metrics_histogram *histogram,
                            const uint64_t *bounds, double unit,
                            struct buf *out)
{
    const char *comma = *label ? "," : "", *open = *label ? "{" : "";
    const char *close = *label ? "}" : "";
    unsigned long long sum = 0;

    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += atomic_load(&histogram->buckets[i]);
        buf_printf(out, "%s_bucket{%s%sle=\"", name, label, comma);
        if (i < METRICS_BUCKETS - 1)
            buf_printf(out, "%g", (double)bounds[i] / unit);
        else
            buf_string(out, "+Inf");
        buf_printf(out, "\"} %llu\n", sum);
    }
    buf_printf(out, "%s_sum%s%s%s %.6f\n", name, open, label, close,
               (double)atomic_load(&histogram->total) / unit);
    buf_printf(out, "%s_count%s%s%s %llu\n", name, open, label, close, sum);
}

static void write_durations(struct srv_metrics *metrics, struct buf *out)
{
    static const char name[] = "specserve_request_duration_seconds";
    struct metrics_op *row = metrics->ops;

    write_head(out, name, "histogram",
               "Time from the request's head to its answer.");
    for (size_t i = 0; metrics->tables[i]; i++)
        for (size_t k = 0; k < metrics->tables[i]->count; k++, row++) {
            char label[128];

            if (is_repeated(metrics->tables[i], k))
                continue;
            (void)snprintf(label, sizeof label, "endpoint=\"%s\"",
                           metrics->tables[i]->ops[k].id);
            write_histogram(name, label, &row->took_us, bucket_us, 1e6, out);
        }
}

static void write_batches(struct srv_metrics *metrics, struct buf *out)
{
    const struct {
        const char *name, *help;
        struct metrics_histogram *histogram;
        const uint64_t *bounds;
        double unit;
    } rows[] = {
        {"specserve_batch_requests", "Requests in one run of the model.",
         &metrics->batch_requests, bucket_count, 1},
        {"specserve_batch_rows", "Rows in one run of the model.",
         &metrics->batch_rows, bucket_count, 1},
        {"specserve_batch_tokens", "Tokens in one run of the model.",
         &metrics->batch_tokens, bucket_count, 1},
        {"specserve_compute_duration_seconds", "Time of one run of the model.",
         &metrics->compute_us, bucket_us, 1e6},
        {"specserve_queue_duration_seconds",
         "Time that a prediction waited for a worker.", &metrics->queue_us,
         bucket_us, 1e6}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_head(out, rows[i].name, "histogram", rows[i].help);
        write_histogram(rows[i].name, "", rows[i].histogram, rows[i].bounds,
                        rows[i].unit, out);
    }
}

/* A label's value: backslash, quote and line end are escaped. */
static void write_label(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '\n') {
            buf_string(out, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\')
            buf_char(out, '\\');
        buf_char(out, *text);
    }
}

static void write_gauges(const struct metrics_gauges *gauges, double uptime_s,
                         struct buf *out)
{
    write_head(out, "specserve_predictions_waiting", "gauge",
               "Predictions waiting for a worker.");
    buf_printf(out, "specserve_predictions_waiting %d\n", gauges->waiting);
    write_head(out, "specserve_predictions_running", "gauge",
               "Predictions being computed.");
    buf_printf(out, "specserve_predictions_running %d\n", gauges->running);
    write_head(out, "specserve_ready", "gauge", "1 while /health says ok.");
    buf_printf(out, "specserve_ready %d\n", gauges->ready);
    write_head(out, "specserve_uptime_seconds", "gauge",
               "Seconds since the service started.");
    buf_printf(out, "specserve_uptime_seconds %.3f\n", uptime_s);
    write_head(out, "specserve_model_info", "gauge",
               "Always 1; its labels say what is served.");
    buf_string(out, "specserve_model_info{model=\"");
    write_label(gauges->model, out);
    buf_string(out, "\",version=\"");
    write_label(gauges->version, out);
    buf_string(out, "\"} 1\n");
}

void metrics_write_text(struct srv_metrics *metrics,
                        const struct metrics_gauges *gauges, struct buf *out)
{
    write_counts(metrics, out);
    write_durations(metrics, out);
    write_batches(metrics, out);
    write_gauges(gauges, metrics_uptime_s(metrics), out);
}
