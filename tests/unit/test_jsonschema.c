/*
 * The JSON Schema Test Suite (tests/data/json-schema-test-suite): every required
 * test of draft 2020-12 passes; of the optional ones, those that do not are
 * listed with the reason.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "buf.h"
#include "jsonschema/jsonschema.h"

#include <cmocka.h> /* last: it calls a macro fail */

#define SUITE "tests/data/json-schema-test-suite/"

/* Optional tests that do not pass. */
static const struct {
    const char *file;
    size_t count;
    const char *reason;
} known[] = {
    {"cross-draft.json", 1, "other drafts are not spoken"},
    {"dependencies-compatibility.json", 14, "a keyword of older drafts"},
    {"ecmascript-regex.json", 22,
     "PCRE2: \\s is of ASCII, \\p has short names"},
    {"format-assertion.json", 2, "format is an annotation"},
};

struct suite {
    struct arena arena;
    struct js_store store;
    size_t run, failed;
    struct buf failures; /* "file: group: test" lines */
};

static const struct doc_node *read_tree(struct suite *suite, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct buf text = {0};
    char block[4096];
    size_t size;

    assert_non_null(file);
    while ((size = fread(block, 1, sizeof block, file)))
        buf_append(&text, block, size);
    (void)fclose(file);

    struct doc_report report;
    doc_report_init(&report, &suite->arena);
    const struct doc_node *root =
        doc_parse_json_nul(path, text.data, text.size, &suite->arena, &report);
    if (!root)
        print_error("%s: %s\n", path, report.issues[0].message);
    buf_release(&text);
    return root;
}

/* Calls `visit` with every .json file below the folder. */
static void each_file(struct suite *suite, const char *folder,
                      void (*visit)(struct suite *suite, const char *path))
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);

    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char path[512];

        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (strstr(names[i]->d_name, ".json"))
            visit(suite, path);
        else if (names[i]->d_type == DT_DIR && names[i]->d_name[0] != '.' &&
                 strcmp(names[i]->d_name, "optional") != 0)
            each_file(suite, path, visit);
        free(names[i]);
    }
    free(names);
}

/* The suite says where its remote schemas are to be found. */
static void add_remote(struct suite *suite, const char *path)
{
    char uri[512];
    struct error err;

    (void)snprintf(uri, sizeof uri, "http://localhost:1234/%s",
                   path + strlen(SUITE "remotes/"));
    assert_true(js_add(&suite->store, uri, read_tree(suite, path), &err));
}

static void try_test(struct suite *suite, const char *path,
                     const struct doc_node *group, const struct doc_node *test)
{
    const struct js_instance instance = {path, doc_get(test, "data")};
    bool wanted = doc_bool(doc_get(test, "valid"), false), valid = !wanted;
    struct error err = {0};

    suite->run++;
    if (js_check(&suite->store, "test:/group", &instance, NULL, &valid, &err) &&
        valid == wanted)
        return;
    suite->failed++;
    buf_printf(&suite->failures, "%s: %s: %s%s%s\n", strrchr(path, '/') + 1,
               doc_string(doc_get(group, "description"), ""),
               doc_string(doc_get(test, "description"), ""),
               err.code ? ": " : "", err.code ? err.msg : "");
}

static void run_file(struct suite *suite, const char *path)
{
    const struct doc_node *groups = read_tree(suite, path);
    size_t added = suite->store.count;

    assert_non_null(groups);
    for (size_t i = 0; i < doc_count(groups); i++) {
        const struct doc_node *group = doc_item(groups, i);
        const struct doc_node *tests = doc_get(group, "tests");
        struct error err;

        assert_true(js_add(&suite->store, "test:/group",
                           doc_get(group, "schema"), &err));
        for (size_t k = 0; k < doc_count(tests); k++)
            try_test(suite, path, group, doc_item(tests, k));
        suite->store.count = added; /* each group is alone in the world */
    }
}

static void run_suite(struct suite *suite, const char *folder)
{
    struct error err;

    *suite = (struct suite){0};
    arena_init(&suite->arena, 0);
    js_init(&suite->store, &suite->arena);
    assert_true(js_add_meta(&suite->store, &err));
    each_file(suite, SUITE "remotes", add_remote);
    each_file(suite, folder, run_file);
    print_message("%zu tests, %zu failed\n", suite->run, suite->failed);
    if (suite->failed)
        (void)fputs(suite->failures.data, stdout);
}

static void end_suite(struct suite *suite)
{
    buf_release(&suite->failures);
    arena_release(&suite->arena);
}

static void required_tests_pass(void **state)
{
    struct suite suite;

    (void)state;
    run_suite(&suite, SUITE "tests");
    assert_true(suite.run >= 1257);
    assert_int_equal(suite.failed, 0);
    end_suite(&suite);
}

static void optional_tests_are_known(void **state)
{
    struct suite suite;

    (void)state;
    run_suite(&suite, SUITE "tests/optional");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t found = 0;

        for (const char *line = suite.failures.data; line && *line;
             line = strchr(line, '\n') + 1)
            if (strncmp(line, known[i].file, strlen(known[i].file)) == 0)
                found++;
        assert_int_equal(found, known[i].count);
        suite.failed -= found;
    }
    assert_int_equal(suite.failed, 0);
    end_suite(&suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(required_tests_pass),
        cmocka_unit_test(optional_tests_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
