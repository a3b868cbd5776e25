/*
 * RFC 3339 by the proleptic Gregorian calendar; the C library's functions
 * depend on the locale and on TZ.
 */
#include "rfc3339.h"

#include <stdio.h>

/* 0001-01-01 and 9999-12-31, the range of google.protobuf.Timestamp */
static const int64_t first_second = -62135596800;
static const int64_t last_second = 253402300799;

enum { SECONDS_PER_DAY = 86400 };

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first day of the year. */
static int64_t year_start(int year)
{
    int64_t before = (int64_t)year - 1;

    return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

bool rfc3339_print(int64_t seconds, int32_t nanos, char text[RFC3339_TEXT_MAX])
{
    int64_t days = seconds / SECONDS_PER_DAY;
    int second = (int)(seconds % SECONDS_PER_DAY);
    int year, month = 1;
    char fraction[12] = "";

    if (seconds < first_second || seconds > last_second || nanos < 0 ||
        nanos > 999999999)
        return false;
    if (second < 0) {
        second += SECONDS_PER_DAY;
        days--;
    }
    year = (int)((days + 719162) * 400 / 146097 + 1); /* may be one too many */
    while (year_start(year) > days)
        year--;
    while (year_start(year + 1) <= days)
        year++;
    days -= year_start(year);
    for (; days >= month_days(year, month); month++)
        days -= month_days(year, month);
    if (nanos % 1000)
        (void)snprintf(fraction, sizeof fraction, ".%09d", nanos);
    else if (nanos % 1000000)
        (void)snprintf(fraction, sizeof fraction, ".%06d", nanos / 1000);
    else if (nanos)
        (void)snprintf(fraction, sizeof fraction, ".%03d", nanos / 1000000);
    (void)snprintf(text, RFC3339_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
                   year, month, (int)days + 1, second / 3600, second / 60 % 60,
                   second % 60, fraction);
    return true;
}

/* Reads exactly `count` digits. */
static bool digits(const char **at, const char *end, int count, int *value)
{
    *value = 0;
    for (; count > 0; count--, (*at)++) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool byte(const char **at, const char *end, const char *allowed)
{
    for (; *allowed && *at < end; allowed++)
        if (**at == *allowed) {
            (*at)++;
            return true;
        }
    return false;
}

static bool date(const char **at, const char *end, int64_t *seconds)
{
    int year, month, day;

    if (!digits(at, end, 4, &year) || !byte(at, end, "-") ||
        !digits(at, end, 2, &month) || !byte(at, end, "-") ||
        !digits(at, end, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > month_days(year, month))
        return false;
    *seconds = year_start(year) + day - 1;
    for (int m = 1; m < month; m++)
        *seconds += month_days(year, m);
    *seconds *= SECONDS_PER_DAY;
    return true;
}

static bool clock_part(const char **at, const char *end, int64_t *seconds)
{
    int hour, minute, second;

    if (!digits(at, end, 2, &hour) || !byte(at, end, ":") ||
        !digits(at, end, 2, &minute) || !byte(at, end, ":") ||
        !digits(at, end, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false; /* a leap second has no place in seconds since 1970 */
    *seconds += hour * 3600 + minute * 60 + second;
    return true;
}

static bool fraction(const char **at, const char *end, int32_t *nanos)
{
    int32_t unit = 100000000;

    *nanos = 0;
    if (!byte(at, end, "."))
        return true;
    if (*at == end || **at < '0' || **at > '9')
        return false;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, unit /= 10) {
        if (unit == 0)
            return false;
        *nanos += (**at - '0') * unit;
    }
    return true;
}

static bool zone(const char **at, const char *end, int64_t *seconds)
{
    bool east = *at < end && **at == '+';
    int hour, minute;
    int64_t offset;

    if (byte(at, end, "Zz"))
        return true;
    if (!byte(at, end, "+-") || !digits(at, end, 2, &hour) ||
        !byte(at, end, ":") || !digits(at, end, 2, &minute) || hour > 23 ||
        minute > 59)
        return false;
    offset = hour * 3600 + minute * 60;
    *seconds -= east ? offset : -offset;
    return true;
}

bool rfc3339_scan(const char *text, size_t size, int64_t *seconds,
                  int32_t *nanos)
{
    const char *end = text + size;
    int64_t when = 0;
    int32_t part = 0;

    if (!date(&text, end, &when) || !byte(&text, end, "Tt ") ||
        !clock_part(&text, end, &when) || !fraction(&text, end, &part) ||
        !zone(&text, end, &when) || text != end || when < first_second ||
        when > last_second)
        return false;
    *seconds = when;
    *nanos = part;
    return true;
}
