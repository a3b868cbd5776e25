/*
 * Doc check: each keyword of a schema, on hand-made tables, and the whole list
 * of findings of one document at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doc.h"
#include "unit.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct doc_schema any_text = {.types = DOC_STRING,
                                           .doc = "Any text."};
static const struct doc_schema colour = {.types = DOC_STRING,
                                         .values = colours};
static const struct doc_schema kind = {.types = DOC_STRING,
                                       .constant = "Thing"};
static const struct doc_schema port = {
    .types = DOC_INT, .has_min = true, .min = 1, .has_max = true, .max = 65535};
static const struct doc_schema positive = {
    .types = DOC_NUMBER, .has_min = true, .min = 0};
static const struct doc_schema word = {.types = DOC_STRING,
                                       .pattern = "^[a-z\u00e9]+$",
                                       .min_size = 2,
                                       .max_size = 4};
static const struct doc_schema words = {
    .types = DOC_LIST, .items = &word, .min_size = 1, .max_size = 2};
static const struct doc_schema labels = {.types = DOC_MAP, .rest = &any_text};
static const struct doc_schema open_map = {.types = DOC_MAP};
static const struct doc_schema maybe = {.types = DOC_NUMBER | DOC_NULL};
static const struct doc_schema flag = {.types = DOC_BOOL};

static const struct doc_property properties[] = {
    {"kind", &kind, true},      {"colour", &colour, false},
    {"port", &port, false},     {"positive", &positive, false},
    {"words", &words, false},   {"labels", &labels, false},
    {"open", &open_map, false}, {"maybe", &maybe, false},
    {"flag", &flag, false},     {"text", &any_text, true},
};

static const struct doc_schema thing = {
    .types = DOC_MAP,
    .properties = properties,
    .property_count = COUNT_OF(properties),
    .closed = true,
};

/* The printed findings of `text` (YAML core); freed by the caller. */
static char *findings(const char *text)
{
    struct arena arena;
    struct doc_report report;
    struct buf out = {0};
    struct doc_node *root;
    size_t size;

    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    root =
        doc_parse_yaml("x", text, strlen(text), DOC_YAML_CORE, &arena, &report);
    assert_non_null(root);
    doc_check("x", root, &thing, &report);
    doc_report_print(&report, &out);
    arena_release(&arena);
    return buf_take(&out, &size);
}

static void expect(const char *text, const char *expected)
{
    char *found = findings(text);

    assert_string_equal(found, expected);
    free(found);
}

/* The two required keys and one more line. */
static void expect_line(const char *line, const char *expected)
{
    char text[512];

    (void)snprintf(text, sizeof text, "{kind: Thing, text: t}\n");
    if (line)
        (void)snprintf(text, sizeof text, "kind: Thing\ntext: t\n%s\n", line);
    expect(text, expected);
}

static void test_a_valid_document_has_no_findings(void **state)
{
    (void)state;
    expect_line(NULL, "");
    expect_line("colour: red", "");
    expect_line("port: 65535", "");
    expect_line("port: 80.0", "");
    expect_line("positive: 0", "");
    expect_line("words: [ab, \"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"]", "");
    expect_line("labels: {a: b, c: d}", "");
    expect_line("open: {a: 1, b: [2]}", "");
    expect_line("maybe: ~", "");
    expect_line("maybe: 2", "");
}

static void test_each_keyword_refuses_with_its_own_words(void **state)
{
    (void)state;
    expect_line("colour: gren",
                "x:3:9: error: 'gren' is not one of red, green, blue [SCHEMA] "
                "at /colour (did you mean 'green'?)\n");
    expect_line("port: 0", "x:3:7: error: 0 is outside the allowed range 1 to "
                           "65535 [SCHEMA] at /port\n");
    expect_line("port: 65536", "x:3:7: error: 65536 is outside the allowed "
                               "range 1 to 65535 [SCHEMA] at /port\n");
    expect_line("port: 80.5", "x:3:7: error: expected an integer, found a "
                              "number '80.5' [SCHEMA] at /port\n");
    expect_line("port: \"80\"",
                "x:3:7: error: expected an integer, found text '80' [SCHEMA] "
                "at /port (write it without quotes)\n");
    expect_line("positive: -0.5", "x:3:11: error: -0.5 is below the minimum of "
                                  "0 [SCHEMA] at /positive\n");
    expect_line("flag: 1", "x:3:7: error: expected true or false, found an "
                           "integer '1' [SCHEMA] at /flag\n");
    expect_line("labels: {a: 1}",
                "x:3:13: error: expected text, found an integer '1' [SCHEMA] "
                "at /labels/a (quote it if it is text)\n");
    expect_line("words: []", "x:3:8: error: 0 entries, at least 1 are needed "
                             "[SCHEMA] at /words\n");
    expect_line("words: [ab, cd, ef]", "x:3:8: error: 3 entries, at most 2 are "
                                       "allowed [SCHEMA] at /words\n");
    expect_line("words: [a, \"AB\"]",
                "x:3:9: error: 1 characters, at least 2 are needed [SCHEMA] at "
                "/words/0\n"
                "x:3:12: error: 'AB' does not match ^[a-z\xc3\xa9]+$ [SCHEMA] "
                "at /words/1\n");
    expect_line("maybe: [1]", "x:3:8: error: expected a number or null, found "
                              "a list [SCHEMA] at /maybe\n");
    expect_line("open: 3", "x:3:7: error: expected a map, found an integer "
                           "'3' [SCHEMA] at /open\n");
}

static void test_all_faults_of_a_document_come_at_once(void **state)
{
    (void)state;
    expect("kind: Think\n"
           "colr: red\n"
           "zzz: 1\n"
           "port: 70000\n",
           "x:1:1: error: the required key 'text' is missing [SCHEMA] (Any "
           "text.)\n"
           "x:1:7: error: 'Think' must be 'Thing' [SCHEMA] at /kind\n"
           "x:2:1: error: unknown key 'colr' [SCHEMA] at /colr (did you mean "
           "'colour'?)\n"
           "x:3:1: error: unknown key 'zzz' [SCHEMA] at /zzz (known keys: "
           "kind, colour, port, positive, words, labels, open, maybe, flag, "
           "text)\n"
           "x:4:7: error: 70000 is outside the allowed range 1 to 65535 "
           "[SCHEMA] at /port\n");
}

static void test_a_refused_scalar_gets_no_second_finding(void **state)
{
    (void)state;
    expect_line("flag: no",
                "x:3:7: error: 'no' is ambiguous: false in YAML 1.1, text in "
                "YAML 1.2 [YAML] at /flag (quote it if it is text, else write "
                "it plainly)\n");
}

/* Block maps start where their first key does. */
static void test_a_missing_key_does_not_hide_an_unknown_one(void **state)
{
    (void)state;
    expect("txt: a\nkind: Thing\n",
           "x:1:1: error: the required key 'text' is missing [SCHEMA] (Any "
           "text.)\n"
           "x:1:1: error: unknown key 'txt' [SCHEMA] at /txt (did you mean "
           "'text'?)\n");
}

static void test_another_root_type_is_one_finding(void **state)
{
    (void)state;
    expect("[1, 2]", "x:1:1: error: expected a map, found a list [SCHEMA]\n");
    expect("text", "x:1:1: error: expected a map, found text 'text' "
                   "[SCHEMA]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_valid_document_has_no_findings),
        cmocka_unit_test(test_each_keyword_refuses_with_its_own_words),
        cmocka_unit_test(test_all_faults_of_a_document_come_at_once),
        cmocka_unit_test(test_a_refused_scalar_gets_no_second_finding),
        cmocka_unit_test(test_a_missing_key_does_not_hide_an_unknown_one),
        cmocka_unit_test(test_another_root_type_is_one_finding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
