/*
 * Clock: see clock.h.
 */
#include "clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t clock_tick(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t clock_left_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = clock_now_ns();

    if (deadline_ns == CLOCK_NEVER)
        return UINT64_MAX;
    return deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000000U : 0;
}

int64_t clock_wall_s(void)
{
    return (int64_t)time(NULL);
}

void clock_text(int64_t wall_s, char text[CLOCK_TEXT_SIZE])
{
    time_t when = (time_t)wall_s;
    struct tm parts;

    if (!gmtime_r(&when, &parts) ||
        strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        (void)snprintf(text, CLOCK_TEXT_SIZE, "1970-01-01T00:00:00");
}
