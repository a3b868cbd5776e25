/*
 * The alphabet of byte-level tokens: printable Latin-1 is itself, the other 68
 * bytes take U+0100 and up, in their order.
 */
#include "tokenizer_impl.h"

static bool is_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

uint32_t byte_level_char(unsigned char byte)
{
    if (is_itself(byte))
        return byte;
    if (byte <= 0x20)
        return 0x100U + byte;
    if (byte <= 0xa0)
        return 0x121U + (byte - 0x7fU);
    return 0x143;
}

int byte_level_byte(uint32_t cp)
{
    if (cp <= 0xff)
        return is_itself(cp) ? (int)cp : -1;
    if (cp <= 0x120)
        return (int)cp - 0x100;
    if (cp <= 0x142)
        return (int)cp - 0x121 + 0x7f;
    return cp == 0x143 ? 0xad : -1;
}

static bool is_blank(uint32_t cp)
{
    return cp == byte_level_char(' ') || (uc_props(cp) & UC_SPACE) != 0;
}

void tok_count_blanks(const char *token, size_t size, uint16_t out[2])
{
    out[0] = out[1] = 0;
    for (size_t at = 0; at < size && out[0] < UINT16_MAX; out[0]++) {
        if (!is_blank(uc_next(token, &at)))
            break;
    }
    for (size_t end = size; end > 0 && out[1] < UINT16_MAX; out[1]++) {
        if (!is_blank(uc_before(token, end)))
            break;
        do
            end--;
        while (!uc_starts(token[end]));
    }
}
