/*
 * HTTP head: the grammar and the rules of a request's head.
 *
 * Bytes in, facts or an error of the catalogue out. The grammar is that of
 * RFC 9112 without its permissions to be lenient, so that what passes means
 * the same to every reader: one Content-Length at most and never beside
 * Transfer-Encoding, no folded lines, no bare CR or LF, no control bytes. The
 * rules: limits of size, whose Host and Origin may be named, how large a body
 * may be. Paths are left to route_rest(), which must understand them anyway.
 *
 * Threads: the caller serialises; rules are immutable.
 */
#ifndef DOOR_HTTP_HEAD_H
#define DOOR_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "error.h"

enum {
    HTTP_TARGET_MAX = 4096,        /* bytes of the request target; 414 */
    HTTP_FIELDS_MAX_BYTES = 16384, /* of the header block; 431 */
    HTTP_FIELDS_MAX = 100,         /* header fields; 431 */
    /* longest head that can pass, hence what a caller must be able to keep */
    HTTP_HEAD_MAX = HTTP_TARGET_MAX + HTTP_FIELDS_MAX_BYTES + 64
};

/* The largest body of a request; verb and target are not NUL-terminated. Sets
 * `endpoint` to what the refusal of this request must know, if anything. */
typedef size_t http_body_limit(void *context, const char *verb,
                               size_t verb_size, const char *target,
                               size_t target_size, const void **endpoint);

/* Writes the JSON body of a refused request whose endpoint is known. */
typedef void http_refusal(void *context, const void *endpoint,
                          enum err_code code, const char *reason,
                          struct buf *body);

/* Whether this endpoint, never NULL, takes bodies with a Content-Encoding. */
typedef bool http_takes_encoding(const void *endpoint);

struct http_rules {
    const char *const *hosts; /* NULL-ended, without ports */
    bool any_host;            /* every other host, too */
    /* Hosts whose pages may call from another origin; NULL-ended or NULL. */
    const char *const *origins;
    size_t small_body; /* bodies up to this size are allowed everywhere */
    http_body_limit *body_limit; /* asked about larger and chunked ones; NULL
                                    = small_body is the limit */
    http_takes_encoding *takes_encoding; /* NULL = none does */
    http_refusal *refusal; /* NULL: endpoints have no refusals of their own */
    void *context;         /* of both */
};

/* Part of a head, as an offset from the head's first byte. */
struct http_span {
    uint32_t at, size;
};

/* What the lines of a head have said so far; zeroed = a head begins. */
struct http_head {
    uint32_t scanned;   /* bytes already searched for a line end */
    uint32_t line;      /* where the unfinished line begins */
    uint32_t fields_at; /* where the header block begins; 0 = not yet */
    uint32_t fields;
    struct http_span verb, target, host, origin;
    bool minor_0; /* HTTP/1.0 */
    bool has_host, has_origin, has_type, has_encoding;
    bool has_length, has_chunked;
    uint64_t length;      /* of the body, with has_length */
    uint64_t body_limit;  /* what the rules allow; set by the last line */
    const void *endpoint; /* from body_limit(); NULL: not asked, or unknown */
    enum err_code code;   /* why it is refused; ERR_NONE = it is not */
    const char *reason;   /* static */
};

/*
 * Goes on looking at a head: `bytes` begin with its first byte, always. The
 * size of the head when it is complete and good; 0 when it is not complete or
 * refused (see `code`). A line is judged as soon as it ends, the whole head
 * when its last line does.
 */
size_t http_head_scan(struct http_head *head, const struct http_rules *rules,
                      const char *bytes, size_t size);

/* tchar of RFC 9110: letters, digits and !#$%&'*+-.^_`|~ */
bool http_is_token_char(unsigned char byte);

#endif
