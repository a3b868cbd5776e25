/*
 * Fetch: one request by libcurl, which only this file sees.
 */
#include "fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 1 << 20, TIMEOUT_S = 10 };

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;

    if (size * count > BODY_MAX - body->size)
        return 0; /* ends the transfer with an error */
    buf_append(body, bytes, size * count);
    return buf_ok(body) ? size * count : 0;
}

static bool set_up(CURL *curl, const char *url, struct buf *body)
{
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, body) == CURLE_OK;
}

static bool check_status(CURL *curl, const char *url, bool *is_json,
                         struct error *err)
{
    const char *type = NULL;
    long status = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    *is_json = type && strncmp(type, "application/json", 16) == 0;
    return status == 200 ||
           fail(err, ERR_INVALID_INPUT, "'%s' is answered with status %ld", url,
                status);
}

bool cg_fetch(const char *url, struct buf *body, bool *is_json,
              struct error *err)
{
    CURL *curl = curl_easy_init();
    CURLcode code;
    bool ok;

    if (!curl || !set_up(curl, url, body)) {
        curl_easy_cleanup(curl);
        return fail(err, ERR_OUT_OF_MEMORY, "no HTTP client");
    }
    code = curl_easy_perform(curl);
    ok = code == CURLE_OK
             ? check_status(curl, url, is_json, err)
             : fail(err, ERR_INVALID_INPUT, "'%s' gives no answer: %s", url,
                    curl_easy_strerror(code));
    curl_easy_cleanup(curl);
    return ok;
}
