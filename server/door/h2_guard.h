/*
 * H2 guard: what of a client's HTTP/2 bytes gRPC Core may see.
 *
 * gRPC Core 1.51 does not look at the content type, collects a message of any
 * length before it compares the length with its limit, and takes header blocks
 * and resets without end. The guard looks first, frame by frame:
 *
 *   bytes --> h2_guard_pass() --> the same bytes; where something is refused,
 *                                 the numbers of streams in them are changed
 *             h2_guard_insert()   frames to be put between them
 *
 * How a stream is refused. Its frames get the number of a stream that gRPC Core
 * ignores (an even one), so that the header compression and the flow control of
 * the connection stay in step, but no call begins and no message is collected.
 * Then RST_STREAM, for a call that has begun, and an empty SETTINGS are put
 * in. gRPC Core acknowledges SETTINGS in their order, behind everything it has
 * to say about the stream: that acknowledgement is where the answer goes, see
 * h2_answer.h.
 *
 * What no stream is to blame for, or too much of it, sets `cut`: the connection
 * has to be closed.
 *
 * Threads: the caller serialises.
 */
#ifndef DOOR_H2_GUARD_H
#define DOOR_H2_GUARD_H

#include "h2_streams.h"

enum {
    H2_BLOCK_MAX = 8192,  /* header block as it is sent ... */
    H2_LIST_MAX = 16384,  /* ... and as it is meant, 32 more for each field */
    H2_CONTINUATIONS = 8, /* frames of a block besides the first */
    H2_ANSWERS_MAX = 256, /* refused and not yet answered */
    H2_DONE_MAX = 128,    /* answered, and gRPC Core may not know it yet */
    H2_HELD_MAX = H2_BLOCK_MAX + (1 + H2_CONTINUATIONS) * 9,
    H2_INSERT_SIZE = 9 + 4 + 9 /* RST_STREAM, SETTINGS */
};

struct h2_rules {
    size_t max_message; /* bytes */
    size_t max_streams; /* open at once */
};

enum h2_verdict {
    H2_NOT_GRPC,  /* another content type, or none */
    H2_TOO_LARGE, /* a message over the limit */
    H2_TOO_MANY   /* streams */
};

/* A refused stream that waits for its answer. */
struct h2_answer {
    uint32_t stream;
    enum h2_verdict verdict;
    uint32_t settings;   /* the acknowledgement that it takes the place of */
    uint32_t table_size; /* of the client's decoder; see h2_answer_write() */
};

/* Frames of one kind: so many at once, so many per second. */
struct h2_budget {
    uint32_t spent, since_ms;
};

struct h2_guard {
    struct h2_rules rules;
    struct nghttp2_hd_inflater *inflater;
    struct h2_streams streams;
    const char *cut;      /* why the connection has to end; NULL: it has not */
    uint32_t left;        /* bytes of a frame that are still to come */
    uint32_t data_stream; /* whose message they are; 0: nobody's */
    uint32_t last_stream; /* highest number a request had */
    uint32_t settings;    /* frames that gRPC Core will acknowledge */
    uint32_t table_size;  /* the client's SETTINGS_HEADER_TABLE_SIZE ... */
    bool table_small;     /* ... which has been below the standard's 4096 */
    int64_t window;       /* bytes of DATA that the client still takes */
    struct h2_budget resets, control;
    struct h2_answer *answers; /* H2_ANSWERS_MAX; NULL until one is needed */
    size_t answer_count, inserted_count;
    uint32_t *done; /* H2_DONE_MAX streams, in turn; NULL until one is needed */
    size_t done_next;
    unsigned char insert[H2_INSERT_SIZE];
    size_t insert_left;
};

/* Begins with the client's preface; false when memory is out. */
bool h2_guard_init(struct h2_guard *guard, const struct h2_rules *rules);

/* Accepts a zeroed guard. */
void h2_guard_release(struct h2_guard *guard);

/*
 * Judges bytes that came, changes them where something is refused, and returns
 * how many gRPC Core may have. The rest, at most H2_HELD_MAX bytes, is the
 * beginning of something that can only be judged as a whole: it has to be shown
 * again with more behind it. After `cut` is set the result means nothing.
 */
size_t h2_guard_pass(struct h2_guard *guard, unsigned char *bytes, size_t size,
                     uint32_t now_ms);

/* How many bytes may be read before frames can be put in, which is between two
 * others; SIZE_MAX when none wait. */
size_t h2_guard_room(const struct h2_guard *guard);

/*
 * Writes what gRPC Core shall read next, before anything that was passed later;
 * returns how many bytes, 0 when there is nothing to be put in here.
 */
size_t h2_guard_insert(struct h2_guard *guard, unsigned char *bytes,
                       size_t room);

#endif
