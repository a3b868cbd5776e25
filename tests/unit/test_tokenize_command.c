/*
 * specserve tokenize: lines in, lines out, and what the exit code says.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

enum { OUT_SIZE = 4096 };

/* Runs the command with `in` on standard input; its standard output, NUL-
 * terminated, ends up in `out`. */
static int run(int argc, char **argv, const char *in, char out[OUT_SIZE])
{
    FILE *input = tmpfile(), *output = tmpfile();
    int saved_in = dup(STDIN_FILENO), saved_out = dup(STDOUT_FILENO), code;
    size_t size;

    assert_non_null(input);
    assert_non_null(output);
    (void)fputs(in, input);
    assert_int_equal(fflush(input), 0);
    assert_int_equal(fseek(input, 0, SEEK_SET), 0);
    (void)fflush(stdout);
    assert_true(dup2(fileno(input), STDIN_FILENO) >= 0);
    assert_true(dup2(fileno(output), STDOUT_FILENO) >= 0);
    clearerr(stdin);
    code = command_tokenize(argc, argv);
    (void)fflush(stdout);
    assert_true(dup2(saved_in, STDIN_FILENO) >= 0);
    assert_true(dup2(saved_out, STDOUT_FILENO) >= 0);
    (void)close(saved_in);
    (void)close(saved_out);
    assert_int_equal(fseek(output, 0, SEEK_SET), 0);
    size = fread(out, 1, OUT_SIZE - 1, output);
    out[size] = '\0';
    (void)fclose(input);
    (void)fclose(output);
    return code;
}

static char bundle[] = "models/solubility";
static char json[] = "--json";
static char bare[] = "--no-special";

static void test_tokenize_answers_each_line(void **state)
{
    char *argv[] = {bundle};
    char out[OUT_SIZE];

    (void)state;
    assert_int_equal(run(1, argv,
                         "{\"text\": \"CCl\"}\n\n"
                         "{\"text\":\"\\u00e9\"}",
                         out),
                     EXIT_OK);
    assert_string_equal(out, "{\"ids\": [2, 37, 97], \"offsets\": "
                             "[[0, 0], [0, 1], [1, 3]]}\n"
                             "{\"ids\": [2, 1, 1], \"offsets\": "
                             "[[0, 0], [0, 1], [0, 1]]}\n");
}

static void test_tokenize_leaves_specials_out_when_told(void **state)
{
    char *argv[] = {bundle, bare, json};
    char out[OUT_SIZE];

    (void)state;
    assert_int_equal(run(3, argv, "{\"text\":\"C\"}\n{\"text\":\"\"}\n", out),
                     EXIT_OK);
    assert_string_equal(out, "[{\"ids\": [37], \"offsets\": [[0, 1]]},\n"
                             "{\"ids\": [], \"offsets\": []}]\n");
}

static void test_tokenize_answers_bad_lines_in_their_place(void **state)
{
    static const char *const bad[] = {
        "C",
        "{}",
        "{\"text\":1}",
        "{\"pair\":\"C\"}",
        "{\"text\":\"C\",\"pair\":1}",
        "{\"text\":\"C\",\"peer\":\"C\"}",
        "{\"ids\":[1]}",
        "{\"text\":\"C\",\"text\":\"C\"}",
        "{\"text\":\"C\"} x",
        "{\"text\":\"\\ud800\"}",
        "{\"text\":\"\xff\"}",
    };
    char *argv[] = {bundle};
    char out[OUT_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char in[256];

        (void)snprintf(in, sizeof(in), "%s\n{\"text\":\"C\"}\n", bad[i]);
        assert_int_equal(run(1, argv, in, out), EXIT_WRONG);
        if (strncmp(out, "{\"error\": \"", 11) != 0)
            fail_msg("'%s' gave %s\n", bad[i], out);
        assert_non_null(strstr(out, "\"}\n{\"ids\": [2, 37]"));
    }
}

#define PAIR_OUT                                                               \
    "{\"ids\": [2, 37, 37, 37], \"offsets\": [[0, 0], [0, 1], [0, 1], "        \
    "[1, 2]], \"tokens\": [\"[CLS]\", \"C\", \"C\", \"C\"], \"type_ids\": "    \
    "[0, 0, 1, 1], \"special_mask\": [1, 0, 0, 0]}\n"

static void test_tokenize_takes_pairs_and_tells_all(void **state)
{
    char all[] = "--all";
    char *argv[] = {bundle, all};
    char out[OUT_SIZE];

    (void)state;
    assert_int_equal(run(2, argv, "{\"text\":\"C\",\"pair\":\"CC\"}\n", out),
                     EXIT_OK);
    assert_string_equal(out, PAIR_OUT);
}

static void test_tokenize_reads_specials_but_not_when_told(void **state)
{
    char plain[] = "--plain", no_special[] = "--no-special";
    char *parsed[] = {bundle, no_special},
         *text[] = {bundle, no_special, plain};
    char out[OUT_SIZE];

    (void)state;
    assert_int_equal(run(2, parsed, "{\"text\":\"[CLS]\"}\n", out), EXIT_OK);
    assert_string_equal(out, "{\"ids\": [2], \"offsets\": [[0, 5]]}\n");
    assert_int_equal(run(3, text, "{\"text\":\"[CLS]\"}\n", out), EXIT_OK);
    assert_non_null(strstr(out, "[4, 5]]"));
}

static void test_tokenize_decodes(void **state)
{
    char decode[] = "--decode", no_special[] = "--no-special";
    char *argv[] = {bundle, decode, no_special};
    char out[OUT_SIZE];

    (void)state;
    assert_int_equal(run(2, argv, "{\"ids\":[2,37,37]}\n{\"ids\":[]}\n", out),
                     EXIT_OK);
    assert_string_equal(out, "{\"text\": \"[CLS]CC\"}\n{\"text\": \"\"}\n");
    assert_int_equal(run(3, argv, "{\"ids\":[2,37,999999]}\n", out), EXIT_OK);
    assert_string_equal(out, "{\"text\": \"C\"}\n");
    assert_int_equal(run(3, argv, "{\"ids\":[\"C\"]}\n", out), EXIT_WRONG);
    assert_int_equal(run(3, argv, "{\"text\":\"C\"}\n", out), EXIT_WRONG);
}

static void test_tokenize_says_when_it_cannot_start(void **state)
{
    char none[] = "models/none", unknown[] = "--what";
    char *missing[] = {none}, *wrong[] = {bundle, unknown};
    char out[OUT_SIZE];

    (void)state;
    assert_int_equal(run(1, missing, "", out), EXIT_USAGE);
    assert_int_equal(run(2, wrong, "", out), EXIT_USAGE);
    assert_int_equal(run(0, NULL, "", out), EXIT_USAGE);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenize_answers_each_line),
        cmocka_unit_test(test_tokenize_leaves_specials_out_when_told),
        cmocka_unit_test(test_tokenize_answers_bad_lines_in_their_place),
        cmocka_unit_test(test_tokenize_takes_pairs_and_tells_all),
        cmocka_unit_test(test_tokenize_reads_specials_but_not_when_told),
        cmocka_unit_test(test_tokenize_decodes),
        cmocka_unit_test(test_tokenize_says_when_it_cannot_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
