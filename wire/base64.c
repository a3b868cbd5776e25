/*
 * Base64, both alphabets on input, the standard one on output.
 */
#include "base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t size, char *out)
{
    size_t at = 0;

    for (; size - at >= 3; at += 3) {
        uint32_t three = (uint32_t)bytes[at] << 16 |
                         (uint32_t)bytes[at + 1] << 8 | bytes[at + 2];

        *out++ = alphabet[three >> 18];
        *out++ = alphabet[three >> 12 & 63];
        *out++ = alphabet[three >> 6 & 63];
        *out++ = alphabet[three & 63];
    }
    if (at < size) {
        bool two = size - at == 2;
        uint32_t rest = (uint32_t)bytes[at] << 16 |
                        (two ? (uint32_t)bytes[at + 1] << 8 : 0);

        *out++ = alphabet[rest >> 18];
        *out++ = alphabet[rest >> 12 & 63];
        *out++ = (char)(two ? alphabet[rest >> 6 & 63] : '=');
        *out = '=';
    }
}

/* The six bits of a digit, -1 for anything else. */
static int digit_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+' || digit == '-')
        return 62;
    if (digit == '/' || digit == '_')
        return 63;
    return -1;
}

bool base64_decode(const char *text, size_t size, uint8_t *out,
                   size_t *out_size)
{
    uint32_t bits = 0;
    unsigned held = 0; /* bits in `bits` that are not written yet */
    size_t used = 0, padding = 0;

    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    if (padding && size % 4)
        return false;
    size -= padding;
    if (size % 4 == 1 || (padding && (size + padding) % 4))
        return false;
    for (size_t i = 0; i < size; i++) {
        int value = digit_value(text[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[used++] = (uint8_t)(bits >> held);
            bits &= (1U << held) - 1;
        }
    }
    *out_size = used;
    return bits == 0;
}
