/*
 * The guard: a walk over frames.
 *
 * Payloads are passed as they come, except of those frames that are judged:
 * HEADERS with all CONTINUATIONs, SETTINGS, RST_STREAM, and the head of DATA
 * with the prefix behind it. nghttp2 decodes header blocks; its table and gRPC
 * Core's see the same blocks and so stay equal.
 */
#include "h2_guard.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "h2_frame.h"

enum {
    PREFIX_SIZE = 5, /* of a message: flag and length */
    SETTINGS_MAX = 64 * H2_SETTING_SIZE,
    PRIORITY_SIZE = 5,
    FIELD_EXTRA = 32, /* RFC 9113, section 6.5.2 */
    TABLE_SIZE_SETTING = 1,
    TABLE_SIZE = 4096,
    WINDOW = 65535, /* of the connection, at first */
    WINDOW_MAX = INT32_MAX,
    /* A stream that no client opens: gRPC Core reads the header block and
     * forgets it, and counts DATA for the connection only. */
    NOBODY = 2,
    RESETS = 200,
    RESETS_PER_S = 50,
    CONTROLS = 10000,
    CONTROLS_PER_S = 10000
};

bool h2_guard_init(struct h2_guard *guard, const struct h2_rules *rules)
{
    *guard = (struct h2_guard){.rules = *rules,
                               .left = H2_PREFACE,
                               .table_size = TABLE_SIZE,
                               .window = WINDOW};
    return nghttp2_hd_inflate_new(&guard->inflater) == 0;
}

void h2_guard_release(struct h2_guard *guard)
{
    if (guard->inflater)
        nghttp2_hd_inflate_del(guard->inflater);
    guard->inflater = NULL;
    h2_streams_release(&guard->streams);
    free(guard->answers);
    free(guard->done);
    guard->answers = NULL;
    guard->done = NULL;
    guard->answer_count = guard->inserted_count = 0;
}

/* ---- refusing ---- */

static size_t cut(struct h2_guard *guard, const char *reason)
{
    guard->cut = reason;
    return 0;
}

static void refuse(struct h2_guard *guard, uint32_t stream,
                   enum h2_verdict verdict)
{
    if (!guard->answers)
        guard->answers = calloc(H2_ANSWERS_MAX, sizeof *guard->answers);
    if (!guard->done)
        guard->done = calloc(H2_DONE_MAX, sizeof *guard->done);
    if (!guard->answers || !guard->done) {
        cut(guard, "no memory");
        return;
    }
    if (guard->answer_count == H2_ANSWERS_MAX) {
        cut(guard, "too many refused requests at once");
        return;
    }
    guard->answers[guard->answer_count++] =
        (struct h2_answer){.stream = stream, .verdict = verdict};
}

static void hide(unsigned char *frame)
{
    h2_write_u32(frame + 5, NOBODY);
}

static void spend(struct h2_guard *guard, struct h2_budget *budget,
                  uint32_t burst, uint32_t per_s, uint32_t now_ms)
{
    uint64_t back = (uint64_t)(now_ms - budget->since_ms) * per_s / 1000;

    if (back > 0) {
        budget->since_ms = now_ms;
        budget->spent =
            budget->spent > back ? budget->spent - (uint32_t)back : 0;
    }
    if (++budget->spent > burst)
        cut(guard, "too many frames that carry nothing");
}

/* ---- header blocks ---- */

struct block {
    size_t list_size;
    bool grpc, other; /* content types */
};

/* "application/grpc", alone or with + or ; and more behind it. */
static bool is_grpc(const uint8_t *value, size_t size)
{
    static const char type[] = "application/grpc";
    size_t length = sizeof type - 1;

    return size >= length &&
           strncasecmp((const char *)value, type, length) == 0 &&
           (size == length || value[length] == '+' || value[length] == ';');
}

static void note_field(struct block *block, const nghttp2_nv *field)
{
    static const char type[] = "content-type";

    block->list_size += field->namelen + field->valuelen + FIELD_EXTRA;
    if (field->namelen != sizeof type - 1 ||
        memcmp(field->name, type, field->namelen) != 0)
        return;
    if (is_grpc(field->value, field->valuelen))
        block->grpc = true;
    else
        block->other = true;
}

static bool read_fields(struct h2_guard *guard, const unsigned char *bytes,
                        size_t size, struct block *block)
{
    int flags = 0;

    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(guard->inflater, &field, &flags,
                                              bytes, size, 1);

        if (used < 0)
            return cut(guard, "a header block that cannot be decoded");
        bytes += used;
        size -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            note_field(block, &field);
        if (block->list_size > H2_LIST_MAX)
            return cut(guard, "a header list that is too large");
    }
    (void)nghttp2_hd_inflate_end_headers(guard->inflater);
    return true;
}

/* Where the block that begins here ends, heads included; 0: not all is there. */
static size_t find_end(struct h2_guard *guard, const unsigned char *bytes,
                       size_t size)
{
    struct h2_head head = h2_head_read(bytes);
    uint32_t stream = head.stream;
    size_t payload = 0, at = 0;

    for (int frames = 0;; frames++) {
        payload += head.size;
        if (payload > H2_BLOCK_MAX || frames > H2_CONTINUATIONS)
            return cut(guard, "a header block that is too large");
        at += H2_HEAD + head.size;
        if (head.flags & H2_END_HEADERS)
            return at <= size ? at : 0;
        if (at + H2_HEAD > size)
            return 0;
        head = h2_head_read(bytes + at);
        if (head.type != H2_CONTINUATION || head.stream != stream)
            return cut(guard, "a header block that is interrupted");
    }
}

/*
 * Makes one frame of HEADERS and its CONTINUATIONs. The heads that are saved
 * become frames of no meaning behind it, so that no byte more or less is read.
 */
static void join(unsigned char *bytes, size_t end)
{
    struct h2_head head = h2_head_read(bytes);
    size_t from = H2_HEAD + head.size, to = from;

    while (from < end) {
        struct h2_head next = h2_head_read(bytes + from);

        memmove(bytes + to, bytes + from + H2_HEAD, next.size);
        from += H2_HEAD + next.size;
        to += next.size;
    }
    head.size = (uint32_t)(to - H2_HEAD);
    head.flags |= H2_END_HEADERS;
    h2_head_write(bytes, head);
    for (; to < end; to += H2_HEAD)
        h2_head_write(bytes + to, (struct h2_head){.type = H2_NOTHING});
}

/* A stream that was never open. */
static void judge_request(struct h2_guard *guard, unsigned char *frame,
                          const struct block *block)
{
    struct h2_head head = h2_head_read(frame);
    struct h2_stream *stream;

    guard->last_stream = head.stream;
    if (guard->streams.count >= guard->rules.max_streams) {
        hide(frame);
        refuse(guard, head.stream, H2_TOO_MANY);
        return;
    }
    stream = h2_streams_open(&guard->streams, head.stream);
    if (!stream) {
        cut(guard, "no memory");
        return;
    }
    stream->half_closed = (head.flags & H2_END_STREAM) != 0;
    if (block->grpc && !block->other)
        return;
    stream->refused = true;
    hide(frame);
    refuse(guard, head.stream, H2_NOT_GRPC);
}

static void judge_block(struct h2_guard *guard, unsigned char *frame,
                        const struct block *block)
{
    struct h2_head head = h2_head_read(frame);
    struct h2_stream *stream = h2_streams_find(&guard->streams, head.stream);

    if (stream && (head.flags & H2_END_STREAM))
        stream->half_closed = true;
    if (stream && !stream->refused)
        return; /* trailers */
    if (!stream && (head.stream & 1) && head.stream > guard->last_stream)
        judge_request(guard, frame, block);
    else
        hide(frame);
}

static size_t pass_headers(struct h2_guard *guard, unsigned char *bytes,
                           size_t size)
{
    size_t end = find_end(guard, bytes, size);
    struct h2_head head = h2_head_read(bytes);
    struct block block = {0};
    size_t skip = head.flags & H2_HAS_PRIORITY ? PRIORITY_SIZE : 0;

    if (end == 0)
        return 0;
    /* gRPC Core 1.51 would take the padding for the block */
    if (head.flags & H2_PADDED)
        return cut(guard, "a header block with padding");
    if (head.size < skip)
        return cut(guard, "a header block that is too short");
    if (!(head.flags & H2_END_HEADERS)) {
        join(bytes, end);
        head = h2_head_read(bytes);
    }
    if (read_fields(guard, bytes + H2_HEAD + skip, head.size - skip, &block))
        judge_block(guard, bytes, &block);
    return end;
}

/* ---- messages ---- */

/* One byte of a message's prefix. */
static void note_prefix(struct h2_guard *guard, struct h2_stream *stream,
                        unsigned char byte)
{
    if (stream->prefix > 0)
        stream->length = stream->length << 8 | byte;
    if (++stream->prefix < PREFIX_SIZE)
        return;
    stream->message_left = stream->length;
    stream->prefix = 0;
    stream->length = 0;
    if (stream->message_left <= guard->rules.max_message)
        return;
    stream->refused = true;
    refuse(guard, stream->id, H2_TOO_LARGE);
}

/* Bytes of DATA: prefix, message, prefix, message ... */
static void note_data(struct h2_guard *guard, struct h2_stream *stream,
                      const unsigned char *bytes, size_t size)
{
    while (size > 0 && !stream->refused) {
        size_t step = 1;

        if (stream->message_left == 0) {
            note_prefix(guard, stream, *bytes);
        } else {
            step = size < stream->message_left ? size : stream->message_left;
            stream->message_left -= (uint32_t)step;
        }
        bytes += step;
        size -= step;
    }
}

/* Payload of a frame that has begun. */
static size_t pass_payload(struct h2_guard *guard, const unsigned char *bytes,
                           size_t size)
{
    size_t step = size < guard->left ? size : guard->left;
    struct h2_stream *stream;

    guard->left -= (uint32_t)step;
    if (guard->data_stream) {
        stream = h2_streams_find(&guard->streams, guard->data_stream);
        if (stream)
            note_data(guard, stream, bytes, step);
    }
    return step;
}

/* Waits for the prefix that a frame begins with: what it says decides whether
 * gRPC Core sees the frame at all. */
static size_t pass_data(struct h2_guard *guard, unsigned char *bytes,
                        size_t size, uint32_t now_ms)
{
    struct h2_head head = h2_head_read(bytes);
    struct h2_stream *stream = h2_streams_find(&guard->streams, head.stream);
    size_t wanted = 0, come = size - H2_HEAD;

    if (head.size == 0 && !(head.flags & H2_END_STREAM))
        spend(guard, &guard->control, CONTROLS, CONTROLS_PER_S, now_ms);
    if (stream && (head.flags & H2_PADDED))
        stream->opaque = true; /* gRPC Core ends such a call */
    if (stream && !stream->opaque && !stream->refused &&
        stream->message_left == 0)
        wanted = (size_t)PREFIX_SIZE - stream->prefix;
    if (come < wanted && come < head.size)
        return 0;
    if (come > head.size)
        come = head.size;
    guard->left = head.size - (uint32_t)come;
    guard->data_stream = 0;
    if (!stream)
        return H2_HEAD + come;
    if (!stream->opaque) {
        guard->data_stream = head.stream;
        note_data(guard, stream, bytes + H2_HEAD, come);
    }
    if (head.flags & H2_END_STREAM)
        stream->half_closed = true;
    if (stream->refused)
        hide(bytes);
    return H2_HEAD + come;
}

/* ---- other frames ---- */

static size_t pass_settings(struct h2_guard *guard, const unsigned char *bytes,
                            size_t size)
{
    struct h2_head head = h2_head_read(bytes);

    if (head.size > SETTINGS_MAX)
        return cut(guard, "too many settings");
    if (size < H2_HEAD + (size_t)head.size)
        return 0;
    if (head.flags & H2_ACK)
        return H2_HEAD + head.size;
    guard->settings++;
    for (size_t at = H2_HEAD;
         at + H2_SETTING_SIZE <= H2_HEAD + (size_t)head.size;
         at += H2_SETTING_SIZE) {
        if (bytes[at] != 0 || bytes[at + 1] != TABLE_SIZE_SETTING)
            continue;
        guard->table_size = h2_read_u32(bytes + at + 2);
        guard->table_small |= guard->table_size < TABLE_SIZE;
    }
    return H2_HEAD + head.size;
}

/* Resets of calls that have no answer yet cost the most. */
static size_t pass_reset(struct h2_guard *guard, const unsigned char *bytes,
                         size_t size, uint32_t now_ms)
{
    struct h2_head head = h2_head_read(bytes);

    if (head.size != H2_RST_SIZE)
        return cut(guard, "a reset of the wrong size");
    if (size < H2_HEAD + H2_RST_SIZE)
        return 0;
    spend(guard, &guard->resets, RESETS, RESETS_PER_S, now_ms);
    h2_streams_close(&guard->streams, head.stream);
    return H2_HEAD + H2_RST_SIZE;
}

/* The connection's window only: it is shared, a stream's own hurts nobody. */
static size_t pass_window(struct h2_guard *guard, const unsigned char *bytes,
                          size_t size)
{
    struct h2_head head = h2_head_read(bytes);

    if (head.size != H2_WINDOW_SIZE)
        return cut(guard, "a window update of the wrong size");
    if (size < H2_HEAD + H2_WINDOW_SIZE)
        return 0;
    if (head.stream == 0)
        guard->window += h2_read_u32(bytes + H2_HEAD) & 0x7fffffff;
    if (guard->window > WINDOW_MAX)
        return cut(guard, "a window that overflows");
    return H2_HEAD + H2_WINDOW_SIZE;
}

static size_t begin_frame(struct h2_guard *guard, unsigned char *bytes,
                          size_t size, uint32_t now_ms)
{
    struct h2_head head;

    if (size < H2_HEAD)
        return 0;
    head = h2_head_read(bytes);
    if (head.type == H2_DATA)
        return pass_data(guard, bytes, size, now_ms);
    if (head.type == H2_HEADERS)
        return pass_headers(guard, bytes, size);
    spend(guard, &guard->control, CONTROLS, CONTROLS_PER_S, now_ms);
    if (head.type == H2_SETTINGS)
        return pass_settings(guard, bytes, size);
    if (head.type == H2_RST_STREAM)
        return pass_reset(guard, bytes, size, now_ms);
    if (head.type == H2_WINDOW_UPDATE)
        return pass_window(guard, bytes, size);
    guard->data_stream = 0;
    guard->left = head.size;
    return H2_HEAD;
}

size_t h2_guard_pass(struct h2_guard *guard, unsigned char *bytes, size_t size,
                     uint32_t now_ms)
{
    size_t at = 0, step = 1;

    while (at < size && step > 0 && !guard->cut) {
        step = guard->left ? pass_payload(guard, bytes + at, size - at)
                           : begin_frame(guard, bytes + at, size - at, now_ms);
        at += step;
    }
    return at;
}

/* ---- frames for gRPC Core ---- */

static bool waits(const struct h2_guard *guard)
{
    return guard->insert_left > 0 ||
           guard->inserted_count < guard->answer_count;
}

size_t h2_guard_room(const struct h2_guard *guard)
{
    return waits(guard) && guard->left > 0 ? guard->left : SIZE_MAX;
}

/* RST_STREAM for the refused stream, and SETTINGS whose acknowledgement tells
 * that gRPC Core is done with it. */
static void next_insert(struct h2_guard *guard)
{
    struct h2_answer *answer = &guard->answers[guard->inserted_count++];
    unsigned char *bytes = guard->insert;

    answer->settings = ++guard->settings;
    answer->table_size = guard->table_size;
    h2_head_write(bytes, (struct h2_head){.size = H2_RST_SIZE,
                                          .type = H2_RST_STREAM,
                                          .stream = answer->stream});
    h2_write_u32(bytes + H2_HEAD, H2_CANCEL);
    h2_head_write(bytes + H2_HEAD + H2_RST_SIZE,
                  (struct h2_head){.type = H2_SETTINGS});
    guard->insert_left = H2_INSERT_SIZE;
}

size_t h2_guard_insert(struct h2_guard *guard, unsigned char *bytes,
                       size_t room)
{
    size_t size;

    if (!waits(guard) || guard->left > 0)
        return 0;
    if (guard->insert_left == 0)
        next_insert(guard);
    size = room < guard->insert_left ? room : guard->insert_left;
    memcpy(bytes, guard->insert + H2_INSERT_SIZE - guard->insert_left, size);
    guard->insert_left -= size;
    return size;
}
