/*
 * Bench times: runs something again and again, and says how long it took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"

enum { RUNS_MAX = 1 << 24, WARM_UP_MIN = 2, BAR_WIDTH = 30 };

/* --- progress, for people only --- */

struct progress {
    bool shown;
    uint64_t start_ns, limit_ns, next_ns;
};

static void progress_start(struct progress *progress, uint64_t limit_ns)
{
    *progress = (struct progress){.shown = limit_ns > 1000000000 &&
                                           isatty(STDERR_FILENO),
                                  .start_ns = clock_now_ns(),
                                  .limit_ns = limit_ns};
}

static void progress_show(struct progress *progress, uint64_t now_ns,
                          size_t runs)
{
    uint64_t done = now_ns - progress->start_ns;
    int filled;

    if (!progress->shown || now_ns < progress->next_ns)
        return;
    if (done > progress->limit_ns)
        done = progress->limit_ns;
    filled = (int)(done * BAR_WIDTH / progress->limit_ns);
    (void)fprintf(stderr, "\r[%.*s%*s] %zu runs", filled,
                  "==============================", BAR_WIDTH - filled, "",
                  runs);
    progress->next_ns = now_ns + 100000000;
}

static void progress_end(const struct progress *progress)
{
    if (progress->shown)
        (void)fputs("\r\033[K", stderr);
}

/* --- measuring --- */

static bool add_time(struct bench_times *times, uint64_t ns, struct error *err)
{
    if (times->count == times->room) {
        size_t room = times->room ? 2 * times->room : 1024;
        uint64_t *more = realloc(times->ns, room * sizeof *more);

        if (!more)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu times",
                        room);
        times->ns = more;
        times->room = room;
    }
    times->ns[times->count++] = ns;
    return true;
}

static bool warm_up(bench_once_fn once, void *context, uint64_t limit_ns,
                    struct error *err)
{
    uint64_t start = clock_now_ns();

    for (int i = 0; i < WARM_UP_MIN || clock_now_ns() - start < limit_ns; i++) {
        if (!once(context, err))
            return false;
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

bool bench_measure(bench_once_fn once, void *context, double seconds,
                   struct bench_times *times, struct error *err)
{
    uint64_t limit_ns = (uint64_t)(seconds * 1e9), start, before, after;
    struct progress progress;
    bool ok = warm_up(once, context, limit_ns / 10, err);

    progress_start(&progress, limit_ns);
    start = after = clock_now_ns();
    while (ok && times->count < RUNS_MAX &&
           (after - start < limit_ns || !times->count)) {
        before = clock_now_ns();
        ok = once(context, err);
        after = clock_now_ns();
        ok = ok && add_time(times, after - before, err);
        progress_show(&progress, after, times->count);
    }
    progress_end(&progress);
    times->elapsed_ns = after - start;
    if (ok)
        qsort(times->ns, times->count, sizeof times->ns[0], by_value);
    return ok;
}

bool bench_times_add(struct bench_times *times, const struct bench_times *from,
                     struct error *err)
{
    for (size_t i = 0; i < from->count; i++) {
        if (!add_time(times, from->ns[i], err))
            return false;
    }
    if (times->elapsed_ns < from->elapsed_ns)
        times->elapsed_ns = from->elapsed_ns;
    qsort(times->ns, times->count, sizeof times->ns[0], by_value);
    return true;
}

void bench_times_release(struct bench_times *times)
{
    free(times->ns);
    *times = (struct bench_times){0};
}

double bench_ms(const struct bench_times *times, unsigned percent)
{
    size_t i = times->count * percent / 100;

    return (double)times->ns[i < times->count ? i : times->count - 1] / 1e6;
}

double bench_per_second(const struct bench_times *times)
{
    return (double)times->count / ((double)times->elapsed_ns / 1e9);
}

double bench_peak_rss_mb(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}
