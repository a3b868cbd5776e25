/*
 * UTF-8 by table 3-7 of the Unicode standard.
 */
#include "utf8.h"

#include <string.h>

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0U) == 0x80U;
}

/* The second byte's range depends on the first: no overlong, no surrogate. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return is_tail(second);
    }
}

static size_t length_by_first(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

size_t utf8_length(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = size ? length_by_first(bytes[0]) : 0;

    if (length == 0 || length > size)
        return 0;
    if (length > 1 && !second_fits(bytes[0], bytes[1]))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!is_tail(bytes[i]))
            return 0;
    return length;
}

/* How many ASCII bytes the text begins with, counted in eights. */
static size_t ascii_bytes(const char *text, size_t size)
{
    size_t at = 0;
    uint64_t eight;

    for (; size - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        if ((eight & 0x8080808080808080U) != 0)
            break;
    }
    return at;
}

bool utf8_valid(const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t length;

        at += ascii_bytes(text + at, size - at);
        if (at == size)
            break;
        length = utf8_length(text + at, size - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

void utf8_mend(char *text)
{
    size_t size = strlen(text);

    for (size_t at = 0; at < size;) {
        size_t length = utf8_length(text + at, size - at);

        if (length == 0)
            text[at] = '?';
        at += length ? length : 1;
    }
}

size_t utf8_put(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0U | (code_point >> 6));
        out[1] = (char)(0x80U | (code_point & 0x3fU));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0U | (code_point >> 12));
        out[1] = (char)(0x80U | ((code_point >> 6) & 0x3fU));
        out[2] = (char)(0x80U | (code_point & 0x3fU));
        return 3;
    }
    out[0] = (char)(0xf0U | (code_point >> 18));
    out[1] = (char)(0x80U | ((code_point >> 12) & 0x3fU));
    out[2] = (char)(0x80U | ((code_point >> 6) & 0x3fU));
    out[3] = (char)(0x80U | (code_point & 0x3fU));
    return 4;
}
