/*
 * Secret: see secret.h.
 */
#include "secret.h"

#include <string.h>

bool secret_same(const char *given, const char *secret)
{
    size_t length = strlen(secret);
    unsigned difference = 0;

    if (strlen(given) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)secret[i];
    return difference == 0;
}
