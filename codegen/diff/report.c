/*
 * Report: the changes as text, JSON and Markdown.
 */
#include "diff.h"
#include "json.h"

static const char *const levels[] = {
    [CG_INFO] = "info", [CG_WARNING] = "warning", [CG_ERROR] = "error"};

size_t cg_diff_broken(const struct cg_diff *diff)
{
    size_t broken = 0;

    for (size_t i = 0; i < diff->count; i++)
        if (diff->changes[i].level == CG_ERROR && !diff->changes[i].waiver)
            broken++;
    return broken;
}

void cg_diff_text(const struct cg_diff *diff, struct buf *to)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct cg_change *change = &diff->changes[i];

        buf_printf(to, "%s %s %s: %s\n",
                   change->waiver ? "waived" : levels[change->level],
                   cg_rule_name(change->rule), change->path, change->text);
    }
}

void cg_diff_json(const struct cg_diff *diff, struct buf *to)
{
    struct cg_json json = {.to = to, .empty = true};

    cg_json_open(&json, NULL, '{');
    cg_json_number(&json, "broken", (long long)cg_diff_broken(diff));
    cg_json_open(&json, "changes", '[');
    for (size_t i = 0; i < diff->count; i++) {
        const struct cg_change *change = &diff->changes[i];

        cg_json_open(&json, NULL, '{');
        cg_json_string(&json, "rule", cg_rule_name(change->rule));
        cg_json_string(&json, "level", levels[change->level]);
        cg_json_string(&json, "path", change->path);
        cg_json_string(&json, "message", change->text);
        cg_json_string(&json, "meaning", cg_rule_meaning(change->rule));
        if (change->waiver) {
            cg_json_string(&json, "waived_until", change->waiver->expires);
            cg_json_string(&json, "waived_because", change->waiver->reason);
        }
        cg_json_close(&json, '}');
    }
    cg_json_close(&json, ']');
    cg_json_close(&json, '}');
    buf_char(to, '\n');
}

/* The rows of one level below a heading; nothing if there are none. */
static void put_section(const struct cg_diff *diff, struct buf *to,
                        enum cg_level level, const char *title)
{
    bool any = false;

    for (size_t i = 0; i < diff->count; i++) {
        const struct cg_change *change = &diff->changes[i];

        if (change->level != level)
            continue;
        if (!any)
            buf_printf(to, "\n## %s\n\n", title);
        any = true;
        buf_printf(to, "- `%s`: %s (%s)", change->path, change->text,
                   cg_rule_name(change->rule));
        if (change->waiver)
            buf_printf(to, ", accepted until %s: %s", change->waiver->expires,
                       change->waiver->reason);
        buf_char(to, '\n');
    }
}

void cg_diff_markdown(const struct cg_diff *diff, struct buf *to)
{
    const char *released = diff->was->released;

    buf_printf(to, "# Changes since %s\n", released ? released : "then");
    put_section(diff, to, CG_ERROR, "Breaking");
    put_section(diff, to, CG_WARNING, "To look at");
    put_section(diff, to, CG_INFO, "New");
    if (!diff->count)
        buf_string(to, "\nNone.\n");
}
