/*
 * Changes: the list, and the way from it to a report.
 */
#include "changes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "beneath.h"

enum { WAIVERS_MAX = DOC_SIZE_MAX };

static struct change *grow(struct changes *changes)
{
    if (changes->count == changes->capacity) {
        size_t capacity = changes->capacity ? 2 * changes->capacity : 16;
        struct change *items =
            arena_zalloc(changes->arena, capacity, sizeof *items);

        if (!items)
            return NULL;
        if (changes->count)
            memcpy(items, changes->items, changes->count * sizeof *items);
        changes->items = items;
        changes->capacity = capacity;
    }
    return &changes->items[changes->count];
}

void changes_add(struct changes *changes, size_t rule, enum change_level level,
                 const char *path, const char *format, va_list args)
{
    struct change *change = grow(changes);
    char text[512];

    (void)vsnprintf(text, sizeof text, format, args);
    if (change)
        *change = (struct change){
            .rule = &changes->rules[rule],
            .level = level,
            .path = arena_strdup(changes->arena, path),
            .text = arena_strdup(changes->arena, text),
        };
    if (change && change->path && change->text)
        changes->count++;
    else
        changes->failed = true;
}

size_t changes_broken(const struct changes *changes)
{
    size_t broken = 0;

    for (size_t i = 0; i < changes->count; i++)
        if (changes->items[i].level == CHANGE_ERROR &&
            !changes->items[i].waiver)
            broken++;
    return broken;
}

/* ---- report ---- */

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_MARKDOWN, FORMAT_COUNT };

static enum format find_format(const char *name)
{
    static const char *const names[] = {
        [FORMAT_TEXT] = "text",
        [FORMAT_JSON] = "json",
        [FORMAT_MARKDOWN] = "markdown",
    };
    int format = 0;

    while (format < FORMAT_COUNT && strcmp(names[format], name) != 0)
        format++;
    return (enum format)format;
}

static const char *day(const char *given, char text[16])
{
    time_t now = time(NULL);
    struct tm utc;

    if (given)
        return given;
    (void)gmtime_r(&now, &utc);
    (void)strftime(text, 16, "%Y-%m-%d", &utc);
    return text;
}

static bool waive(struct changes *changes, const struct change_options *options,
                  struct doc_report *faults, struct error *err)
{
    char today[16];
    size_t size;
    const char *text = beneath_read_path(options->waivers, WAIVERS_MAX,
                                         changes->arena, &size, err);

    if (text)
        changes_waive(changes, options->waivers, text, size,
                      day(options->today, today), faults);
    return text != NULL;
}

bool changes_report(struct changes *changes,
                    const struct change_options *options, const char *since,
                    struct doc_report *faults, struct buf *to,
                    struct error *err)
{
    const char *name = options->format ? options->format : "text";
    enum format format = find_format(name);

    if (format == FORMAT_COUNT)
        return fail(err, ERR_INVALID_INPUT, "there is no format '%s'", name);
    if (options->today && !change_is_day(options->today))
        return fail(err, ERR_INVALID_INPUT, "'%s' is not a day",
                    options->today);
    if (options->waivers && !waive(changes, options, faults, err))
        return false;
    if (format == FORMAT_TEXT)
        changes_text(changes, to);
    else if (format == FORMAT_JSON)
        changes_json(changes, to);
    else
        changes_markdown(changes, since, to);
    return (!changes->failed && buf_ok(to)) ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory for the report");
}
