/*
 * Doc report: rows of findings, their texts copied, and how they are printed.
 */
#include "doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 1000, MESSAGE_SIZE = 512 };

void doc_report_init(struct doc_report *report, struct arena *arena)
{
    *report = (struct doc_report){.arena = arena};
}

static bool grow(struct doc_report *report)
{
    size_t capacity = report->capacity ? report->capacity * 2 : 16;
    struct doc_issue *rows =
        arena_zalloc(report->arena, capacity, sizeof *rows);

    if (!rows)
        return false;
    if (report->count)
        memcpy(rows, report->issues, report->count * sizeof *rows);
    report->issues = rows;
    report->capacity = capacity;
    return true;
}

/* The row with texts of its own; false when memory is out. */
static bool copy_texts(struct arena *arena, struct doc_issue *row)
{
    const char **texts[] = {&row->rule, &row->file, &row->pointer,
                            &row->message, &row->hint};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = *texts[i] ? arena_strdup(arena, *texts[i]) : "";
        if (!*texts[i])
            return false;
    }
    return true;
}

void doc_report_add(struct doc_report *report, const struct doc_issue *issue)
{
    struct doc_issue row = *issue;

    if (issue->severity == DOC_FAULT)
        report->faults++;
    if (report->count == ROWS_MAX ||
        (report->count == report->capacity && !grow(report)) ||
        !copy_texts(report->arena, &row)) {
        report->dropped++;
        return;
    }
    report->issues[report->count++] = row;
}

void doc_fault(struct doc_report *report, const char *rule, const char *file,
               const struct doc_node *node, const char *pointer,
               const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    doc_report_add(report, &(struct doc_issue){.severity = DOC_FAULT,
                                               .rule = rule,
                                               .file = file,
                                               .line = node ? node->line : 0,
                                               .col = node ? node->col : 0,
                                               .pointer = pointer,
                                               .message = message});
}

/* Which file of the report it is, counted by first rows. */
static size_t file_rank(const struct doc_report *report, const char *file)
{
    size_t rank = 0;

    while (strcmp(report->issues[rank].file, file) != 0)
        rank++;
    return rank;
}

static bool is_before(const struct doc_issue *a, size_t a_rank,
                      const struct doc_issue *b, size_t b_rank)
{
    if (a_rank != b_rank)
        return a_rank < b_rank;
    if (a->line != b->line)
        return a->line < b->line;
    return a->col < b->col;
}

/* By insertion: stable, and there are at most 1,000 rows. */
void doc_report_sort(struct doc_report *report)
{
    struct doc_issue *rows = report->issues;
    size_t ranks[ROWS_MAX];

    for (size_t i = 0; i < report->count; i++)
        ranks[i] = file_rank(report, rows[i].file);
    for (size_t i = 1; i < report->count; i++) {
        struct doc_issue row = rows[i];
        size_t rank = ranks[i], to = i;

        for (; to > 0 && is_before(&row, rank, &rows[to - 1], ranks[to - 1]);
             to--) {
            rows[to] = rows[to - 1];
            ranks[to] = ranks[to - 1];
        }
        rows[to] = row;
        ranks[to] = rank;
    }
}

/* A document can put anything into a message; a terminal must not obey it. */
static void append_visible(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x20 || byte == 0x7f)
            buf_char(out, '?');
        else
            buf_char(out, *text);
    }
}

static void print_row(const struct doc_issue *row, struct buf *out)
{
    static const char *const severities[] = {
        [DOC_FAULT] = "error", [DOC_WARNING] = "warning", [DOC_INFO] = "info"};

    append_visible(out, row->file);
    if (row->line)
        buf_printf(out, ":%d:%d", row->line, row->col);
    buf_printf(out, ": %s: ", severities[row->severity]);
    append_visible(out, row->message);
    buf_printf(out, " [%s]", row->rule);
    if (row->pointer[0]) {
        buf_string(out, " at ");
        append_visible(out, row->pointer);
    }
    if (row->hint[0]) {
        buf_string(out, " (");
        append_visible(out, row->hint);
        buf_char(out, ')');
    }
    buf_char(out, '\n');
}

void doc_report_print(const struct doc_report *report, struct buf *out)
{
    for (size_t i = 0; i < report->count; i++)
        print_row(&report->issues[i], out);
    if (report->dropped)
        buf_printf(out, "and %zu more\n", report->dropped);
}
