/*
 * Answers for refused streams.
 *
 * Their header blocks are literals that enter no table, so gRPC Core's encoder
 * and the client's decoder stay in step. A client that has made its table
 * smaller than the standard's expects the first block after that to say so; if
 * that is ours, we say what gRPC Core will say in its own next block, which
 * changes nothing when it comes twice.
 */
#include "h2_answer.h"

#include <stdio.h>
#include <string.h>

#include "h2_frame.h"

enum {
    STATUS_200 = 0x88,     /* HPACK: entry 8 of the static table */
    STATUS_LITERAL = 0x08, /* its name with another value */
    TABLE_UPDATE = 0x20,
    TABLE_SIZE = 4096
};

/* ---- the bytes of an answer ---- */

/* An integer of HPACK with `bits` bits in its first byte (RFC 7541, 5.1). */
static void put_number(struct buf *out, unsigned first, unsigned bits,
                       size_t value)
{
    size_t full = ((size_t)1 << bits) - 1;

    if (value < full) {
        buf_char(out, (char)(first | value));
        return;
    }
    buf_char(out, (char)(first | full));
    for (value -= full; value >= 0x80; value >>= 7)
        buf_char(out, (char)(value | 0x80));
    buf_char(out, (char)value);
}

static void put_text(struct buf *out, const char *text)
{
    put_number(out, 0, 7, strlen(text));
    buf_string(out, text);
}

static void put_field(struct buf *out, const char *name, const char *value)
{
    buf_char(out, 0);
    put_text(out, name);
    put_text(out, value);
}

static void put_frame(struct buf *out, struct h2_head head, const char *payload)
{
    unsigned char bytes[H2_HEAD];

    h2_head_write(bytes, head);
    buf_append(out, bytes, H2_HEAD);
    buf_append(out, payload, head.size);
}

static void put_reset(struct buf *out, uint32_t stream, enum h2_reason reason)
{
    unsigned char payload[H2_RST_SIZE];

    h2_write_u32(payload, reason);
    put_frame(out,
              (struct h2_head){
                  .size = H2_RST_SIZE, .type = H2_RST_STREAM, .stream = stream},
              (const char *)payload);
}

static void put_not_grpc(struct buf *block)
{
    const struct err_info *info = err_info(ERR_UNSUPPORTED_MEDIA_TYPE);
    char number[16];

    (void)snprintf(number, sizeof number, "%d", info->http);
    buf_char(block, STATUS_LITERAL);
    put_text(block, number);
    put_field(block, "x-error-code", info->name);
}

static void put_too_large(const struct h2_guard *guard, bool begun,
                          struct buf *block)
{
    const struct err_info *info = err_info(ERR_PAYLOAD_TOO_LARGE);
    char text[80];

    if (!begun) {
        buf_char(block, (char)STATUS_200);
        put_field(block, "content-type", "application/grpc");
    }
    (void)snprintf(text, sizeof text, "%d", info->grpc);
    put_field(block, "grpc-status", text);
    (void)snprintf(text, sizeof text, "the message is larger than %zu bytes",
                   guard->rules.max_message);
    put_field(block, "grpc-message", text);
    put_field(block, "x-error-code", info->name);
}

static void put_ending(const struct h2_guard *guard,
                       const struct h2_answer *answer,
                       const struct h2_stream *stream, struct buf *out)
{
    struct buf block = {0};

    if (guard->table_small)
        put_number(&block, TABLE_UPDATE, 5,
                   answer->table_size < TABLE_SIZE ? answer->table_size
                                                   : TABLE_SIZE);
    if (answer->verdict == H2_NOT_GRPC)
        put_not_grpc(&block);
    else
        put_too_large(guard, stream->head_sent, &block);
    put_frame(out,
              (struct h2_head){.size = (uint32_t)block.size,
                               .type = H2_HEADERS,
                               .flags = H2_END_STREAM | H2_END_HEADERS,
                               .stream = stream->id},
              block.data);
    out->failed |= !buf_ok(&block);
    buf_release(&block);
    /* the client need not send the rest */
    if (!stream->half_closed)
        put_reset(out, stream->id, H2_NO_ERROR);
}

const struct err_info *h2_answer_write(struct h2_guard *guard, struct buf *out)
{
    static const enum err_code codes[] = {
        [H2_NOT_GRPC] = ERR_UNSUPPORTED_MEDIA_TYPE,
        [H2_TOO_LARGE] = ERR_PAYLOAD_TOO_LARGE,
        [H2_TOO_MANY] = ERR_OVERLOADED};
    struct h2_answer answer = guard->answers[0];
    const struct h2_stream *stream =
        h2_streams_find(&guard->streams, answer.stream);

    if (answer.verdict == H2_TOO_MANY)
        put_reset(out, answer.stream, H2_REFUSED_STREAM);
    else if (stream)
        put_ending(guard, &answer, stream, out);
    if (answer.verdict == H2_TOO_LARGE)
        guard->done[guard->done_next++ % H2_DONE_MAX] = answer.stream;
    h2_streams_close(&guard->streams, answer.stream);
    guard->answer_count--;
    guard->inserted_count--;
    memmove(guard->answers, guard->answers + 1,
            guard->answer_count * sizeof answer);
    return err_info(codes[answer.verdict]);
}

/* ---- reading along ---- */

/* We have answered, whatever gRPC Core may say. */
static bool is_done(const struct h2_guard *guard, uint32_t stream)
{
    if (!guard->done || stream == 0)
        return false;
    for (size_t i = 0; i < H2_DONE_MAX; i++)
        if (guard->done[i] == stream)
            return true;
    return false;
}

/* A frame begins; false: it is not sent, see h2_out_scan(). */
static bool note_frame(struct h2_out *out, struct h2_guard *guard)
{
    struct h2_head head = h2_head_read(out->head);
    struct h2_stream *stream;

    if (is_done(guard, head.stream)) {
        out->drop = H2_HEAD + head.size;
        return false;
    }
    if (head.type == H2_SETTINGS && (head.flags & H2_ACK)) {
        if (guard->inserted_count > 0 &&
            guard->answers[0].settings == out->acks + 1)
            return false;
        out->acks++;
    } else if (head.type == H2_RST_STREAM ||
               ((head.type == H2_HEADERS || head.type == H2_DATA) &&
                (head.flags & H2_END_STREAM))) {
        h2_streams_close(&guard->streams, head.stream);
    } else if (head.type == H2_HEADERS) {
        stream = h2_streams_find(&guard->streams, head.stream);
        if (stream)
            stream->head_sent = true;
    }
    if (head.type == H2_DATA)
        guard->window -= head.size;
    out->left = head.size;
    return true;
}

/* Takes up to `size` bytes of one frame; false: see note_frame(). */
static bool step(struct h2_out *out, struct h2_guard *guard,
                 const unsigned char *bytes, size_t size, size_t *taken)
{
    if (out->left > 0) {
        *taken = size < out->left ? size : out->left;
        out->left -= (uint32_t)*taken;
        return true;
    }
    *taken = (size_t)H2_HEAD - out->head_size;
    if (*taken > size)
        *taken = size;
    memcpy(out->head + out->head_size, bytes, *taken);
    out->head_size += (uint8_t)*taken;
    if (out->head_size < H2_HEAD)
        return true;
    out->head_size = 0;
    return note_frame(out, guard);
}

/* Goes over one part; false: the answer's place begins with the head that
 * began at `*head_at`. */
static bool scan_part(struct h2_out *out, struct h2_guard *guard,
                      const unsigned char *bytes, size_t size, size_t *at,
                      size_t *head_at)
{
    while (size > 0) {
        size_t taken;

        if (out->left == 0 && out->head_size == 0)
            *head_at = *at;
        if (!step(out, guard, bytes, size, &taken))
            return false;
        bytes += taken;
        size -= taken;
        *at += taken;
    }
    return true;
}

size_t h2_out_scan(struct h2_out *out, struct h2_guard *guard,
                   const struct iovec *parts, size_t count, size_t limit)
{
    size_t at = 0, head_at = 0;
    bool whole = guard->inserted_count > 0 || guard->done;

    if (out->drop > 0)
        return 0;
    for (size_t i = 0; i < count && at < limit; i++) {
        size_t size = parts[i].iov_len;

        if (size > limit - at)
            size = limit - at;
        if (!scan_part(out, guard, parts[i].iov_base, size, &at, &head_at)) {
            if (head_at > 0)
                out->drop = 0; /* its time comes when this is sent */
            return head_at;
        }
    }
    /* A head that is cut goes as a whole with the next write. */
    if (whole && out->head_size > 0 && head_at > 0) {
        out->head_size = 0;
        return head_at;
    }
    return at;
}

void h2_out_skip(struct h2_out *out)
{
    out->acks++;
}

size_t h2_out_drop(struct h2_out *out, size_t size)
{
    if (size > out->drop)
        size = out->drop;
    out->drop -= (uint32_t)size;
    return size;
}
