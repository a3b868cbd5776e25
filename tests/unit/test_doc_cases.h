/*
 * Case files of the document tests: one edit of a good document per case, and
 * what must be found.
 *
 *   # a comment
 *   file demo.modelservice.yaml
 *   - text that is replaced        (\n for a new line)
 *   + what stands there instead
 *   ! text that the report must have; none = the report must be empty
 *
 * A blank line ends a case.
 */
#ifndef TESTS_DOC_CASES_H
#define TESTS_DOC_CASES_H

#include <stdbool.h>
#include <stddef.h>

enum { CASE_EXPECT_MAX = 8 };

struct doc_case {
    int line; /* of the case file */
    char *file, *old, *new;
    char *expect[CASE_EXPECT_MAX];
    size_t expect_count;
    bool failed;
};

/* Reads the whole file, NUL-terminated; fails the test if it cannot. Freed by
 * the caller. */
char *cases_read(const char *path, size_t *size);

/* Calls `run` for each case of the file; fails the test if one failed; returns
 * how many there were. */
size_t cases_run(const char *path,
                 void (*run)(struct doc_case *one, void *context),
                 void *context);

/* `text` with the first `old` replaced; fails the test if it is not there. */
char *cases_edit(const char *text, const struct doc_case *one);

/* Marks the case as failed, and says so, unless `report` is as it should. */
void cases_check(struct doc_case *one, const char *report);

#endif
