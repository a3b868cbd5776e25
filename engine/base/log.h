/*
 * Log: one event, one line, on stderr.
 *
 *   2026-01-05T12:00:00.123Z info registered port=5100 id=brain_reg_1_0001
 *
 * The line opens with time, level and event name; the caller's format gives
 * key=value pairs. Bytes below 0x20 and 0x7f in the formatted text come out as
 * '?', so a value cannot forge a line. Payloads and secrets are never logged.
 * Levels: error (someone must act), warn, info (life cycle), debug.
 *
 * Threads: any; a line is written with one write(2).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above `level` are dropped from now on. Default: LOG_INFO. */
void log_set_level(enum log_level level);

/* The level of this name ("error" ... "debug"); false if there is none. */
bool log_level_by_name(const char *name, enum log_level *level);

/* Lines become JSON objects {"time":..,"level":..,"event":..,"text":..}. */
void log_set_json(bool json);

/* Writes one line; `format` may be "" for an event without values. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
