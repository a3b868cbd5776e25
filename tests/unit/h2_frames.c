#include "h2_frames.h"

#include <stdlib.h>
#include <string.h>

#include "h2_frame.h"

void put_opening(struct buf *bytes)
{
    buf_string(bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_frame(bytes, H2_SETTINGS, 0, 0, NULL, 0);
}

void put_frame(struct buf *bytes, uint8_t type, uint8_t flags, uint32_t stream,
               const void *payload, size_t size)
{
    unsigned char head[H2_HEAD];

    h2_head_write(head, (struct h2_head){.size = (uint32_t)size,
                                         .type = type,
                                         .flags = flags,
                                         .stream = stream});
    buf_append(bytes, head, sizeof head);
    if (size)
        buf_append(bytes, payload, size);
}

static void put_size(struct buf *block, size_t size)
{
    if (size < 127) {
        buf_char(block, (char)size);
        return;
    }
    buf_char(block, 127);
    for (size -= 127; size >= 128; size >>= 7)
        buf_char(block, (char)(size | 128));
    buf_char(block, (char)size);
}

void put_literal(struct buf *block, const char *name, const char *value,
                 size_t size)
{
    buf_char(block, 0);
    put_size(block, strlen(name));
    buf_string(block, name);
    put_size(block, size);
    buf_append(block, value, size);
}

void put_request(struct buf *bytes, uint32_t stream, const char *content_type)
{
    struct buf block = {0};

    put_literal(&block, ":path", "/service/method", 15);
    if (content_type)
        put_literal(&block, "content-type", content_type, strlen(content_type));
    put_frame(bytes, H2_HEADERS, H2_END_HEADERS, stream, block.data,
              block.size);
    buf_release(&block);
}

void put_message(struct buf *bytes, uint32_t stream, uint8_t flags,
                 uint32_t length, size_t come)
{
    unsigned char *payload = calloc(1, 5 + come);

    if (!payload)
        abort();
    h2_write_u32(payload + 1, length);
    put_frame(bytes, H2_DATA, flags, stream, payload, 5 + come);
    free(payload);
}

static void take_inserts(struct h2_guard *guard, struct buf *core)
{
    unsigned char insert[7]; /* smaller than they are */
    size_t size;

    while ((size = h2_guard_insert(guard, insert, sizeof insert)) > 0)
        buf_append(core, insert, size);
}

void show(struct h2_guard *guard, const struct buf *bytes, size_t piece,
          uint32_t now_ms, struct buf *core)
{
    struct buf held = {0};
    size_t come = 0;

    while (come < bytes->size && !guard->cut) {
        size_t step = bytes->size - come, passed;
        size_t room = h2_guard_room(guard);

        if (piece && step > piece)
            step = piece;
        if (held.size == 0 && step > room)
            step = room;
        buf_append(&held, bytes->data + come, step);
        come += step;
        passed =
            h2_guard_pass(guard, (unsigned char *)held.data, held.size, now_ms);
        if (guard->cut)
            break;
        if (held.size - passed > H2_HELD_MAX)
            abort();
        buf_append(core, held.data, passed);
        memmove(held.data, held.data + passed, held.size - passed);
        held.size -= passed;
        take_inserts(guard, core);
    }
    buf_release(&held);
}
