/*
 * Base: the small modules of engine/base; numbers and documents have their own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "arena.h"
#include "buf.h"
#include "error.h"
#include "json_put.h"
#include "json_scan.h"
#include "secret.h"
#include "sync.h"
#include "unit.h"
#include "utf8.h"

/* ---- arena ---- */

static void test_arena_pieces_are_aligned_and_apart(void **state)
{
    struct arena arena;
    unsigned char *pieces[200];

    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        pieces[i] = arena_alloc(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], i);
    arena_release(&arena);
    assert_int_equal(arena.total_bytes, 0);
}

static void test_arena_grows_past_first_block(void **state)
{
    struct arena arena;
    char *large;

    (void)state;
    arena_init(&arena, 0);
    assert_non_null(arena_alloc(&arena, 100));
    large = arena_alloc(&arena, 3 << 20);
    assert_non_null(large);
    memset(large, 1, 3 << 20);
    assert_true(arena.total_bytes > 3 << 20);
    arena_release(&arena);
}

static void test_arena_refuses_beyond_its_limit(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 10000);
    assert_non_null(arena_alloc(&arena, 3000));
    assert_null(arena_alloc(&arena, 9000));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX / 2));
    assert_null(arena_zalloc(&arena, SIZE_MAX / 2, 4));
    assert_non_null(arena_alloc(&arena, 500)); /* still usable */
    assert_true(arena.total_bytes <= 10000);
    arena_release(&arena);
}

static void test_arena_reset_keeps_one_block(void **state)
{
    struct arena arena;
    size_t kept;

    (void)state;
    arena_init(&arena, 0);
    arena_reset(&arena); /* of an empty one */
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(&arena, 1000));
    arena_reset(&arena);
    kept = arena.total_bytes;
    assert_true(kept > 0 && kept < 100000);
    assert_non_null(arena_alloc(&arena, 1000));
    assert_int_equal(arena.total_bytes, kept);
    arena_release(&arena);
}

static void test_arena_adopts_what_another_holds(void **state)
{
    struct arena to, from;
    size_t both;
    char *kept;

    (void)state;
    for (int used = 0; used < 2; used++) {
        arena_init(&to, 0);
        arena_init(&from, 0);
        if (used)
            assert_non_null(arena_alloc(&to, 10));
        arena_adopt(&to, &from); /* of an empty one */
        kept = arena_strdup(&from, "kept");
        assert_non_null(arena_alloc(&from, 100000));
        both = to.total_bytes + from.total_bytes;
        arena_adopt(&to, &from);
        assert_null(from.head);
        assert_int_equal(from.total_bytes, 0);
        assert_int_equal(to.total_bytes, both);
        assert_non_null(arena_alloc(&to, 100));
        arena_release(&from);
        assert_string_equal(kept, "kept");
        arena_release(&to);
    }
}

static void test_arena_copies_texts(void **state)
{
    struct arena arena;
    int *zeros;

    (void)state;
    arena_init(&arena, 0);
    assert_string_equal(arena_copy(&arena, "abcdef", 3), "abc");
    assert_string_equal(arena_copy(&arena, NULL, 0), "");
    assert_string_equal(arena_strdup(&arena, "xyz"), "xyz");
    assert_string_equal(arena_printf(&arena, "%s=%d", "n", 5), "n=5");
    zeros = arena_zalloc(&arena, 10, sizeof *zeros);
    for (int i = 0; i < 10; i++)
        assert_int_equal(zeros[i], 0);
    arena_release(&arena);
}

/* ---- buf ---- */

static void test_buf_holds_what_was_appended(void **state)
{
    struct buf buf = {0};
    char *taken;
    size_t size = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        buf_string(&buf, "ab");
        buf_char(&buf, 'c');
        buf_printf(&buf, "%d", i % 10);
    }
    assert_true(buf_ok(&buf));
    assert_int_equal(buf.size, 4000);
    assert_int_equal(buf.data[buf.size], '\0');
    assert_memory_equal(buf.data + 3996, "abc9", 4);
    taken = buf_take(&buf, &size);
    assert_int_equal(size, 4000);
    assert_null(buf.data);
    free(taken);
    taken = buf_take(&buf, &size); /* of an empty one: an empty text */
    assert_string_equal(taken, "");
    free(taken);
}

static void test_buf_remembers_a_failure(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_string(&buf, "kept");
    assert_false(buf_reserve(&buf, SIZE_MAX / 2));
    buf_string(&buf, "dropped");
    assert_false(buf_ok(&buf));
    assert_int_equal(buf.size, 4);
    buf_clear(&buf);
    assert_true(buf_ok(&buf));
    buf_string(&buf, "again");
    assert_string_equal(buf.data, "again");
    buf_release(&buf);
    assert_null(buf.data);
}

/* ---- utf8 ---- */

static void test_utf8_knows_well_formed_sequences(void **state)
{
    static const struct {
        const char *text;
        size_t length; /* of the first sequence; 0: malformed */
    } cases[] = {
        {"a", 1},
        {"\xc3\xa9", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x98\x80", 4},
        {"\xed\x9f\xbf", 3},     /* U+D7FF */
        {"\xee\x80\x80", 3},     /* U+E000 */
        {"\xf4\x8f\xbf\xbf", 4}, /* U+10FFFF */
        {"\x80", 0},             /* a tail alone */
        {"\xc3", 0},             /* cut */
        {"\xe2\x82", 0},
        {"\xf0\x9f\x98", 0},
        {"\xc3\x41", 0},
        {"\xc0\xaf", 0}, /* overlong '/' */
        {"\xc1\xbf", 0},
        {"\xe0\x80\xaf", 0},
        {"\xf0\x80\x80\xaf", 0},
        {"\xed\xa0\x80", 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 0}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t size = strlen(cases[i].text);
        char longer[32];

        assert_int_equal(utf8_length(cases[i].text, size), cases[i].length);
        assert_int_equal(utf8_valid(cases[i].text, size), cases[i].length > 0);
        (void)snprintf(longer, sizeof longer, "0123456789%s01234567",
                       cases[i].text);
        assert_int_equal(utf8_valid(longer, strlen(longer)),
                         cases[i].length > 0);
    }
    assert_int_equal(utf8_length("", 0), 0);
    assert_true(utf8_valid("", 0));
}

static void test_utf8_put_writes_what_length_reads(void **state)
{
    (void)state;
    for (uint32_t point = 1; point < 0x110000; point += 7) {
        char text[4];
        size_t size = utf8_put(point, text);

        if (point >= 0xd800 && point <= 0xdfff)
            assert_int_equal(utf8_length(text, size), 0);
        else
            assert_int_equal(utf8_length(text, size), size);
    }
}

/* ---- error ---- */

static void test_errors_know_their_statuses(void **state)
{
    struct error err;

    (void)state;
    assert_false(fail(&err, ERR_NOT_FOUND, "no '%s'", "x"));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.msg, "no 'x'");
    error_clear(&err);
    assert_int_equal(err.code, ERR_NONE);
    assert_string_equal(err.msg, "");
    assert_int_equal(err_info(ERR_NOT_FOUND)->http, 404);
    assert_int_equal(err_info(ERR_NOT_FOUND)->grpc, 5);
    assert_ptr_equal(err_info((enum err_code)9999), err_info(ERR_INTERNAL));
    for (int code = 1; code < ERR_CODE_COUNT; code++)
        assert_int_equal(err_code_by_name(err_info((enum err_code)code)->name),
                         code);
    assert_int_equal(err_code_by_name("NO_SUCH_CODE"), ERR_NONE);
    assert_int_equal(err_code_by_name("NONE"), ERR_NONE);
}

static void test_a_long_sentence_is_cut(void **state)
{
    struct error err;
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(fail(&err, ERR_INTERNAL, "%s", text));
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    memcpy(text + sizeof err.msg - 2, "\xc3\xa9", 2); /* cut in its middle */
    assert_false(fail(&err, ERR_INTERNAL, "%s", text));
    assert_string_equal(err.msg + sizeof err.msg - 3, "x?");
    assert_false(fail(&err, ERR_INTERNAL, "%.3s\xff%s", "a\xe2\x82\xac", "b"));
    assert_string_equal(err.msg, "a???b");
}

/* ---- json_scan ---- */

/* Skips one value and expects the end; the error's sentence or NULL. */
static const char *scan_whole(const char *text, size_t size, int depth)
{
    static struct error err;
    struct json_scan scan;
    struct arena arena;
    const char *value;
    size_t value_size;
    bool ok;

    arena_init(&arena, 0);
    error_clear(&err);
    json_scan_init(&scan, text, size, &arena);
    ok = json_scan_skip(&scan, depth, &value, &value_size, &err) &&
         json_scan_end(&scan, &err);
    arena_release(&arena);
    assert_int_equal(err.code, ok ? ERR_NONE : ERR_MALFORMED_JSON);
    return ok ? NULL : err.msg;
}

static void test_json_scan_takes_what_rfc_8259_allows(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "1.5e+3",
        "\"\"",
        "\"\\u0041\\n\\/\\\\\"",
        "true",
        " null ",
        "[]",
        "{}",
        "[[],{}]",
        "{\"a\":[1,2,{\"b\":null}],\"c\":\"d\"}",
        "\t\r\n [ 1 , 2 ] ",
        "\"\\ud83d\\ude00\"",
        "\"\xf0\x9f\x98\x80\"",
        "{\"\":1}"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *fault = scan_whole(texts[i], strlen(texts[i]), 32);

        if (fault)
            fail_msg("%s: %s", texts[i], fault);
    }
}

static void test_json_scan_names_the_offset_of_a_fault(void **state)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "expected a value at byte 0"},
        {"  ", "expected a value at byte 2"},
        {"\xef\xbb\xbf{}", "expected a value at byte 0"},
        {"// x", "expected a value at byte 0"},
        {"{} x", "text after the value at byte 3"},
        {"[1,]", "expected a value at byte 3"},
        {"[1 2]", "expected ']' at byte 3"},
        {"[1", "expected ']' at byte 2"},
        {"{\"a\"}", "expected ':' at byte 4"},
        {"{\"a\":1,}", "expected a string at byte 7"},
        {"{a:1}", "expected a string at byte 1"},
        {"{\"a\":1]", "expected '}' at byte 6"},
        {"nul", "expected a value at byte 0"},
        {"NaN", "expected a value at byte 0"},
        {"Infinity", "expected a value at byte 0"},
        {"01", "text after the value at byte 1"},
        {"1.", "expected a digit at byte 2"},
        {"1e", "expected a digit at byte 2"},
        {"-", "expected a value at byte 1"},
        {"\"a", "unterminated string at byte 2"},
        {"\"a\\", "unterminated string at byte 2"},
        {"\"\\x\"", "unknown escape at byte 2"},
        {"\"\\u12g4\"", "bad \\u escape at byte 5"},
        {"\"\\u0000\"", "NUL in a string at byte 7"},
        {"\"\\ud800\"", "lone surrogate at byte 7"},
        {"\"\\udc00\"", "lone surrogate at byte 7"},
        {"\"\\ud800\\u0041\"", "lone surrogate at byte 13"},
        {"\"a\nb\"", "control byte in a string at byte 2"},
        {"\"\xc3(\"", "invalid UTF-8 at byte 1"},
        {"\"\xed\xa0\x80\"", "invalid UTF-8 at byte 1"},
        {"[[[1]]]", "nested too deep at byte 2"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *fault = scan_whole(cases[i].text, strlen(cases[i].text), 2);

        assert_non_null(fault);
        assert_string_equal(fault, cases[i].fault);
    }
    assert_non_null(scan_whole("\"a\0b\"", 5, 2));
}

static void test_json_scan_returns_strings_decoded(void **state)
{
    static const char text[] = "\"plain\" \"a\\tb\\u00e9\\ud83d\\ude00\\\"\"";
    struct json_scan scan;
    struct arena arena;
    struct error err;
    const char *value;
    size_t size;

    (void)state;
    arena_init(&arena, 0);
    json_scan_init(&scan, text, sizeof text - 1, &arena);
    assert_true(json_scan_string(&scan, &value, &size, &err));
    assert_ptr_equal(value, text + 1); /* not copied */
    assert_int_equal(size, 5);
    assert_true(json_scan_string(&scan, &value, &size, &err));
    assert_int_equal(size, 10);
    assert_memory_equal(value, "a\tb\xc3\xa9\xf0\x9f\x98\x80\"", 10);
    assert_true(json_scan_end(&scan, &err));
    arena_release(&arena);
}

static void test_json_skip_is_linear_in_hostile_nesting(void **state)
{
    enum { SIZE = 250000 };
    char *text = malloc(SIZE);

    (void)state;
    assert_non_null(text);
    memset(text, '[', SIZE);
    assert_string_equal(scan_whole(text, SIZE, 32),
                        "nested too deep at byte 32");
    free(text);
}

/* ---- json_put ---- */

static void test_json_put_always_writes_json_in_utf8(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "\"\""},
        {"a/b", "\"a/b\""},
        {"\"\\\b\f\n\r\t", "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
        {"\xe2\x82\xac", "\"\xe2\x82\xac\""},
        {"x\xff\xe2\x82", "\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0};

        json_put_text(&out, cases[i].text);
        assert_string_equal(out.data, cases[i].expected);
        buf_release(&out);
    }
}

/* ---- address, secret, sync ---- */

static void test_only_loopback_addresses_are_loopback(void **state)
{
    static const char *const inside[] = {"127.0.0.1", "127.1.2.3", "::1",
                                         "::ffff:127.0.0.1"};
    static const char *const outside[] = {
        "",        "localhost",  "127.",     "127.example",
        "0.0.0.0", "::",         "10.0.0.1", "::ffff:10.0.0.1",
        "fe80::1", "1127.0.0.1", "[::1]",    "127.0.0.1:5000"};

    (void)state;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        assert_true(address_is_numeric(inside[i]));
        assert_true(address_is_loopback(inside[i]));
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        assert_false(address_is_loopback(outside[i]));
    assert_true(address_is_numeric("fe80::1"));
    assert_false(address_is_numeric("localhost"));
}

static void test_secrets_are_the_same_only_as_a_whole(void **state)
{
    (void)state;
    assert_true(secret_same("", ""));
    assert_true(secret_same("brain_reg_1", "brain_reg_1"));
    assert_false(secret_same("brain_reg_2", "brain_reg_1"));
    assert_false(secret_same("brain_reg_", "brain_reg_1"));
    assert_false(secret_same("brain_reg_11", "brain_reg_1"));
    assert_false(secret_same("", "brain_reg_1"));
}

static void test_a_timed_wait_ends_at_its_time(void **state)
{
    pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    struct timespec until = sync_after_ms(1999), soon = sync_after_ms(1);
    int rc = 0;

    (void)state;
    assert_in_range(until.tv_nsec, 0, 999999999);
    assert_true(until.tv_sec >= soon.tv_sec + 1);
    sync_cond_init(&cond);
    (void)pthread_mutex_lock(&mu);
    while (rc == 0) /* woken for no reason */
        rc = pthread_cond_timedwait(&cond, &mu, &soon);
    (void)pthread_mutex_unlock(&mu);
    assert_int_equal(rc, ETIMEDOUT);
    (void)pthread_cond_destroy(&cond);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_pieces_are_aligned_and_apart),
        cmocka_unit_test(test_arena_grows_past_first_block),
        cmocka_unit_test(test_arena_refuses_beyond_its_limit),
        cmocka_unit_test(test_arena_reset_keeps_one_block),
        cmocka_unit_test(test_arena_adopts_what_another_holds),
        cmocka_unit_test(test_arena_copies_texts),
        cmocka_unit_test(test_buf_holds_what_was_appended),
        cmocka_unit_test(test_buf_remembers_a_failure),
        cmocka_unit_test(test_utf8_knows_well_formed_sequences),
        cmocka_unit_test(test_utf8_put_writes_what_length_reads),
        cmocka_unit_test(test_errors_know_their_statuses),
        cmocka_unit_test(test_a_long_sentence_is_cut),
        cmocka_unit_test(test_json_scan_takes_what_rfc_8259_allows),
        cmocka_unit_test(test_json_scan_names_the_offset_of_a_fault),
        cmocka_unit_test(test_json_scan_returns_strings_decoded),
        cmocka_unit_test(test_json_skip_is_linear_in_hostile_nesting),
        cmocka_unit_test(test_json_put_always_writes_json_in_utf8),
        cmocka_unit_test(test_only_loopback_addresses_are_loopback),
        cmocka_unit_test(test_secrets_are_the_same_only_as_a_whole),
        cmocka_unit_test(test_a_timed_wait_ends_at_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
