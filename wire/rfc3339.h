/*
 * RFC 3339: times in JSON.
 *
 * Threads: any; no state.
 */
#ifndef WIRE_RFC3339_H
#define WIRE_RFC3339_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for what rfc3339_print() writes, NUL included. */
enum { RFC3339_TEXT_MAX = 40 };

/*
 * "2026-01-05T12:00:00Z", with 3, 6 or 9 digits of a fraction if there is one.
 * False outside the years 1 to 9999 or with nanos outside 0 to 999,999,999.
 */
bool rfc3339_print(int64_t seconds, int32_t nanos, char text[RFC3339_TEXT_MAX]);

/*
 * Reads a time with zone ("Z" or an offset) and up to nine digits of a
 * fraction. False for anything else, also for a date that does not exist.
 */
bool rfc3339_scan(const char *text, size_t size, int64_t *seconds,
                  int32_t *nanos);

#endif
