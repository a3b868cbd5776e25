/*
 * The outer form of HTTP/2 frames (RFC 9113, section 4.1): nine bytes of head,
 * then a payload.
 *
 * Threads: any; nothing is kept.
 */
#ifndef DOOR_H2_FRAME_H
#define DOOR_H2_FRAME_H

#include <stdint.h>

enum {
    H2_HEAD = 9,
    H2_PREFACE = 24,
    H2_RST_SIZE = 4,
    H2_WINDOW_SIZE = 4,
    H2_SETTING_SIZE = 6
};

enum h2_type {
    H2_DATA = 0,
    H2_HEADERS = 1,
    H2_PRIORITY = 2,
    H2_RST_STREAM = 3,
    H2_SETTINGS = 4,
    H2_PING = 6,
    H2_WINDOW_UPDATE = 8,
    H2_CONTINUATION = 9,
    H2_NOTHING = 0xff /* no such type: every receiver skips it */
};

enum h2_flag {
    H2_END_STREAM = 0x01,
    H2_ACK = 0x01, /* of SETTINGS and PING */
    H2_END_HEADERS = 0x04,
    H2_PADDED = 0x08,
    H2_HAS_PRIORITY = 0x20
};

/* Reasons in RST_STREAM (RFC 9113, section 7). */
enum h2_reason { H2_NO_ERROR = 0, H2_REFUSED_STREAM = 7, H2_CANCEL = 8 };

struct h2_head {
    uint32_t size; /* of the payload */
    uint8_t type, flags;
    uint32_t stream;
};

static inline uint32_t h2_read_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void h2_write_u32(unsigned char *bytes, uint32_t value)
{
    bytes[0] = (unsigned char)(value >> 24);
    bytes[1] = (unsigned char)(value >> 16);
    bytes[2] = (unsigned char)(value >> 8);
    bytes[3] = (unsigned char)value;
}

static inline struct h2_head h2_head_read(const unsigned char *bytes)
{
    return (struct h2_head){.size = h2_read_u32(bytes) >> 8,
                            .type = bytes[3],
                            .flags = bytes[4],
                            .stream = h2_read_u32(bytes + 5) & 0x7fffffff};
}

static inline void h2_head_write(unsigned char *bytes, struct h2_head head)
{
    h2_write_u32(bytes, head.size << 8 | head.type);
    bytes[4] = head.flags;
    h2_write_u32(bytes + 5, head.stream);
}

#endif
