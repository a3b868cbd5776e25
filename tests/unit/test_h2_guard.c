/* The HTTP/2 guard: what passes, what is refused, what cuts. */
#include "h2_fixture.h"
#include "h2_frames.h"
#include "unit.h"

/* ---- what passes ---- */

static void test_h2_guard_passes_good_calls_unchanged(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 40; piece++) {
        struct h2_fixture f;

        h2_fixture_init(&f);
        for (uint32_t stream = 1; stream < 20; stream += 2) {
            put_request(&f.client, stream, "application/grpc+proto");
            put_frame(&f.client, H2_PING, 0, 0, "12345678", 8);
            put_message(&f.client, stream, 0, LIMIT, 400);
            put_frame(&f.client, H2_WINDOW_UPDATE, 0, stream, "\0\0\0\1", 4);
            put_frame(&f.client, H2_DATA, H2_END_STREAM, stream, (char[600]){0},
                      600);
        }
        show(&f.guard, &f.client, piece, 0, &f.core);
        assert_null(f.guard.cut);
        assert_int_equal(f.core.size, f.client.size);
        assert_memory_equal(f.core.data, f.client.data, f.core.size);
        assert_int_equal(f.guard.answer_count, 0);
        h2_fixture_release(&f);
    }
}

static void test_h2_guard_knows_the_content_type(void **state)
{
    static const struct {
        const char *type;
        bool good;
    } cases[] = {{"application/grpc", true},
                 {"application/grpc+json", true},
                 {"application/grpc;charset=utf-8", true},
                 {"Application/gRPC", true},
                 {"application/grpcx", false},
                 {"application/grp", false},
                 {"application/json", false},
                 {"", false},
                 {NULL, false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct h2_fixture f;

        h2_fixture_init(&f);
        put_request(&f.client, 1, cases[i].type);
        show(&f.guard, &f.client, 0, 0, &f.core);
        assert_int_equal(f.guard.answer_count, cases[i].good ? 0 : 1);
        assert_core(&f, 0, H2_HEADERS, cases[i].good ? 1 : 2);
        h2_fixture_release(&f);
    }
}

static void test_h2_guard_needs_every_content_type_to_be_right(void **state)
{
    struct buf block = {0};
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_literal(&block, "content-type", "application/grpc", 16);
    put_literal(&block, "content-type", "text/html", 9);
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS, 1, block.data, block.size);
    show(&f.guard, &f.client, 0, 0, &f.core);
    assert_int_equal(f.guard.answer_count, 1);
    buf_release(&block);
    h2_fixture_release(&f);
}

/* ---- what is refused ---- */

static void test_h2_guard_hides_a_request_of_another_type(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 40; piece++) {
        struct h2_fixture f;

        h2_fixture_init(&f);
        put_request(&f.client, 1, "text/plain");
        show(&f.guard, &f.client, piece, 0, &f.core);
        f.client.size = 0;
        put_message(&f.client, 1, H2_END_STREAM, 0, 0);
        put_request(&f.client, 3, "application/grpc");
        show(&f.guard, &f.client, piece, 0, &f.core);
        assert_core(&f, 0, H2_HEADERS, 2);
        assert_core(&f, 1, H2_RST_STREAM, 1);
        assert_core(&f, 2, H2_SETTINGS, 0);
        assert_core(&f, 3, H2_DATA, 2);
        assert_core(&f, 4, H2_HEADERS, 3);
        assert_int_equal(f.guard.answers[0].verdict, H2_NOT_GRPC);
        h2_fixture_release(&f);
    }
}

static void test_h2_guard_hides_a_message_over_the_limit(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 40; piece++) {
        struct h2_fixture f;

        h2_fixture_init(&f);
        put_request(&f.client, 1, "application/grpc");
        show(&f.guard, &f.client, piece, 0, &f.core);
        f.client.size = 0;
        put_message(&f.client, 1, 0, LIMIT + 1, 10);
        show(&f.guard, &f.client, piece, 0, &f.core);
        f.client.size = 0;
        put_frame(&f.client, H2_DATA, H2_END_STREAM, 1, (char[500]){0}, 500);
        show(&f.guard, &f.client, piece, 0, &f.core);
        assert_core(&f, 0, H2_HEADERS, 1);
        assert_core(&f, 1, H2_DATA, 2);
        assert_core(&f, 2, H2_RST_STREAM, 1);
        assert_core(&f, 3, H2_SETTINGS, 0);
        assert_core(&f, 4, H2_DATA, 2);
        assert_int_equal(f.guard.answers[0].verdict, H2_TOO_LARGE);
        h2_fixture_release(&f);
    }
}

static void test_h2_guard_sees_a_length_behind_another_message(void **state)
{
    struct buf payload = {0};
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_request(&f.client, 1, "application/grpc");
    buf_append(&payload, "\0\0\0\0\3abc\0\0\0\0\0\0\xff\xff\xff\xffxyz", 21);
    put_frame(&f.client, H2_DATA, 0, 1, payload.data, payload.size);
    put_frame(&f.client, H2_PING, 0, 0, "12345678", 8);
    show(&f.guard, &f.client, 1, 0, &f.core);
    /* seen when the frame's head was gone: reset behind it */
    assert_core(&f, 1, H2_DATA, 1);
    assert_core(&f, 2, H2_RST_STREAM, 1);
    assert_core(&f, 3, H2_SETTINGS, 0);
    assert_core(&f, 4, H2_PING, 0);
    buf_release(&payload);
    h2_fixture_release(&f);
}

static void test_h2_guard_refuses_more_streams_than_may_be_open(void **state)
{
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    for (uint32_t i = 0; i < STREAMS + 2; i++)
        put_request(&f.client, 1 + 2 * i, "application/grpc");
    show(&f.guard, &f.client, 0, 0, &f.core);
    assert_int_equal(f.guard.answer_count, 2);
    assert_int_equal(f.guard.answers[1].verdict, H2_TOO_MANY);
    assert_int_equal(f.guard.answers[1].stream, 1 + 2 * (STREAMS + 1));
    assert_core(&f, STREAMS - 1, H2_HEADERS, 2 * STREAMS - 1);
    assert_core(&f, STREAMS, H2_HEADERS, 2);
    h2_fixture_release(&f);
}

static void test_h2_guard_hides_headers_of_streams_that_ended(void **state)
{
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_request(&f.client, 3, "application/grpc");
    put_frame(&f.client, H2_RST_STREAM, 0, 3, "\0\0\0\10", 4);
    put_request(&f.client, 3, "application/grpc");
    put_request(&f.client, 1, "application/grpc");
    put_request(&f.client, 8, "application/grpc");
    show(&f.guard, &f.client, 0, 0, &f.core);
    assert_core(&f, 0, H2_HEADERS, 3);
    for (int i = 2; i < 5; i++)
        assert_core(&f, i, H2_HEADERS, 2);
    assert_int_equal(f.guard.answer_count, 0);
    h2_fixture_release(&f);
}

static void test_h2_guard_makes_one_frame_of_a_block(void **state)
{
    struct buf block = {0};
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_literal(&block, "content-type", "application/grpc", 16);
    put_frame(&f.client, H2_HEADERS, H2_END_STREAM, 1, block.data, 7);
    put_frame(&f.client, H2_CONTINUATION, 0, 1, block.data + 7, 5);
    put_frame(&f.client, H2_CONTINUATION, H2_END_HEADERS, 1, block.data + 12,
              block.size - 12);
    show(&f.guard, &f.client, 1, 0, &f.core);
    assert_int_equal(f.core.size, f.client.size);
    assert_core(&f, 0, H2_HEADERS, 1);
    assert_int_equal(core_frame(&f, 0).flags, H2_END_STREAM | H2_END_HEADERS);
    assert_int_equal(core_frame(&f, 0).size, block.size);
    assert_memory_equal(f.core.data + H2_PREFACE + 2 * H2_HEAD, block.data,
                        block.size);
    assert_core(&f, 1, H2_NOTHING, 0);
    assert_core(&f, 2, H2_NOTHING, 0);
    buf_release(&block);
    h2_fixture_release(&f);
}

/* ---- what cuts ---- */

static const char *cut_by(struct h2_fixture *f, uint32_t now_ms)
{
    show(&f->guard, &f->client, 0, now_ms, &f->core);
    f->client.size = 0;
    return f->guard.cut;
}

static void test_h2_guard_cuts_large_header_blocks(void **state)
{
    static const char zeros[H2_BLOCK_MAX + 1];
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_frame(&f.client, H2_HEADERS, 0, 1, zeros, H2_BLOCK_MAX + 1);
    f.client.size = H2_PREFACE + 2 * H2_HEAD; /* the head says it */
    assert_string_equal(cut_by(&f, 0), "a header block that is too large");
    h2_fixture_release(&f);

    h2_fixture_init(&f);
    put_frame(&f.client, H2_HEADERS, 0, 1, zeros, 100);
    for (int i = 0; i <= H2_CONTINUATIONS; i++)
        put_frame(&f.client, H2_CONTINUATION, 0, 1, NULL, 0);
    assert_string_equal(cut_by(&f, 0), "a header block that is too large");
    h2_fixture_release(&f);

    h2_fixture_init(&f);
    put_frame(&f.client, H2_HEADERS, 0, 1, zeros, 100);
    put_frame(&f.client, H2_PING, 0, 0, zeros, 8);
    assert_string_equal(cut_by(&f, 0), "a header block that is interrupted");
    h2_fixture_release(&f);
}

static void test_h2_guard_cuts_lists_that_unfold(void **state)
{
    static const char value[4000] = {'x'};
    struct buf block = {0};
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_literal(&block, "x", value, sizeof value);
    block.data[0] = 0x40; /* enters the table */
    for (int i = 0; i < 4; i++)
        buf_char(&block, (char)(0x80 | 62)); /* its newest entry */
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS, 1, block.data, block.size);
    assert_string_equal(cut_by(&f, 0), "a header list that is too large");
    buf_release(&block);
    h2_fixture_release(&f);
}

static void test_h2_guard_cuts_what_cannot_be_decoded(void **state)
{
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS, 1, "\xff\xff\xff\xff", 4);
    assert_string_equal(cut_by(&f, 0), "a header block that cannot be decoded");
    h2_fixture_release(&f);

    h2_fixture_init(&f);
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS | H2_PADDED, 1, "\1\x82",
              3);
    assert_string_equal(cut_by(&f, 0), "a header block with padding");
    h2_fixture_release(&f);
}

static void put_resets(struct h2_fixture *f, uint32_t *stream, int count)
{
    for (; count > 0; count--, *stream += 2) {
        put_request(&f->client, *stream, "application/grpc");
        put_frame(&f->client, H2_RST_STREAM, 0, *stream, "\0\0\0\10", 4);
    }
}

static void test_h2_guard_cuts_who_resets_all_the_time(void **state)
{
    uint32_t stream = 1;
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_resets(&f, &stream, 200);
    assert_null(cut_by(&f, 5000));
    put_resets(&f, &stream, 50); /* a second later: 50 more */
    assert_null(cut_by(&f, 6000));
    assert_int_equal(f.guard.streams.count, 0);
    put_resets(&f, &stream, 1);
    assert_string_equal(cut_by(&f, 6000), "too many frames that carry nothing");
    h2_fixture_release(&f);
}

static void test_h2_guard_cuts_floods(void **state)
{
    static const uint8_t types[] = {H2_SETTINGS, H2_PING, H2_PRIORITY, H2_DATA,
                                    H2_NOTHING};

    (void)state;
    for (size_t i = 0; i < sizeof types; i++) {
        struct h2_fixture f;

        h2_fixture_init(&f);
        for (int n = 0; n < 9000; n++)
            put_frame(&f.client, types[i], 0, 0, NULL, 0);
        assert_null(cut_by(&f, 1));
        for (int n = 0; n < 2000; n++)
            put_frame(&f.client, types[i], 0, 0, NULL, 0);
        assert_string_equal(cut_by(&f, 1),
                            "too many frames that carry nothing");
        h2_fixture_release(&f);
    }
}

static void test_h2_guard_cuts_a_window_that_overflows(void **state)
{
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_frame(&f.client, H2_WINDOW_UPDATE, 0, 0, "\x7f\xff\0\0", 4);
    assert_null(cut_by(&f, 0));
    put_frame(&f.client, H2_WINDOW_UPDATE, 0, 0, "\0\1\0\0", 4);
    assert_string_equal(cut_by(&f, 0), "a window that overflows");
    h2_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h2_guard_passes_good_calls_unchanged),
        cmocka_unit_test(test_h2_guard_knows_the_content_type),
        cmocka_unit_test(test_h2_guard_needs_every_content_type_to_be_right),
        cmocka_unit_test(test_h2_guard_hides_a_request_of_another_type),
        cmocka_unit_test(test_h2_guard_hides_a_message_over_the_limit),
        cmocka_unit_test(test_h2_guard_sees_a_length_behind_another_message),
        cmocka_unit_test(test_h2_guard_refuses_more_streams_than_may_be_open),
        cmocka_unit_test(test_h2_guard_hides_headers_of_streams_that_ended),
        cmocka_unit_test(test_h2_guard_makes_one_frame_of_a_block),
        cmocka_unit_test(test_h2_guard_cuts_large_header_blocks),
        cmocka_unit_test(test_h2_guard_cuts_lists_that_unfold),
        cmocka_unit_test(test_h2_guard_cuts_what_cannot_be_decoded),
        cmocka_unit_test(test_h2_guard_cuts_who_resets_all_the_time),
        cmocka_unit_test(test_h2_guard_cuts_floods),
        cmocka_unit_test(test_h2_guard_cuts_a_window_that_overflows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
