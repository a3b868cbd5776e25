/*
 * HTTP head: a line is judged when it ends, the head when its last line does.
 *
 * take_*() note what a line says and refuse what no line may say; check_*()
 * judge the whole. All return false when the head is refused.
 */
#include "http_head.h"

#include <string.h>
#include <strings.h>

enum {
    VERB_MAX = 32,
    REQUEST_LINE_MAX = HTTP_TARGET_MAX + 48, /* verb, target, version, CRLF */
    LENGTH_DIGITS_MAX = 19                   /* always fits in 64 bits */
};

static bool refuse(struct http_head *head, enum err_code code,
                   const char *reason)
{
    head->code = code;
    head->reason = reason;
    return false;
}

bool http_is_token_char(unsigned char byte)
{
    static const uint64_t bits[4] = {0x03ff6cfa00000000, 0x57ffffffc7fffffe, 0,
                                     0};

    return (bits[byte >> 6] >> (byte & 63)) & 1;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_number(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!is_digit(text[i]))
            return false;
    return size > 0;
}

static size_t token_size(const char *text, size_t size)
{
    size_t i = 0;

    while (i < size && http_is_token_char((unsigned char)text[i]))
        i++;
    return i;
}

/* A tab, or visible, or outside ASCII: what a field value may hold. */
static bool is_field_text(const char *text, size_t size)
{
    bool good = true;

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];

        good &= (byte >= 0x20 && byte != 0x7f) || byte == '\t';
    }
    return good;
}

static bool same_text(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

/* ---- the request line ---- */

static bool take_verb(struct http_head *head, const char *verb, size_t size)
{
    static const char *const known[] = {"GET",    "POST",  "HEAD",   "PUT",
                                        "DELETE", "PATCH", "OPTIONS"};

    if (size == 0 || size > VERB_MAX)
        return refuse(head, ERR_BAD_REQUEST,
                      "the request line does not begin with a method");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (size == strlen(known[i]) && memcmp(verb, known[i], size) == 0)
            return true;
    return refuse(head, ERR_NOT_IMPLEMENTED,
                  "the server does not know this method");
}

static bool take_target(struct http_head *head, const char *target, size_t size)
{
    bool good = size > 0;

    if (size > HTTP_TARGET_MAX)
        return refuse(head, ERR_URI_TOO_LONG,
                      "the request target is longer than 4096 bytes");
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)target[i];

        good &= byte > 0x20 && byte < 0x7f && byte != '#';
    }
    if (!good)
        return refuse(head, ERR_BAD_REQUEST,
                      "the request target holds a byte that must be escaped");
    return true;
}

static bool take_version(struct http_head *head, const char *text, size_t size)
{
    if (size != 8 || memcmp(text, "HTTP/", 5) != 0 || !is_digit(text[5]) ||
        text[6] != '.' || !is_digit(text[7]))
        return refuse(head, ERR_BAD_REQUEST,
                      "the request line does not end in an HTTP version");
    if (text[5] != '1' || text[7] > '1')
        return refuse(head, ERR_VERSION_NOT_SUPPORTED,
                      "only HTTP/1.0 and HTTP/1.1 are spoken");
    head->minor_0 = text[7] == '0';
    return true;
}

static bool take_request_line(struct http_head *head, const char *bytes,
                              struct http_span line)
{
    const char *text = bytes + line.at;
    size_t verb = token_size(text, line.size);
    const char *target = text + verb + 1;
    const char *space;
    size_t size;

    if (verb == line.size || text[verb] != ' ')
        return refuse(head, ERR_BAD_REQUEST,
                      "the request line is not method, target and version");
    space = memchr(target, ' ', line.size - verb - 1);
    if (!space)
        return refuse(head, ERR_BAD_REQUEST,
                      "the request line is not method, target and version");
    size = (size_t)(space - target);
    if (!take_version(head, space + 1, line.size - verb - size - 2) ||
        !take_verb(head, text, verb) || !take_target(head, target, size))
        return false;
    head->verb = (struct http_span){line.at, (uint32_t)verb};
    head->target = (struct http_span){.at = (uint32_t)(target - bytes),
                                      .size = (uint32_t)size};
    return true;
}

/* ---- header fields ---- */

static bool take_once(struct http_head *head, bool *seen, const char *reason)
{
    if (*seen)
        return refuse(head, ERR_BAD_REQUEST, reason);
    *seen = true;
    return true;
}

static bool take_length(struct http_head *head, const char *text, size_t size)
{
    uint64_t length = 0;

    if (!take_once(head, &head->has_length, "more than one Content-Length"))
        return false;
    if (!is_number(text, size))
        return refuse(head, ERR_BAD_REQUEST, "Content-Length is not a number");
    for (size_t i = 0; i < size && size <= LENGTH_DIGITS_MAX; i++)
        length = length * 10 + (uint64_t)(text[i] - '0');
    /* more digits are more than any limit */
    head->length = size <= LENGTH_DIGITS_MAX ? length : UINT64_MAX;
    return true;
}

static bool take_transfer_encoding(struct http_head *head, const char *text,
                                   size_t size)
{
    if (!take_once(head, &head->has_chunked, "more than one Transfer-Encoding"))
        return false;
    if (!same_text(text, size, "chunked"))
        return refuse(head, ERR_NOT_IMPLEMENTED,
                      "the only Transfer-Encoding is chunked");
    return true;
}

/* The fields that decide where a request ends and who may send it. */
static bool take_known_field(struct http_head *head, const char *name,
                             size_t name_size, const char *value,
                             struct http_span at)
{
    if (same_text(name, name_size, "host")) {
        head->host = at;
        return take_once(head, &head->has_host, "more than one Host");
    }
    if (same_text(name, name_size, "origin")) {
        head->origin = at;
        return take_once(head, &head->has_origin, "more than one Origin");
    }
    if (same_text(name, name_size, "content-length"))
        return take_length(head, value, at.size);
    if (same_text(name, name_size, "transfer-encoding"))
        return take_transfer_encoding(head, value, at.size);
    if (same_text(name, name_size, "content-type"))
        return take_once(head, &head->has_type, "more than one Content-Type");
    if (same_text(name, name_size, "content-encoding"))
        head->has_encoding |= !same_text(value, at.size, "identity");
    return true;
}

static bool take_field(struct http_head *head, const char *bytes,
                       struct http_span line)
{
    const char *text = bytes + line.at;
    size_t name = token_size(text, line.size);
    size_t from = name + 1, to = line.size;

    if (name == 0 || name == line.size || text[name] != ':')
        return refuse(head, ERR_BAD_REQUEST,
                      "a header line is not a name, a colon and a value");
    if (!is_field_text(text + from, to - from))
        return refuse(head, ERR_BAD_REQUEST,
                      "a header value holds a control byte");
    if (++head->fields > HTTP_FIELDS_MAX)
        return refuse(head, ERR_HEADERS_TOO_LARGE,
                      "there are more than 100 header fields");
    while (from < to && (text[from] == ' ' || text[from] == '\t'))
        from++;
    while (from < to && (text[to - 1] == ' ' || text[to - 1] == '\t'))
        to--;
    return take_known_field(
        head, text, name, text + from,
        (struct http_span){line.at + (uint32_t)from, (uint32_t)(to - from)});
}

/* ---- the whole head ---- */

/* "localhost:5100" -> "localhost", "[::1]:80" -> "[::1]" */
static size_t host_size(const char *authority, size_t size)
{
    const char *end = size > 0 && authority[0] == '['
                          ? memchr(authority, ']', size)
                          : memchr(authority, ':', size);

    if (!end)
        return size;
    return (size_t)(end - authority) + (*end == ']');
}

static bool port_is_good(const char *port, size_t size)
{
    if (size == 0)
        return true;
    return port[0] == ':' && size <= 6 && is_number(port + 1, size - 1);
}

/* The authority without its port is one of the names. */
static bool is_listed(const char *const *names, const char *authority,
                      size_t size)
{
    size_t host = host_size(authority, size);

    if (!names || !port_is_good(authority + host, size - host))
        return false;
    for (; *names; names++)
        if (same_text(authority, host, *names))
            return true;
    return false;
}

static bool is_our_host(const struct http_rules *rules, const char *authority,
                        size_t size)
{
    return rules->any_host || is_listed(rules->hosts, authority, size);
}

/* What follows "http://" or "https://", up to the path; size 0 = no such. */
static struct http_span authority_of(const char *url, size_t size)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t from = strlen(schemes[i]), to = from;

        if (size <= from || strncasecmp(url, schemes[i], from) != 0)
            continue;
        while (to < size && url[to] != '/' && url[to] != '?')
            to++;
        return (struct http_span){(uint32_t)from, (uint32_t)(to - from)};
    }
    return (struct http_span){0, 0};
}

/* origin-form, "*" of OPTIONS, or absolute-form with a host of ours */
static bool check_target(struct http_head *head, const struct http_rules *rules,
                         const char *bytes)
{
    const char *target = bytes + head->target.at;
    size_t size = head->target.size;
    struct http_span authority;

    if (target[0] == '/')
        return true;
    if (size == 1 && target[0] == '*' && bytes[head->verb.at] == 'O')
        return true;
    authority = authority_of(target, size);
    if (authority.size == 0)
        return refuse(head, ERR_BAD_REQUEST,
                      "the request target does not begin with a slash");
    if (!is_our_host(rules, target + authority.at, authority.size))
        return refuse(head, ERR_MISDIRECTED_REQUEST,
                      "this server does not answer for that host");
    return true;
}

/* A page that was loaded from another host may have its name point at us
 * (DNS rebinding); then Host names that host. */
static bool check_host(struct http_head *head, const struct http_rules *rules,
                       const char *bytes)
{
    struct http_span host = head->host;

    if (!head->has_host) {
        if (head->minor_0)
            return true;
        return refuse(head, ERR_BAD_REQUEST, "there is no Host");
    }
    if (!is_our_host(rules, bytes + host.at, host.size))
        return refuse(head, ERR_MISDIRECTED_REQUEST,
                      "this server does not answer for that host");
    return true;
}

/* A browser names the page's origin: it must be this server or configured. */
static bool check_origin(struct http_head *head, const struct http_rules *rules,
                         const char *bytes)
{
    const char *origin = bytes + head->origin.at;
    struct http_span site;

    if (!head->has_origin)
        return true;
    site = authority_of(origin, head->origin.size);
    if (site.size > 0 && site.at + site.size == head->origin.size) {
        if (head->has_host && site.size == head->host.size &&
            strncasecmp(origin + site.at, bytes + head->host.at, site.size) ==
                0)
            return true;
        if (is_listed(rules->origins, origin + site.at, site.size))
            return true;
    }
    return refuse(head, ERR_FORBIDDEN_ORIGIN, "this Origin is not allowed");
}

/* Content-Length beside Transfer-Encoding is how requests are smuggled. */
static bool check_framing(struct http_head *head)
{
    if (head->has_chunked && head->minor_0)
        return refuse(head, ERR_BAD_REQUEST,
                      "HTTP/1.0 has no Transfer-Encoding");
    if (head->has_chunked && head->has_length)
        return refuse(head, ERR_BAD_REQUEST,
                      "both Content-Length and Transfer-Encoding");
    return true;
}

static bool check_body(struct http_head *head, const struct http_rules *rules,
                       const char *bytes)
{
    uint64_t limit = rules->small_body;

    if (rules->body_limit &&
        (head->has_chunked || head->has_encoding || head->length > limit))
        limit = rules->body_limit(rules->context, bytes + head->verb.at,
                                  head->verb.size, bytes + head->target.at,
                                  head->target.size, &head->endpoint);
    if (head->has_encoding && !(rules->takes_encoding && head->endpoint &&
                                rules->takes_encoding(head->endpoint)))
        return refuse(head, ERR_UNSUPPORTED_MEDIA_TYPE,
                      "Content-Encoding is not supported");
    if (head->length > limit)
        return refuse(head, ERR_PAYLOAD_TOO_LARGE,
                      "the body is larger than the limit");
    head->body_limit = limit;
    return true;
}

static bool check_head(struct http_head *head, const struct http_rules *rules,
                       const char *bytes)
{
    return check_framing(head) && check_host(head, rules, bytes) &&
           check_target(head, rules, bytes) &&
           check_origin(head, rules, bytes) && check_body(head, rules, bytes);
}

/* A line has ended; `line` is without CRLF. */
static bool take_line(struct http_head *head, const char *bytes,
                      struct http_span line)
{
    uint32_t next = line.at + line.size + 2;

    if (head->fields_at == 0) {
        /* one empty line before a request line is a known old habit */
        if (line.size == 0 && line.at == 0)
            return true;
        head->fields_at = next;
        return take_request_line(head, bytes, line);
    }
    if (next - head->fields_at > HTTP_FIELDS_MAX_BYTES)
        return refuse(head, ERR_HEADERS_TOO_LARGE,
                      "the header block is larger than 16384 bytes");
    return line.size == 0 || take_field(head, bytes, line);
}

/* The head is not complete: can it still become one? */
static void check_unfinished(struct http_head *head, size_t size)
{
    if (head->fields_at == 0 && size > REQUEST_LINE_MAX)
        (void)refuse(head, ERR_URI_TOO_LONG,
                     "the request line is longer than the limit");
    else if (head->fields_at > 0 &&
             size - head->fields_at > HTTP_FIELDS_MAX_BYTES)
        (void)refuse(head, ERR_HEADERS_TOO_LARGE,
                     "the header block is larger than 16384 bytes");
}

size_t http_head_scan(struct http_head *head, const struct http_rules *rules,
                      const char *bytes, size_t size)
{
    for (;;) {
        const char *lf =
            memchr(bytes + head->scanned, '\n', size - head->scanned);
        struct http_span line = {.at = head->line};
        uint32_t end;

        if (!lf) {
            head->scanned = (uint32_t)size;
            check_unfinished(head, size);
            return 0;
        }
        end = (uint32_t)(lf - bytes);
        if (end == line.at || bytes[end - 1] != '\r') {
            (void)refuse(head, ERR_BAD_REQUEST, "a line ends in a bare LF");
            return 0;
        }
        line.size = end - 1 - line.at;
        head->line = head->scanned = end + 1;
        if (!take_line(head, bytes, line))
            return 0;
        if (line.size == 0 && line.at > 0)
            return check_head(head, rules, bytes) ? end + 1 : 0;
    }
}
