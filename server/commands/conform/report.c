/*
 * Report: what came of the checks, for people and for programs.
 */
#include <stdlib.h>

#include "conform.h"

static const char *const suites[] = {[CONFORM_RUNTIME] = "runtime-1.2",
                                     [CONFORM_REGISTRY] = "registry",
                                     [CONFORM_OIP] = "oip-v2"};
static const char *const outcomes[] = {[CONFORM_PASSED] = "pass",
                                       [CONFORM_FAILED] = "FAIL",
                                       [CONFORM_SKIPPED] = "skip"};
static const char *const words[] = {[CONFORM_PASSED] = "passed",
                                    [CONFORM_FAILED] = "failed",
                                    [CONFORM_SKIPPED] = "skipped"};

static size_t count_of(const struct conform_case *cases, size_t count,
                       enum conform_outcome outcome)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += cases[i].outcome == outcome ? 1 : 0;
    return found;
}

void conform_text(const struct conform_case *cases, size_t count,
                  struct buf *to)
{
    for (size_t i = 0; i < count; i++) {
        const struct conform_case *test = &cases[i];

        buf_printf(to, "%s %-12s %-5s %s\n", outcomes[test->outcome],
                   suites[test->check->suite], test->check->id,
                   test->check->text);
        if (*test->detail)
            buf_printf(to, "     %s\n", test->detail);
    }
    buf_printf(to, "%zu passed, %zu failed, %zu skipped\n",
               count_of(cases, count, CONFORM_PASSED),
               count_of(cases, count, CONFORM_FAILED),
               count_of(cases, count, CONFORM_SKIPPED));
}

void conform_json(const struct conform_case *cases, size_t count,
                  struct buf *to)
{
    json_t *list = json_array();
    json_t *root;
    char *text;

    for (size_t i = 0; i < count; i++) {
        const struct conform_case *test = &cases[i];

        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:f}", "id", test->check->id,
                      "suite", suites[test->check->suite], "text",
                      test->check->text, "outcome", words[test->outcome],
                      "detail", test->detail, "seconds", test->seconds));
    }
    root =
        json_pack("{s:i, s:i, s:i, s:o}", "passed",
                  (int)count_of(cases, count, CONFORM_PASSED), "failed",
                  (int)count_of(cases, count, CONFORM_FAILED), "skipped",
                  (int)count_of(cases, count, CONFORM_SKIPPED), "checks", list);
    text = json_dumps(root, JSON_COMPACT);
    buf_string(to, text ? text : "");
    buf_char(to, '\n');
    free(text);
    json_decref(root);
}

/* Text inside an attribute; control bytes cannot stand in XML at all. */
static void put_xml(struct buf *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '&' || *text == '"')
            buf_printf(to, "&#%d;", *text);
        else if ((unsigned char)*text < ' ')
            buf_char(to, ' ');
        else
            buf_char(to, *text);
    }
}

void conform_junit(const struct conform_case *cases, size_t count,
                   struct buf *to)
{
    buf_printf(to,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<testsuite name=\"specserve conform\" tests=\"%zu\" "
               "failures=\"%zu\" skipped=\"%zu\">\n",
               count, count_of(cases, count, CONFORM_FAILED),
               count_of(cases, count, CONFORM_SKIPPED));
    for (size_t i = 0; i < count; i++) {
        const struct conform_case *test = &cases[i];

        buf_printf(to, "  <testcase classname=\"%s\" name=\"%s ",
                   suites[test->check->suite], test->check->id);
        put_xml(to, test->check->text);
        buf_printf(to, "\" time=\"%.3f\"", test->seconds);
        if (test->outcome == CONFORM_PASSED) {
            buf_string(to, "/>\n");
            continue;
        }
        buf_printf(to, "><%s message=\"",
                   test->outcome == CONFORM_FAILED ? "failure" : "skipped");
        put_xml(to, test->detail);
        buf_string(to, "\"/></testcase>\n");
    }
    buf_string(to, "</testsuite>\n");
}
