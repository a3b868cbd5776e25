/*
 * json_scan: the grammar of RFC 8259 over a byte range.
 */
#include "json_scan.h"

#include <stdint.h>
#include <string.h>

#include "num.h"
#include "utf8.h"

void json_scan_init(struct json_scan *scan, const char *text, size_t size,
                    struct arena *arena)
{
    if (!text) /* an empty body is no bytes at all: NULL + 0 is undefined */
        text = "";
    *scan = (struct json_scan){
        .start = text, .at = text, .end = text + size, .arena = arena};
}

bool json_scan_fail(const struct json_scan *scan, struct error *err,
                    const char *what)
{
    return fail(err, ERR_MALFORMED_JSON, "%s at byte %zu", what,
                (size_t)(scan->at - scan->start));
}

char json_scan_peek(struct json_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' ||
                                    *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
    if (scan->at == scan->end)
        return '\0';
    return *scan->at;
}

bool json_scan_accept(struct json_scan *scan, char byte)
{
    if (json_scan_peek(scan) != byte)
        return false;
    scan->at++;
    return true;
}

bool json_scan_expect(struct json_scan *scan, char byte, struct error *err)
{
    char what[] = "expected '?'";

    if (scan->at < scan->end && json_scan_accept(scan, byte))
        return true;
    what[sizeof "expected '" - 1] = byte;
    return json_scan_fail(scan, err, what);
}

/* Moves to the first byte that is not plain: a quote, a backslash, a fault. */
static bool skip_plain(struct json_scan *scan, struct error *err)
{
    while (scan->at < scan->end) {
        unsigned char byte = (unsigned char)*scan->at;
        size_t length = 1;

        if (byte == '"' || byte == '\\')
            return true;
        if (byte < 0x20)
            return json_scan_fail(scan, err, "control byte in a string");
        if (byte >= 0x80)
            length = utf8_length(scan->at, (size_t)(scan->end - scan->at));
        if (length == 0)
            return json_scan_fail(scan, err, "invalid UTF-8");
        scan->at += length;
    }
    return json_scan_fail(scan, err, "unterminated string");
}

/* Four hex digits after "\u". */
static bool hex_unit(struct json_scan *scan, uint32_t *unit, struct error *err)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int value = scan->at < scan->end ? num_hex_digit(*scan->at) : -1;

        if (value < 0)
            return json_scan_fail(scan, err, "bad \\u escape");
        *unit = *unit * 16 + (uint32_t)value;
        scan->at++;
    }
    return true;
}

static bool unicode_escape(struct json_scan *scan, uint32_t *code_point,
                           struct error *err)
{
    uint32_t high = 0, low = 0;

    if (!hex_unit(scan, &high, err))
        return false;
    if (high == 0 && !scan->nul)
        return json_scan_fail(scan, err, "NUL in a string");
    if (high < 0xd800 || high > 0xdfff) {
        *code_point = high;
        return true;
    }
    if (high > 0xdbff || scan->end - scan->at < 6 || scan->at[0] != '\\' ||
        scan->at[1] != 'u')
        return json_scan_fail(scan, err, "lone surrogate");
    scan->at += 2;
    if (!hex_unit(scan, &low, err))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return json_scan_fail(scan, err, "lone surrogate");
    *code_point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* Takes one escape, behind its backslash, and writes what it stands for. */
static bool escape(struct json_scan *scan, char **out, struct error *err)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";
    const char *found;
    uint32_t code_point = 0;

    if (scan->at == scan->end)
        return json_scan_fail(scan, err, "unterminated string");
    if (*scan->at == 'u') {
        scan->at++;
        if (!unicode_escape(scan, &code_point, err))
            return false;
        *out += utf8_put(code_point, *out);
        return true;
    }
    found = *scan->at ? strchr(letters, *scan->at) : NULL;
    if (!found)
        return json_scan_fail(scan, err, "unknown escape");
    *(*out)++ = bytes[found - letters];
    scan->at++;
    return true;
}

/* The end of the string whose first escape is at scan->at, NULL if none. */
static const char *closing_quote(const struct json_scan *scan)
{
    for (const char *at = scan->at; at < scan->end; at++) {
        if (*at == '"')
            return at;
        if (*at == '\\')
            at++;
    }
    return NULL;
}

/* A string with escapes is never longer decoded than it is written. */
static bool decode_string(struct json_scan *scan, const char *first,
                          const char **text, size_t *size, struct error *err)
{
    const char *quote = closing_quote(scan);
    char *copy, *out;

    if (!quote)
        return json_scan_fail(scan, err, "unterminated string");
    copy = arena_alloc(scan->arena, (size_t)(quote - first) + 4);
    if (!copy)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a string");
    out = copy;
    for (;;) {
        memcpy(out, first, (size_t)(scan->at - first));
        out += scan->at - first;
        if (*scan->at == '"')
            break;
        scan->at++;
        if (!escape(scan, &out, err))
            return false;
        first = scan->at;
        if (!skip_plain(scan, err))
            return false;
    }
    scan->at++;
    *text = copy;
    *size = (size_t)(out - copy);
    return true;
}

bool json_scan_string(struct json_scan *scan, const char **text, size_t *size,
                      struct error *err)
{
    const char *first;

    if (json_scan_peek(scan) != '"')
        return json_scan_fail(scan, err, "expected a string");
    first = ++scan->at;
    if (!skip_plain(scan, err))
        return false;
    if (*scan->at == '\\')
        return decode_string(scan, first, text, size, err);
    *text = first;
    *size = (size_t)(scan->at - first);
    scan->at++;
    return true;
}

static size_t take_digits(struct json_scan *scan)
{
    const char *first = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - first);
}

static bool take_byte(struct json_scan *scan, char byte)
{
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

bool json_scan_number(struct json_scan *scan, const char **text, size_t *size,
                      struct error *err)
{
    const char *first;

    (void)json_scan_peek(scan);
    first = scan->at;
    (void)take_byte(scan, '-');
    if (!take_byte(scan, '0') && take_digits(scan) == 0)
        return json_scan_fail(scan, err, "expected a value");
    if (take_byte(scan, '.') && take_digits(scan) == 0)
        return json_scan_fail(scan, err, "expected a digit");
    if (take_byte(scan, 'e') || take_byte(scan, 'E')) {
        if (!take_byte(scan, '+'))
            (void)take_byte(scan, '-');
        if (take_digits(scan) == 0)
            return json_scan_fail(scan, err, "expected a digit");
    }
    *text = first;
    *size = (size_t)(scan->at - first);
    return true;
}

bool json_scan_literal(struct json_scan *scan, char *literal, struct error *err)
{
    static const char *const words[] = {"true", "false", "null"};

    (void)json_scan_peek(scan);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);

        if ((size_t)(scan->end - scan->at) >= length &&
            memcmp(scan->at, words[i], length) == 0) {
            scan->at += length;
            *literal = words[i][0];
            return true;
        }
    }
    return json_scan_fail(scan, err, "expected a value");
}

bool json_scan_end(struct json_scan *scan, struct error *err)
{
    (void)json_scan_peek(scan);
    if (scan->at == scan->end)
        return true;
    return json_scan_fail(scan, err, "text after the value");
}

bool json_scan_skip_scalar(struct json_scan *scan, struct error *err)
{
    const char *text;
    size_t size;
    char literal;

    switch (json_scan_peek(scan)) {
    case '"':
        return json_scan_string(scan, &text, &size, err);
    case 't':
    case 'f':
    case 'n':
        return json_scan_literal(scan, &literal, err);
    default:
        return json_scan_number(scan, &text, &size, err);
    }
}

enum { SKIP_DEPTH_MAX = 64 };

/* The containers that are open while a value is skipped. */
struct nesting {
    char open[SKIP_DEPTH_MAX]; /* '{' or '[' */
    int level, most;
};

/* Takes "key:" when the innermost open container is an object. */
static bool skip_key(struct json_scan *scan, char container, struct error *err)
{
    const char *text;
    size_t size;

    if (container != '{')
        return true;
    return json_scan_string(scan, &text, &size, err) &&
           json_scan_expect(scan, ':', err);
}

/* Takes the opening of a container and its first key; `*whole` if it is empty
 * and has ended, too. */
static bool skip_opening(struct json_scan *scan, struct nesting *nesting,
                         bool *whole, struct error *err)
{
    char open = *scan->at;

    if (nesting->level >= nesting->most)
        return json_scan_fail(scan, err, "nested too deep");
    scan->at++;
    *whole = json_scan_accept(scan, open == '{' ? '}' : ']');
    if (*whole)
        return true;
    nesting->open[nesting->level++] = open;
    return skip_key(scan, open, err);
}

/*
 * Behind a value: closes containers until a comma says that another value
 * follows, or until none is open.
 */
static bool skip_closings(struct json_scan *scan, struct nesting *nesting,
                          struct error *err)
{
    while (nesting->level > 0) {
        char open = nesting->open[nesting->level - 1];

        if (json_scan_accept(scan, ','))
            return skip_key(scan, open, err);
        if (!json_scan_expect(scan, open == '{' ? '}' : ']', err))
            return false;
        nesting->level--;
    }
    return true;
}

bool json_scan_skip(struct json_scan *scan, int depth, const char **text,
                    size_t *size, struct error *err)
{
    struct nesting nesting;

    nesting.level = 0;
    nesting.most = depth < SKIP_DEPTH_MAX ? depth : SKIP_DEPTH_MAX;
    (void)json_scan_peek(scan);
    *text = scan->at;
    do {
        char next = json_scan_peek(scan);
        bool container = next == '{' || next == '[', whole = true;

        if (!(container ? skip_opening(scan, &nesting, &whole, err)
                        : json_scan_skip_scalar(scan, err)))
            return false;
        if (whole && !skip_closings(scan, &nesting, err))
            return false;
    } while (nesting.level > 0);
    *size = (size_t)(scan->at - *text);
    return true;
}
