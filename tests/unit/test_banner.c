/*
 * Banner: what tools look for in it, and commands that can be pasted.
 */
#include "banner.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const struct banner banner = {.app = "Toy_API",
                                     .model = "Toy",
                                     .description = "Plays.",
                                     .citation = "One\nTwo",
                                     .port = 5100,
                                     .registered = true};

static void expect_in(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s\n", part, text);
}

static void test_banner_has_the_lines_that_tools_look_for(void **state)
{
    struct banner unregistered = banner;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    banner_print(&banner, out);
    expect_in(text, "\nToy API - Plays.\n");
    expect_in(text, "\nCITATION:\n  One\n  Two\n");
    expect_in(text, "\nNOTICE: Registration is required to use this service");
    expect_in(text, "\nREGISTRATION_SUCCESS: Toy_API registered on port 5100\n"
                    "Starting Toy_API server on port 5100\n");
    (void)fclose(out);
    free(text);

    unregistered.registered = false;
    out = open_memstream(&text, &size);
    assert_non_null(out);
    banner_print(&unregistered, out);
    assert_null(strstr(text, "REGISTRATION_SUCCESS"));
    (void)fclose(out);
    free(text);
}

static void test_banner_examples_keep_the_text_for_shell_and_json(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    /* a bond of a SMILES is a backslash; the rest is for the quoting */
    banner_print_examples(&banner, "F/C=C\\F 'a' \"b\"\n", out);
    expect_in(text, "-d '{\"input_type\":\"text\",\"data\":{\"text\":"
                    "\"F/C=C\\\\F '\\''a'\\'' \\\"b\\\"\\n\"}}'\n");
    expect_in(text, "predict.py 127.0.0.1:5100 "
                    "'F/C=C\\F '\\''a'\\'' \"b\"\n'\n");
    (void)fclose(out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_banner_has_the_lines_that_tools_look_for),
        cmocka_unit_test(test_banner_examples_keep_the_text_for_shell_and_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
