/*
 * SHA-256: nettle's, which GnuTLS brings along and which uses the processor's
 * own instructions where there are any.
 */
#include "sha256.h"

#include <nettle/sha2.h>
#include <stdlib.h>

struct sha256 {
    struct sha256_ctx context;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *hash = malloc(sizeof *hash);

    if (hash)
        sha256_init(&hash->context);
    return hash;
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t size)
{
    sha256_update(&hash->context, size, bytes);
}

void sha256_hex(struct sha256 *hash, char hex[SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[SHA256_DIGEST_SIZE];

    sha256_digest(&hash->context, sizeof bytes, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[SHA256_HEX - 1] = '\0';
}

void sha256_free(struct sha256 *hash)
{
    free(hash);
}
