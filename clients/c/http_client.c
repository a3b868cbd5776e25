/*
 * HTTP client: see http_client.h.
 */
#include "http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "authority.h"

enum { URL_SIZE = 4352 }; /* the longest target that our servers take */

struct http_client {
    CURL *curl;
    struct curl_slist *headers;    /* of a request that names none */
    struct curl_slist *own;        /* of the request in hand */
    char base[AUTHORITY_SIZE + 9]; /* "https://host:port" */
    char why[CURL_ERROR_SIZE];     /* of the last failure */
    const struct client_tls *tls;  /* NULL: http */
    enum http_loss loss;
    struct buf answer;
    size_t answer_max;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_NOTHING);
}

struct http_client *http_client_open(const char *authority, size_t answer_max,
                                     const struct client_tls *tls,
                                     struct error *err)
{
    struct http_client *client = calloc(1, sizeof *client);

    (void)pthread_once(&curl_once, init_curl);
    if (client) {
        client->answer_max = answer_max;
        client->tls = tls;
        (void)snprintf(client->base, sizeof client->base, "http%s://%s",
                       tls ? "s" : "", authority);
        client->curl = curl_easy_init();
        client->headers =
            curl_slist_append(NULL, "Content-Type: application/json");
    }
    if (client && client->curl && client->headers)
        return client;
    (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for an HTTP client");
    http_client_close(client);
    return NULL;
}

void http_client_close(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    curl_slist_free_all(client->own);
    buf_release(&client->answer);
    free(client);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct http_client *client = context;
    struct buf *answer = &client->answer;

    if (size * count > client->answer_max - answer->size)
        return 0; /* ends the transfer with an error */
    buf_append(answer, bytes, size * count);
    return buf_ok(answer) ? size * count : 0;
}

/* Takes over the request's own headers, if it has any; false: no memory. */
static bool take_headers(struct http_client *client,
                         const struct http_request *request)
{
    curl_slist_free_all(client->own);
    client->own = NULL;
    for (const char *const *line = request->headers; line && *line; line++) {
        struct curl_slist *longer = curl_slist_append(client->own, *line);

        if (!longer)
            return false;
        client->own = longer;
    }
    return true;
}

static void trust(CURL *curl, const struct client_tls *tls)
{
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION,
                           (long)CURL_SSLVERSION_TLSv1_2);
    if (tls->ca) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, tls->ca);
        (void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    if (tls->certificate)
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT, tls->certificate);
    if (tls->key)
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY, tls->key);
}

static void prepare(struct http_client *client,
                    const struct http_request *request, const char *url)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl); /* keeps the connection */
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->verb);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER,
                           request->headers ? client->own : client->headers);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* not even http_proxy */
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
                           client->tls ? "https" : "http");
    if (client->tls)
        trust(curl, client->tls);
    if (request->once)
        (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    client->why[0] = '\0';
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    if (strcmp(request->verb, "HEAD") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (request->body && request->body_size)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t)request->body_size);
    if (request->body)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
}

/* Was anything of the request sent? libcurl's times are 0 until then. */
static bool was_sent(CURL *curl)
{
    curl_off_t ready_us = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return ready_us > 0;
}

/* What libcurl says about a request that got no answer. */
static enum http_loss loss_of(const struct http_client *client, CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return HTTP_LATE;
    if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_WRITE_ERROR ||
        code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_OUT_OF_MEMORY ||
        code == CURLE_BAD_CONTENT_ENCODING ||
        (code == CURLE_RECV_ERROR && strstr(client->why, "chunk")))
        return HTTP_BROKEN; /* a head too long is "out of memory" */
    return was_sent(client->curl) ? HTTP_CUT : HTTP_NOT_SENT;
}

bool http_client_send(struct http_client *client,
                      const struct http_request *request, int *status,
                      struct error *err)
{
    char url[URL_SIZE];
    long answered = 0;
    CURLcode code;

    if (snprintf(url, sizeof url, "%s%s", client->base, request->path) >=
        (int)sizeof url)
        return fail(err, ERR_URI_TOO_LONG, "the URL has more than %d bytes",
                    URL_SIZE - 1);
    if (!take_headers(client, request))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for headers");
    buf_clear(&client->answer);
    prepare(client, request, url);
    code = curl_easy_perform(client->curl);
    (void)curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK) {
        client->loss = loss_of(client, code);
        return fail(
            err, client->loss == HTTP_LATE ? ERR_TIMEOUT : ERR_NOT_READY, "%s",
            client->why[0] ? client->why : curl_easy_strerror(code));
    }
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answered);
    *status = (int)answered;
    return true;
}

enum http_loss http_client_loss(const struct http_client *client)
{
    return client->loss;
}

void http_client_each_header(struct http_client *client,
                             http_header_taker *take, void *context)
{
    struct curl_header *header = NULL;

    while (
        (header = curl_easy_nextheader(client->curl, CURLH_HEADER, -1, header)))
        take(context, header->name, header->value);
}

const struct buf *http_client_body(const struct http_client *client)
{
    return &client->answer;
}

const char *http_client_header(struct http_client *client, const char *name)
{
    struct curl_header *header;

    if (curl_easy_header(client->curl, name, 0, CURLH_HEADER, -1, &header) !=
        CURLHE_OK)
        return NULL;
    return header->value;
}

void http_client_escape(struct buf *out, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);

    if (escaped)
        buf_string(out, escaped);
    else
        out->failed = true;
    curl_free(escaped);
}

double http_client_seconds_until(const char *date)
{
    time_t at = curl_getdate(date, NULL);
    double left;

    if (at == (time_t)-1)
        return -1;
    left = difftime(at, time(NULL));
    return left > 0 ? left : 0;
}
