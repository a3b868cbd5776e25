/*
 * Log: formats a line on the stack and writes it once.
 *
 * The level and the form are the only process-wide state of base: a logger
 * handed through every call would be a parameter that everybody passes on.
 */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "utf8.h"

enum { LINE_SIZE = 2048 };

static _Atomic int log_level_max = LOG_INFO;
static _Atomic bool log_as_json = false;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
    log_level_max = (int)level;
}

void log_set_json(bool json)
{
    log_as_json = json;
}

bool log_level_by_name(const char *name, enum log_level *level)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

static void write_time(char text[40])
{
    struct timespec now;
    struct tm parts;
    char seconds[24];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &parts) ||
        strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        seconds[0] = '\0';
    (void)snprintf(text, 40, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

/* Control bytes become '?'; in JSON a quote or backslash becomes one, too. */
static void make_harmless(char *text, bool json)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x20 || byte == 0x7f)
            *text = '?';
        else if (json && (byte == '"' || byte == '\\'))
            *text = '\'';
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    bool json = log_as_json;
    char text[LINE_SIZE - 160], line[LINE_SIZE], when[40];
    va_list args;
    int length;

    if ((int)level > log_level_max)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_mend(text);
    make_harmless(text, json);
    write_time(when);
    length = snprintf(line, sizeof line,
                      json ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":"
                             "\"%s\",\"text\":\"%s\"}\n"
                           : "%s %s %s %s\n",
                      when, level_names[level], event, text);
    if (length > 0)
        (void)!write(STDERR_FILENO, line,
                     (size_t)length < sizeof line ? (size_t)length
                                                  : sizeof line - 1);
}
