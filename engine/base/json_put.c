/*
 * json_put: copies runs of plain bytes, writes the others one by one.
 */
#include "json_put.h"

#include <stdbool.h>
#include <string.h>

#include "utf8.h"

/* Bytes that stand for themselves inside a string. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte < 0x7f;
}

/* Writes the byte, or the UTF-8 sequence, that is not plain; its length. */
static size_t put_special(struct buf *out, const char *text, size_t size)
{
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    unsigned char byte = (unsigned char)*text;
    const char *found = byte ? strchr(named, byte) : NULL;
    size_t length = utf8_length(text, size);

    if (found) {
        char escape[2] = {'\\', letters[found - named]};

        buf_append(out, escape, 2);
    } else if (byte < 0x20 || byte == 0x7f) {
        buf_printf(out, "\\u%04x", byte);
    } else if (length == 0) {
        buf_string(out, "\xef\xbf\xbd"); /* U+FFFD */
        return 1;
    } else {
        buf_append(out, text, length);
    }
    return length;
}

void json_put_string(struct buf *out, const char *text, size_t size)
{
    size_t at = 0;

    buf_char(out, '"');
    while (at < size) {
        size_t first = at;

        while (at < size && is_plain((unsigned char)text[at]))
            at++;
        buf_append(out, text + first, at - first);
        if (at < size)
            at += put_special(out, text + at, size - at);
    }
    buf_char(out, '"');
}

void json_put_text(struct buf *out, const char *text)
{
    json_put_string(out, text, strlen(text));
}
