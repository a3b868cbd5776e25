/*
 * Authority: "host:port" out of what a user writes.
 *
 * Threads: any; no state.
 */
#ifndef CLIENTS_C_AUTHORITY_H
#define CLIENTS_C_AUTHORITY_H

#include <stdbool.h>

#include "error.h"

enum { AUTHORITY_SIZE = 256 };

/*
 * Copies the "host:port" that `text` consists of, but for one slash at its
 * end. The host is a name, an IPv4 address or an IPv6 address in brackets.
 * ERR_USAGE: it is something else.
 */
bool authority_read(const char *text, char authority[AUTHORITY_SIZE],
                    struct error *err);

#endif
