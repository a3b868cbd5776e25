/*
 * Config: every row of config.def, from every source, in the order of their
 * strength; and what is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "unit.h"

enum row_kind { ROW_STRING, ROW_NUMBER, ROW_FLAG };

/* Each setting as the table has it, and where its value lies. */
static const struct row {
    enum row_kind kind;
    const char *flag;
    size_t offset;
    long min, max;
} rows[] = {
#define CONFIG_STRING(field, flag, otherwise, help)                            \
    {ROW_STRING, flag, offsetof(struct srv_config, field), 0, 0},
#define CONFIG_NUMBER(field, flag, min, max, otherwise, help)                  \
    {ROW_NUMBER, flag, offsetof(struct srv_config, field), min, max},
#define CONFIG_FLAG(field, flag, help)                                         \
    {ROW_FLAG, flag, offsetof(struct srv_config, field), 0, 0},
#include "config.def"
#undef CONFIG_STRING
#undef CONFIG_NUMBER
#undef CONFIG_FLAG
};

struct bench {
    struct srv_config config;
    struct arena arena;
    struct error err;
};

/* Loads from the arguments, a list that NULL ends. */
static bool load(struct bench *bench, const char *const *arguments)
{
    static char copies[8][1200];
    static char *argv[8]; /* config.operands points into it */
    int argc = 0;

    for (; arguments[argc]; argc++) {
        (void)snprintf(copies[argc], sizeof copies[argc], "%s",
                       arguments[argc]);
        argv[argc] = copies[argc];
    }
    error_clear(&bench->err);
    return config_load(&bench->config, argc, argv, &bench->arena, &bench->err);
}

static bool load_nothing(struct bench *bench)
{
    return load(bench, (const char *const[]){NULL});
}

/* Writes `text` to a new file and gives its path. */
static void write_file(char path[64], const char *text)
{
    FILE *file;
    int fd;

    (void)snprintf(path, 64, "/tmp/specserve-config-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static bool load_file(struct bench *bench, const char *text)
{
    char path[64];
    bool ok;

    write_file(path, text);
    ok = load(bench, (const char *const[]){"--config", path, NULL});
    (void)unlink(path);
    return ok;
}

/* A value that is not the row's default, as text. */
static const char *other_value(const struct row *row, char text[32])
{
    if (row->kind == ROW_STRING)
        return "other";
    if (row->kind == ROW_FLAG)
        return "true";
    (void)snprintf(text, 32, "%ld", row->max);
    return text;
}

static void expect_other(const struct bench *bench, const struct row *row)
{
    const void *member = (const char *)&bench->config + row->offset;

    if (row->kind == ROW_STRING)
        assert_string_equal(*(const char *const *)member, "other");
    else if (row->kind == ROW_NUMBER)
        assert_int_equal(*(const long *)member, row->max);
    else
        assert_true(*(const bool *)member);
}

static void environment_name(const struct row *row, char name[64])
{
    (void)snprintf(name, 64, "SPECSERVE_%s", row->flag);
    for (char *at = name; *at; at++)
        *at = (char)(*at == '-'                 ? '_'
                     : *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A'
                                                : *at);
}

static int set_up(void **state)
{
    static struct bench bench;

    bench = (struct bench){0};
    arena_init(&bench.arena, 0);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    arena_release(&bench->arena);
    return 0;
}

static void test_config_every_row_has_a_flag(void **state)
{
    struct bench *bench = *state;
    char flag[80], number[32];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *value = other_value(&rows[i], number);

        (void)snprintf(flag, sizeof flag, "--%s", rows[i].flag);
        assert_true(
            load(bench, rows[i].kind == ROW_FLAG
                            ? (const char *const[]){flag, NULL}
                            : (const char *const[]){flag, value, NULL}));
        expect_other(bench, &rows[i]);
        (void)snprintf(flag, sizeof flag, "--%s=%s", rows[i].flag, value);
        assert_true(load(bench, (const char *const[]){flag, NULL}));
        expect_other(bench, &rows[i]);
    }
}

static void test_config_every_row_has_an_environment_variable(void **state)
{
    struct bench *bench = *state;
    char name[64], number[32];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        environment_name(&rows[i], name);
        assert_int_equal(setenv(name, other_value(&rows[i], number), 1), 0);
        assert_true(load_nothing(bench));
        expect_other(bench, &rows[i]);
        assert_int_equal(unsetenv(name), 0);
    }
}

static void test_config_every_row_can_stand_in_a_file(void **state)
{
    struct bench *bench = *state;
    char text[128], number[32];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        (void)snprintf(text, sizeof text, "# a comment\n\n  %s =  %s \n",
                       rows[i].flag, other_value(&rows[i], number));
        assert_true(load_file(bench, text));
        expect_other(bench, &rows[i]);
    }
}

static void test_config_numbers_keep_within_their_limits(void **state)
{
    struct bench *bench = *state;
    char flag[80];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *const wrong[] = {"", "x", "1x", "99999999999999999999"};
        long beyond[] = {rows[i].min - 1, rows[i].max + 1};

        if (rows[i].kind != ROW_NUMBER)
            continue;
        for (size_t w = 0; w < COUNT_OF(wrong); w++) {
            (void)snprintf(flag, sizeof flag, "--%s=%s", rows[i].flag,
                           wrong[w]);
            assert_false(load(bench, (const char *const[]){flag, NULL}));
            assert_int_equal(bench->err.code, ERR_USAGE);
        }
        for (size_t b = 0; b < COUNT_OF(beyond); b++) {
            (void)snprintf(flag, sizeof flag, "--%s=%ld", rows[i].flag,
                           beyond[b]);
            assert_false(load(bench, (const char *const[]){flag, NULL}));
            assert_non_null(strstr(bench->err.msg, rows[i].flag));
        }
    }
}

static void test_config_flag_beats_environment_beats_file(void **state)
{
    struct bench *bench = *state;
    char path[64];

    write_file(path, "queue = 1\nthreads = 1\ndrain-s = 1\n");
    assert_int_equal(setenv("SPECSERVE_CONFIG", path, 1), 0);
    assert_int_equal(setenv("SPECSERVE_QUEUE", "2", 1), 0);
    assert_int_equal(setenv("SPECSERVE_THREADS", "2", 1), 0);
    assert_true(load(
        bench, (const char *const[]){"bundle", "--queue", "3", "other", NULL}));
    assert_int_equal(bench->config.queue, 3);
    assert_int_equal(bench->config.threads, 2);
    assert_int_equal(bench->config.drain_s, 1);
    assert_int_equal(bench->config.operand_count, 2);
    assert_string_equal(bench->config.operands[0], "bundle");
    assert_string_equal(bench->config.operands[1], "other");
    assert_int_equal(unsetenv("SPECSERVE_CONFIG"), 0);
    assert_int_equal(unsetenv("SPECSERVE_QUEUE"), 0);
    assert_int_equal(unsetenv("SPECSERVE_THREADS"), 0);
    (void)unlink(path);
}

static void test_config_refuses_what_is_no_setting(void **state)
{
    static const char *const arguments[][2] = {{"--no-such-thing", NULL},
                                               {"--queue", NULL},
                                               {"--log-json=maybe", NULL},
                                               {"--config", NULL},
                                               {"--", NULL}};
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT_OF(arguments); i++) {
        assert_false(load(bench, arguments[i]));
        assert_int_equal(bench->err.code, ERR_USAGE);
    }
    assert_false(load(bench, (const char *const[]){"--config=/no/such", NULL}));
    assert_int_equal(bench->err.code, ERR_FILE_MISSING);
}

static void test_config_refuses_bad_lines_with_their_number(void **state)
{
    struct bench *bench = *state;
    char text[2000];

    assert_false(load_file(bench, "queue = 1\nqueue\n"));
    assert_int_equal(bench->err.code, ERR_FILE_INVALID);
    assert_string_equal(bench->err.msg, "--config line 2 has no '='");
    assert_false(load_file(bench, "no-such-thing = 1\n"));
    assert_string_equal(bench->err.msg,
                        "--config line 1: no setting 'no-such-thing'");
    /* would otherwise be read as two lines, the second a setting of its own */
    (void)snprintf(text, sizeof text, "host = %01015d\nqueue = 7\n", 1);
    assert_true(load_file(bench, text));
    (void)snprintf(text, sizeof text, "host = %01016d%s\n", 1, "queue = 7");
    assert_false(load_file(bench, text));
    assert_int_equal(bench->err.code, ERR_FILE_INVALID);
    assert_string_equal(bench->err.msg, "--config line 1 has over 1022 bytes");
}

#define CONFIG_TEST(name)                                                      \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(test_config_every_row_has_a_flag),
        CONFIG_TEST(test_config_every_row_has_an_environment_variable),
        CONFIG_TEST(test_config_every_row_can_stand_in_a_file),
        CONFIG_TEST(test_config_numbers_keep_within_their_limits),
        CONFIG_TEST(test_config_flag_beats_environment_beats_file),
        CONFIG_TEST(test_config_refuses_what_is_no_setting),
        CONFIG_TEST(test_config_refuses_bad_lines_with_their_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
