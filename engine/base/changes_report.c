/*
 * Report: the changes as text, JSON and Markdown.
 */
#include "changes.h"
#include "json_put.h"

static const char *const levels[] = {[CHANGE_INFO] = "info",
                                     [CHANGE_WARNING] = "warning",
                                     [CHANGE_ERROR] = "error"};

void changes_text(const struct changes *changes, struct buf *to)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];

        buf_printf(to, "%s %s %s: %s\n",
                   change->waiver ? "waived" : levels[change->level],
                   change->rule->name, change->path, change->text);
    }
}

static void put_member(struct buf *to, const char *key, const char *text)
{
    buf_printf(to, ",\n      \"%s\": ", key);
    json_put_text(to, text);
}

void changes_json(const struct changes *changes, struct buf *to)
{
    buf_printf(to, "{\n  \"broken\": %zu,\n  \"changes\": [",
               changes_broken(changes));
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];

        buf_printf(to, "%s\n    {\n      \"rule\": \"%s\"", i ? "," : "",
                   change->rule->name);
        put_member(to, "level", levels[change->level]);
        put_member(to, "path", change->path);
        put_member(to, "message", change->text);
        put_member(to, "meaning", change->rule->meaning);
        if (change->waiver) {
            put_member(to, "waived_until", change->waiver->expires);
            put_member(to, "waived_because", change->waiver->reason);
        }
        buf_string(to, "\n    }");
    }
    buf_string(to, changes->count ? "\n  ]\n}\n" : "]\n}\n");
}

/* The rows of one level below a heading; nothing if there are none. */
static void put_section(const struct changes *changes, struct buf *to,
                        enum change_level level, const char *title)
{
    bool any = false;

    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];

        if (change->level != level)
            continue;
        if (!any)
            buf_printf(to, "\n## %s\n\n", title);
        any = true;
        buf_printf(to, "- `%s`: %s (%s)", change->path, change->text,
                   change->rule->name);
        if (change->waiver)
            buf_printf(to, ", accepted until %s: %s", change->waiver->expires,
                       change->waiver->reason);
        buf_char(to, '\n');
    }
}

void changes_markdown(const struct changes *changes, const char *since,
                      struct buf *to)
{
    buf_printf(to, "# Changes since %s\n", since);
    put_section(changes, to, CHANGE_ERROR, "Breaking");
    put_section(changes, to, CHANGE_WARNING, "To look at");
    put_section(changes, to, CHANGE_INFO, "New");
    if (!changes->count)
        buf_string(to, "\nNone.\n");
}
