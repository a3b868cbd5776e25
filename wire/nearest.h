/*
 * Nearest name: what somebody meant who wrote a field that does not exist.
 *
 * Threads: any; no state.
 */
#ifndef WIRE_NEAREST_H
#define WIRE_NEAREST_H

#include <stddef.h>

#include "contract.h"

/* The key of the field whose name is closest to the `size` bytes of `key`, or
 * NULL if none is close: at most a third of it, and one byte, differ. */
const char *nearest_field(const struct msg_def *def, const char *key,
                          size_t size);

#endif
