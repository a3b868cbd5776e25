/*
 * specserve validate: exit codes and both output formats.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "commands.h"
#include "test_doc_cases.h"
#include "unit.h"

static char good[] = "tests/data/documents/bundle";
static char bad[] = "tests/data/documents/bad/y4_duplicate.yaml";
static char modelspec[] = "tests/data/documents/modelspec/full.modelspec.yaml";

/*
 * Runs the command with standard output in a file and returns the exit code;
 * `*out` is what it printed, freed by the caller.
 */
static int run(int argc, char **argv, char **out)
{
    char path[] = "/tmp/specserve-validate-XXXXXX";
    int file = mkstemp(path), saved = dup(STDOUT_FILENO);
    size_t size;
    int code;

    assert_true(file >= 0 && saved >= 0);
    (void)fflush(stdout);
    assert_true(dup2(file, STDOUT_FILENO) >= 0);
    code = command_validate(argc, argv);
    (void)fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    (void)close(file);
    *out = cases_read(path, &size);
    assert_int_equal(unlink(path), 0);
    return code;
}

static void test_valid_paths_exit_0(void **state)
{
    char *arguments[] = {good, modelspec};
    char *out;

    (void)state;
    assert_int_equal(run(2, arguments, &out), EXIT_OK);
    assert_string_equal(out, "2 checked, 0 errors, 0 warnings\n");
    free(out);
}

static void test_findings_come_in_the_order_of_the_lines(void **state)
{
    char path[] = "/tmp/specserve-order-XXXXXX";
    char *arguments[] = {path};
    char *out, *late, *early;
    int file = mkstemp(path);
    /* the loader refuses line 4 before the schema sees line 2 */
    static const char text[] = "apiVersion: specserve/v1alpha1\nkin: x\n"
                               "kind: BehaviorSpec\nspec: &a {}\n";

    (void)state;
    assert_int_equal(write(file, text, sizeof text - 1), sizeof text - 1);
    (void)close(file);
    assert_int_equal(run(1, arguments, &out), EXIT_WRONG);
    early = strstr(out, ":2:1: error: unknown key 'kin'");
    late = strstr(out, ":4:7: error: anchors are not supported");
    assert_true(early && late && early < late);
    assert_int_equal(unlink(path), 0);
    free(out);
}

/* What is shipped in models/ is what this program takes, without a warning. */
static void test_shipped_bundles_are_valid(void **state)
{
    glob_t found;

    (void)state;
    assert_int_equal(glob("models/*/*.modelservice.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *dir = found.gl_pathv[i], *out;

        *strrchr(dir, '/') = '\0';
        assert_int_equal(run(1, &dir, &out), EXIT_OK);
        assert_string_equal(out, "1 checked, 0 errors, 0 warnings\n");
        free(out);
    }
    globfree(&found);
}

static void test_errors_exit_1_and_name_their_place(void **state)
{
    char *arguments[] = {bad, good};
    char *out;

    (void)state;
    assert_int_equal(run(2, arguments, &out), EXIT_WRONG);
    assert_non_null(strstr(out, "tests/data/documents/bad/y4_duplicate.yaml:5:"
                                "3: error: duplicate key 'c', first on line 3 "
                                "[YAML] at /b\n"));
    assert_non_null(strstr(out, "2 checked, "));
    free(out);
}

static void test_json_is_one_document(void **state)
{
    char format[] = "--format", json[] = "json";
    char *arguments[] = {format, json, bad};
    char *out;
    json_t *root;
    const json_t *issue;

    (void)state;
    assert_int_equal(run(3, arguments, &out), EXIT_WRONG);
    root = json_loads(out, 0, NULL);
    assert_non_null(root);
    assert_true(json_is_false(json_object_get(root, "valid")));
    assert_int_equal(json_integer_value(json_object_get(root, "checked")), 1);
    issue = json_array_get(json_object_get(root, "issues"), 1);
    assert_int_equal(json_integer_value(json_object_get(issue, "line")), 5);
    assert_int_equal(json_integer_value(json_object_get(issue, "column")), 3);
    assert_string_equal(json_string_value(json_object_get(issue, "pointer")),
                        "/b");
    assert_string_equal(json_string_value(json_object_get(issue, "rule")),
                        "YAML");
    json_decref(root);
    free(out);
}

static void test_usage_and_missing_paths_exit_2(void **state)
{
    char missing[] = "/nonexistent.yaml", flag[] = "--frmat", odd[] = "xml";
    char format[] = "--format", help[] = "--help";
    char *one[] = {missing}, *two[] = {flag, good}, *three[] = {format, odd};
    char *four[] = {good, format}, *five[] = {help};
    char *out;

    (void)state;
    assert_int_equal(run(1, one, &out), EXIT_USAGE);
    free(out);
    assert_int_equal(run(2, two, &out), EXIT_USAGE);
    free(out);
    assert_int_equal(run(2, three, &out), EXIT_USAGE);
    free(out);
    assert_int_equal(run(2, four, &out), EXIT_USAGE);
    free(out);
    assert_int_equal(run(0, NULL, &out), EXIT_USAGE);
    free(out);
    assert_int_equal(run(1, five, &out), EXIT_OK);
    assert_non_null(strstr(out, "usage: specserve validate"));
    free(out);
}

static void test_a_pipe_or_device_does_not_block(void **state)
{
    char path[64];
    char device[] = "/dev/zero";
    char *arguments[] = {path, device};
    char *out;

    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/specserve-pipe-%d", (int)getpid());
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(run(2, arguments, &out), EXIT_WRONG);
    assert_non_null(strstr(out, "is no regular file [FILE]"));
    assert_non_null(strstr(out, "'/dev/zero' is no regular file [FILE]"));
    assert_int_equal(unlink(path), 0);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_paths_exit_0),
        cmocka_unit_test(test_findings_come_in_the_order_of_the_lines),
        cmocka_unit_test(test_shipped_bundles_are_valid),
        cmocka_unit_test(test_errors_exit_1_and_name_their_place),
        cmocka_unit_test(test_json_is_one_document),
        cmocka_unit_test(test_usage_and_missing_paths_exit_2),
        cmocka_unit_test(test_a_pipe_or_device_does_not_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
