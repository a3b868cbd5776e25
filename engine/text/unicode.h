/*
 * Unicode as Hugging Face's library sees it: properties, lower case,
 * normalization forms.
 *
 * The parts of that library carry Unicode tables of different ages, so the
 * properties come from a table that was asked of it (unicode_make.py);
 * decomposition and composition are utf8proc's, less the characters that are
 * newer than the library's.
 *
 * Threads: any.
 */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unicode_bits.inc"

extern const uint32_t uc_combos[];
extern const uint16_t uc_index[];
extern const uint8_t uc_blocks[][128];

enum { UC_DECOMPOSED_MAX = 32 };

/* The set of enum uc_bit of a code point up to U+10FFFF. */
static inline uint32_t uc_props(uint32_t cp)
{
    return uc_combos[uc_blocks[uc_index[cp >> 7]][cp & 127]];
}

/*
 * The code point at bytes[*at] of well-formed UTF-8; moves *at behind it.
 */
static inline uint32_t uc_next(const char *bytes, size_t *at)
{
    const unsigned char *p = (const unsigned char *)bytes + *at;

    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *at += 2;
        return ((p[0] & 0x1fU) << 6) | (p[1] & 0x3fU);
    }
    if (p[0] < 0xf0) {
        *at += 3;
        return ((p[0] & 0x0fU) << 12) | ((p[1] & 0x3fU) << 6) | (p[2] & 0x3fU);
    }
    *at += 4;
    return ((p[0] & 0x07U) << 18) | ((p[1] & 0x3fU) << 12) |
           ((p[2] & 0x3fU) << 6) | (p[3] & 0x3fU);
}

/* Bytes of the character that starts with this byte of well-formed UTF-8. */
static inline size_t uc_size(char first)
{
    unsigned char byte = (unsigned char)first;

    if (byte < 0x80)
        return 1;
    if (byte < 0xe0)
        return 2;
    return byte < 0xf0 ? 3 : 4;
}

/* Is this byte the first of a character? */
static inline bool uc_starts(char byte)
{
    return ((unsigned char)byte & 0xc0U) != 0x80;
}

/* Code points in well-formed UTF-8. */
size_t uc_count(const char *bytes, size_t size);

/* The code point before bytes[at], at > 0. */
uint32_t uc_before(const char *bytes, size_t at);

/* Writes the lower case, one or two code points; returns how many. */
size_t uc_lower(uint32_t cp, uint32_t out[2]);

/* Writes the full decomposition, canonical or compatible; returns its length. */
size_t uc_decompose(uint32_t cp, bool compatible,
                    uint32_t out[UC_DECOMPOSED_MAX]);

/* The canonical combining class. */
unsigned uc_combining(uint32_t cp);

/* What the two compose to canonically; 0 if they do not. */
uint32_t uc_compose(uint32_t first, uint32_t second);

#endif
