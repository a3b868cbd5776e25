/*
 * Authority: see authority.h.
 */
#include "authority.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool authority_read(const char *text, char authority[AUTHORITY_SIZE],
                    struct error *err)
{
    size_t length = strcspn(text, "/");
    char copy[AUTHORITY_SIZE];
    const char *colon;
    char *end;
    long port;

    if (length == 0 || length >= sizeof copy ||
        (text[length] && text[length + 1]))
        return fail(err, ERR_USAGE, "'%.100s' is not host:port", text);
    memcpy(copy, text, length);
    copy[length] = '\0';
    for (const char *at = copy; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr(".-:[]_", *at))
            return fail(err, ERR_USAGE, "'%.100s' has a bad host", text);
    colon = strrchr(copy, ':');
    if (!colon || colon == copy || !isdigit((unsigned char)colon[1]))
        return fail(err, ERR_USAGE, "'%.100s' has no port", text);
    port = strtol(colon + 1, &end, 10);
    if (*end || port < 1 || port > 65535)
        return fail(err, ERR_USAGE, "'%.100s' has no port", text);
    memcpy(authority, copy, length + 1);
    return true;
}
