/*
 * SHA-256: the one seam to the library that computes it.
 *
 * Threads: one per state; no state of its own.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>

enum { SHA256_HEX = 65 }; /* 64 digits and the NUL */

/* Of everything that was added since sha256_new(); allocated there. */
struct sha256;

/* NULL when memory is out. */
struct sha256 *sha256_new(void);

void sha256_add(struct sha256 *hash, const void *bytes, size_t size);

/* Writes the digits, lower case, and starts anew. */
void sha256_hex(struct sha256 *hash, char hex[SHA256_HEX]);

/* NULL is fine. */
void sha256_free(struct sha256 *hash);

#endif
