/*
 * Wire scan: walks protobuf bytes before protobuf-c may see them.
 *
 * protobuf-c recurses once per nesting level without a limit, takes any bytes
 * as a string and may need seventy times the input in memory. The scan reads
 * the same bytes once, with a fixed stack of its own and without allocating,
 * and refuses what protobuf-c would choke on. It also adds up what protobuf-c
 * is going to allocate, so that the budget is met before the memory is.
 *
 * Refused: bytes that are no fields, lengths past the end, over-long varints,
 * groups, field number 0, strings that are not UTF-8 or hold a NUL, more
 * levels, fields or memory than below.
 *
 * Threads: any.
 */
#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "contract.h"
#include "error.h"

enum {
    WIRE_MAX_DEPTH = 64,        /* messages in messages, the outermost is 1 */
    WIRE_MAX_FIELDS = 2000000,  /* in the whole input */
    WIRE_MEMORY_PER_BYTE = 4,   /* memory allowed: this per byte of input ... */
    WIRE_MEMORY_BASE = 64 << 20 /* ... and this besides */
};

/*
 * Checks that `size` bytes are a message of type `def` within the limits; every
 * failure is ERR_BAD_REQUEST. Types, presence and ranges of values are checked
 * by others.
 */
bool wire_scan(const struct msg_def *def, const void *bytes, size_t size,
               struct error *err);

#endif
