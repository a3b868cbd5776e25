/*
 * HTTP client: one request at a time to one server; the only file of the
 * client that sees libcurl.
 *
 * Knows bytes and statuses, no messages. The connection is kept between
 * requests; proxies, redirects and other protocols than HTTP are not used.
 *
 * Threads: the caller serialises per client.
 */
#ifndef CLIENTS_C_HTTP_CLIENT_H
#define CLIENTS_C_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "client_tls.h"
#include "error.h"

struct http_client;

/* Of "host:port", see authority.h; longer answers than `answer_max` bytes are
 * not taken. `tls`, which must outlive the client: speaks https; NULL: http.
 * Connects with the first request. ERR_OUT_OF_MEMORY. */
struct http_client *http_client_open(const char *authority, size_t answer_max,
                                     const struct client_tls *tls,
                                     struct error *err);

/* Accepts NULL. */
void http_client_close(struct http_client *client);

struct http_request {
    const char *verb, *path; /* the path escaped, with its query */
    const char *body;        /* NULL = none */
    size_t body_size;        /* bytes; 0 = up to its NUL */
    /* NULL-ended "Name: value" lines ("Name:" keeps one out); NULL = the body
     * is JSON */
    const char *const *headers;
    uint32_t timeout_ms;
    bool once; /* never on a kept connection, whose loss libcurl would answer
                  by sending the request again on a new one */
};

/*
 * Sends and waits. `*status` is the answer's, whatever it is; its body is
 * *http_client_body() until the next request. ERR_TIMEOUT: no answer in time;
 * ERR_NOT_READY: no connection, or an answer that is not HTTP or too long.
 */
bool http_client_send(struct http_client *client,
                      const struct http_request *request, int *status,
                      struct error *err);

/* How the last request that failed was lost. */
enum http_loss {
    HTTP_NOT_SENT, /* no connection: no byte of it went out */
    HTTP_CUT,      /* the connection ended before the answer did */
    HTTP_LATE,     /* the time was up */
    HTTP_BROKEN    /* something came that is not HTTP, or too long */
};

enum http_loss http_client_loss(const struct http_client *client);

const struct buf *http_client_body(const struct http_client *client);

/* Shows every header of the answer, in order. */
typedef void http_header_taker(void *context, const char *name,
                               const char *value);
void http_client_each_header(struct http_client *client,
                             http_header_taker *take, void *context);

/* A header of the answer, or NULL; until the next request. */
const char *http_client_header(struct http_client *client, const char *name);

/* Seconds until a date of HTTP, 0 when it has passed; negative: it is none. */
double http_client_seconds_until(const char *date);

/* Appends `text` as one segment of a path or value of a query. */
void http_client_escape(struct buf *out, const char *text);

#endif
