/* The HTTP/2 guard's answers, and the table of streams. */
#include "h2_fixture.h"
#include "h2_frames.h"
#include "unit.h"

/* ---- answers ---- */

/* What gRPC Core writes, byte for byte in parts of `piece`, with the answer in
 * the place that is found; returns what the client reads. */
static struct buf written(struct h2_fixture *f, struct buf *core, size_t piece)
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
        struct h2_fixture f;

        h2_fixture_init(&f);
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
        h2_fixture_release(&f);
    }
}

static void refuse_large(struct h2_fixture *f, uint8_t flags)
{
    h2_fixture_init(f);
    put_request(&f->client, 1, "application/grpc");
    put_message(&f->client, 1, flags, LIMIT + 1, 0);
    show(&f->guard, &f->client, 0, 0, &f->core);
    assert_int_equal(f->guard.answer_count, 1);
}

static void test_h2_answer_of_a_begun_call_is_trailers(void **state)
{
    struct buf core = {0}, client;
    struct h2_head head;
    struct h2_fixture f;

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
    h2_fixture_release(&f);
}

static void test_h2_answer_is_dropped_when_the_call_has_ended(void **state)
{
    struct buf core = {0}, client;
    struct h2_fixture f;

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
    h2_fixture_release(&f);
}

static void test_h2_answer_is_the_last_word(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 30; piece++) {
        struct buf core = {0}, client, later;
        struct h2_fixture f;

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
        h2_fixture_release(&f);
    }
}

static void test_h2_answer_announces_a_smaller_table(void **state)
{
    struct buf core = {0}, client;
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
    put_frame(&f.client, H2_SETTINGS, 0, 0, "\0\1\0\0\0\100", 6);
    put_request(&f.client, 1, NULL);
    show(&f.guard, &f.client, 0, 0, &f.core);
    put_core_opening(&core, 3);
    client = written(&f, &core, 100);
    /* 64: 31 in the first byte, 33 more */
    assert_memory_equal(client.data + 15 + 18 + H2_HEAD, "\x3f\x21\x08", 3);
    buf_release(&core);
    buf_release(&client);
    h2_fixture_release(&f);
}

static void test_h2_out_goes_back_to_what_was_sent(void **state)
{
    struct h2_out before, again;
    struct buf core = {0};
    struct h2_fixture f;

    (void)state;
    h2_fixture_init(&f);
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
    h2_fixture_release(&f);
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
