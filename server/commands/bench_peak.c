/*
 * Bench peak: what the CPU's multiply-add units do when nothing holds them up,
 * so that a model's speed can be told as a share of it. The widest vectors that
 * the CPU has are not always the fastest: the best of them counts.
 */
#include <pthread.h>

#include "bench.h"
#include "clock.h"

enum { PEAK_ROUNDS = 20000, PEAK_THREADS_MAX = 64 };

#define PEAK_NS 30000000U

/* Keeps the results alive. */
static _Thread_local volatile float peak_sink;

#define PEAK_NAME(name) narrow_##name
#define PEAK_BYTES      16
#define PEAK_TARGET
#include "bench_peak_loop.inc"
#undef PEAK_NAME
#undef PEAK_BYTES
#undef PEAK_TARGET

#if defined(__x86_64__)
#define PEAK_NAME(name) avx2_##name
#define PEAK_BYTES      32
#define PEAK_TARGET     __attribute__((target("avx2,fma")))
#include "bench_peak_loop.inc"
#undef PEAK_NAME
#undef PEAK_BYTES
#undef PEAK_TARGET

#define PEAK_NAME(name) avx512_##name
#define PEAK_BYTES      64
#define PEAK_TARGET     __attribute__((target("avx512f")))
#include "bench_peak_loop.inc"
#undef PEAK_NAME
#undef PEAK_BYTES
#undef PEAK_TARGET
#endif

static double best_of(double a, double b)
{
    return a > b ? a : b;
}

static double peak_of_thread(void)
{
    double best = narrow_peak(clock_now_ns() + PEAK_NS);

#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        best = best_of(best, avx2_peak(clock_now_ns() + PEAK_NS));
    if (__builtin_cpu_supports("avx512f"))
        best = best_of(best, avx512_peak(clock_now_ns() + PEAK_NS));
#endif
    return best;
}

static void *peak_thread(void *result)
{
    *(double *)result = peak_of_thread();
    return NULL;
}

double bench_peak(int threads)
{
    pthread_t others[PEAK_THREADS_MAX];
    double results[PEAK_THREADS_MAX] = {0}, sum;
    int started = 0;

    while (started < threads - 1 && started < PEAK_THREADS_MAX &&
           pthread_create(&others[started], NULL, peak_thread,
                          &results[started]) == 0)
        started++;
    sum = peak_of_thread();
    for (int i = 0; i < started; i++) {
        (void)pthread_join(others[i], NULL);
        sum += results[i];
    }
    return sum;
}
