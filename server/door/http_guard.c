/*
 * HTTP guard: heads go to http_head.c, bodies by length are counted, chunked
 * ones are followed byte by byte except for their data.
 */
#include "http_guard.h"

#include "num.h"

enum { CHUNK_DIGITS_MAX = 16 };

void http_guard_init(struct http_guard *guard, const struct http_rules *rules)
{
    *guard = (struct http_guard){.rules = rules};
}

bool http_guard_in_body(const struct http_guard *guard)
{
    return guard->state != HTTP_IN_HEAD && guard->state != HTTP_REFUSED;
}

static bool refuse(struct http_guard *guard, enum err_code code,
                   const char *reason)
{
    guard->state = HTTP_REFUSED;
    guard->code = code;
    guard->reason = reason;
    return false;
}

/* A head has passed: what follows is its body, or the next head. */
static void begin_body(struct http_guard *guard)
{
    guard->body_limit = guard->head.body_limit;
    guard->endpoint = guard->head.endpoint;
    guard->body_passed = 0;
    guard->left = guard->head.length;
    guard->chunks = guard->chunk_digits = guard->chunk_extra = 0;
    if (guard->head.has_chunked)
        guard->state = HTTP_IN_CHUNK_SIZE;
    else if (guard->left > 0)
        guard->state = HTTP_IN_BODY;
    guard->head = (struct http_head){0};
}

/* The size of the head at `bytes`; 0 when it is not complete, or refused. */
static size_t pass_head(struct http_guard *guard, const char *bytes,
                        size_t size)
{
    struct http_head *head = &guard->head;
    size_t end = http_head_scan(head, guard->rules, bytes, size);

    if (head->code != ERR_NONE) {
        guard->endpoint = head->endpoint;
        (void)refuse(guard, head->code, head->reason);
    } else if (end > 0) {
        begin_body(guard);
    }
    return end;
}

/* ---- bodies ---- */

/* Skips over as much of the body or chunk as is here. */
static size_t scan_data(struct http_guard *guard, size_t size)
{
    size_t step = guard->left < size ? (size_t)guard->left : size;

    guard->left -= step;
    guard->body_passed += step;
    if (guard->left > 0)
        return step;
    if (guard->state == HTTP_IN_BODY)
        guard->state = HTTP_IN_HEAD;
    else
        guard->state = HTTP_IN_CHUNK_DATA_CR;
    return step;
}

static void take_chunk_digit(struct http_guard *guard, int digit)
{
    if (++guard->chunk_digits > CHUNK_DIGITS_MAX)
        (void)refuse(guard, ERR_BAD_REQUEST, "a chunk size is too long");
    else
        guard->left = guard->left << 4 | (uint64_t)digit;
}

/* A byte of the chunk-size line. */
static void take_size_byte(struct http_guard *guard, unsigned char byte)
{
    int digit = num_hex_digit((char)byte);

    if (guard->state == HTTP_IN_CHUNK_SIZE && digit >= 0)
        take_chunk_digit(guard, digit);
    else if (guard->chunk_digits > 0 && byte == '\r')
        guard->state = HTTP_IN_CHUNK_SIZE_LF;
    else if (guard->chunk_digits > 0 && byte == ';')
        guard->state = HTTP_IN_CHUNK_EXTENSION;
    else if (guard->state != HTTP_IN_CHUNK_EXTENSION ||
             (byte < 0x20 && byte != '\t') || byte == 0x7f)
        (void)refuse(guard, ERR_BAD_REQUEST, "a chunk size is malformed");
}

/* The size line has ended: data, or after the last chunk the trailer. */
static void begin_chunk(struct http_guard *guard)
{
    guard->chunk_digits = 0;
    if (guard->left == 0)
        guard->state = HTTP_IN_TRAILER;
    else if (++guard->chunks > HTTP_CHUNKS_MAX)
        (void)refuse(guard, ERR_PAYLOAD_TOO_LARGE,
                     "the body has more than 65536 chunks");
    else if (guard->left > guard->body_limit - guard->body_passed)
        (void)refuse(guard, ERR_PAYLOAD_TOO_LARGE,
                     "the body is larger than the limit");
    else
        guard->state = HTTP_IN_CHUNK_DATA;
}

/* A byte of the trailer, whose fields nobody reads: grammar only. */
static void take_trailer_byte(struct http_guard *guard, unsigned char byte)
{
    if (guard->state == HTTP_IN_TRAILER && byte == '\r')
        guard->state = HTTP_IN_LAST_LF;
    else if (guard->state != HTTP_IN_TRAILER_VALUE && http_is_token_char(byte))
        guard->state = HTTP_IN_TRAILER_NAME;
    else if (guard->state == HTTP_IN_TRAILER_NAME && byte == ':')
        guard->state = HTTP_IN_TRAILER_VALUE;
    else if (guard->state == HTTP_IN_TRAILER_VALUE && byte == '\r')
        guard->state = HTTP_IN_TRAILER_LF;
    else if (guard->state != HTTP_IN_TRAILER_VALUE ||
             (byte < 0x20 && byte != '\t') || byte == 0x7f)
        (void)refuse(guard, ERR_BAD_REQUEST, "a trailer line is malformed");
}

/* The one byte that may come here, and what follows it. */
static bool take_exactly(struct http_guard *guard, unsigned char byte,
                         unsigned char wanted, enum http_state next)
{
    if (byte != wanted)
        return refuse(guard, ERR_BAD_REQUEST,
                      "a line of a chunked body does not end in CRLF");
    guard->state = next;
    return true;
}

static bool count_extra(struct http_guard *guard)
{
    if (++guard->chunk_extra <= HTTP_CHUNK_EXTRA_MAX)
        return true;
    return refuse(guard, ERR_BAD_REQUEST,
                  "chunk extensions or trailer are too long");
}

/* One byte of a chunked body that is not data. */
static void take_chunk_byte(struct http_guard *guard, unsigned char byte)
{
    switch (guard->state) {
    case HTTP_IN_CHUNK_EXTENSION:
        if (count_extra(guard))
            take_size_byte(guard, byte);
        break;
    case HTTP_IN_CHUNK_SIZE:
        take_size_byte(guard, byte);
        break;
    case HTTP_IN_CHUNK_SIZE_LF:
        if (take_exactly(guard, byte, '\n', HTTP_IN_CHUNK_DATA))
            begin_chunk(guard);
        break;
    case HTTP_IN_CHUNK_DATA_CR:
        (void)take_exactly(guard, byte, '\r', HTTP_IN_CHUNK_DATA_LF);
        break;
    case HTTP_IN_CHUNK_DATA_LF:
        (void)take_exactly(guard, byte, '\n', HTTP_IN_CHUNK_SIZE);
        break;
    case HTTP_IN_TRAILER:
    case HTTP_IN_TRAILER_NAME:
    case HTTP_IN_TRAILER_VALUE:
        if (count_extra(guard))
            take_trailer_byte(guard, byte);
        break;
    case HTTP_IN_TRAILER_LF:
        (void)take_exactly(guard, byte, '\n', HTTP_IN_TRAILER);
        break;
    case HTTP_IN_LAST_LF:
        (void)take_exactly(guard, byte, '\n', HTTP_IN_HEAD);
        break;
    case HTTP_IN_HEAD:
    case HTTP_IN_BODY:
    case HTTP_IN_CHUNK_DATA:
    case HTTP_REFUSED:
        break;
    }
}

size_t http_guard_pass(struct http_guard *guard, const char *bytes, size_t size)
{
    size_t at = 0;      /* everything before was looked at and is good */
    size_t request = 0; /* where the present request begins; 0 = before */
    bool here = false;  /* its head is among these bytes */
    bool begun = guard->state != HTTP_IN_HEAD; /* it was before */

    while (at < size && guard->state != HTTP_REFUSED) {
        if (guard->state == HTTP_IN_HEAD) {
            size_t head = pass_head(guard, bytes + at, size - at);

            request = at;
            here = head > 0;
            begun = false;
            if (head == 0)
                break;
            at += head;
            guard->requests++;
        } else if (guard->state == HTTP_IN_BODY ||
                   guard->state == HTTP_IN_CHUNK_DATA) {
            at += scan_data(guard, size - at);
        } else {
            take_chunk_byte(guard, (unsigned char)bytes[at]);
            at++;
        }
    }
    if (guard->state != HTTP_REFUSED)
        return at;
    guard->requests -= here;
    guard->begun = begun;
    return request;
}
