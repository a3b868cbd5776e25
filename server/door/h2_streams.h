/*
 * The open streams of one HTTP/2 connection, as the guard knows them.
 *
 * A hash of few entries: streams are numbered 1, 3, 5 ..., so half the number,
 * cut to the table's size, hardly ever collides. Memory grows with the streams
 * that are open at once; a connection without any has none.
 *
 * Threads: the caller serialises.
 */
#ifndef DOOR_H2_STREAMS_H
#define DOOR_H2_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h2_stream {
    uint32_t id;           /* 0: no stream */
    uint32_t message_left; /* bytes of the message that is coming in */
    uint32_t length;       /* what its prefix says, as far as it has come */
    uint8_t prefix;        /* bytes of the prefix that have come */
    bool opaque;           /* what comes in are no plain messages */
    bool refused;          /* gRPC Core shall see nothing more of it */
    bool half_closed;      /* the client has said all it had to say */
    bool head_sent;        /* an answer has begun */
};

struct h2_streams {
    struct h2_stream *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

void h2_streams_release(struct h2_streams *streams);

/* The open stream, or NULL; valid until the next open or close. */
struct h2_stream *h2_streams_find(const struct h2_streams *streams,
                                  uint32_t id);

/* Adds a stream that is not there; NULL when memory is out. */
struct h2_stream *h2_streams_open(struct h2_streams *streams, uint32_t id);

/* Forgets a stream, if it is there. */
void h2_streams_close(struct h2_streams *streams, uint32_t id);

#endif
