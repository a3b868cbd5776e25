/*
 * Json show: see json_show.h.
 */
#include "json_show.h"

#include "codec_json.h"
#include "json_scan.h"

/* A walk over text that is known to be JSON. */
struct show {
    struct json_scan scan;
    struct buf *out;
    struct error err; /* never set */
};

static void new_line(struct show *show, int level)
{
    buf_char(show->out, '\n');
    for (int i = 0; i < level; i++)
        buf_string(show->out, "  ");
}

/* Copies the next value as it stands. */
static void copy(struct show *show)
{
    const char *text;
    size_t size;

    if (json_scan_skip(&show->scan, JSON_DEPTH_MAX, &text, &size, &show->err))
        buf_append(show->out, text, size);
}

static bool is_nested(struct show *show)
{
    char first = json_scan_peek(&show->scan);

    return first == '{' || first == '[';
}

static void show_value(struct show *show, int level);

/* The deepest level is JSON_DEPTH_MAX, so recursion is bounded. */
static void show_object(struct show *show, int level)
{
    do {
        new_line(show, level + 1);
        copy(show);
        (void)json_scan_accept(&show->scan, ':');
        buf_string(show->out, ": ");
        show_value(show, level + 1);
        if (json_scan_peek(&show->scan) == ',')
            buf_char(show->out, ',');
    } while (json_scan_accept(&show->scan, ','));
    new_line(show, level);
}

static void show_list(struct show *show, int level)
{
    bool nested = is_nested(show);

    do {
        if (nested)
            new_line(show, level + 1);
        show_value(show, level + 1);
        if (json_scan_peek(&show->scan) == ',')
            buf_string(show->out, nested ? "," : ", ");
    } while (json_scan_accept(&show->scan, ','));
    if (nested)
        new_line(show, level);
}

static void show_value(struct show *show, int level)
{
    char open = json_scan_peek(&show->scan), close = open == '{' ? '}' : ']';

    if (!is_nested(show)) {
        copy(show);
        return;
    }
    (void)json_scan_accept(&show->scan, open);
    buf_char(show->out, open);
    if (!json_scan_accept(&show->scan, close)) {
        if (open == '{')
            show_object(show, level);
        else
            show_list(show, level);
        (void)json_scan_accept(&show->scan, close);
    }
    buf_char(show->out, close);
}

void json_show(const char *text, size_t size, struct buf *out)
{
    struct show show = {.out = out};
    struct arena arena;

    arena_init(&arena, 0);
    json_scan_init(&show.scan, text, size, &arena);
    show_value(&show, 0);
    arena_release(&arena);
}
