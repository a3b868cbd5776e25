/*
 * H2 answer: what clients get for streams that the guard refused.
 *
 * The guard makes gRPC Core acknowledge a SETTINGS frame that no client has
 * sent (see h2_guard.h). This side reads along what gRPC Core writes, finds
 * that acknowledgement, and the answer takes its place:
 *
 *   another content type      HEADERS :status 415
 *   a message over the limit  HEADERS grpc-status RESOURCE_EXHAUSTED; only
 *                             trailers when an answer has begun
 *   too many streams          RST_STREAM REFUSED_STREAM
 *
 * When the call is then let go, gRPC Core 1.51 may say once more that it was
 * cancelled, on a stream that is closed for the client: that is left out.
 *
 * This side also tells the guard which streams gRPC Core has ended.
 *
 * Threads: the caller serialises.
 */
#ifndef DOOR_H2_ANSWER_H
#define DOOR_H2_ANSWER_H

#include <sys/uio.h>

#include "buf.h"
#include "error.h"
#include "h2_guard.h"

/* Size of the frame whose place an answer takes. */
enum { H2_OUT_SKIPPED = 9 };

/* Where in the frames that gRPC Core writes the next byte is. A copy taken
 * before h2_out_scan() brings the position back. */
struct h2_out {
    unsigned char head[9];
    uint8_t head_size; /* bytes of a head that have gone */
    uint32_t left;     /* bytes of the frame behind it */
    uint32_t acks;     /* of SETTINGS */
    uint32_t drop;     /* bytes that come next and are not to be sent */
};

/*
 * Goes over the first `limit` bytes that gRPC Core wants to write and returns
 * how many of them may be written as they are. 0: what comes next is left out
 * (`drop` says how much), or else is where an answer belongs. Fewer than there
 * are: one of these may follow.
 */
size_t h2_out_scan(struct h2_out *out, struct h2_guard *guard,
                   const struct iovec *parts, size_t count, size_t limit);

/* Appends the answer whose place h2_out_scan() stopped before, forgets the
 * stream, and tells why it was refused. Nothing is appended when the client has
 * given the stream up. */
const struct err_info *h2_answer_write(struct h2_guard *guard, struct buf *out);

/* The answer has gone, and that frame need not. */
void h2_out_skip(struct h2_out *out);

/* Leaves out what is to be dropped of the `size` bytes that gRPC Core wants to
 * write; returns how many. */
size_t h2_out_drop(struct h2_out *out, size_t size);

#endif
