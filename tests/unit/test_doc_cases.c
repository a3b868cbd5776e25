/*
 * Case files: see test_doc_cases.h.
 */
#include "test_doc_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

char *cases_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t used = 0, got;

    if (!file)
        fail_msg("cannot open %s", path);
    do {
        text = realloc(text, used + 4097);
        assert_non_null(text);
        got = fread(text + used, 1, 4096, file);
        used += got;
    } while (got);
    (void)fclose(file);
    text[used] = '\0';
    *size = used;
    return text;
}

/* Turns "\n" into a new line, in place. */
static char *unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        if (in[0] == '\\' && in[1] == 'n') {
            *out++ = '\n';
            in++;
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
    return text;
}

static void take_line(struct doc_case *one, char *line)
{
    if (strncmp(line, "file ", 5) == 0)
        one->file = line + 5;
    else if (strncmp(line, "- ", 2) == 0)
        one->old = unescape(line + 2);
    else if (strncmp(line, "+ ", 2) == 0)
        one->new = unescape(line + 2);
    else if (strncmp(line, "! ", 2) == 0 && one->expect_count < CASE_EXPECT_MAX)
        one->expect[one->expect_count++] = line + 2;
    else if (line[0] != '#')
        fail_msg("case file: cannot read '%s'", line);
}

size_t cases_run(const char *path,
                 void (*run)(struct doc_case *one, void *context),
                 void *context)
{
    size_t size, count = 0, failed = 0;
    char *text = cases_read(path, &size), *at = text, *line;
    struct doc_case one = {0};

    for (int number = 1; (line = strsep(&at, "\n")); number++) {
        if (*line) {
            take_line(&one, line);
            continue;
        }
        one.line = number - 1;
        if (one.old) {
            run(&one, context);
            count++;
            failed += one.failed;
        }
        one = (struct doc_case){.file = one.file};
    }
    free(text);
    assert_int_equal(failed, 0);
    return count;
}

char *cases_edit(const char *text, const struct doc_case *one)
{
    const char *at = strstr(text, one->old);
    const char *new = one->new ? one->new : "";
    char *edited;
    int length;

    if (!at)
        fail_msg("case on line %d: '%s' is not in the file", one->line,
                 one->old);
    edited = malloc(strlen(text) + strlen(new) + 1);
    assert_non_null(edited);
    length = sprintf(edited, "%.*s%s%s", (int)(at - text), text, new,
                     at + strlen(one->old));
    assert_true(length >= 0);
    return edited;
}

void cases_check(struct doc_case *one, const char *report)
{
    if (one->expect_count == 0 && *report)
        one->failed = true;
    for (size_t i = 0; i < one->expect_count; i++)
        if (!strstr(report, one->expect[i]))
            one->failed = true;
    if (one->failed)
        print_error("case before line %d: '%s'; found:\n%s\n", one->line,
                    one->expect_count ? one->expect[0] : "no finding", report);
}
