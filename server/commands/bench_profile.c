/*
 * Bench profile: the time of every operator of a run, as a table, as JSON and
 * as a picture.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "json_put.h"

/* --- collecting --- */

static bool make_room(struct bench_profile *profile, size_t count)
{
    size_t room = profile->room ? profile->room : 64;
    struct bench_step *steps;

    while (room < count)
        room *= 2;
    if (room == profile->room)
        return true;
    steps = realloc(profile->steps, room * sizeof *steps);
    if (!steps)
        return false;
    memset(&steps[profile->room], 0, (room - profile->room) * sizeof *steps);
    profile->steps = steps;
    profile->room = room;
    return true;
}

void bench_profile_add(void *context, const struct eng_step *step)
{
    struct bench_profile *profile = context;
    struct bench_step *mine;

    if (!make_room(profile, step->index + 1)) {
        profile->failed = true;
        return;
    }
    mine = &profile->steps[step->index];
    if (!mine->calls) {
        mine->node = strdup(step->node);
        mine->op = step->op;
        mine->impl = step->impl;
    }
    mine->calls++;
    mine->ns += step->end_ns - step->start_ns;
    if (step->index >= profile->count)
        profile->count = step->index + 1;
}

void bench_profile_release(struct bench_profile *profile)
{
    for (size_t i = 0; i < profile->count; i++)
        free(profile->steps[i].node);
    free(profile->steps);
    *profile = (struct bench_profile){0};
}

/* --- by operator --- */

struct row {
    const char *op, *impl;
    size_t calls;
    uint64_t ns;
};

static int longest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct row *)a)->ns, y = ((const struct row *)b)->ns;

    return x > y ? -1 : x < y;
}

static struct row *find_row(struct row *rows, size_t *count,
                            const struct bench_step *step)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(rows[i].op, step->op) == 0 &&
            strcmp(rows[i].impl, step->impl) == 0)
            return &rows[i];
    }
    rows[*count] = (struct row){step->op, step->impl, 0, 0};
    return &rows[(*count)++];
}

/* Sums by operator and implementation, sorted; NULL when memory is out. */
static struct row *sum_up(const struct bench_profile *profile, size_t *count)
{
    struct row *rows = calloc(profile->count + 1, sizeof *rows);

    *count = 0;
    for (size_t i = 0; rows && i < profile->count; i++) {
        if (profile->steps[i].calls) {
            struct row *row = find_row(rows, count, &profile->steps[i]);

            row->calls += profile->steps[i].calls;
            row->ns += profile->steps[i].ns;
        }
    }
    if (rows)
        qsort(rows, *count, sizeof *rows, longest_first);
    return rows;
}

static uint64_t steps_ns(const struct bench_profile *profile)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < profile->count; i++)
        sum += profile->steps[i].ns;
    return sum;
}

static double share_of(const struct bench_profile *profile, uint64_t ns)
{
    return profile->ns ? 100 * (double)ns / (double)profile->ns : 0;
}

static double per_run(const struct bench_profile *profile, double sum)
{
    return profile->runs ? sum / (double)profile->runs : 0;
}

void bench_profile_table(const struct bench_profile *profile, struct buf *out)
{
    size_t count;
    struct row *rows = sum_up(profile, &count);
    uint64_t steps = steps_ns(profile);
    uint64_t between = profile->ns > steps ? profile->ns - steps : 0;

    buf_printf(out, "%-24s %-28s %7s %10s %7s\n", "operator", "implementation",
               "calls", "ms", "share");
    for (size_t i = 0; rows && i < count; i++)
        buf_printf(out, "%-24s %-28s %7.0f %10.4f %6.1f%%\n", rows[i].op,
                   rows[i].impl, per_run(profile, (double)rows[i].calls),
                   per_run(profile, (double)rows[i].ns / 1e6),
                   share_of(profile, rows[i].ns));
    buf_printf(out, "%-24s %-28s %7s %10.4f %6.1f%%\n", "(between)", "", "",
               per_run(profile, (double)between / 1e6),
               share_of(profile, between));
    out->failed |= !rows || profile->failed;
    free(rows);
}

void bench_profile_json(const struct bench_profile *profile, struct buf *out)
{
    size_t count;
    struct row *rows = sum_up(profile, &count);

    buf_char(out, '[');
    for (size_t i = 0; rows && i < count; i++) {
        buf_string(out, i ? ",{\"operator\":" : "{\"operator\":");
        json_put_text(out, rows[i].op);
        buf_string(out, ",\"implementation\":");
        json_put_text(out, rows[i].impl);
        buf_printf(out, ",\"calls\":%.0f,\"ms\":%.6f,\"share\":%.4f}",
                   per_run(profile, (double)rows[i].calls),
                   per_run(profile, (double)rows[i].ns / 1e6),
                   share_of(profile, rows[i].ns) / 100);
    }
    buf_char(out, ']');
    out->failed |= !rows || profile->failed;
    free(rows);
}

/* --- as a picture --- */

enum { WIDTH = 1200, ROW_HEIGHT = 18, TOP = 30, DEPTH_MAX = 24 };

/* The end of the first `parts` parts of a node's name: "/layer.0/query/Add". */
static size_t prefix_of(const char *node, size_t parts)
{
    size_t at = 0;

    for (; parts; parts--) {
        at += node[at] == '/';
        while (node[at] && node[at] != '/')
            at++;
    }
    return at;
}

/* Parts in front of the last one, which names the node itself. */
static size_t depth_of(const char *node)
{
    size_t depth = 0;

    for (const char *at = node; *at; at++)
        depth += *at == '/' && at != node;
    return depth < DEPTH_MAX ? depth : DEPTH_MAX;
}

static void put_escaped(struct buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (strchr("<>&\"'", c) || c < 0x20 || c == 0x7f)
            buf_printf(out, "&#%u;", c < 0x20 ? 0x20U : c);
        else
            buf_char(out, text[i]);
    }
}

struct box {
    double left, width; /* in pixels */
    size_t row;
    uint64_t ns; /* of all runs */
    const char *text, *detail;
    size_t text_size;
    unsigned hue;
};

static void put_box(struct buf *out, const struct bench_profile *profile,
                    const struct box *box)
{
    double top = TOP + (double)box->row * ROW_HEIGHT;
    size_t letters = box->width > 20 ? (size_t)(box->width / 6.5) : 0;

    buf_string(out, "<g><title>");
    put_escaped(out, box->text, box->text_size);
    if (box->detail) {
        buf_string(out, " ");
        put_escaped(out, box->detail, strlen(box->detail));
    }
    buf_printf(out, " %.4f ms, %.1f%%</title>",
               per_run(profile, (double)box->ns / 1e6),
               share_of(profile, box->ns));
    buf_printf(out,
               "<rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\" "
               "fill=\"hsl(%u,60%%,75%%)\"/>",
               box->left, top, box->width, ROW_HEIGHT - 1, box->hue);
    if (letters > 2) {
        buf_printf(out, "<text x=\"%.2f\" y=\"%.0f\">", box->left + 2,
                   top + 13);
        put_escaped(out, box->text,
                    box->text_size < letters ? box->text_size : letters);
        buf_string(out, "</text>");
    }
    buf_string(out, "</g>\n");
}

static unsigned hue_of(const char *text, size_t size)
{
    unsigned hash = 5381;

    for (size_t i = 0; i < size; i++)
        hash = hash * 33 + (unsigned char)text[i];
    return hash % 360;
}

static const char *name_of(const struct bench_step *step)
{
    return step->node ? step->node : "";
}

/* How many steps from `first` on lie in the same scope of this depth. */
static size_t span_of(const struct bench_profile *profile, size_t first,
                      size_t depth)
{
    const char *node = name_of(&profile->steps[first]);
    size_t size = prefix_of(node, depth), i = first + 1;

    while (i < profile->count &&
           depth_of(name_of(&profile->steps[i])) >= depth &&
           prefix_of(name_of(&profile->steps[i]), depth) == size &&
           strncmp(name_of(&profile->steps[i]), node, size) == 0)
        i++;
    return i - first;
}

/* The boxes of one row: scopes of this depth, and operators that lie there. */
static void put_row(struct buf *out, const struct bench_profile *profile,
                    size_t depth, double scale)
{
    double left = 0;

    for (size_t i = 0, span; i < profile->count; i += span) {
        const struct bench_step *step = &profile->steps[i];
        size_t own = depth_of(name_of(step));
        struct box box = {.left = left, .row = depth};

        span = own >= depth ? span_of(profile, i, depth) : 1;
        for (size_t k = i; k < i + span; k++)
            box.ns += profile->steps[k].ns;
        box.width = (double)box.ns * scale;
        left += box.width;
        if (own < depth || !step->calls)
            continue;
        box.text = name_of(step);
        box.text_size = prefix_of(box.text, depth);
        box.hue = hue_of(box.text, box.text_size);
        put_box(out, profile, &box);
    }
}

static void put_operators(struct buf *out, const struct bench_profile *profile,
                          double scale)
{
    double left = 0;

    for (size_t i = 0; i < profile->count; i++) {
        const struct bench_step *step = &profile->steps[i];
        struct box box = {left,
                          (double)step->ns * scale,
                          depth_of(name_of(step)) + 1,
                          step->ns,
                          step->op,
                          step->impl,
                          0,
                          0};

        left += box.width;
        if (!step->calls)
            continue;
        box.text_size = strlen(step->op);
        box.hue = hue_of(step->op, box.text_size);
        put_box(out, profile, &box);
    }
}

void bench_profile_svg(const struct bench_profile *profile, struct buf *out)
{
    uint64_t steps = steps_ns(profile);
    double scale = steps ? WIDTH / (double)steps : 0;
    size_t depth = 0;

    for (size_t i = 0; i < profile->count; i++) {
        size_t own = depth_of(name_of(&profile->steps[i]));

        depth = own > depth ? own : depth;
    }
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
               "height=\"%zu\" font-family=\"monospace\" font-size=\"11\">\n"
               "<text x=\"2\" y=\"16\">%.4f ms a run, %zu operators, mean of "
               "%zu runs</text>\n",
               WIDTH, TOP + (depth + 2) * ROW_HEIGHT,
               per_run(profile, (double)profile->ns / 1e6), profile->count,
               profile->runs);
    for (size_t i = 1; i <= depth; i++)
        put_row(out, profile, i, scale);
    put_operators(out, profile, scale);
    buf_string(out, "</svg>\n");
    out->failed |= profile->failed;
}
