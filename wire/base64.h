/*
 * Base64: bytes in JSON (RFC 4648).
 *
 * Threads: any; no state.
 */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that base64_encode() writes for `size` bytes. */
static inline size_t base64_encoded_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

/* Room that base64_decode() needs for `size` characters. */
static inline size_t base64_decoded_size(size_t size)
{
    return size / 4 * 3 + 3;
}

/* Writes the standard alphabet with padding, without a NUL. */
void base64_encode(const uint8_t *bytes, size_t size, char *out);

/*
 * Reads either alphabet, with or without padding. False for any other byte, a
 * wrong length or bits that belong to no byte; `*out_size` is what was written.
 */
bool base64_decode(const char *text, size_t size, uint8_t *out,
                   size_t *out_size);

#endif
