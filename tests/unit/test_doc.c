/*
 * Doc: both readers against files with exact expected findings (rows Y1 to Y5
 * of the bad inputs), then the tree, the report and running out of memory.
 */
#include "doc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test_doc_cases.h"
#include "unit.h"

static const char bad_folder[] = "tests/data/documents/bad";

/* A parsed text with everything that belongs to it. */
struct parsed {
    struct arena arena;
    struct doc_report report;
    struct buf printed;
    struct doc_node *root;
};

enum format { YAML_CORE, YAML_1_1, JSON };

static struct parsed *parse_bytes(enum format format, const char *name,
                                  const char *text, size_t size)
{
    struct parsed *parsed = calloc(1, sizeof *parsed);

    assert_non_null(parsed);
    arena_init(&parsed->arena, 0);
    doc_report_init(&parsed->report, &parsed->arena);
    if (format == JSON)
        parsed->root =
            doc_parse_json(name, text, size, &parsed->arena, &parsed->report);
    else
        parsed->root = doc_parse_yaml(
            name, text, size, format == YAML_1_1 ? DOC_YAML_1_1 : DOC_YAML_CORE,
            &parsed->arena, &parsed->report);
    doc_report_print(&parsed->report, &parsed->printed);
    return parsed;
}

static struct parsed *parse(enum format format, const char *text)
{
    return parse_bytes(format, "x", text, strlen(text));
}

static const char *printed(const struct parsed *parsed)
{
    return parsed->printed.data ? parsed->printed.data : "";
}

static void release(struct parsed *parsed)
{
    buf_release(&parsed->printed);
    arena_release(&parsed->arena);
    free(parsed);
}

/* ---- the files ---- */

static void check_bad_file(const char *name)
{
    char path[512];
    size_t size, expect_size;
    char *text, *expect;
    struct parsed *parsed;

    (void)snprintf(path, sizeof path, "%s/%s", bad_folder, name);
    text = cases_read(path, &size);
    (void)snprintf(path, sizeof path, "%s/%.*s.expect", bad_folder,
                   (int)(strlen(name) - strlen(".yaml")), name);
    expect = cases_read(path, &expect_size);
    parsed = parse_bytes(YAML_CORE, name, text, size);
    assert_string_equal(printed(parsed), expect);
    assert_true(parsed->report.faults > 0);
    release(parsed);
    free(text);
    free(expect);
}

static void test_bad_files_give_exactly_the_expected_findings(void **state)
{
    DIR *dir = opendir(bad_folder);
    const struct dirent *entry;
    size_t count = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (strstr(entry->d_name, ".yaml")) {
            check_bad_file(entry->d_name);
            count++;
        }
    (void)closedir(dir);
    assert_true(count >= 20);
}

/* ---- Y2: size and depth, in time ---- */

static double now_ms(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* Sanitizers make everything many times slower; they prove other things. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW_BUILD = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SLOW_BUILD = 1 };
#else
enum { SLOW_BUILD = 0 };
#endif
#else
enum { SLOW_BUILD = 0 };
#endif

/* The pattern repeated `count` times is refused with `expect` in 10 ms. */
static void check_repeated(const char *pattern, size_t count,
                           const char *expect)
{
    size_t size = strlen(pattern);
    char *text = malloc(size * count + 1);
    double started;
    struct parsed *parsed;

    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * size, pattern, size);
    started = now_ms();
    parsed = parse_bytes(YAML_CORE, "x", text, size * count);
    if (!SLOW_BUILD)
        assert_true(now_ms() - started < 10);
    assert_null(parsed->root);
    assert_non_null(strstr(printed(parsed), expect));
    release(parsed);
    free(text);
}

static void test_deep_and_large_yaml_is_refused_in_time(void **state)
{
    (void)state;
    check_repeated("a", 65537, "x: error: 65537 bytes, at most 65536");
    check_repeated("[", 40000, "x:1:33: error: nested deeper than 32 levels");
    check_repeated("{", 40000, "a list or map cannot be a key");
    check_repeated("[{", 20000, "a list or map cannot be a key");
    check_repeated("{? a\n: ", 9000, "nested deeper than 32 levels");
    check_repeated("- ", 20000, "x:1:65: error: nested deeper than 32 levels");
    check_repeated("? ", 20000, "a list or map cannot be a key");
    check_repeated("{a: ", 10000, "nested deeper than 32 levels");
    check_repeated("[\n", 20000, "nested deeper than 32 levels");
}

/* Depth 32 is taken, 33 is not. */
static void test_depth_limit_is_exact(void **state)
{
    char text[80] = "";
    struct parsed *parsed;

    (void)state;
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    parsed = parse(YAML_CORE, text);
    assert_non_null(parsed->root);
    release(parsed);
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    parsed = parse(YAML_CORE, text);
    assert_null(parsed->root);
    release(parsed);
}

/* Quadratic work on many keys would take seconds. */
static void test_ten_thousand_keys_are_checked_in_time(void **state)
{
    struct buf text = {0};
    struct parsed *parsed;
    double started;

    (void)state;
    for (int i = 0; i < 8000; i++)
        buf_printf(&text, "k%d: \n", i);
    buf_string(&text, "k17: \n");
    started = now_ms();
    parsed = parse_bytes(YAML_CORE, "x", text.data, text.size);
    if (!SLOW_BUILD)
        assert_true(now_ms() - started < 100);
    assert_string_equal(printed(parsed), "x:8001:1: error: duplicate key "
                                         "'k17', first on line 18 [YAML]\n");
    release(parsed);
    buf_release(&text);
}

/* ---- scalars ---- */

struct scalar_case {
    const char *text;
    enum doc_type old, core; /* 0: a fault */
    double value;            /* of numbers, in both */
};

static const struct scalar_case scalars[] = {
    {"", DOC_NULL, DOC_NULL, 0},
    {"~", DOC_NULL, DOC_NULL, 0},
    {"null", DOC_NULL, DOC_NULL, 0},
    {"nuLL", DOC_STRING, DOC_STRING, 0},
    {"true", DOC_BOOL, DOC_BOOL, 0},
    {"False", DOC_BOOL, DOC_BOOL, 0},
    {"yes", DOC_BOOL, 0, 0},
    {"Off", DOC_BOOL, 0, 0},
    {"y", DOC_STRING, DOC_STRING, 0},
    {"N", DOC_STRING, DOC_STRING, 0},
    {"0", DOC_INT, DOC_INT, 0},
    {"-17", DOC_INT, DOC_INT, -17},
    {"+5", DOC_INT, DOC_INT, 5},
    {"012", DOC_INT, 0, 10},
    {"09", DOC_STRING, 0, 0},
    {"0x1F", DOC_INT, 0, 31},
    {"0o12", DOC_STRING, 0, 0},
    {"0b11", DOC_INT, 0, 3},
    {"1_000", DOC_INT, 0, 1000},
    {"1:30", DOC_INT, 0, 90},
    {"1:30.5", DOC_NUMBER, 0, 90.5},
    {"1.0", DOC_NUMBER, DOC_NUMBER, 1},
    {"1.", DOC_NUMBER, DOC_NUMBER, 1},
    {".5", DOC_NUMBER, DOC_NUMBER, 0.5},
    {"-.5", DOC_STRING, 0, 0},
    {"1e3", DOC_STRING, 0, 0},
    {"1.5e3", DOC_STRING, 0, 0},
    {"1.5e+3", DOC_NUMBER, DOC_NUMBER, 1500},
    {"9223372036854775807", DOC_INT, DOC_INT, 0x1p63},
    {"9223372036854775808", DOC_NUMBER, DOC_NUMBER, 0x1p63},
    {".inf", 0, 0, 0},
    {".nan", 0, 0, 0},
    {"2026-01-15", 0, 0, 0},
    {"2026-01-15 10:00:00", 0, 0, 0},
    {"2026-01", DOC_STRING, DOC_STRING, 0},
    {"=", 0, 0, 0},
    {"1.2.3", DOC_STRING, DOC_STRING, 0},
    {"10.1000/182", DOC_STRING, DOC_STRING, 0},
    {"C", DOC_STRING, DOC_STRING, 0},
};

static void check_scalar(const struct scalar_case *one, enum format format,
                         enum doc_type type)
{
    char text[64];
    struct parsed *parsed;
    const struct doc_node *node;

    (void)snprintf(text, sizeof text, "[%s]", one->text);
    if (!one->text[0]) /* an empty scalar has no place in a list */
        (void)snprintf(text, sizeof text, "- ");
    parsed = parse(format, text);
    node = doc_item(parsed->root, 0);
    assert_non_null(node);
    if ((parsed->report.faults > 0) != (type == 0) ||
        (type && node->type != type))
        fail_msg("'%s': type %d, %s", one->text, (int)node->type,
                 printed(parsed));
    if (type == DOC_INT || type == DOC_NUMBER)
        assert_true(doc_number(node, 0) == one->value);
    release(parsed);
}

static void test_plain_scalars_have_the_types_of_their_dialect(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scalars); i++) {
        check_scalar(&scalars[i], YAML_1_1, scalars[i].old);
        check_scalar(&scalars[i], YAML_CORE, scalars[i].core);
    }
}

static void test_quoted_scalars_are_text(void **state)
{
    struct parsed *parsed =
        parse(YAML_CORE, "[\"no\", '012', \"1e3\", \"2026-01-15\", \"\"]");

    (void)state;
    assert_string_equal(printed(parsed), "");
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(doc_item(parsed->root, i)->type, DOC_STRING);
    assert_false(doc_item(parsed->root, 0)->plain);
    release(parsed);
}

static void test_yaml_1_1_warns_where_1_2_reads_otherwise(void **state)
{
    struct parsed *parsed = parse(YAML_1_1, "a: yes\nb: 1e3\nc: 10\n");

    (void)state;
    assert_int_equal(parsed->report.faults, 0);
    assert_string_equal(
        printed(parsed),
        "x:1:4: warning: 'yes' is read as true; YAML 1.2 reads text [YAML] at "
        "/a (quote it if it is text)\n"
        "x:2:4: warning: '1e3' is read as text; YAML 1.2 reads the number 1000 "
        "[YAML] at /b (quote it if it is text)\n");
    release(parsed);
}

/* ---- trees ---- */

static const char document[] = "# a document\n"
                               "name: \"\xc3\xa9t\xc3\xa9\"  # summer\n"
                               "list:\n"
                               "  - {a: 1, \"b/c~d\": [true, null, 2.5]}\n"
                               "  - |\n"
                               "    two\n"
                               "    lines\n"
                               "last: end\n";

static void test_yaml_becomes_a_tree_with_places(void **state)
{
    struct parsed *parsed = parse(YAML_CORE, document);
    const struct doc_node *list = doc_get(parsed->root, "list");
    const struct doc_node *deep = doc_find(parsed->root, "/list/0/b~1c~0d/2");

    (void)state;
    assert_int_equal(doc_count(parsed->root), 3);
    assert_int_equal(doc_count(list), 2);
    assert_string_equal(doc_string(doc_item(list, 1), ""), "two\nlines\n");
    assert_int_equal(doc_integer(doc_find(parsed->root, "/list/0/a"), 0), 1);
    assert_non_null(deep);
    assert_int_equal(deep->line, 4);
    assert_int_equal(deep->col, 34);
    assert_int_equal(parsed->root->entries[2].line, 8);
    assert_ptr_equal(doc_at(parsed->root, "last"),
                     parsed->root->entries[2].value);
    release(parsed);
}

static void test_json_becomes_the_same_tree(void **state)
{
    struct parsed *yaml = parse(YAML_CORE, document);
    struct buf first = {0}, second = {0};
    struct parsed *json;

    (void)state;
    doc_write_json(yaml->root, &first);
    assert_string_equal(first.data,
                        "{\"name\":\"\xc3\xa9t\xc3\xa9\",\"list\":[{\"a\":1,"
                        "\"b/c~d\":[true,null,2.5]},\"two\\nlines\\n\"],"
                        "\"last\":\"end\"}");
    json = parse(JSON, first.data);
    doc_write_json(json->root, &second);
    assert_string_equal(first.data, second.data);
    buf_release(&first);
    buf_release(&second);
    release(json);
    release(yaml);
}

static void test_json_faults_name_their_place(void **state)
{
    static const char *const cases[][2] = {
        {"", "x:1:1: error: expected a value [JSON]"},
        {"{\"a\": 1,\n \"\xc3\xa9\": [1, x]}",
         "x:2:11: error: expected a value [JSON]"},
        {"{\"a\": {\"b\": 1, \"b\": 2}}",
         "x:1:16: error: duplicate key 'b', first on line 1 [JSON] at /a"},
        {"[1] 2", "x:1:5: error: text after the value [JSON]"},
        {"[1e999]", "error: the number is out of range [JSON] at /1"},
        {"{\"a\":1,}", "error: expected a string [JSON]"},
        {"[\"\\ud800\"]", "error: lone surrogate [JSON]"},
        {"[\"\\u0000\"]", "error: NUL in a string [JSON]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct parsed *parsed = parse(JSON, cases[i][0]);

        if (!strstr(printed(parsed), cases[i][1]))
            fail_msg("expected %s, found %s", cases[i][1], printed(parsed));
        assert_true(parsed->report.faults > 0);
        release(parsed);
    }
}

static void test_json_depth_limit_is_64(void **state)
{
    char text[132] = "";
    struct parsed *parsed;

    (void)state;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    parsed = parse(JSON, text);
    assert_non_null(parsed->root);
    release(parsed);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    parsed = parse(JSON, text);
    assert_string_equal(strstr(printed(parsed), "nested") ? "deep" : "",
                        "deep");
    release(parsed);
}

static void test_accessors_take_null_and_other_types(void **state)
{
    struct parsed *parsed = parse(YAML_CORE, "{a: 1.0, b: text, c: [1]}");
    const struct doc_node *root = parsed->root;

    (void)state;
    assert_null(doc_get(NULL, "a"));
    assert_null(doc_get(doc_get(root, "b"), "a"));
    assert_null(doc_at(root, "c.d.e"));
    assert_null(doc_item(doc_get(root, "c"), 1));
    assert_null(doc_find(root, "/c/7"));
    assert_ptr_equal(doc_find(root, ""), root);
    assert_int_equal(doc_integer(doc_get(root, "a"), 7), 1);
    assert_int_equal(doc_integer(doc_get(root, "b"), 7), 7);
    assert_true(doc_number(doc_get(root, "b"), 0.5) == 0.5);
    assert_true(doc_bool(doc_get(root, "a"), true));
    assert_string_equal(doc_string(doc_get(root, "a"), "other"), "other");
    assert_int_equal(doc_count(NULL), 0);
    release(parsed);
}

/* ---- the report ---- */

static void test_report_keeps_a_thousand_rows_and_counts_the_rest(void **state)
{
    struct arena arena;
    struct doc_report report;
    struct buf text = {0};

    (void)state;
    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    for (int i = 0; i < 1003; i++)
        doc_fault(&report, "R", "f", NULL, "/p", "fault %d", i);
    assert_int_equal(report.faults, 1003);
    assert_int_equal(report.count, 1000);
    doc_report_print(&report, &text);
    assert_non_null(strstr(text.data, "f: error: fault 999 [R] at /p\n"));
    assert_non_null(strstr(text.data, "and 3 more\n"));
    buf_release(&text);
    arena_release(&arena);
}

static void test_report_prints_no_control_bytes(void **state)
{
    struct parsed *parsed =
        parse(YAML_CORE, "\"a\\e[31m\": 1\n\"a\\e[31m\": 2");

    (void)state;
    assert_non_null(strstr(printed(parsed), "duplicate key 'a?[31m'"));
    release(parsed);
}

static void test_nearest_name_is_a_likely_misspelling(void **state)
{
    static const char *const names[] = {"minimum", "maximum", "port", "unit"};

    (void)state;
    assert_string_equal(doc_nearest("maximun", names, 4), "maximum");
    assert_string_equal(doc_nearest("Port", names, 4), "port");
    assert_string_equal(doc_nearest("units", names, 4), "unit");
    assert_null(doc_nearest("colour", names, 4));
    assert_null(doc_nearest("x", names, 4));
    assert_null(doc_nearest("", names, 4));
}

/* ---- memory ---- */

/*
 * Parses with an arena of which only `room` bytes are left, so that over all
 * rooms each allocation fails once. Without a fault the tree is complete.
 */
static void check_with_room(bool json, size_t room)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"c\\n\"}],\"d\":1.5}";
    struct arena arena, rows;
    struct doc_report report;
    struct doc_node *root;
    struct buf out = {0};

    arena_init(&arena, 8192);
    arena_init(&rows, 0);
    doc_report_init(&report, &rows);
    assert_non_null(arena_alloc(&arena, 4096 - 16 - room));
    root = json ? doc_parse_json("x", text, sizeof text - 1, &arena, &report)
                : doc_parse_yaml("x", text, sizeof text - 1, DOC_YAML_CORE,
                                 &arena, &report);
    if (report.faults == 0) {
        doc_write_json(root, &out);
        assert_string_equal(out.data, text);
    }
    buf_release(&out);
    arena_release(&arena);
    arena_release(&rows);
}

static void test_every_failing_allocation_is_reported(void **state)
{
    (void)state;
    for (size_t room = 0; room < 3500; room += 16) {
        check_with_room(true, room);
        check_with_room(false, room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files_give_exactly_the_expected_findings),
        cmocka_unit_test(test_deep_and_large_yaml_is_refused_in_time),
        cmocka_unit_test(test_depth_limit_is_exact),
        cmocka_unit_test(test_ten_thousand_keys_are_checked_in_time),
        cmocka_unit_test(test_plain_scalars_have_the_types_of_their_dialect),
        cmocka_unit_test(test_quoted_scalars_are_text),
        cmocka_unit_test(test_yaml_1_1_warns_where_1_2_reads_otherwise),
        cmocka_unit_test(test_yaml_becomes_a_tree_with_places),
        cmocka_unit_test(test_json_becomes_the_same_tree),
        cmocka_unit_test(test_json_faults_name_their_place),
        cmocka_unit_test(test_json_depth_limit_is_64),
        cmocka_unit_test(test_accessors_take_null_and_other_types),
        cmocka_unit_test(test_report_keeps_a_thousand_rows_and_counts_the_rest),
        cmocka_unit_test(test_report_prints_no_control_bytes),
        cmocka_unit_test(test_nearest_name_is_a_likely_misspelling),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
