/* The HTTP/2 guard: what passes, what is refused and answered, what cuts. */
#include "h2_answer.h"
#include "h2_frame.h"
#include "h2_frames.h"
#include "unit.h"

enum { LIMIT = 1000, STREAMS = 100 };

struct fixture {
    struct h2_guard guard;
    struct h2_out out;
    struct buf client, core;
};

static void start(struct fixture *f)
{
    *f = (struct fixture){0};
    assert_true(
        h2_guard_init(&f->guard, &(struct h2_rules){.max_message = LIMIT,
                                                    .max_streams = STREAMS}));
    put_opening(&f->client);
}

static void end(struct fixture *f)
{
    h2_guard_release(&f->guard);
    buf_release(&f->client);
    buf_release(&f->core);
}

/* The frame of gRPC Core's input that is `number` frames behind the opening. */
static struct h2_head core_frame(const struct fixture *f, int number)
{
    const unsigned char *bytes = (const unsigned char *)f->core.data;
    size_t at = H2_PREFACE + H2_HEAD;

    for (; number > 0; number--)
        at += H2_HEAD + h2_head_read(bytes + at).size;
    assert_true(at + H2_HEAD <= f->core.size);
    return h2_head_read(bytes + at);
}

static void assert_core(const struct fixture *f, int number, int type,
                        uint32_t stream)
{
    struct h2_head head = core_frame(f, number);

    assert_int_equal(head.type, type);
    assert_int_equal(head.stream, stream);
}

/* ---- what passes ---- */

static void test_h2_guard_passes_good_calls_unchanged(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 40; piece++) {
        struct fixture f;

        start(&f);
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
        end(&f);
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
        struct fixture f;

        start(&f);
        put_request(&f.client, 1, cases[i].type);
        show(&f.guard, &f.client, 0, 0, &f.core);
        assert_int_equal(f.guard.answer_count, cases[i].good ? 0 : 1);
        assert_core(&f, 0, H2_HEADERS, cases[i].good ? 1 : 2);
        end(&f);
    }
}

static void test_h2_guard_needs_every_content_type_to_be_right(void **state)
{
    struct buf block = {0};
    struct fixture f;

    (void)state;
    start(&f);
    put_literal(&block, "content-type", "application/grpc", 16);
    put_literal(&block, "content-type", "text/html", 9);
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS, 1, block.data, block.size);
    show(&f.guard, &f.client, 0, 0, &f.core);
    assert_int_equal(f.guard.answer_count, 1);
    buf_release(&block);
    end(&f);
}

/* ---- what is refused ---- */

static void test_h2_guard_hides_a_request_of_another_type(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 40; piece++) {
        struct fixture f;

        start(&f);
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
        end(&f);
    }
}

static void test_h2_guard_hides_a_message_over_the_limit(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 40; piece++) {
        struct fixture f;

        start(&f);
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
        end(&f);
    }
}

static void test_h2_guard_sees_a_length_behind_another_message(void **state)
{
    struct buf payload = {0};
    struct fixture f;

    (void)state;
    start(&f);
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
    end(&f);
}

static void test_h2_guard_refuses_more_streams_than_may_be_open(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    for (uint32_t i = 0; i < STREAMS + 2; i++)
        put_request(&f.client, 1 + 2 * i, "application/grpc");
    show(&f.guard, &f.client, 0, 0, &f.core);
    assert_int_equal(f.guard.answer_count, 2);
    assert_int_equal(f.guard.answers[1].verdict, H2_TOO_MANY);
    assert_int_equal(f.guard.answers[1].stream, 1 + 2 * (STREAMS + 1));
    assert_core(&f, STREAMS - 1, H2_HEADERS, 2 * STREAMS - 1);
    assert_core(&f, STREAMS, H2_HEADERS, 2);
    end(&f);
}

static void test_h2_guard_hides_headers_of_streams_that_ended(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
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
    end(&f);
}

static void test_h2_guard_makes_one_frame_of_a_block(void **state)
{
    struct buf block = {0};
    struct fixture f;

    (void)state;
    start(&f);
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
    end(&f);
}

/* ---- what cuts ---- */

static const char *cut_by(struct fixture *f, uint32_t now_ms)
{
    show(&f->guard, &f->client, 0, now_ms, &f->core);
    f->client.size = 0;
    return f->guard.cut;
}

static void test_h2_guard_cuts_large_header_blocks(void **state)
{
    static const char zeros[H2_BLOCK_MAX + 1];
    struct fixture f;

    (void)state;
    start(&f);
    put_frame(&f.client, H2_HEADERS, 0, 1, zeros, H2_BLOCK_MAX + 1);
    f.client.size = H2_PREFACE + 2 * H2_HEAD; /* the head says it */
    assert_string_equal(cut_by(&f, 0), "a header block that is too large");
    end(&f);

    start(&f);
    put_frame(&f.client, H2_HEADERS, 0, 1, zeros, 100);
    for (int i = 0; i <= H2_CONTINUATIONS; i++)
        put_frame(&f.client, H2_CONTINUATION, 0, 1, NULL, 0);
    assert_string_equal(cut_by(&f, 0), "a header block that is too large");
    end(&f);

    start(&f);
    put_frame(&f.client, H2_HEADERS, 0, 1, zeros, 100);
    put_frame(&f.client, H2_PING, 0, 0, zeros, 8);
    assert_string_equal(cut_by(&f, 0), "a header block that is interrupted");
    end(&f);
}

static void test_h2_guard_cuts_lists_that_unfold(void **state)
{
    static const char value[4000] = {'x'};
    struct buf block = {0};
    struct fixture f;

    (void)state;
    start(&f);
    put_literal(&block, "x", value, sizeof value);
    block.data[0] = 0x40; /* enters the table */
    for (int i = 0; i < 4; i++)
        buf_char(&block, (char)(0x80 | 62)); /* its newest entry */
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS, 1, block.data, block.size);
    assert_string_equal(cut_by(&f, 0), "a header list that is too large");
    buf_release(&block);
    end(&f);
}

static void test_h2_guard_cuts_what_cannot_be_decoded(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS, 1, "\xff\xff\xff\xff", 4);
    assert_string_equal(cut_by(&f, 0), "a header block that cannot be decoded");
    end(&f);

    start(&f);
    put_frame(&f.client, H2_HEADERS, H2_END_HEADERS | H2_PADDED, 1, "\1\x82",
              3);
    assert_string_equal(cut_by(&f, 0), "a header block with padding");
    end(&f);
}

static void put_resets(struct fixture *f, uint32_t *stream, int count)
{
    for (; count > 0; count--, *stream += 2) {
        put_request(&f->client, *stream, "application/grpc");
        put_frame(&f->client, H2_RST_STREAM, 0, *stream, "\0\0\0\10", 4);
    }
}

static void test_h2_guard_cuts_who_resets_all_the_time(void **state)
{
    uint32_t stream = 1;
    struct fixture f;

    (void)state;
    start(&f);
    put_resets(&f, &stream, 200);
    assert_null(cut_by(&f, 5000));
    put_resets(&f, &stream, 50); /* a second later: 50 more */
    assert_null(cut_by(&f, 6000));
    assert_int_equal(f.guard.streams.count, 0);
    put_resets(&f, &stream, 1);
    assert_string_equal(cut_by(&f, 6000), "too many frames that carry nothing");
    end(&f);
}

static void test_h2_guard_cuts_floods(void **state)
{
    static const uint8_t types[] = {H2_SETTINGS, H2_PING, H2_PRIORITY, H2_DATA,
                                    H2_NOTHING};

    (void)state;
    for (size_t i = 0; i < sizeof types; i++) {
        struct fixture f;

        start(&f);
        for (int n = 0; n < 9000; n++)
            put_frame(&f.client, types[i], 0, 0, NULL, 0);
        assert_null(cut_by(&f, 1));
        for (int n = 0; n < 2000; n++)
            put_frame(&f.client, types[i], 0, 0, NULL, 0);
        assert_string_equal(cut_by(&f, 1),
                            "too many frames that carry nothing");
        end(&f);
    }
}

static void test_h2_guard_cuts_a_window_that_overflows(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    put_frame(&f.client, H2_WINDOW_UPDATE, 0, 0, "\x7f\xff\0\0", 4);
    assert_null(cut_by(&f, 0));
    put_frame(&f.client, H2_WINDOW_UPDATE, 0, 0, "\0\1\0\0", 4);
    assert_string_equal(cut_by(&f, 0), "a window that overflows");
    end(&f);
}

/* ---- answers ---- */

/* What gRPC Core writes, byte for byte in parts of `piece`, with the answer in
 * the place that is found; returns what the client reads. */
static struct buf written(struct fixture *f, struct buf *core, size_t piece)
{
    struct buf client = {0};
    size_t at = 0;

    while (at < core->size) {
        struct iovec parts[400];
        size_t count = 0, ready;

        for (size_t from = at; from < core->size && count < 400; count++) {
            size_t size = core->size - from < piece ? core->size - from : piece;

            parts[count] = (struct iovec){core->data + from, size};
            from += size;
        }
        ready = h2_out_scan(&f->out, &f->guard, parts, count, SIZE_MAX);
        buf_append(&client, core->data + at, ready);
        at += ready;
        if (f->out.drop > 0) {
            at += h2_out_drop(&f->out, core->size - at);
        } else if (ready == 0) {
            (void)h2_answer_write(&f->guard, &client);
            h2_out_skip(&f->out);
            at += H2_OUT_SKIPPED;
        }
    }
    return client;
}

/* gRPC Core's beginning: its SETTINGS and the acknowledgement of the client's
 * and of those that were put in. */
static void put_core_opening(struct buf *core, int acks)
{
    put_frame(core, H2_SETTINGS, 0, 0, "\0\3\0\0\0\144", 6);
    for (; acks > 0; acks--)
        put_frame(core, H2_SETTINGS, H2_ACK, 0, NULL, 0);
}

static void test_h2_answer_takes_the_place_of_its_acknowledgement(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 30; piece++) {
        struct buf core = {0}, right = {0}, client;
        struct fixture f;

        start(&f);
        put_request(&f.client, 1, "text/plain");
        show(&f.guard, &f.client, 0, 0, &f.core);
        put_core_opening(&core, 2);
        put_frame(&core, H2_PING, H2_ACK, 0, "12345678", 8);
        client = written(&f, &core, piece);

        put_core_opening(&right, 1);
        put_frame(&right, H2_HEADERS, H2_END_STREAM | H2_END_HEADERS, 1,
                  "\x08\3"
                  "415"
                  "\0\14x-error-code\26UNSUPPORTED_MEDIA_TYPE",
                  5 + 14 + 23);
        put_frame(&right, H2_RST_STREAM, 0, 1, "\0\0\0\0", 4);
        put_frame(&right, H2_PING, H2_ACK, 0, "12345678", 8);
        assert_int_equal(client.size, right.size);
        assert_memory_equal(client.data, right.data, right.size);
        assert_int_equal(f.guard.answer_count, 0);
        assert_int_equal(f.guard.streams.count, 0);
        buf_release(&core);
        buf_release(&right);
        buf_release(&client);
        end(&f);
    }
}

static void refuse_large(struct fixture *f, uint8_t flags)
{
    start(f);
    put_request(&f->client, 1, "application/grpc");
    put_message(&f->client, 1, flags, LIMIT + 1, 0);
    show(&f->guard, &f->client, 0, 0, &f->core);
    assert_int_equal(f->guard.answer_count, 1);
}

static void test_h2_answer_of_a_begun_call_is_trailers(void **state)
{
    struct buf core = {0}, client;
    struct h2_head head;
    struct fixture f;

    (void)state;
    refuse_large(&f, H2_END_STREAM);
    put_core_opening(&core, 1);
    put_frame(&core, H2_HEADERS, H2_END_HEADERS, 1, "\x88", 1);
    put_frame(&core, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    client = written(&f, &core, 100);
    head = h2_head_read((const unsigned char *)client.data + 43 - 9);
    assert_int_equal(head.type, H2_HEADERS);
    assert_int_equal(head.flags, H2_END_STREAM | H2_END_HEADERS);
    /* no :status; and no reset: the client has half-closed */
    assert_memory_equal(client.data + 43,
                        "\0\13grpc-status\1"
                        "8",
                        15);
    assert_int_equal(client.size, 43 + head.size);
    buf_release(&core);
    buf_release(&client);
    end(&f);
}

static void test_h2_answer_is_dropped_when_the_call_has_ended(void **state)
{
    struct buf core = {0}, client;
    struct fixture f;

    (void)state;
    refuse_large(&f, 0);
    put_core_opening(&core, 1);
    put_frame(&core, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 1, "\x88", 1);
    put_frame(&core, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    client = written(&f, &core, 100);
    assert_int_equal(client.size, core.size - H2_HEAD);
    assert_int_equal(f.guard.answer_count, 0);
    buf_release(&core);
    buf_release(&client);
    end(&f);
}

static void test_h2_answer_is_the_last_word(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 30; piece++) {
        struct buf core = {0}, client, later;
        struct fixture f;

        refuse_large(&f, H2_END_STREAM);
        put_core_opening(&core, 2);
        client = written(&f, &core, piece);
        core.size = 0;
        put_frame(&core, H2_PING, H2_ACK, 0, "12345678", 8);
        put_frame(&core, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 1, "\x88",
                  1);
        put_frame(&core, H2_RST_STREAM, 0, 1, "\0\0\0\0", 4);
        put_frame(&core, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 3, "\x88",
                  1);
        later = written(&f, &core, piece);
        assert_int_equal(later.size, 17 + 10);
        assert_memory_equal(later.data, core.data, 17);
        assert_memory_equal(later.data + 17, core.data + core.size - 10, 10);
        buf_release(&core);
        buf_release(&client);
        buf_release(&later);
        end(&f);
    }
}

static void test_h2_answer_announces_a_smaller_table(void **state)
{
    struct buf core = {0}, client;
    struct fixture f;

    (void)state;
    start(&f);
    put_frame(&f.client, H2_SETTINGS, 0, 0, "\0\1\0\0\0\100", 6);
    put_request(&f.client, 1, NULL);
    show(&f.guard, &f.client, 0, 0, &f.core);
    put_core_opening(&core, 3);
    client = written(&f, &core, 100);
    /* 64: 31 in the first byte, 33 more */
    assert_memory_equal(client.data + 15 + 18 + H2_HEAD, "\x3f\x21\x08", 3);
    buf_release(&core);
    buf_release(&client);
    end(&f);
}

static void test_h2_out_goes_back_to_what_was_sent(void **state)
{
    struct h2_out before, again;
    struct buf core = {0};
    struct fixture f;

    (void)state;
    start(&f);
    put_core_opening(&core, 1);
    put_frame(&core, H2_DATA, 0, 1, (char[100]){0}, 100);
    for (size_t sent = 0; sent <= core.size; sent++) {
        struct iovec part = {core.data, core.size};
        struct iovec rest = {core.data + sent, core.size - sent};

        before = again = (struct h2_out){0};
        (void)h2_out_scan(&before, &f.guard, &part, 1, SIZE_MAX);
        (void)h2_out_scan(&again, &f.guard, &part, 1, sent);
        assert_int_equal(h2_out_scan(&again, &f.guard, &rest, 1, SIZE_MAX),
                         core.size - sent);
        assert_int_equal(before.left, again.left);
        assert_int_equal(before.acks, again.acks);
    }
    buf_release(&core);
    end(&f);
}

/* ---- the table of streams ---- */

static void test_h2_streams_finds_what_is_open(void **state)
{
    struct h2_streams streams = {0};
    bool open[512] = {false};
    uint32_t random = 1;
    size_t count = 0;

    (void)state;
    assert_null(h2_streams_find(&streams, 1));
    h2_streams_close(&streams, 1);
    for (int i = 0; i < 100000; i++) {
        uint32_t n = (random = random * 1664525 + 1013904223) >> 23;
        uint32_t id = 2 * n * ((random >> 8) % 2 ? 1 : 64) % 1024 + 1;

        assert_int_equal(h2_streams_find(&streams, id) != NULL, open[id / 2]);
        if (open[id / 2])
            h2_streams_close(&streams, id);
        else
            assert_int_equal(h2_streams_open(&streams, id)->id, id);
        count += open[id / 2] ? (size_t)-1 : 1;
        open[id / 2] = !open[id / 2];
        assert_int_equal(streams.count, count);
    }
    for (uint32_t n = 0; n < 512; n++)
        assert_int_equal(h2_streams_find(&streams, 2 * n + 1) != NULL, open[n]);
    h2_streams_release(&streams);
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
        cmocka_unit_test(test_h2_answer_takes_the_place_of_its_acknowledgement),
        cmocka_unit_test(test_h2_answer_of_a_begun_call_is_trailers),
        cmocka_unit_test(test_h2_answer_is_dropped_when_the_call_has_ended),
        cmocka_unit_test(test_h2_answer_is_the_last_word),
        cmocka_unit_test(test_h2_answer_announces_a_smaller_table),
        cmocka_unit_test(test_h2_out_goes_back_to_what_was_sent),
        cmocka_unit_test(test_h2_streams_finds_what_is_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
