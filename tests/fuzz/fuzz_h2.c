/*
 * Fuzzes the guard in front of gRPC Core.
 *
 * Bytes from 0xe0 on stand for whole frames, the others for themselves, so that
 * the fuzzer gets past the preface and makes streams. Beside crashes, what must
 * not depend on how the bytes were cut is compared: whether the connection is
 * cut, what is refused, and how much gRPC Core reads. What it reads must be
 * frames, none of which opens a stream that was refused for its content type.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "h2_answer.h"
#include "h2_frame.h"
#include "h2_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 65536, LIMIT = 300, FRAGMENTS = 0xe0 };

static void put_fragment(struct buf *bytes, unsigned number, uint32_t *stream)
{
    switch (number) {
    case 0:
        put_request(bytes, *stream += 2, "application/grpc");
        break;
    case 1:
        put_request(bytes, *stream += 2, "text/plain");
        break;
    case 2:
        put_message(bytes, *stream, 0, LIMIT, LIMIT);
        break;
    case 3:
        put_message(bytes, *stream, H2_END_STREAM, LIMIT + 1, 20);
        break;
    case 4:
        put_frame(bytes, H2_DATA, 0, *stream, "\0\0", 2);
        break;
    case 5:
        put_frame(bytes, H2_DATA, 0, *stream, "\0\0\0\1\0\0\0\1", 8);
        break;
    case 6:
        put_frame(bytes, H2_RST_STREAM, 0, *stream, "\0\0\0\10", 4);
        break;
    case 7:
        put_frame(bytes, H2_SETTINGS, 0, 0, "\0\1\0\0\0\100", 6);
        break;
    case 8:
        put_frame(bytes, H2_HEADERS, 0, *stream += 2, "\x82", 1);
        break;
    case 9:
        put_frame(bytes, H2_CONTINUATION, 0, *stream, "\x84\x40\1x\1y", 6);
        break;
    case 10:
        put_frame(bytes, H2_CONTINUATION, H2_END_HEADERS, *stream, "\xbe", 1);
        break;
    case 11:
        *stream -= 2;
        break;
    case 12:
        put_frame(bytes, H2_WINDOW_UPDATE, 0, 0, "\x70\0\0\0", 4);
        break;
    default:
        put_frame(bytes, (uint8_t)number, (uint8_t)number, *stream, "1234", 4);
    }
}

struct outcome {
    struct h2_guard guard;
    struct buf core;
};

static struct outcome judge(const struct buf *bytes, size_t piece)
{
    const struct h2_rules rules = {.max_message = LIMIT, .max_streams = 10};
    struct outcome outcome = {0};

    if (!h2_guard_init(&outcome.guard, &rules))
        abort();
    show(&outcome.guard, bytes, piece, 0, &outcome.core);
    return outcome;
}

/* Without the frames that were put in. */
static size_t passed(const struct outcome *outcome)
{
    return outcome->core.size - outcome->guard.inserted_count * H2_INSERT_SIZE;
}

static bool was_refused(const struct h2_guard *guard, uint32_t stream)
{
    for (size_t i = 0; i < guard->answer_count; i++)
        if (guard->answers[i].stream == stream &&
            guard->answers[i].verdict != H2_TOO_LARGE)
            return true;
    return false;
}

static void check_frames(const struct outcome *outcome)
{
    const unsigned char *bytes = (const unsigned char *)outcome->core.data;
    size_t at = H2_PREFACE;

    while (at + H2_HEAD <= outcome->core.size) {
        struct h2_head head = h2_head_read(bytes + at);

        if (head.type == H2_HEADERS &&
            (was_refused(&outcome->guard, head.stream) ||
             !(head.flags & H2_END_HEADERS)))
            abort();
        at += H2_HEAD + head.size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf bytes = {0};
    struct outcome whole, cut;
    uint32_t stream = (uint32_t)-1;

    put_opening(&bytes);
    for (size_t i = 0; i < size && bytes.size < MOST; i++) {
        if (data[i] < FRAGMENTS)
            buf_char(&bytes, (char)data[i]);
        else
            put_fragment(&bytes, data[i] - FRAGMENTS, &stream);
    }
    whole = judge(&bytes, 0);
    cut = judge(&bytes, size ? 1U + data[0] % 64 : 1);
    if ((whole.guard.cut != NULL) != (cut.guard.cut != NULL))
        abort();
    if (!whole.guard.cut &&
        (passed(&whole) != passed(&cut) ||
         whole.guard.answer_count != cut.guard.answer_count ||
         whole.guard.streams.count != cut.guard.streams.count))
        abort();
    check_frames(&whole);
    check_frames(&cut);
    h2_guard_release(&whole.guard);
    h2_guard_release(&cut.guard);
    buf_release(&whole.core);
    buf_release(&cut.core);
    buf_release(&bytes);
    return 0;
}
