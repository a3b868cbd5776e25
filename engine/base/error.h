/*
 * The one error type of the project: a code of the contract and a sentence.
 *
 * Codes come from api/errors.yaml through gen/c/errors.def, which also binds
 * each to its HTTP and gRPC status; no other hand-written file knows a status
 * number. What can fail returns bool (or a pointer, NULL on failure), takes
 * `struct error *err` last, never NULL, and leaves its outputs untouched.
 *
 * Threads: a struct error belongs to its caller; the tables are immutable.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

enum err_code {
    ERR_NONE = 0,
#define ERR(name, http, grpc, retry, doc) ERR_##name,
#include "errors.def"
#undef ERR
    ERR_CODE_COUNT
};

/* May the caller send the same request again, and when? */
enum err_retry {
    RETRY_NEVER,
    RETRY_LATER,    /* after Retry-After */
    RETRY_ELSEWHERE /* now, at another instance */
};

struct error {
    enum err_code code;
    char msg[240];
};

/* One row of the catalogue. */
struct err_info {
    const char *name; /* "MODEL_INVALID", as clients see it */
    int http;         /* HTTP status */
    int grpc;         /* gRPC status number */
    enum err_retry retry;
    const char *doc;
};

/*
 * Fills `err` with `code` and the formatted sentence (cut at its end if it is
 * longer than the buffer, and always UTF-8) and returns false, so that a
 * failing function ends in `return fail(...)`. The sentence names the thing and
 * the limit; it holds no path, address or secret when it can reach a client.
 */
bool fail(struct error *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Empties `err`: code ERR_NONE, no text. */
void error_clear(struct error *err);

/* The catalogue's row of `code`; never NULL, unknown codes give INTERNAL. */
const struct err_info *err_info(enum err_code code);

/* The code of this name, or ERR_NONE if the catalogue has no such name. */
enum err_code err_code_by_name(const char *name);

#endif
