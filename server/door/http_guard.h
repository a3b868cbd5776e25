/*
 * HTTP guard: which bytes of a connection the HTTP library may see.
 *
 * libmicrohttpd 0.9.75 accepts two Content-Lengths, Content-Length beside
 * Transfer-Encoding, folded headers, bare CR and LF, NUL, and more, and gives
 * its user no way to notice. The guard reads every byte before it: it follows
 * request after request (head, body by length or by chunks) with a stricter
 * grammar, so that what passes has one meaning only, and it stops at the
 * first byte that breaks a rule, with an error of the catalogue. No head is
 * passed before all of it was looked at.
 *
 * It does no I/O: bytes in, a number of bytes and perhaps an error out.
 *
 * Threads: the caller serialises; rules are immutable.
 */
#ifndef DOOR_HTTP_GUARD_H
#define DOOR_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_head.h"

enum {
    HTTP_CHUNKS_MAX = 65536,    /* per body; 413 */
    HTTP_CHUNK_EXTRA_MAX = 4096 /* extensions and trailer of a body; 400 */
};

enum http_state {
    HTTP_IN_HEAD,
    HTTP_IN_BODY,       /* by Content-Length */
    HTTP_IN_CHUNK_SIZE, /* the rest: a chunked body */
    HTTP_IN_CHUNK_EXTENSION,
    HTTP_IN_CHUNK_SIZE_LF,
    HTTP_IN_CHUNK_DATA,
    HTTP_IN_CHUNK_DATA_CR,
    HTTP_IN_CHUNK_DATA_LF,
    HTTP_IN_TRAILER,
    HTTP_IN_TRAILER_NAME,
    HTTP_IN_TRAILER_VALUE,
    HTTP_IN_TRAILER_LF,
    HTTP_IN_LAST_LF,
    HTTP_REFUSED
};

struct http_guard {
    const struct http_rules *rules;
    enum http_state state;
    struct http_head head;
    uint64_t left;        /* bytes of the body or chunk still to come */
    uint64_t body_passed; /* bytes of the body so far */
    uint64_t body_limit;  /* of chunked bodies, whose size is not told */
    const void *endpoint; /* of the last head; see http_head.h */
    uint32_t chunks, chunk_digits, chunk_extra;
    uint32_t requests;  /* whose head was passed */
    bool begun;         /* the refused request is one of them */
    enum err_code code; /* why it refused; ERR_NONE = it did not */
    const char *reason; /* static */
};

/* A guard at the start of a connection; `rules` must outlive it. */
void http_guard_init(struct http_guard *guard, const struct http_rules *rules);

/*
 * Looks at the next bytes and returns how many of them may be passed on.
 * Bytes beyond that are the beginning of a head: the caller keeps them
 * (at most HTTP_HEAD_MAX) and brings them again, followed by more.
 *
 * When a rule is broken, `code` and `reason` are set and the returned bytes
 * end before the request that broke it (0 if some of it was passed earlier);
 * everything after them must be dropped. From then on it passes nothing.
 */
size_t http_guard_pass(struct http_guard *guard, const char *bytes,
                       size_t size);

/* A body is on its way: some of its request was passed, some is to come. */
bool http_guard_in_body(const struct http_guard *guard);

#endif
