/*
 * Address: what a numeric network address says by itself.
 *
 * Threads: any.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>

/* The text is a numeric IPv4 or IPv6 address. */
bool address_is_numeric(const char *text);

/* It is one that no other machine reaches: 127/8, ::1, ::ffff:127/104. */
bool address_is_loopback(const char *text);

#endif
