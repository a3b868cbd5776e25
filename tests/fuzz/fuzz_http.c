/*
 * Fuzzes the guard in front of the HTTP library.
 *
 * Bytes from 0xc0 on stand for fragments of requests, the others for
 * themselves, so that the fuzzer gets past the request line. Beside crashes,
 * what must not depend on how the bytes were cut is compared: the verdict, and
 * of good input every byte; a refused request must not pass in one piece.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const fragments[] = {
    "GET / HTTP/1.1\r\n",
    "POST /p HTTP/1.1\r\n",
    "Host: localhost\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Origin: http://localhost\r\n",
    "Content-Encoding: gzip\r\n",
    "\r\n",
    "\r\n\r\n",
    "3\r\nabc\r\n",
    "0\r\n\r\n",
    "0;x=y\r\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.0\r\n",
};

enum {
    FRAGMENTS = sizeof fragments / sizeof *fragments,
    MOST = 65536,
    LONGEST = 80 /* fragment */
};

static const char *const hosts[] = {"localhost", NULL};
static const struct http_rules rules = {.hosts = hosts, .small_body = 64};

struct verdict {
    struct http_guard guard;
    size_t passed;
};

/* Pushes all bytes in pieces whose sizes follow from `seed`; 0 = one piece. */
static struct verdict judge(const char *bytes, size_t size, uint32_t seed)
{
    struct verdict verdict = {0};
    size_t come = 0; /* bytes that have arrived; from `passed` on are held */

    http_guard_init(&verdict.guard, &rules);
    while (come < size && verdict.guard.code == ERR_NONE) {
        size_t step = size, passed;

        if (seed) {
            seed = seed * 1664525 + 1013904223;
            step = 1 + (seed >> 24) % 61;
        }
        come = size - come < step ? size : come + step;
        passed = http_guard_pass(&verdict.guard, bytes + verdict.passed,
                                 come - verdict.passed);
        if (passed > come - verdict.passed)
            abort();
        verdict.passed += passed;
    }
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[MOST + LONGEST];
    struct verdict whole, cut;
    size_t used = 0;

    for (size_t i = 0; i < size && used < MOST; i++) {
        if (data[i] < 0xc0) {
            bytes[used++] = (char)data[i];
        } else {
            const char *fragment = fragments[(data[i] - 0xc0) % FRAGMENTS];

            memcpy(bytes + used, fragment, strlen(fragment));
            used += strlen(fragment);
        }
    }
    whole = judge(bytes, used, 0);
    cut = judge(bytes, used, size ? 1U + data[0] : 1);
    if (whole.guard.code != cut.guard.code)
        abort();
    if (whole.guard.code == ERR_NONE && whole.passed != cut.passed)
        abort();
    if (whole.guard.begun || cut.passed < whole.passed)
        abort();
    if (cut.guard.requests != whole.guard.requests + cut.guard.begun)
        abort();
    return 0;
}
