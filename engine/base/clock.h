/*
 * Clock: the two times of the project.
 *
 * Deadlines and leases use a clock that only goes forward and counts suspend
 * (CLOCK_BOOTTIME), so that nobody who sets the wall clock can end or prolong
 * one. Wall time is for people: log lines and `registered_at`.
 *
 * Threads: any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* No deadline. */
#define CLOCK_NEVER UINT64_MAX

/* Nanoseconds of CLOCK_BOOTTIME; never goes back. */
uint64_t clock_now_ns(void);

/* A number that changes every few milliseconds and costs next to nothing: tells
 * when it is worth asking for the time again. */
uint64_t clock_tick(void);

/* Milliseconds from now until `deadline_ns`; 0 when it has passed. */
uint64_t clock_left_ms(uint64_t deadline_ns);

/* Wall-clock seconds since 1970, UTC. */
int64_t clock_wall_s(void);

/* Size of a text that clock_text() writes, NUL included. */
enum { CLOCK_TEXT_SIZE = 32 };

/* "2025-12-05T12:00:00", UTC, without a zone letter (Runtime API 1.2). */
void clock_text(int64_t wall_s, char text[CLOCK_TEXT_SIZE]);

#endif
